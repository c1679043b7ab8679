# SPDX-License-Identifier: MIT
# Tests of mm/ on a fake machine (test/host/arch, machine.c).
HOST_MM_SRCS := test/host/mm/machine.c $(wildcard mm/*.c)

HOST_TESTS += mm
mm_test_CFLAGS := -Itest/host/arch
mm_test_SRCS := test/host/mm/mm_test.c $(HOST_MM_SRCS)
