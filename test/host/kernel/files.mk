# SPDX-License-Identifier: MIT
# Queues of threads and the heap of deadlines against simple oracles.
HOST_TESTS += queue
queue_test_SRCS := test/host/kernel/queue_test.c kernel/queue.c kernel/timer.c
queue_test_CFLAGS := -Itest/host/arch
