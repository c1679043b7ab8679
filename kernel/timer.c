// SPDX-License-Identifier: MIT
// Deadlines of waits and time slices. The deadline list is sorted; it is as long as the number of threads that sleep.
//
// The hardware timer is only ever moved to an earlier tick: a later one costs an early interrupt that finds nothing to
// do, which is cheaper than a firmware call on every switch.
#include <kernel/ipc.h>
#include <kernel/trap.h>

#define SLICE_MS 10

static struct thread *deadlines; // earliest first

static u64 slice_ticks(void)
{
	return arch_timer_hz() / 1000 * SLICE_MS;
}

static u64 ns_to_ticks(u64 ns)
{
	u64 hz = arch_timer_hz();
	u64 ticks = ns / 1000000000 * hz + ns % 1000000000 * hz / 1000000000;
	return ns >= ~0ul / 2 ? ~0ul - 1 : ticks;
}

static void timer_insert(struct thread *t, u64 tick)
{
	assert(!t->deadline);
	t->deadline = MAX(tick, 1ul);
	struct thread **at = &deadlines, *prev = NULL;
	while (*at && (*at)->deadline <= t->deadline) {
		prev = *at;
		at = &prev->timer_next;
	}
	t->timer_next = *at;
	t->timer_prev = prev;
	if (*at)
		(*at)->timer_prev = t;
	*at = t;
}

void timer_arm(struct thread *t, u64 deadline_ns)
{
	timer_insert(t, ns_to_ticks(deadline_ns));
}

void timer_arm_in(struct thread *t, u64 ns)
{
	timer_insert(t, MIN(arch_time() + ns_to_ticks(MIN(ns, ~0ul >> 2)), ~0ul - 1));
}

void timer_cancel(struct thread *t)
{
	if (!t->deadline)
		return;
	if (t->timer_prev)
		t->timer_prev->timer_next = t->timer_next;
	else
		deadlines = t->timer_next;
	if (t->timer_next)
		t->timer_next->timer_prev = t->timer_prev;
	t->deadline = 0;
	t->timer_next = t->timer_prev = NULL;
}

// A slice runs from when somebody first waits for the processor until it expires, also when nobody waits any more: the
// fast paths may then queue a thread without asking for a timer.
void timer_update(struct hart *h)
{
	u64 next = deadlines ? deadlines->deadline : ~0ul;
	if (unlikely(h->ready_map && !h->slice_on)) {
		h->slice_on = true;
		h->slice_end = arch_time() + slice_ticks();
	}
	if (h->slice_on)
		next = MIN(next, h->slice_end);
	if (next < h->deadline_set) {
		h->deadline_set = next;
		arch_timer_set(next);
	}
}

// Expired waits end with TIMEDOUT; an expired slice rotates the queue.
void timer_interrupt(void)
{
	struct hart *h = arch_hart();
	u64 now = arch_time();
	if (now < h->deadline_set)
		return;
	trace(EVENT_TIMER, h->deadline_set, 0, 0);
	h->deadline_set = ~0ul;
	arch_timer_set(~0ul);
	while (deadlines && deadlines->deadline <= now) {
		struct thread *t = deadlines;
		if (t->in_fault) {
			fault_deadline(t);
			continue;
		}
		thread_unwait(t);
		ctx_set_status(&t->ctx, -ERR_TIMEDOUT);
		sched_ready(t);
	}
	if (h->slice_on && now >= h->slice_end) {
		h->slice_on = false;
		sched_preempt();
	}
}
