# SPDX-License-Identifier: MIT
HOST_TESTS += base
base_test_SRCS := test/host/base/base_test.c test/host/base/renamed.c lib/base/rbtree.c
