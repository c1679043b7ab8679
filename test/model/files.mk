# SPDX-License-Identifier: MIT
# The model checker links the kernel's own mm/.
HOST_TESTS += model
model_test_CFLAGS := -Itest/host/arch
model_test_SRCS := test/model/main.c test/model/world.c test/model/oracle.c test/model/change.c test/model/hash.c test/model/explore.c test/model/random.c $(HOST_MM_SRCS)
