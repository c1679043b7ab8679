// SPDX-License-Identifier: MIT
// What the fast paths share. All of it is inlined: they have no stack frame.
#pragma once

#include <kernel/cap.h>
#include <kernel/ipc.h>

// trap.S: the slow paths, entered with the user's registers as they were. They do not return, but are not declared so: only then does the
// compiler jump to them instead of making a frame for a call.
void trap_slow_call(u64 index, u64 label);
void trap_slow_reply_recv(u64 index, u64 label);
void trap_slow_reply_map_recv(u64 index, u64 flags, u64 pool, frame_t frame, frame_t source, u64 word0, u64 word1);
void trap_slow_fault(struct thread *t, u64 access, vaddr_t addr);

// Declining: the slow path takes the lock again. The hart stays in the kernel, so no flush that it owes is due yet.
static always_inline void fastpath_decline(void)
{
	__atomic_store_n(&kernel_lock_word, 0, __ATOMIC_RELEASE);
}

// May `t` be the next to run, here and now? Nothing more urgent or rare waits (gate), no TLB flush is owed, its root register value is valid.
static always_inline bool fastpath_may_run(const struct hart *hart, const struct thread *t)
{
	return likely(hart->gate <= t->priority && t->aspace->root && !hart->tlb.owed);
}

// Out of the kernel with nothing owed: fastpath_may_run has looked, and owing changes under the lock only.
static always_inline void fastpath_leave(struct hart *hart)
{
	__atomic_store_n(&hart->tlb.in_kernel, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&kernel_lock_word, 0, __ATOMIC_RELEASE);
}

// A request without a flow starts one, unless its thread was told which to carry (thread_ctl FLOW).
static always_inline u64 fastpath_new_flow(struct hart *hart, const struct thread *t)
{
	return t->flow_base ? t->flow_base : ++hart->flow;
}

// The hart runs `to` from now on. Processor time is accounted here; the root register is written only when the address space differs
// (a write costs a TLB flush under emulation).
static always_inline void fastpath_switch(struct hart *hart, struct thread *from, struct thread *to)
{
	u64 now = arch_cycles();
	from->cycles += now - hart->stamp;
	hart->stamp = now;
	hart->cur = to;
	if (from->aspace != to->aspace) {
		hart->tlb.as = to->aspace;
		arch_root_switch(to->aspace->root);
	}
}

// `t` waits on `ep`, which has neither senders nor receivers.
static always_inline void fastpath_wait(struct thread *t, struct endpoint *ep, u64 recv_slot)
{
	t->state = THREAD_WAIT_RECV;
	t->wait = ep;
	t->recv_slot = recv_slot;
	t->next = t;
	t->prev = t;
	ep->receivers = t;
}
