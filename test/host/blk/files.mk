# The disk driver's core against a device made of memory, that delays, reorders, fails and lies.
HOST_TESTS += blk
blk_test_SRCS := test/host/blk/blk_test.c test/host/blk/fake_disk.c $(blk_CORE) lib/pager/channel.c lib/pager/ring.c lib/pager/state.c \
	lib/base/string.c
blk_test_CFLAGS := -Itest/host/blk/fake -Itest/host/pager/fake
