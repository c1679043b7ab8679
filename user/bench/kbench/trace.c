// SPDX-License-Identifier: MIT
/*
 * What a trace point costs. system(EVENT) passes exactly one of its own group, so with only that group let in the difference is one event.
 * Masked off, the point is compared with system(LOG) of no text, which differs from it in that it has none.
 */
#include "kbench.h"

#include <base/panic.h>
#include <timed.h>

#define GROUP_USER (1ul << (EVENT_USER >> 4))
#define EVENTS (WARMUP + RUNS) // fewer than the ring holds: every event is recorded

static u64 mask_set(u64 mask)
{
	u64 old = 0;

	lab_check("the trace mask", sys_system(SLOT_SYSTEM, SYS_TRACE_MASK, mask, 0, 0, &old, NULL, NULL, NULL));
	return old;
}

static u64 cost_of(u64 op, err_t expected)
{
	samples = (struct samples){ 0 };
	for (u32 i = 0; i < EVENTS; i++) {
		u64 cost, r[10] = { SLOT_SYSTEM, op, 0, i, i };
		err_t err = timed_syscall(NR_SYSTEM, r, &cost);

		if (err != expected)
			panic("system operation %lu: error %d", op, err);
		sample_add(&samples, cost);
	}
	return samples_median(&samples);
}

void rows_trace(void)
{
	u64 before = mask_set(0), off, on, none, written[2], lost[2];

	none = cost_of(SYS_LOG, -ERR_INVAL);
	off = cost_of(SYS_EVENT, 0);
	lab_check("trace counters", sys_system(SLOT_SYSTEM, SYS_TRACE_STAT, 0, 0, 0, &written[0], &lost[0], NULL, NULL));
	(void)mask_set(GROUP_USER);
	on = cost_of(SYS_EVENT, 0);
	(void)mask_set(before);
	lab_check("trace counters", sys_system(SLOT_SYSTEM, SYS_TRACE_STAT, 0, 0, 0, &written[1], &lost[1], NULL, NULL));
	if (written[1] - written[0] != EVENTS || lost[1] != lost[0])
		panic("%lu events were written, %lu lost; %u were made", written[1] - written[0], lost[1] - lost[0], EVENTS);
	row_print("trace_event_on", on - off);
	row_print("trace_event_off", off > none ? off - none : 0);
}
