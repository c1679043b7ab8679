# SPDX-License-Identifier: MIT
# Freestanding data structures: kernel, servers and host tests. Programs have picolibc.
LIB_BASE_SRCS := lib/base/string.c lib/base/fmt.c lib/base/rbtree.c
KERNEL_SRCS += $(LIB_BASE_SRCS)
SERVER_LIB_SRCS += $(LIB_BASE_SRCS)
# gcc would turn the loops of memcpy into calls of memcpy
CFLAGS_lib/base/string.c := -fno-tree-loop-distribute-patterns
