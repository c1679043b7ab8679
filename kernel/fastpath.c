// SPDX-License-Identifier: MIT
// The hot three quarters of all system calls: call and reply_recv when the partner waits and nothing rare is going on.
//
// Compiled with the architecture's FASTPATH flags: the message words' registers, the flow, the reply word and the
// running thread (self) are fixed and stay as the sender left them, so 0 and 8 words cost the same; callee-saved
// registers are free (trap.S has stored them and the return reloads them). The build checks that these functions have
// no stack frame.
//
// Nothing is written before every check has passed, so declining (trap_slow_*) is always possible: the slow path sees
// the registers untouched. The gate word (hart.h) answers at once whether a more urgent thread is ready, tracing is on,
// or something else rare must be done.
#include <kernel/fastpath.h>
#include <kernel/trap.h>

register struct thread *self asm(FASTPATH_SELF);
register u64 in_flow asm(FASTPATH_FLOW);
register u64 in_reply asm(FASTPATH_REPLY);

// A request: R_CAP, R_LABEL; words, flow and capability slots in their registers.
void fastpath_call(u64 index, u64 label)
{
	kernel_lock();
	const struct cap *cap = cap_get(self->captable, index, RIGHT_ENDPOINT_CALL);
	if (unlikely(!cap))
		goto slow;
	struct endpoint *ep = cap->obj;
	struct thread *server = ep->receivers;
	// in_reply: the slots of a capability transfer. A second receiver, a deadline to disarm: rare.
	if (unlikely(!server || in_reply || server->next != server || server->deadline))
		goto slow;
	struct aspace *as = server->aspace;
	if (!fastpath_may_run(server, as))
		goto slow;

	// Point of no return. The words of the request stay in the caller's context too: it can be delivered again.
	if (!in_flow)
		in_flow = thread_new_flow(self);
	u64 badge = cap->badge;
	arch_fast_save_words(offsetof(struct thread, ctx));
	ctx_set_reg(&self->ctx, R_LABEL, label);
	self->flow = in_flow;
	self->badge = badge;
	ep->receivers = NULL;
	u64 reply = fastpath_await_reply(self, ep, server);
	fastpath_switch(self, server, as);
	fastpath_leave();
	arch_fast_return(server, offsetof(struct thread, ctx), RECEIVED_MESSAGE, label, in_flow, badge, reply);
slow:
	fastpath_decline();
	trap_slow_call(index, label);
}

// Nothing to answer (the request was parked) and nothing to receive: the next ready thread runs. true: there is none,
// the hart is idle from now on. false: that is not for a fast path.
static always_inline bool fastpath_park(struct endpoint *ep)
{
	struct hart *hart = arch_hart();
	if (hart->tlb.gate >> 8)
		return false;
	if (!hart->ready_map) {
		fastpath_wait(self, ep, in_flow >> 32);
		return true;
	}
	struct thread *next = hart->ready[(u8)hart->tlb.gate];
	struct aspace *as = next->aspace;
	if (unlikely(!as->root))
		return false;
	fastpath_wait(self, ep, in_flow >> 32);
	fastpath_account(hart, self);
	fastpath_dequeue(hart, next);
	fastpath_switch(self, next, as);
	fastpath_leave();
	arch_fast_resume(&next->ctx);
}

// Nothing to answer, and bits came while the server was at work: it goes on with them.
// Returns when that is not for a fast path.
static always_inline void fastpath_take_signals(struct endpoint *ep)
{
	if (arch_hart()->tlb.gate >> 8)
		return;
	u64 bits = ep->signals;
	ep->signals = 0;
	self->recv_slot = in_flow >> 32;
	self->flow = 0; // several may have set them
	self->fault_calls = 0;
	fastpath_leave();
	arch_fast_deliver(&self->ctx, RECEIVED_BITS, NOTIFY_LABEL, 0, 0, 0, bits, 0, 0, 0, 0, 0);
}

// An answer to the thread that the reply word names, then the wait for the next request.
void fastpath_reply_recv(u64 index, u64 label)
{
	kernel_lock();
	const struct cap *cap = cap_get(self->captable, index, RIGHT_ENDPOINT_RECV);
	if (unlikely(!cap))
		goto slow;
	struct endpoint *ep = cap->obj;
	// The low half of in_flow: a capability to send. Somebody waits to be received, or another server thread does:
	// rare.
	if (unlikely(ep->senders || ep->signals || ep->receivers || (u32)in_flow))
		goto signals;
	struct thread *client = fastpath_reply_target(self, in_reply, ep);
	if (unlikely(!client || client->in_fault))
		goto park;
	struct aspace *as = client->aspace;
	if (!fastpath_may_run(client, as))
		goto slow;

	// Point of no return.
	fastpath_wait(self, ep, in_flow >> 32);
	fastpath_switch(self, client, as);
	fastpath_leave();
	arch_fast_return(client, offsetof(struct thread, ctx), RECEIVED_MESSAGE, label, 0, 0, 0);
park:
	if (!in_reply && fastpath_park(ep)) {
		trap_idle();
		return;
	}
	goto slow;
      signals:
	if (!in_reply && ep->signals && !(u32)in_flow)
		fastpath_take_signals(ep);
slow:
	fastpath_decline();
	trap_slow_reply_recv(index, label);
}

// An answer to a thread that is no more urgent than the server, which goes on: the thread is ready, with the answer in
// its context.
void fastpath_reply(u64 index, u64 label)
{
	struct hart *hart = arch_hart();
	kernel_lock();
	const struct cap *cap = cap_get(self->captable, index, RIGHT_ENDPOINT_RECV);
	if (unlikely(!cap))
		goto slow;
	const struct endpoint *ep = cap->obj;
	// A time slice must be running already: arming one is the slow path's.
	if (unlikely(hart->tlb.gate >> 8 || !hart->slice_on || (u32)in_flow))
		goto slow;
	struct thread *client = reply_target(in_reply, ep);
	if (unlikely(!client || client->in_fault || client->deadline || client->priority > self->priority))
		goto slow;

	// Point of no return.
	arch_fast_deliver_later(client, offsetof(struct thread, ctx));
	ctx_set_reg(&client->ctx, R_LABEL, label);
	client->wait = NULL;
	fastpath_enqueue(hart, client);
	fastpath_leave();
	arch_fast_return(self, offsetof(struct thread, ctx), 0, 0, 0, 0, 0);
slow:
	fastpath_decline();
	trap_slow_reply(index, label);
}
