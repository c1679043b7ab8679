// SPDX-License-Identifier: MIT
// A page out, and in again.
#include <stdio.h>
#include <stdlib.h>

#include "work.h"

#define AREA  4096 // pages
#define FIRST 2048 // pages that go before those that are measured
#define OUT   1536 // pages of a row

static char *area;

static volatile u64 *page_at(u64 page)
{
	return (volatile u64 *)(area + page * PAGE_SIZE);
}

static u64 word_of(u64 page, u64 round)
{
	return page * 2654435761u + round;
}

static void wrong(u64 page)
{
	fflush(stdout);
	fprintf(stderr, "bench: page %lu has lost its content\n", page);
	exit(1);
}

// All pages are written. While the first ones go all are looked at once, which finds them in use; those that are
// measured are old.
static void row_out(void)
{
	struct work before, moved;
	u64 spent;

	for (u64 page = 0; page < AREA; page++)
		*page_at(page) = word_of(page, 1);
	pages_shrink(FIRST);
	before = work_now();
	pages_shrink(OUT);
	spent = work_since(&before, &moved);
	printf("swap_out: %lu pages\n", moved.out);
	row_print("swap_out", spent / moved.out);
}

static void everything_out(void)
{
	for (u32 i = 0; i < 4; i++)
		pages_shrink(AREA);
}

static void row_in(const char *name)
{
	struct work before, moved;
	u64 spent;

	everything_out();
	before = work_now();
	for (u64 page = 0; page < OUT; page++)
		if (*page_at(page) != word_of(page, 1))
			wrong(page);
	spent = work_since(&before, &moved);
	printf("%s: %lu pages read\n", name, moved.in);
	row_print(name, spent / OUT);
}

static void row_minor(void)
{
	u64 value;

	everything_out();
	samples_reset();
	for (u64 page = 0; page < WARMUP + RUNS; page++)
		sample_add(samples, timed_load(page_at(page), &value));
	row_median("swap_cache_fault");
}

// Arrays indexed by frame: the kernel's, and reclaim's, which is there since swapon. No other server has one.
static void row_state(void)
{
	printf("bench: page_state_bytes %lu bytes\n",
	       system_stat(SYSSTAT_PAGE_BYTES) + reclaim_count(RECLAIMSTAT_FRAME_BYTES));
}

void rows_swap(void)
{
	row_state();
	area = area_map(AREA * PAGE_SIZE);
	row_out();
	row_in("swap_in_read");
	row_minor();
	if (madvise(area, AREA * PAGE_SIZE, MADV_RANDOM))
		bench_fail("madvise");
	row_in("swap_in_read_1");
	area_unmap(area, AREA * PAGE_SIZE);
}
