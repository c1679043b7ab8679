// SPDX-License-Identifier: MIT
// What the fast paths share. All of it is inlined: they have no stack frame.
#pragma once

#include <kernel/cap.h>
#include <kernel/ipc.h>

// trap.S: the slow paths, entered with the user's registers as they were. They do not return, but are not declared so:
// only then does the compiler jump to them instead of making a frame for a call.
void trap_slow_call(u64 index, u64 label);
void trap_slow_reply_recv(u64 index, u64 label);
void trap_slow_reply(u64 index, u64 label);
void trap_idle(void); // the running thread waits, nobody is ready; with the lock
void trap_slow_notify(u64 index, u64 bits, u64 flow);
void trap_slow_reply_map_recv(u64 index, u64 flags, u64 pool, frame_t frame, frame_t source, u64 word0, u64 word1);
void trap_slow_fault(struct thread *t, u64 access, vaddr_t addr);

// Declining: the slow path takes the lock again. The hart stays in the kernel, so no flush that it owes is due yet.
static always_inline void fastpath_decline(void)
{
	arch_spin_unlock(&kernel_lock_word);
}

// May `t` be the next to run, here and now? Nothing more urgent and nothing rare waits (gate: tracing, an owed TLB
// flush), and the root register value of its address space `as` is valid.
static always_inline bool fastpath_may_run(const struct thread *t, const struct aspace *as)
{
	return likely(arch_hart()->tlb.gate <= t->priority && as->root);
}

// Out of the kernel with nothing owed: fastpath_may_run has looked, and owing changes under the lock only.
static always_inline void fastpath_leave(void)
{
	*(volatile u32 *)&arch_hart()->tlb.in_kernel = 0;
	arch_spin_unlock(&kernel_lock_word);
}

// The hart runs `to`, in `as`, from now on. The root register is written only when the address space differs (a write
// costs a TLB flush under emulation). Processor time is not accounted: what a server does for a client by the fast
// paths is the client's time, as a system call's is.
static always_inline void fastpath_switch(const struct thread *from, struct thread *to, struct aspace *as)
{
	to->state = THREAD_RUNNING;
	arch_hart()->cur = to;
	if (from->aspace != as) {
		arch_hart()->tlb.as = as;
		arch_root_write(as->root);
	}
}

// Processor time up to now is of the thread that ran: for switches in which nobody works for it.
static always_inline void fastpath_account(struct hart *hart, struct thread *ran)
{
	u64 now = arch_cycles();
	ran->cycles += now - hart->stamp;
	hart->stamp = now;
}

// The thread waits for the reply to its new request; returns the reply word.
static always_inline u64 fastpath_await_reply(struct thread *t, struct endpoint *ep, struct thread *server)
{
	u64 reply = t->reply + REPLY_NEXT;
	t->reply = reply;
	t->recv_slot = 0; // an earlier call's
	t->state = THREAD_WAIT_REPLY;
	t->wait = ep;
	server->serving = t;
	return reply;
}

// `t` waits on `ep`, which has neither senders nor receivers.
static always_inline void fastpath_wait(struct thread *t, struct endpoint *ep, u64 recv_slot)
{
	t->state = THREAD_WAIT_RECV;
	t->wait = ep;
	t->recv_slot = recv_slot;
	ep->receivers = t; // a queue of one: it is linked to itself
}

// To the tail of its ready queue: all in it have its priority.
static always_inline void fastpath_enqueue(struct hart *hart, struct thread *t)
{
	struct thread **head = &hart->ready[t->priority], *first = *head;
	t->state = THREAD_READY;
	if (first) {
		t->next = first;
		t->prev = first->prev;
		first->prev->next = t;
		first->prev = t;
		return;
	}
	*head = t; // a queue of one: it is linked to itself
	hart->ready_map |= 1ul << t->priority;
	if (t->priority > (u8)hart->tlb.gate)
		hart->tlb.gate = (hart->tlb.gate & ~0xfful) | t->priority;
}

// To the head of its ready queue: it keeps its turn.
static always_inline void fastpath_displace(struct hart *hart, struct thread *t)
{
	fastpath_enqueue(hart, t);
	hart->ready[t->priority] = t;
}

// Take the head of the most urgent ready queue.
static always_inline void fastpath_dequeue(struct hart *hart, struct thread *first)
{
	struct thread *second = first->next;
	if (second != first) {
		second->prev = first->prev;
		first->prev->next = second;
		first->next = first->prev = first;
		hart->ready[first->priority] = second;
		return;
	}
	hart->ready[first->priority] = NULL;
	hart->ready_map &= ~(1ul << first->priority);
	hart->tlb.gate &= ~0xfful;
	if (hart->ready_map)
		hart->tlb.gate |= highest_bit(hart->ready_map);
}
