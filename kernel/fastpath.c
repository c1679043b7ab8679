// SPDX-License-Identifier: MIT
// The hot three quarters of all system calls: call and reply_recv when the partner waits and nothing rare is going on.
//
// Compiled with the architecture's FASTPATH_CFLAGS: the message words' registers, the flow, the reply word and the running thread (self) are
// fixed and stay as the sender left them, so 0 and 8 words cost the same; callee-saved registers are free (trap.S has stored them and the
// return reloads them). The build checks that these functions have no stack frame.
//
// Nothing is written before every check has passed, so declining (trap_slow_*) is always possible: the slow path sees the registers untouched.
// The gate word (hart.h) answers at once whether a more urgent thread is ready, tracing is on, or something else rare must be done.
#include <kernel/fastpath.h>
#include <kernel/ipc.h>

register struct thread *self asm(FASTPATH_SELF);
register u64 in_flow asm(FASTPATH_FLOW);
register u64 in_reply asm(FASTPATH_REPLY);

// A request: R_CAP, R_LABEL; words, flow and capability slots in their registers.
void fastpath_call(u64 index, u64 label)
{
	struct hart *hart = arch_hart();
	kernel_lock();
	const struct cap *cap = cap_get(self->captable, index, RIGHT_ENDPOINT_CALL);
	if (unlikely(!cap))
		goto slow;
	struct endpoint *ep = cap->obj;
	struct thread *server = ep->receivers;
	// in_reply: the slots of a capability transfer. A second receiver, a deadline to disarm, an ASID to find: rare.
	if (unlikely(!server || in_reply || server->next != server || server->deadline != ~0ul))
		goto slow;
	if (!fastpath_may_run(hart, server))
		goto slow;

	// Point of no return.
	ep->receivers = NULL;
	self->state = THREAD_WAIT_REPLY;
	self->wait = ep;
	self->recv_slot = 0;
	u32 nr = ++self->call_nr;
	u64 flow = in_flow;
	if (!flow)
		flow = fastpath_new_flow(hart, self);
	arch_fast_save_words(&self->ctx);
	ctx_set_reg(&self->ctx, R_LABEL, label);
	ctx_set_reg(&self->ctx, R_FLOW, flow);
	server->state = THREAD_RUNNING;
	fastpath_switch(hart, self, server);
	u64 badge = cap->badge;
	u64 reply = (u64)nr << 32 | object_id(self);
	fastpath_leave(hart);
	arch_fast_return(&server->ctx, 0, label, flow, badge, reply);
slow:
	fastpath_decline();
	trap_slow_call(index, label);
}

// An answer to the thread that the reply word names, then the wait for the next request.
void fastpath_reply_recv(u64 index, u64 label)
{
	struct hart *hart = arch_hart();
	kernel_lock();
	const struct cap *cap = cap_get(self->captable, index, RIGHT_ENDPOINT_RECV);
	if (unlikely(!cap))
		goto slow;
	struct endpoint *ep = cap->obj;
	// The low half of in_flow: a capability to send. Somebody waits to be received, or another server thread does: rare.
	if (unlikely(ep->senders || ep->signals || ep->receivers || (u32)in_flow))
		goto slow;
	struct thread *client = reply_target(in_reply, ep);
	if (unlikely(!client || client->in_fault))
		goto slow;
	if (!fastpath_may_run(hart, client))
		goto slow;

	// Point of no return.
	fastpath_wait(self, ep, in_flow >> 32);
	client->state = THREAD_RUNNING;
	fastpath_switch(hart, self, client);
	fastpath_leave(hart);
	arch_fast_return(&client->ctx, 0, label, 0, 0, 0);
slow:
	fastpath_decline();
	trap_slow_reply_recv(index, label);
}
