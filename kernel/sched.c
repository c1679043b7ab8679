// SPDX-License-Identifier: MIT
// Fixed-priority preemptive scheduling, round robin within a priority. One ready queue set per hart.
//
// Invariants: ready_map bit p == ready[p] not empty; the low byte of the gate is the highest such p (0: none; priority
// 0 never runs before idle, so 0 is no loss); hart->cur is RUNNING and on no queue. hart->next is the most urgent
// thread that became READY since the kernel was entered, on no queue: mostly it runs next, and never pays for a queue.
// It is NULL outside the kernel, and so `ahead` is false there for every thread.
//
// A call is part of its caller's turn: the processor goes over to the server and comes back with the answer, before
// others of that priority, by the fast paths and by the slow ones (sched_hand_over). Who is woken otherwise, or has
// used up its slice, queues up behind them.
#include <kernel/fastpath.h>
#include <kernel/ipc.h>
#include <kernel/object.h>
#include <kernel/trace.h>
#include <kernel/trap.h>
#include <mm/pool.h>

#define PRINCIPAL_STEPS 8 // servers between a program and the one that runs: more do not call each other

static void gate_set(struct hart *h, u32 best)
{
	h->tlb.gate = (h->tlb.gate & ~0xfful) | best;
}

static u32 gate_best(const struct hart *h)
{
	return h->tlb.gate & 0xff;
}

static void ready_insert(struct hart *h, struct thread *t)
{
	queue_insert(&h->ready[t->priority], t);
	if (t->ahead) {
		t->ahead = false;
		h->ready[t->priority] = t; // the last of the ring becomes its first
	}
	h->ready_map |= 1ul << t->priority;
	if (t->priority > gate_best(h))
		gate_set(h, t->priority);
}

static void ready_remove(struct hart *h, struct thread *t)
{
	queue_remove(&h->ready[t->priority], t);
	if (h->ready[t->priority])
		return;
	h->ready_map &= ~(1ul << t->priority);
	if (t->priority == gate_best(h))
		gate_set(h, h->ready_map ? highest_bit(h->ready_map) : 0);
}

void sched_ready(struct thread *t)
{
	struct hart *h = t->hart;
	assert(t->state != THREAD_READY && t->state != THREAD_RUNNING);
	t->state = THREAD_READY;
	struct thread *other = h->next;
	if (other && other->priority > t->priority) {
		ready_insert(h, t);
		return;
	}
	h->next = t;
	if (other)
		ready_insert(h, other);
}

void sched_hand_over(struct thread *t)
{
	const struct hart *h = t->hart;
	t->ahead = !(h->tlb.gate & GATE_SLICE && t->priority == h->slice_priority);
	sched_ready(t);
}

void sched_remove(struct thread *t)
{
	struct hart *h = t->hart;
	assert(t->state == THREAD_READY);
	if (h->next != t) {
		ready_remove(h, t);
		return;
	}
	h->next = NULL;
	t->ahead = false;
}

// Where it waits in a queue of an endpoint or notification, or NULL.
static struct thread **wait_queue(struct thread *t)
{
	struct endpoint *ep = t->wait;
	struct notification *n = t->wait;
	switch (t->state) {
	case THREAD_WAIT_SEND:
		return &ep->senders;
	case THREAD_WAIT_RECV:
		return &ep->receivers;
	case THREAD_WAIT_NOTIFY:
		return &n->waiters;
	}
	return NULL;
}

void sched_set_priority(struct thread *t, u8 priority)
{
	struct thread **queue = wait_queue(t);
	bool ready = t->state == THREAD_READY;
	if (ready)
		sched_remove(t);
	if (queue)
		queue_remove(queue, t);
	t->priority = priority;
	if (queue)
		queue_insert(queue, t);
	if (ready) {
		t->state = THREAD_STOPPED;
		sched_ready(t);
	}
}

// Whom a server that runs works for: the thread that waits for its answer, or for the answer to that one. A server that
// has parked its last request counts as working for it. The steps are bounded, since `serving` may be out of date.
static const struct thread *sched_principal(const struct thread *t)
{
	for (u32 i = 0; i < PRINCIPAL_STEPS && t->serving && t->serving->state == THREAD_WAIT_REPLY; i++)
		t = t->serving;
	return t;
}

// The time slice is over: the running thread goes to the tail of its queue. If it is a server, the slice was its
// client's, which shall let its peers run: the gate sends the answer to the slow path, where the client queues up.
void sched_preempt(void)
{
	struct hart *h = arch_hart();
	struct thread *t = h->cur;
	if (!t || t->state != THREAD_RUNNING)
		return;
	u8 priority = sched_principal(t)->priority;
	if (priority < t->priority && h->ready[priority]) {
		h->tlb.gate |= GATE_SLICE;
		h->slice_priority = priority;
	}
	if (!h->ready[t->priority])
		return;
	t->state = THREAD_READY;
	ready_insert(h, t);
}

