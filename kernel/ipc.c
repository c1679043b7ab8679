// SPDX-License-Identifier: MIT
// The slow paths of IPC: complete, working on contexts. kernel/fastpath.c and fastfault.c do the common cases; whatever
// they decline lands here, so every rule is in this file. State diagram: ipc.h.
//
// A function that makes the running thread wait sets its state; sched_exit then runs somebody else.
#include <kernel/cap.h>
#include <kernel/ipc.h>

#define IPC_FLAGS(ctx) (ctx_reg(ctx, R_NR) & ~0xfful)

static always_inline void set_words(struct thread *t, u64 status, u64 label, const u64 *words, u32 n)
{
	ctx_set_reg(&t->ctx, R_LABEL, label);
#pragma GCC unroll 8 // then each r_word is a constant
	for (u32 i = 0; i < MSG_WORDS; i++)
		ctx_set_reg(&t->ctx, r_word(i), i < n ? words[i] : 0);
	ctx_set_reg(&t->ctx, R_FLOW, 0);
	ctx_set_reg(&t->ctx, R_REPLY, 0);
	ctx_set_reg(&t->ctx, R_BADGE, 0);
	ctx_set_reg(&t->ctx, R_NR, 0);
	ctx_set_status(&t->ctx, status); // last: its register is another one's too, which one depends on the CPU
}

static void copy_words(struct thread *to, const struct thread *from, u64 label)
{
	u64 words[MSG_WORDS];
#pragma GCC unroll 8
	for (u32 i = 0; i < MSG_WORDS; i++)
		words[i] = ctx_reg(&from->ctx, r_word(i));
	set_words(to, RECEIVED_MESSAGE, label, words, MSG_WORDS);
}

// A capability that travels with a message becomes a child of the sender's slot in the slot the receiver named.
// FULL: the receiver named none or it is taken. BADCAP: the sender's slot is empty.
static err_t transfer_cap(struct thread *from, u64 slot, struct thread *to)
{
	struct cap *src = cap_slot(from->captable, slot);
	if (!src || !src->rights)
		return -ERR_BADCAP;
	struct cap *dst = to->recv_slot ? cap_slot(to->captable, to->recv_slot) : NULL;
	if (!dst || dst->rights)
		return -ERR_FULL;
	return cap_derive(to->captable, dst, src, src->rights, src->badge);
}

// `client` (WAIT_SEND, or about to wait) hands its request to `server`, which becomes READY unless it is the one
// running.
static void deliver_request(struct thread *client, struct thread *server, struct endpoint *ep)
{
	u64 label = ctx_reg(&client->ctx, R_LABEL);
	if (client->in_fault) {
		u64 words[6];
		fault_words(client, &label, words);
		set_words(server, RECEIVED_MESSAGE, label, words, 6);
		server->fault_calls = 0;
	} else {
		copy_words(server, client, label);
		if (client->send_slot && transfer_cap(client, client->send_slot, server) == 0)
			ctx_set_status(&server->ctx, RECEIVED_CAP);
		client->send_slot = 0;
	}
	ctx_set_reg(&server->ctx, R_BADGE, client->badge);
	ctx_set_reg(&server->ctx, R_FLOW, client->flow);
	ctx_set_reg(&server->ctx, R_REPLY, client->reply);
	server->flow = client->flow;
	server->serving = client;
	client->state = THREAD_WAIT_REPLY;
	client->wait = ep;
	trace(EVENT_CALL, object_id(server), label, client->reply);
}

static void deliver_signals(struct thread *t, u64 bits)
{
	set_words(t, RECEIVED_BITS, NOTIFY_LABEL, &bits, 1);
	t->fault_calls = 0;
}

// The running thread (or a faulting one) puts its request to an endpoint: a waiting server takes it at once, else it
// queues.
static void request(struct thread *t, struct endpoint *ep)
{
	struct thread *server = ep->receivers;
	t->reply += REPLY_NEXT;
	t->wait = ep;
	if (!server) {
		t->state = THREAD_WAIT_SEND;
		queue_insert(&ep->senders, t);
		trace(EVENT_QUEUED, object_id(ep), ctx_reg(&t->ctx, R_LABEL), t->reply);
		return;
	}
	thread_unwait(server);
	deliver_request(t, server, ep);
	sched_hand_over(server);
}

