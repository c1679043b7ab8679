# The bench: kbench measures the kernel alone, bench what programs see of the whole system.
TEST_SERVERS += kbench
kbench_SRCS := $(addprefix user/bench/kbench/,main.c ipc.c memory.c evict.c trace.c) user/test/lab/lab.c
TEST_FILES += user/bench/bench.manifest:/etc/bench.manifest
TEST_PROGRAMS += bench
bench_SRCS := $(addprefix user/bench/bench/,main.c row.c fault.c call.c system.c)
TEST_PROGRAMS += bench-pagers
bench-pagers_SRCS := $(addprefix user/bench/bench/,pagers.c slab.c vmalloc.c row.c)
TEST_PROGRAMS += bench-swap
bench-swap_SRCS := $(addprefix user/bench/bench/,paging.c swap.c pressure.c row.c work.c)
