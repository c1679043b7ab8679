// SPDX-License-Identifier: MIT
// Deadlines of waits and time slices.
//
// The deadlines are a leftist heap: no thread's is earlier than its parent's, and the right child's rank (steps to the
// nearest free place) is never larger than the left one's. So the way down the right is as long as the logarithm of the
// number of threads that sleep, and joining two heaps, to which all comes down, takes no more steps.
//
// The hardware timer is only ever moved to an earlier tick: a later one costs an early interrupt that finds nothing to
// do, which is cheaper than a firmware call on every switch.
#include <kernel/ipc.h>
#include <kernel/trap.h>

#define SLICE_MS 10

// Threads whose wait one interrupt ends; for the rest the next one comes at once.
#define TIMER_STEP 16

static struct thread *deadlines; // the earliest, the heap's root

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

static u32 heap_rank(const struct thread *t)
{
	return t ? t->timer_rank : 0;
}

// Children in order, rank: up to the root, or to where nothing changes (`all`: look at all of them).
static void heap_settle(struct thread *t, bool all)
{
	for (; t; t = t->timer_up) {
		struct thread *left = t->timer_left, *right = t->timer_right;
		if (heap_rank(left) < heap_rank(right)) {
			t->timer_left = right;
			t->timer_right = left;
		}
		u32 rank = heap_rank(t->timer_right) + 1;
		if (rank == t->timer_rank && !all)
			return;
		t->timer_rank = rank;
	}
}

// Two heaps become one: down the right of both, the earlier one first.
static struct thread *heap_join(struct thread *a, struct thread *b)
{
	struct thread *root = NULL, *last = NULL;
	while (a && b) {
		struct thread *early = b->deadline < a->deadline ? b : a;
		if (early == a)
			a = a->timer_right;
		else
			b = b->timer_right;
		early->timer_up = last;
		if (last)
			last->timer_right = early;
		else
			root = early;
		last = early;
	}
	struct thread *rest = a ? a : b;
	if (!last)
		return rest;
	last->timer_right = rest;
	if (rest)
		rest->timer_up = last;
	heap_settle(last, true);
	return root;
}

static void timer_insert(struct thread *t, u64 tick)
{
	assert(!t->deadline);
	t->deadline = MAX(tick, 1ul);
	t->timer_rank = 1;
	deadlines = heap_join(deadlines, t);
	deadlines->timer_up = NULL;
	arch_hart()->timer_stale = true;
}

void timer_arm(struct thread *t, u64 deadline_ns)
{
	timer_insert(t, ns_to_ticks(deadline_ns));
}

void timer_arm_in(struct thread *t, u64 ns)
{
	timer_insert(t, MIN(arch_time() + ns_to_ticks(MIN(ns, ~0ul >> 2)), ~0ul - 1));
}

void timer_disarm(struct thread *t)
{
	struct thread *up = t->timer_up, *rest = heap_join(t->timer_left, t->timer_right);
	if (rest)
		rest->timer_up = up;
	if (!up)
		deadlines = rest;
	else if (up->timer_left == t)
		up->timer_left = rest;
	else
		up->timer_right = rest;
	heap_settle(up, false);
	t->deadline = 0;
	t->timer_left = t->timer_right = t->timer_up = NULL;
}

// A slice runs from when somebody first waits for the processor until it expires, also when nobody waits any more: the
// fast paths may then queue a thread without asking for a timer.
void timer_update(struct hart *h)
{
	u64 next = deadlines ? deadlines->deadline : ~0ul;
	h->timer_stale = false;
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
	if (now < h->deadline_set) {
		arch_timer_early(h->deadline_set);
		return;
	}
	trace(EVENT_TIMER, h->deadline_set, 0, 0);
	h->deadline_set = ~0ul;
	h->timer_stale = true;
	arch_timer_set(~0ul);
	for (u32 i = 0; i < TIMER_STEP && deadlines && deadlines->deadline <= now; i++) {
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
