HOST_TESTS += files
files_test_CFLAGS := -Itest/host/files
files_test_SRCS := test/host/files/files_test.c test/host/files/model.c test/host/files/state.c test/host/files/host.c lib/pager/park.c $(files_CORE)
