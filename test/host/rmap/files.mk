HOST_TESTS += rmap
rmap_test_SRCS := test/host/rmap/rmap_test.c $(addprefix user/pager/rmap/,$(rmap_CORE))
