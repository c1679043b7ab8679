# The runtime's test, a program of the guest: /test/rt_test.
TEST_PROGRAMS += rt_test
rt_test_SRCS := $(addprefix test/rt/,main.c commands.c descriptors.c exec.c heap.c memory.c names.c processes.c stdio.c time.c)
rt_test_DEST := /test/rt_test
# Its subject is what gcc warns of: deep recursion, frees that are wrong.
CFLAGS_test/rt/memory.c := -Wno-infinite-recursion
CFLAGS_test/rt/heap.c := -Wno-use-after-free -Wno-free-nonheap-object -Wno-alloc-size-larger-than
