HOST_TESTS += init
init_test_SRCS := test/host/init/init_test.c user/init/manifest.c user/init/resolve.c user/init/graph.c user/init/archive.c
