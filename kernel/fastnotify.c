// SPDX-License-Identifier: MIT
// The hot path of notifications: bits for a server that waits on the endpoint they are bound to, or that is at work and
// finds them when it receives next. A more urgent one runs at once, and the running thread keeps its turn. Same rules
// as fastpath.c: inlined, no stack frame, nothing written before every check has passed. Waits by the system call
// `wait`, several receivers and deadlines take the slow path (ipc_notify).
#include <kernel/fastpath.h>

register struct thread *self asm(FASTPATH_SELF);

// The bits are received when the thread runs: deliver_signals of ipc.c, without the detour by an array.
static always_inline void signals_deliver_later(struct thread *t, u64 bits)
{
	struct arch_context *ctx = &t->ctx;
	ctx_set_reg(ctx, R_LABEL, NOTIFY_LABEL);
	ctx_set_reg(ctx, r_word(0), bits);
#pragma GCC unroll 8
	for (u32 i = 1; i < MSG_WORDS; i++)
		ctx_set_reg(ctx, r_word(i), 0);
	ctx_set_reg(ctx, R_FLOW, 0);
	ctx_set_reg(ctx, R_REPLY, 0);
	ctx_set_reg(ctx, R_BADGE, 0);
	ctx_set_reg(ctx, R_NR, 0);
	ctx_set_status(ctx, RECEIVED_BITS); // last: its register is another one's too, which one depends on the CPU
}

void fastpath_notify(u64 index, u64 bits, u64 flow)
{
	struct hart *hart = arch_hart();
	kernel_lock();
	const struct cap *cap = cap_get(self->captable, index, RIGHT_NOTIFICATION_NOTIFY);
	if (unlikely(!cap))
		goto slow;
	const struct notification *n = cap->obj;
	struct endpoint *ep = n->endpoint;
	// A time slice must be running already: arming one is the slow path's.
	if (unlikely(!ep || n->waiters || hart->tlb.gate >> 8 || !hart->slice_on))
		goto slow;
	struct thread *t = ep->receivers;
	if (t) {
		struct aspace *as = t->aspace;
		bool at_once = t->priority > self->priority;
		if (unlikely(t->next != t || t->deadline))
			goto slow;
		if (unlikely(at_once && (hart->tlb.gate >= t->priority || !as->root)))
			goto slow;

		// Point of no return.
		if (flow)
			self->flow = flow;
		t->flow = self->flow;
		t->fault_calls = 0;
		ep->receivers = NULL;
		if (at_once) {
			fastpath_account(hart, self);
			ctx_set_status(&self->ctx, 0);
			fastpath_displace(hart, self);
			fastpath_switch(self, t, as);
			fastpath_leave();
			arch_fast_deliver(&t->ctx, RECEIVED_BITS, NOTIFY_LABEL, 0, 0, 0, bits, 0, 0, 0, 0, 0);
		}
		signals_deliver_later(t, bits);
		fastpath_enqueue(hart, t);
	} else {
		// Point of no return.
		if (flow)
			self->flow = flow;
		ep->signals |= bits;
	}
	fastpath_leave();
	arch_fast_deliver(&self->ctx, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
slow:
	fastpath_decline();
	trap_slow_notify(index, bits, flow);
}