static struct endpoint *find_endpoint(struct thread *self, u32 right)
{
	struct cap *cap;
	err_t err = cap_find(self->captable, ctx_reg(&self->ctx, R_CAP), right, RIGHTS_ENDPOINT, &cap);
	if (err) {
		ctx_set_status(&self->ctx, err);
		return NULL;
	}
	self->badge = cap->badge;
	return cap->obj;
}

void ipc_call(struct thread *self)
{
	struct endpoint *ep = find_endpoint(self, RIGHT_ENDPOINT_CALL);
	if (!ep)
		return;
	u64 slots = ctx_reg(&self->ctx, R_REPLY);
	self->send_slot = (u32)slots;
	self->recv_slot = slots >> 32;
	struct cap *sent = self->send_slot ? cap_slot(self->captable, self->send_slot) : NULL;
	if (self->send_slot && (!sent || !sent->rights)) {
		ctx_set_status(&self->ctx, -ERR_BADCAP);
		return;
	}
	u64 flow = ctx_reg(&self->ctx, R_FLOW);
	self->flow = flow ? flow : thread_new_flow(self);
	request(self, ep);
}

void ipc_fault_call(struct thread *t, struct endpoint *ep, u64 badge)
{
	t->badge = badge;
	t->send_slot = t->recv_slot = 0;
	request(t, ep);
}

// Resume a thread that waits for a reply. The words come from the running thread's registers. A server that goes on
// keeps the processor; else the client's turn does, which a call is part of.
static err_t answer(struct thread *self, struct thread *client, u64 label, u64 send_slot, bool goes_on)
{
	bool cap = false;
	if (send_slot) {
		err_t err = transfer_cap(self, send_slot, client);
		if (err)
			return err;
		cap = true;
	}
	trace(EVENT_REPLY, object_id(client), label, client->reply);
	timer_cancel(client);
	client->wait = NULL;
	if (client->in_fault) {
		trace(EVENT_FAULT_DONE, client->fault_addr, label, client->reply);
		client->in_fault = FAULT_NONE;
		client->state = THREAD_STOPPED;
		if (label) {
			fault_refused(client, label);
			return 0;
		}
	} else {
		copy_words(client, self, label);
		if (cap)
			ctx_set_status(&client->ctx, RECEIVED_CAP);
	}
	client->state = THREAD_STOPPED;
	if (goes_on)
		sched_ready(client);
	else
		sched_hand_over(client);
	return 0;
}

// The next thing for a receiver: bits, a request, or waiting.
static void receive(struct thread *self, struct endpoint *ep, u64 recv_slot, u64 flags)
{
	self->recv_slot = recv_slot;
	if (ep->signals) {
		deliver_signals(self, ep->signals);
		ep->signals = 0;
		self->flow = 0; // several may have set them
		return;
	}
	struct thread *client = ep->senders;
	if (client) {
		queue_remove(&ep->senders, client);
		deliver_request(client, self, ep);
		return;
	}
	if (flags & IPC_POLL) {
		ctx_set_status(&self->ctx, -ERR_AGAIN);
		return;
	}
	if (flags & IPC_DEADLINE)
		timer_arm(self, ctx_reg(&self->ctx, r_word(0)));
	self->state = THREAD_WAIT_RECV;
	self->wait = ep;
	queue_insert(&ep->receivers, self);
}

// The thread a reply word names; 0 answers nobody (*client NULL).
static err_t find_client(struct thread *self, struct endpoint *ep, struct thread **client)
{
	u64 word = ctx_reg(&self->ctx, R_REPLY);
	*client = fastpath_reply_target(self, word, ep);
	if (!*client && word)
		*client = reply_target(word, ep);
	return word && !*client ? -ERR_STALE : 0;
}

void ipc_reply_recv(struct thread *self)
{
	struct endpoint *ep = find_endpoint(self, RIGHT_ENDPOINT_RECV);
	if (!ep)
		return;
	struct thread *client;
	u64 slots = ctx_reg(&self->ctx, R_FLOW);
	err_t err = find_client(self, ep, &client);
	if (!err && client)
		err = answer(self, client, ctx_reg(&self->ctx, R_LABEL), (u32)slots, false);
	// A caller that was killed meanwhile must not keep the server from its next request.
	if (err && err != -ERR_STALE)
		ctx_set_status(&self->ctx, err);
	else
		receive(self, ep, slots >> 32, 0);
}

