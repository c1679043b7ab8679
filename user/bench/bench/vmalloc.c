// SPDX-License-Identifier: MIT
// Areas of vmalloc: made and freed, one after the other. A row is the mean of many pairs, so it holds its share of what
// is done for several at once: preparing slots, purging, the pool's growth.
#include <jjok/vmalloc.h>
#include <stdio.h>

#include "bench.h"

#define PAIRS 4096

static void row_pair(const char *name, size_t bytes)
{
	u64 before;

	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		before = arch_cycles();
		void *area = vmalloc(bytes);

		if (!area)
			bench_fail("vmalloc");
		vfree(area);
		sample_add(samples, arch_cycles() - before - 1);
	}
	before = arch_cycles();
	for (u32 i = 0; i < PAIRS; i++)
		vfree(vmalloc(bytes));
	row_print(name, (arch_cycles() - before) / PAIRS);
	printf("%s: %lu in the median of single pairs\n", name, samples_median(samples));
}

void rows_vmalloc(void)
{
	row_pair("vmalloc_free_4k", 4 * KIB);
	row_pair("vmalloc_free_64k", 64 * KIB);
	row_pair("vmalloc_free_1m", MIB);
}
