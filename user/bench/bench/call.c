// SPDX-License-Identifier: MIT
// Calls to vm and files as C programs make them: fork, mmap, mprotect, pipes. The C library is counted, as it is in the
// Linux figures.
#include "bench.h"

#define AREA (64 * KIB)

static void row_fork(const char *name, size_t touched)
{
	char *area = touched ? area_map(touched) : NULL;

	for (size_t at = 0; at < touched; at += PAGE_SIZE)
		area[at] = 1;
	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS / 2; i++) {
		u64 before = arch_cycles();
		pid_t child = fork();

		if (child < 0)
			bench_fail("fork");
		if (!child)
			_exit(0);
		child_wait(child);
		sample_add(samples, arch_cycles() - before - 1);
	}
	row_median(name);
	if (area)
		area_unmap(area, touched);
}

void rows_fork(void)
{
	row_fork("fork_exit_0m", 0);
	row_fork("fork_exit_16m", 16 * MIB);
	row_fork("fork_exit_64m", 64 * MIB);
}

static void row_mmap(const char *name, bool touch)
{
	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 before = arch_cycles();
		char *area = area_map(AREA);

		if (touch)
			*(volatile char *)area = 1;
		area_unmap(area, AREA);
		sample_add(samples, arch_cycles() - before - 1);
	}
	row_median(name);
}

static void protect(char *start, size_t bytes, int prot)
{
	if (mprotect(start, bytes, prot))
		bench_fail("mprotect");
}

static void row_mprotect_whole(char *area)
{
	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 before = arch_cycles();

		protect(area, AREA, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ);
		sample_add(samples, arch_cycles() - before - 1);
	}
	row_median("mprotect_whole");
}

// The middle becomes read-only, so there are three areas; then it becomes as it was, and there is one.
static void row_mprotect_split(char *area)
{
	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 before = arch_cycles();

		protect(area + AREA / 4, AREA / 2, PROT_READ);
		protect(area + AREA / 4, AREA / 2, PROT_READ | PROT_WRITE);
		sample_add(samples, arch_cycles() - before - 1);
	}
	row_median("mprotect_split");
}

void rows_mapping(void)
{
	char *area;

	row_mmap("mmap_munmap", false);
	row_mmap("mmap_touch_munmap", true);
	area = area_map(AREA);
	area[0] = 1;
	row_mprotect_whole(area);
	row_mprotect_split(area);
	area_unmap(area, AREA);
}

static void echo(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1)
		if (write(to, &byte, 1) != 1)
			_exit(1);
	_exit(0);
}

void rows_pipe(void)
{
	int out[2], back[2];
	pid_t child;

	if (pipe(out) || pipe(back))
		bench_fail("pipe");
	child = fork();
	if (child < 0)
		bench_fail("fork");
	if (!child) {
		close(out[1]);
		close(back[0]);
		echo(out[0], back[1]);
	}
	close(out[0]);
	close(back[1]);
	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		char sent = (char)i, byte = 0;
		u64 before = arch_cycles();

		if (write(out[1], &sent, 1) != 1 || read(back[0], &byte, 1) != 1)
			bench_fail("pipe");
		sample_add(samples, arch_cycles() - before - 1);
		if (byte != sent)
			bench_fail("another byte came back");
	}
	row_median("pipe_rt");
	close(out[1]);
	child_wait(child);
	close(back[0]);
}
