// SPDX-License-Identifier: MIT
// Small objects: the slab server's client, and malloc beside it.
#include <stdio.h>
#include <stdlib.h>

#include <jjok/kmem.h>

#include "bench.h"

#define PAIRS         64
#define BATCH_OBJECTS 4096

static void check(const void *p)
{
	if (!p)
		bench_fail("kmalloc");
}

// An allocation and a free, as a program makes them: calls that the compiler cannot see through, loop included.
static void row_kmalloc_pair(void)
{
	check(kmalloc(64)); // the slab is there
	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 before = arch_cycles();

		for (u32 k = 0; k < PAIRS; k++)
			kfree(kmalloc(64));
		sample_add(samples, arch_cycles() - before - 1);
	}
	row_print_tenths("kmalloc_free_64", samples_median(samples) * 10 / PAIRS);
}

static void row_malloc_pair(void)
{
	check(malloc(64));
	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 before = arch_cycles();

		for (u32 k = 0; k < PAIRS; k++) {
			void *p = malloc(64);

			__asm__ volatile("" : "+r"(p)); // gcc would leave the pair out
			free(p);
		}
		sample_add(samples, arch_cycles() - before - 1);
	}
	row_print_tenths("malloc_free_64", samples_median(samples) * 10 / PAIRS);
}

// 4096 objects, then all of them back: refills, flushes, and (in the first rounds) page faults.
static void row_batch(void)
{
	size_t bytes = BATCH_OBJECTS * sizeof(void *);
	void **object = area_map(bytes);

	samples_reset();
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 before = arch_cycles();

		for (u32 k = 0; k < BATCH_OBJECTS; k++)
			object[k] = kmalloc(64);
		for (u32 k = 0; k < BATCH_OBJECTS; k++)
			kfree(object[k]);
		sample_add(samples, arch_cycles() - before - 1);
		check(object[BATCH_OBJECTS - 1]);
	}
	row_print_tenths("kmalloc_64_batch4096", samples_median(samples) * 10 / BATCH_OBJECTS);
	area_unmap(object, bytes);
}

void rows_slab(void)
{
	row_kmalloc_pair();
	row_batch();
	row_malloc_pair();
}
