// SPDX-License-Identifier: MIT
// First touches of anonymous memory.
#include <stdio.h>

#include "bench.h"

#define N      (WARMUP + RUNS)
#define STRIDE 3  // pages: no touch follows the one before, so that nothing is mapped ahead
#define AROUND 16 // pages of one fault in the steady state of fault-around

static char *page_at(char *area, u32 i)
{
	return area + i * PAGE_SIZE;
}

// The page tables of an area are there once one page under each of them is.
static void tables_make(char *area, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += LARGE_PAGES * PAGE_SIZE)
		area[at] = 1;
	area[bytes - 1] = 1;
}

// The median hides what happens now and then, as the refill of vm's magazine with 32 frames does.
static void mean_print(const char *name)
{
	u64 sum = 0;

	for (u32 i = 0; i < RUNS; i++)
		sum += samples->value[i];
	printf("%s: %lu on the average of %u faults\n", name, sum / RUNS, RUNS);
}

static void row_write(void)
{
	size_t bytes = (N + 2) * STRIDE * PAGE_SIZE;
	char *area = area_map(bytes);

	tables_make(area, bytes);
	samples_reset();
	for (u32 i = 0; i < N; i++)
		sample_add(samples, timed_store(page_at(area, (i + 1) * STRIDE - 1), i));
	mean_print("fault_anon_write");
	row_median("fault_anon_write");
	area_unmap(area, bytes);
}

// One touch in each 2 MiB: the table comes with it.
static void row_fresh(void)
{
	size_t step = LARGE_PAGES * PAGE_SIZE, bytes = (N + 1) * step;
	char *area = area_map(bytes);
	char *first = (char *)(((u64)area + step - 1) & -step);

	samples_reset();
	for (u32 i = 0; i < N; i++)
		sample_add(samples, timed_store(first + i * step, i));
	row_median("fault_anon_fresh_2m");
	area_unmap(area, bytes);
}

// Sequential touches, 16 at a time: one of them faults, the others find their page. A sample is 16 pages, loop
// included.
static void row_around(void)
{
	size_t bytes = (N + 2) * AROUND * PAGE_SIZE;
	char *area = area_map(bytes);
	u32 page = 0;

	samples_reset();
	for (; page < AROUND - 1; page++) // 1, 2, 4, 8 pages at a time: after 15 pages, 16
		page_at(area, page)[0] = 1;
	for (u32 i = 0; i < N; i++) {
		u64 before = arch_cycles();

		for (u32 k = 0; k < AROUND; k++)
			*(volatile u64 *)page_at(area, page + k) = i;
		sample_add(samples, arch_cycles() - before - 1);
		page += AROUND;
	}
	row_print_tenths("fault_anon_around16_per_page", samples_median(samples) * 10 / AROUND);
	area_unmap(area, bytes);
}

static void row_read(void)
{
	size_t bytes = (N + 2) * STRIDE * PAGE_SIZE;
	char *area = area_map(bytes);
	u64 value;

	tables_make(area, bytes);
	samples_reset();
	for (u32 i = 0; i < N; i++)
		sample_add(samples, timed_load(page_at(area, (i + 1) * STRIDE - 1), &value));
	row_median("fault_anon_read");
	area_unmap(area, bytes);
}

void rows_fault(void)
{
	row_write();
	row_fresh();
	row_around();
	row_read();
}

// ---- copy on write. The child writes to pages it shares with its parent: copies. Then the parent, alone again, writes
// to its own: reuse.

static void pages_write(char *area)
{
	samples_reset();
	for (u32 i = 0; i < N; i++)
		sample_add(samples, timed_store(page_at(area, i), i + 1));
}

void rows_cow(void)
{
	char *area = area_map(N * PAGE_SIZE);
	pid_t child;

	for (u32 i = 0; i < N; i++)
		page_at(area, i)[0] = 1;
	child = fork();
	if (child < 0)
		bench_fail("fork");
	if (!child) {
		pages_write(area);
		_exit(0);
	}
	child_wait(child);
	row_median("fault_cow_copy");
	pages_write(area);
	row_median("fault_cow_reuse");
	area_unmap(area, N * PAGE_SIZE);
}
