HOST_TESTS += console
console_test_SRCS := test/host/console/console_test.c $(console_CORE)
