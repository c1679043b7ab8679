# SPDX-License-Identifier: MIT
# The capability tree of the kernel against a tree of pointers.
HOST_TESTS += cap
cap_test_SRCS := test/host/cap/cap_test.c kernel/cap.c
cap_test_CFLAGS := -Itest/host/arch