void ipc_reply(struct thread *self)
{
	struct endpoint *ep = find_endpoint(self, RIGHT_ENDPOINT_RECV);
	if (!ep)
		return;
	struct thread *client;
	err_t err = find_client(self, ep, &client);
	if (!err && client)
		err = answer(self, client, ctx_reg(&self->ctx, R_LABEL), (u32)ctx_reg(&self->ctx, R_FLOW), true);
	ctx_set_status(&self->ctx, err);
}

// The mapping that a fault's answer carries. Authority: the reply word (this fault, in a window whose pager listens on
// `ep`) and the pool.
static err_t map_for_fault(struct thread *self, struct thread *client, struct endpoint *ep)
{
	struct arch_context *ctx = &self->ctx;
	struct cap *pool;
	err_t err = cap_find(self->captable, ctx_reg(ctx, r_word(0)), RIGHT_POOL_MAP, RIGHTS_POOL, &pool);
	if (err)
		return err;
	if (ctx_reg(ctx, R_LABEL) & MAP_UNCACHE && !(pool->rights & RIGHT_POOL_EVICT))
		return -ERR_PERM;
	u64 count = ctx_reg(ctx, r_word(5)), done;
	if (client->in_fault != FAULT_PAGE && client->in_fault != FAULT_TIMED)
		return -ERR_INVAL;
	if (client->fault_window->pager != ep && client->fault_window->fallback != ep)
		return -ERR_INVAL;
	if (count > BATCH || (count > 1 && !self->argument))
		return -ERR_INVAL;
	struct map_request rq = {
		.va = ALIGN_DOWN(client->fault_addr, PAGE_SIZE),
		.pool = pool->obj,
		.count = MAX(count, 1ul),
		.pairs = count > 1 ? self->argument : NULL,
		.frame = ctx_reg(ctx, r_word(1)),
		.flags = ctx_reg(ctx, R_LABEL),
		.source = ctx_reg(ctx, r_word(2)),
		.word0 = ctx_reg(ctx, r_word(3)),
		.word1 = ctx_reg(ctx, r_word(4)),
		.window = client->fault_window - client->aspace->window,
	};
	return aspace_map(client->aspace, &rq, &done);
}

void ipc_reply_map_recv(struct thread *self)
{
	struct endpoint *ep = find_endpoint(self, RIGHT_ENDPOINT_RECV);
	if (!ep)
		return;
	struct thread *client;
	err_t err = find_client(self, ep, &client);
	if (!err && !client)
		err = -ERR_INVAL;
	if (!err)
		err = map_for_fault(self, client, ep);
	if (!err) {
		arch_hart()->fault_calls[MIN(self->fault_calls + 1, 8ul)]++;
		err = answer(self, client, 0, 0, false);
	}
	if (err)
		ctx_set_status(&self->ctx, err);
	else
		receive(self, ep, 0, 0);
}

// Requests that were received and not answered, one a call. AGAIN: so many threads were looked at; go on.
static err_t next_open(struct endpoint *ep, bool first, struct thread **client)
{
	if (first)
		walk_start(&ep->mark);
	for (u32 i = 0; ep->mark.next && i < WALK_STEP; i++) {
		struct thread *t;
		if (walk_step(&ep->mark, &t) && t && t->state == THREAD_WAIT_REPLY && t->wait == ep) {
			*client = t;
			return 0;
		}
	}
	return ep->mark.next ? -ERR_AGAIN : -ERR_NOENT;
}

void ipc_recv(struct thread *self)
{
	struct endpoint *ep = find_endpoint(self, RIGHT_ENDPOINT_RECV);
	if (!ep)
		return;
	u64 flags = IPC_FLAGS(&self->ctx);
	self->recv_slot = ctx_reg(&self->ctx, R_FLOW) >> 32;
	if (flags & IPC_REDELIVER) {
		struct thread *client;
		err_t err = next_open(ep, !ctx_reg(&self->ctx, r_word(0)), &client);
		if (err)
			ctx_set_status(&self->ctx, err);
		else
			deliver_request(client, self, ep);
		return;
	}
	receive(self, ep, self->recv_slot, flags);
}

void ipc_notify(struct thread *self)
{
	struct cap *cap;
	err_t err = cap_find(self->captable, ctx_reg(&self->ctx, R_CAP), RIGHT_NOTIFICATION_NOTIFY, RIGHTS_NOTIFICATION,
			     &cap);
	ctx_set_status(&self->ctx, err);
	if (err)
		return;
	u64 flow = ctx_reg(&self->ctx, r_word(0));
	if (flow)
		self->flow = flow;
	notification_signal(cap->obj, ctx_reg(&self->ctx, R_LABEL));
}