// A running thread that a more urgent one displaces keeps its turn.
static void sched_displace(struct hart *h, struct thread *t)
{
	t->state = THREAD_READY;
	t->ahead = true;
	ready_insert(h, t);
}

// Does somebody in the queues go before `t`, which has just become READY?
static bool sched_behind(const struct hart *h, const struct thread *t)
{
	return h->ready_map && gate_best(h) >= t->priority + t->ahead;
}

static struct thread *sched_pick(struct hart *h)
{
	struct thread *cur = h->cur, *next = h->next;
	bool runs = cur && cur->state == THREAD_RUNNING;
	h->next = NULL;
	if (next && ((runs && cur->priority >= next->priority) || sched_behind(h, next))) {
		ready_insert(h, next);
		next = NULL;
	}
	if (!next && (!h->ready_map || (runs && cur->priority >= gate_best(h))))
		return runs ? cur : NULL;
	if (runs)
		sched_displace(h, cur);
	if (!next) {
		next = h->ready[gate_best(h)];
		ready_remove(h, next);
	}
	next->state = THREAD_RUNNING;
	next->ahead = false;
	return next;
}

static void sched_switch(struct hart *h, struct thread *next)
{
	u64 now = arch_cycles();
	if (h->cur)
		h->cur->cycles += now - h->stamp;
	h->stamp = now;
	if (unlikely(trace_mask) && next && next->introduced != trace_epoch)
		trace_introduce(next);
	trace(EVENT_SWITCH, h->cur ? object_id(h->cur) : 0, next ? object_id(next) : 0, h->cur ? h->cur->state : 0);
	h->cur = next;
}

// The root register follows the thread. An ASID that was recycled is found again here (root 0), also for the address
// space that is loaded.
static void sched_load(struct hart *h, struct aspace *as)
{
	if (h->tlb.as == as && as->root)
		return;
	aspace_activate(as);
	h->tlb.as = as;
	arch_root_switch(as->root);
}

static void sched_events(void)
{
	struct pool_event event;
	while (unlikely(pool_events) && pool_event_take(&event))
		if (event.pool->notify)
			notification_signal(event.pool->notify, event.bits);
}

static always_inline void sched_account(struct hart *h)
{
	u64 spent = arch_cycles() - h->entered;
	if (h->entered && spent > h->irq_off_max) {
		h->irq_off_max = spent;
		h->irq_off_nr = h->entered_nr;
	}
	h->entered = 0;
}

// Nobody runs. Then what is dead is taken apart, and between two steps everything that came in the meantime is heard.
static void sched_idle(struct hart *h, bool work)
{
	if (h->cur)
		sched_switch(h, NULL);
	timer_update(h);
	sched_account(h);
	kernel_unlock();
	if (!work) {
		u64 from = arch_cycles();
		arch_idle();
		h->idle += arch_cycles() - from;
	}
	kernel_lock();
	h->entered = arch_cycles();
	h->entered_nr = ENTRY_INTERRUPT;
	irq_service();
}

static _Noreturn void sched_leave(struct hart *h, struct thread *next)
{
	sched_account(h);
	kernel_unlock();
	arch_return_to_user(&next->ctx);
}

static _Noreturn __attribute__((noinline)) void sched_choose(void)
{
	struct hart *h = arch_hart();
	struct thread *next;
	for (;;) {
		bool more = unlikely(graveyard != 0) && graveyard_step();
		sched_events();
		next = sched_pick(h);
		if (next)
			break;
		sched_idle(h, more);
	}
	if (unlikely(h->tlb.gate & GATE_SLICE) && next->priority <= h->slice_priority)
		h->tlb.gate &= ~GATE_SLICE;
	if (next != h->cur)
		sched_switch(h, next);
	sched_load(h, next->aspace);
	if (unlikely(timer_due(h)))
		timer_update(h);
	sched_leave(h, next);
}

// Mostly a call has woken nobody, and its caller goes on.
_Noreturn void sched_exit(void)
{
	struct hart *h = arch_hart();
	struct thread *cur = h->cur;
	if (unlikely(!cur || cur->state != THREAD_RUNNING || h->next || gate_best(h) > cur->priority))
		sched_choose();
	if (unlikely(graveyard || pool_events || h->tlb.as != cur->aspace || !cur->aspace->root))
		sched_choose();
	if (unlikely(timer_due(h)))
		timer_update(h);
	sched_leave(h, cur);
}
