// SPDX-License-Identifier: MIT
// Mapping, and the fault whose answer is a prepared frame.
#include "kbench.h"

#include <base/panic.h>
#include <base/string.h>
#include <timed.h>

#define FRAMES (WARMUP + RUNS)

static frame_t frames[BATCH]; // owned, zeroed, not mapped

static void frames_take(void)
{
	u64 done;

	for (u64 n = 0; n < BATCH; n += done) {
		u64 want = BATCH - n < BATCH_FILL ? BATCH - n : BATCH_FILL;

		lab_check("frames", sys_frame_alloc(SLOT_SELF_POOL, 0, want, 0, &done, NULL));
		memcpy(frames + n, (const void *)ARGUMENT_VA, done * sizeof(frame_t));
	}
}

// A page beside the measured ones: their page table is there.
static void table_make(cptr_t aspace, u64 va)
{
	lab_check("a table", sys_map(aspace, va, SLOT_SELF_POOL, lab_frame(SLOT_SELF_POOL), 1, PROT_READ | PROT_WRITE,
				     0, 0, 0, NULL, NULL));
}

static u64 timed_map(u64 va, frame_t frame, u64 count)
{
	u64 cost, r[10] = { SLOT_SELF_ASPACE, va, SLOT_SELF_POOL, frame, count, PROT_READ | PROT_WRITE };

	lab_check("map", timed_syscall(NR_MAP, r, &cost));
	if (r[1] != count)
		panic("map: %lu of %lu pages", r[1], count);
	return cost;
}

static u64 timed_unmap(u64 va)
{
	u64 cost, r[10] = { SLOT_SELF_ASPACE, va, 1 };

	lab_check("unmap", timed_syscall(NR_UNMAP, r, &cost));
	return cost;
}

static void unmap_all(u64 va, u64 count)
{
	u64 done;

	for (; count; count -= done, va += done * PAGE_SIZE)
		lab_check("unmap", sys_unmap(SLOT_SELF_ASPACE, va, count, CAP_NULL, 0, 0, &done, NULL, NULL, NULL));
}

static void rows_map(void)
{
	static struct samples mapped, unmapped;

	table_make(SLOT_SELF_ASPACE, SCRATCH_VA - PAGE_SIZE + LARGE_PAGES * PAGE_SIZE);
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		sample_add(&mapped, timed_map(SCRATCH_VA, frames[0], 1));
		*(volatile u64 *)SCRATCH_VA = i; // as a page that was used: dirty, in the TLB
		sample_add(&unmapped, timed_unmap(SCRATCH_VA));
	}
	row_print("map_4k", samples_median(&mapped));
	row_print("unmap_4k", samples_median(&unmapped));
}

static void row_map_range(void)
{
	samples = (struct samples){ 0 };
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		memcpy((void *)ARGUMENT_VA, frames, sizeof(frames));
		sample_add(&samples, timed_map(SCRATCH_VA, 0, BATCH));
		unmap_all(SCRATCH_VA, BATCH);
	}
	row_print_tenths("map_range_per_page", samples_median(&samples) * 10 / BATCH);
}

static void toucher(void)
{
	for (u32 i = 0; i < FRAMES; i++)
		sample_add(&samples, timed_store((void *)(FAULT_VA + i * PAGE_SIZE), i + 1));
	for (u32 i = 0; i < FRAMES; i++)
		if (((volatile u64 *)FAULT_VA)[i * PAGE_SIZE / 8] != i + 1 ||
		    ((volatile u64 *)FAULT_VA)[i * PAGE_SIZE / 8 + 511])
			panic("page %u has another content", i);
	part_end();
}

// The faults come in the order of the frames.
static u64 pager_flags;

static void pager(void)
{
	panic("the pager's receive failed: error %d",
	      pager_loop(S_PAGER, S_POOL, PROT_READ | PROT_WRITE | MAP_IF_EMPTY | pager_flags, frames));
}

static u64 fault_cost(u64 flags)
{
	u64 done;

	pager_flags = flags;
	parts_run(toucher, pager);
	for (u64 n = 0; n < FRAMES; n += done)
		lab_check("unmap", sys_unmap(domain_a.aspace, FAULT_VA + n * PAGE_SIZE, FRAMES - n, CAP_NULL, 0, 0,
					     &done, NULL, NULL, NULL));
	return samples_median(&samples);
}

void rows_memory(void)
{
	u64 prepared;

	frames_take();
	rows_map();
	row_map_range();
	table_make(domain_a.aspace, FAULT_VA - PAGE_SIZE + LARGE_PAGES * PAGE_SIZE);
	prepared = fault_cost(0);
	row_print("fault_map_prepared", prepared);
	row_print("page_zero", fault_cost(MAP_ZERO) - prepared);
}