void ipc_wait(struct thread *self)
{
	struct cap *cap;
	err_t err = cap_find(self->captable, ctx_reg(&self->ctx, R_CAP), RIGHT_NOTIFICATION_WAIT, RIGHTS_NOTIFICATION,
			     &cap);
	u64 flags = IPC_FLAGS(&self->ctx);
	struct notification *n = err ? NULL : cap->obj;
	if (!err && n->bits) {
		ctx_set_reg(&self->ctx, r_word(0), n->bits);
		n->bits = 0;
	} else if (!err && flags & IPC_POLL) {
		err = -ERR_AGAIN;
	} else if (!err) {
		if (flags & IPC_DEADLINE)
			timer_arm(self, ctx_reg(&self->ctx, r_word(0)));
		self->state = THREAD_WAIT_NOTIFY;
		self->wait = n;
		queue_insert(&n->waiters, self);
	}
	ctx_set_status(&self->ctx, err);
}

// Bits go to a waiter, else to a server that receives on the bound endpoint, else they stay. Who is woken by them works
// for the flow of the thread that runs.
void notification_signal(struct notification *n, u64 bits)
{
	struct thread *t = n->waiters;
	if (!t && n->endpoint)
		t = n->endpoint->receivers;
	trace(EVENT_NOTIFY, object_id(n), bits, t ? object_id(t) : 0);
	if (!t) {
		*(n->endpoint ? &n->endpoint->signals : &n->bits) |= bits;
		return;
	}
	bool waits = t->state == THREAD_WAIT_NOTIFY;
	t->flow = arch_hart()->cur ? arch_hart()->cur->flow : 0;
	thread_unwait(t);
	if (waits) {
		ctx_set_reg(&t->ctx, r_word(0), n->bits | bits);
		n->bits = 0;
	} else {
		deliver_signals(t, bits);
	}
	sched_ready(t);
}

err_t notification_bind(struct notification *n, struct endpoint *ep)
{
	if (n->endpoint || ep->bound || n->waiters)
		return -ERR_BUSY;
	u64 bits = n->bits;
	n->endpoint = ep;
	ep->bound = n;
	n->bits = 0;
	if (bits)
		notification_signal(n, bits); // a server may wait already
	return 0;
}

void notification_unbind(struct notification *n)
{
	if (!n->endpoint)
		return;
	n->bits |= n->endpoint->signals;
	n->endpoint->signals = 0;
	n->endpoint->bound = NULL;
	n->endpoint = NULL;
}

// Nobody will serve it: a system call returns, a faulting thread stays stopped, with its registers as they are.
static void fail_waiter(struct thread *t)
{
	bool fault = t->in_fault != FAULT_NONE;
	thread_unwait(t);
	t->in_fault = FAULT_NONE;
	if (fault)
		return;
	ctx_set_status(&t->ctx, -ERR_DEAD);
	sched_ready(t);
}

#define WORK_DEATH  8000 // instructions of a step, roughly
#define WORK_WAITER 250
#define WORK_NODE   25

// False: there are more than this call may do.
static bool fail_waiters(struct thread **head, s64 *work)
{
	for (; *head && *work > 0; *work -= WORK_WAITER)
		fail_waiter(*head);
	return !*head;
}

// The last capability is gone: nobody can receive or call here again. Whoever waits is told: in the queues, or for a
// reply.
err_t endpoint_destroy_step(struct endpoint *ep)
{
	s64 work = WORK_DEATH;
	struct thread *t;
	if (!ep->obj.step) {
		ep->obj.step = 1;
		walk_start(&ep->mark);
		if (ep->bound)
			notification_unbind(ep->bound);
	}
	if (!fail_waiters(&ep->senders, &work) || !fail_waiters(&ep->receivers, &work))
		return -ERR_AGAIN;
	for (; walk_step(&ep->mark, &t); work -= WORK_NODE) {
		if (t && t->state == THREAD_WAIT_REPLY && t->wait == ep) {
			fail_waiter(t);
			work -= WORK_WAITER;
		}
		if (work <= 0)
			return -ERR_AGAIN;
	}
	return 0;
}

err_t notification_destroy_step(struct notification *n)
{
	s64 work = WORK_DEATH;
	if (!fail_waiters(&n->waiters, &work))
		return -ERR_AGAIN;
	notification_unbind(n);
	return 0;
}
