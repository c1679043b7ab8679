# lib/pager: state segment, ring, parked requests.
HOST_TESTS += pager
pager_test_SRCS := test/host/pager/pager_test.c lib/pager/state.c lib/pager/ring.c lib/pager/channel.c lib/pager/park.c
pager_test_CFLAGS := -Itest/host/pager/fake
pager_test_LIBS := -lpthread
