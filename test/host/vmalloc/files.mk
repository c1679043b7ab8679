# vmalloc's core on a fake kernel.
HOST_TESTS += vmalloc
vmalloc_test_SRCS := $(addprefix test/host/vmalloc/,vmalloc_test.c fake.c) lib/pager/state.c lib/base/rbtree.c $(vmalloc_CORE)
vmalloc_test_CFLAGS := -Itest/host/vmalloc/fake
