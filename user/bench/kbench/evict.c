// SPDX-License-Identifier: MIT
// The kernel's part of page-out: a dirty frame that n address spaces share is write-protected (BEGIN), written (by
// nobody here), taken out of all of them, and freed. Nothing else is mapped near it, so every walk goes through all
// levels.
#include "kbench.h"

#include <base/panic.h>
#include <base/string.h>
#include <timed.h>

#define SPACES 32
#define TOKEN  77

static cptr_t space[SPACES];
static u64 places[SPACES][2]; // as the argument page wants them

static void spaces_make(cptr_t pager)
{
	for (u32 i = 0; i < SPACES; i++) {
		space[i] = lab_make(&bench, TYPE_ASPACE, 0);
		places[i][0] = bench.id;
		places[i][1] = FAULT_VA;
		lab_check("a window", sys_aspace_ctl(space[i], ASOP_WINDOW, 0, USER_BASE, ARGUMENT_VA, pager,
						     SLOT_SELF_POOL, 0, NULL, NULL, NULL, NULL));
	}
}

// A frame that all of them map and one has written to.
static frame_t frame_shared(u32 n)
{
	frame_t frame = lab_frame(SLOT_SELF_POOL);

	for (u32 i = 0; i < n; i++)
		lab_check("to share a frame", sys_map(space[i], FAULT_VA, SLOT_SELF_POOL, frame, 1,
						      PROT_READ | PROT_WRITE | MAP_TOUCH, 0, 0, 0, NULL, NULL));
	return frame;
}

static void call(const char *what, u64 nr, u64 r[10], struct samples *to, u64 *sum)
{
	u64 cost;
	err_t err = timed_syscall(nr, r, &cost);

	if (err)
		panic("%s: error %d", what, err);
	sample_add(to, cost);
	*sum += cost;
}

static void tokens_check(u32 n)
{
	u64 done, removed, freed, tokens;

	for (u32 i = 0; i < n; i++) {
		lab_check("unmap", sys_unmap(space[i], FAULT_VA, 1, CAP_NULL, 0, 0, &done, &removed, &freed, &tokens));
		if (tokens != 1 || removed)
			panic("place %u of %u holds no token after the eviction", i, n);
	}
}

static void row(u32 n)
{
	static struct samples begin, evict, all;
	char name[] = "mark_begin_00", *digits = name + sizeof(name) - 3;

	begin = evict = all = (struct samples){ 0 };
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		struct samples rest = { 0 };
		u64 sum = 0;
		frame_t frame = frame_shared(n);

		memcpy((void *)ARGUMENT_VA, places, n * sizeof(places[0]));
		call("mark BEGIN", NR_FRAME_MARK, (u64[10]){ SLOT_SELF_POOL, frame, MARK_BEGIN, n }, &begin, &sum);
		call("evict", NR_EVICT, (u64[10]){ SLOT_SELF_POOL, frame, TOKEN, n }, &evict, &sum);
		call("mark END", NR_FRAME_MARK, (u64[10]){ SLOT_SELF_POOL, frame, MARK_END }, &rest, &sum);
		call("free", NR_FRAME_FREE, (u64[10]){ SLOT_SELF_POOL, 0, frame }, &rest, &sum);
		sample_add(&all, sum);
		tokens_check(n);
	}
	digits[0] = '0' + n / 10;
	digits[1] = '0' + n % 10;
	if (n < 10)
		digits[0] = digits[1], digits[1] = 0;
	row_print(name, samples_median(&begin));
	memcpy(name + 5, "evict_", 6);
	row_print(name + 5, samples_median(&evict));
	if (n == 1)
		row_print("page_out_kernel", samples_median(&all));
}

void rows_evict(void)
{
	spaces_make(lab_make(&bench, TYPE_ENDPOINT, 0));
	row(1);
	row(8);
	row(32);
}
