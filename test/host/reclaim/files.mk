# reclaim's core between a fake kernel, a small vm and a fake disk.
HOST_TESTS += reclaim
reclaim_test_SRCS := test/host/reclaim/reclaim_test.c test/host/reclaim/world.c lib/pager/ring.c lib/pager/channel.c lib/pager/state.c \
	$(addprefix user/pager/reclaim/,$(reclaim_CORE))
reclaim_test_CFLAGS := -Itest/host/reclaim/fake
