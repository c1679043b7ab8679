// SPDX-License-Identifier: MIT
/*
 * What a trace point costs. system(EVENT) passes exactly one of its own group, so with only that group let in the
 * difference is one event. Masked off, a point is a test, too small for a difference of system calls: the same inline
 * function (lib/base/trace.h) is counted here.
 */
#include "kbench.h"

#include <base/panic.h>
#include <base/trace.h>
#include <counter.h>
#include <timed.h>

#define GROUP_USER (1ul << (EVENT_USER >> 4))
#define EVENTS     (WARMUP + RUNS) // fewer than the ring holds: every event is recorded
#define POINTS     16

u64 trace_mask; // the kernel's name: that of this server's own points, which stay off

void trace_write(u32 id, u64 a, u64 b, u64 c)
{
	panic("event %x of a point that is off: %lx %lx %lx", id, a, b, c);
}

static u64 mask_set(u64 mask)
{
	u64 old = 0;

	lab_check("the trace mask", sys_system(SLOT_SYSTEM, SYS_TRACE_MASK, mask, 0, 0, &old, NULL, NULL, NULL));
	return old;
}

static u64 cost_of(u64 op)
{
	samples = (struct samples){ 0 };
	for (u32 i = 0; i < EVENTS; i++) {
		u64 cost, r[10] = { SLOT_SYSTEM, op, 0, i, i };
		err_t err = timed_syscall(NR_SYSTEM, r, &cost);

		if (err)
			panic("system operation %lu: error %d", op, err);
		sample_add(&samples, cost);
	}
	return samples_median(&samples);
}

// Tenths of instructions.
static u64 cost_off(void)
{
	u64 before, between, after;

	before = arch_cycles();
	between = arch_cycles();
#pragma GCC unroll 16
	for (u32 i = 0; i < POINTS; i++) {
		trace(EVENT_USER, 0, 0, 0);
		__asm__ volatile("" ::: "memory"); // each point loads the mask, as it does in the kernel
	}
	after = arch_cycles();
	return ((after - between) - (between - before)) * 10 / POINTS;
}

void rows_trace(void)
{
	u64 before = mask_set(0), off, on, written[2], lost[2];

	off = cost_of(SYS_EVENT);
	lab_check("trace counters",
		  sys_system(SLOT_SYSTEM, SYS_TRACE_STAT, 0, 0, 0, &written[0], &lost[0], NULL, NULL));
	(void)mask_set(GROUP_USER);
	on = cost_of(SYS_EVENT);
	(void)mask_set(before);
	lab_check("trace counters",
		  sys_system(SLOT_SYSTEM, SYS_TRACE_STAT, 0, 0, 0, &written[1], &lost[1], NULL, NULL));
	if (written[1] - written[0] != EVENTS || lost[1] != lost[0])
		panic("%lu events were written, %lu lost; %u were made", written[1] - written[0], lost[1] - lost[0],
		      EVENTS);
	row_print("trace_event_on", on - off);
	row_print_tenths("trace_event_off", cost_off());
}
