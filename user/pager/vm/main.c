// SPDX-License-Identifier: MIT
/*
 * vm: the server loop. A page fault is decided by fault_plan, which is inlined here, and answered by the system call
 * that also waits for the next request: one trap and one system call per fault.
 */
#include "swap.h"
#include "request.h"

#include <base/log.h>
#include <server/main.h>

// The mapping was refused, or the fault has no mapping as its answer. Leaves in rq what is to be sent next.
static void fault_end(struct request *rq, enum fault_plan plan)
{
	reply_set_status(rq, 0);
	if (plan != FAULT_RETRY)
		rq->reply = 0;
}

static void receive_failed(struct request *rq, err_t err)
{
	if (err != -ERR_STALE)
		panic("vm: receive failed with error %d", err);
	rq->reply = 0; /* the client is gone */
}

static __attribute__((noinline)) enum fault_plan refused(u64 badge, u64 addr, u64 reply, u64 flow,
							 const struct map_reply *map, err_t err)
{
	struct fault fault = { .badge = badge, .addr = addr, .reply = reply, .flow = flow };

	return fault_refused(&fault, map, err);
}

// The mapping takes the place of a token, which is given up when it is gone. What is less than 0 was refused, and *plan
// says what is next.
static __attribute__((noinline)) err_t reply_token(struct request *rq, const struct map_reply *map,
						   enum fault_plan *plan)
{
	u64 badge = rq->badge, addr = rq->w[0], token = rq->w[3], flow = rq->flow;
	err_t err = ipc_reply_map_recv(SLOT_SELF_ENDPOINT, map, rq);

	if (err < 0) {
		token_kept();
		*plan = refused(badge, addr, rq->reply, flow, map, err);
	} else {
		token_replaced(token);
	}
	return err;
}

// A page has come for which a fault waited: its answer is the mapping, as if it had been asked just now.
static err_t reply_arrived(struct request *rq, const struct fault *f)
{
	struct map_reply map = { 0 };
	enum fault_plan plan = swap_arrived(f, &map);
	err_t err;

	rq->badge = f->badge;
	rq->w[0] = f->addr;
	rq->w[3] = f->what;
	rq->reply = f->reply;
	rq->flow = f->flow;
	if (plan == FAULT_TOKEN) {
		err = reply_token(rq, &map, &plan);
		if (err >= 0)
			return err;
	} else if (plan == FAULT_MAP) {
		err = ipc_reply_map_recv(SLOT_SELF_ENDPOINT, &map, rq);
		if (err >= 0)
			return err;
		plan = refused(f->badge, f->addr, f->reply, f->flow, &map, err);
	}
	fault_end(rq, plan);
	return ipc_reply_recv(SLOT_SELF_ENDPOINT, rq);
}

// Anything but a plain fault, its answer, and the next request.
static __attribute__((noinline)) err_t other_request(struct request *rq, err_t err)
{
	struct fault f;

	if (err == RECEIVED_BITS) {
		vm_notified(rq->w[0]);
		rq->reply = 0;
		if (wait_arrived(&f))
			return reply_arrived(rq, &f);
	} else if (err < 0) {
		receive_failed(rq, err);
	} else {
		vm_request(rq);
	}
	return ipc_reply_recv(SLOT_SELF_ENDPOINT, rq);
}

static _Noreturn void serve(void)
{
	struct request rq = { 0 };
	err_t err = ipc_recv(SLOT_SELF_ENDPOINT, 0, 0, &rq);

	for (;;) {
		if (likely(!err && rq.label == OP_PAGER_FAULT)) {
			struct map_reply map;
			enum fault_plan plan = fault_plan(&rq, &map);

			if (likely(plan == FAULT_MAP)) {
				u64 badge = rq.badge, addr = rq.w[0], flow = rq.flow;

				err = ipc_reply_map_recv(SLOT_SELF_ENDPOINT, &map, &rq);
				if (likely(err >= 0))
					continue;
				struct map_reply failed = map;

				plan = refused(badge, addr, rq.reply, flow, &failed, err);
			} else if (plan == FAULT_TOKEN) {
				struct request token = rq;
				struct map_reply its_map = map;

				err = reply_token(&token, &its_map, &plan);
				rq = token;
				if (err >= 0)
					continue;
			}
			fault_end(&rq, plan);
		} else {
			struct request other = rq; /* a copy, so that rq itself stays in registers */

			err = other_request(&other, err);
			rq = other;
			continue;
		}
		err = ipc_reply_recv(SLOT_SELF_ENDPOINT, &rq);
	}
}

// What a predecessor received and did not answer: a fault is simply taken again, a call is found in the results or done
// now.
static void redelivered(struct request *rq)
{
	if (rq->label == OP_PAGER_FAULT)
		reply_set_status(rq, 0);
	else
		vm_request(rq);
}

_Noreturn void server_main(const struct server_info *info)
{
	if (info->state_pages * PAGE_SIZE < sizeof(struct vm_state))
		panic("vm: the state segment has %lu pages, %lu are needed (user/boot.manifest)",
		      (unsigned long)info->state_pages,
		      (unsigned long)((sizeof(struct vm_state) + PAGE_SIZE - 1) / PAGE_SIZE));
	if (vm_open((void *)STATE_VA, info) == STATE_KEPT)
		server_redeliver(SLOT_SELF_ENDPOINT, redelivered);
	serve();
}
