// SPDX-License-Identifier: MIT
// A program of twice the memory: written, read, written again, one word a page, from the first to the last.
#include <stdio.h>
#include <stdlib.h>

#include "work.h"

#define PAGES (128 * MIB / PAGE_SIZE)

static char *area;

static volatile u64 *page_at(u64 page)
{
	return (volatile u64 *)(area + page * PAGE_SIZE);
}

static void pass_write(u64 round)
{
	for (u64 page = 0; page < PAGES; page++)
		*page_at(page) = page ^ round << 32;
}

static void pass_read(u64 round)
{
	for (u64 page = 0; page < PAGES; page++) {
		if (*page_at(page) == (page ^ round << 32))
			continue;
		fflush(stdout);
		fprintf(stderr, "bench: page %lu has lost its content\n", page);
		exit(1);
	}
}

static void row(const char *name, void (*pass)(u64), u64 round)
{
	struct work before = work_now(), moved;
	u64 spent;

	pass(round);
	spent = work_since(&before, &moved);
	printf("%s: %lu pages out, %lu in\n", name, moved.out, moved.in);
	row_print(name, spent / PAGES);
}

void rows_pressure(void)
{
	u64 limit = reclaim_count(RECLAIMSTAT_POOL_LIMIT), used = reclaim_count(RECLAIMSTAT_POOL_USED);

	printf("pressure: %lu KiB of memory for programs\n", (limit - used) * (PAGE_SIZE / KIB));
	area = area_map(PAGES * PAGE_SIZE);
	row("pressure_write_pass", pass_write, 1);
	row("pressure_read_pass", pass_read, 1);
	row("pressure_rewrite_pass", pass_write, 2);
	pass_read(2);
	area_unmap(area, PAGES * PAGE_SIZE);
}
