# SPDX-License-Identifier: MIT
HOST_TESTS += boot
boot_test_SRCS := test/host/boot/boot_test.c kernel/boot/ranges.c kernel/boot/cmdline.c
