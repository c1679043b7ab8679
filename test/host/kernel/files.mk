# SPDX-License-Identifier: MIT
# Queues of threads and the heap of deadlines against simple oracles; the scheduler against lists that are kept in order.
HOST_TESTS += queue
queue_test_SRCS := test/host/kernel/queue_test.c kernel/queue.c kernel/timer.c
queue_test_CFLAGS := -Itest/host/arch

HOST_TESTS += sched
sched_test_SRCS := test/host/kernel/sched_test.c kernel/queue.c kernel/sched.c
sched_test_CFLAGS := -Itest/host/arch
