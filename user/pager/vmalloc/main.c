// SPDX-License-Identifier: MIT
// vmalloc: the receive loop. Each receive names the slot that takes a capability; only attach and fund keep one.
#include "hot.h"

#include <server/main.h>

#define STATE_NEED ((sizeof(struct vmalloc_state) + PAGE_SIZE - 1) / PAGE_SIZE)

// The request of the loop is copied, so that it can live in registers.
static __attribute__((noinline)) void other_request(struct request *rq, err_t err)
{
	if (err == RECEIVED_MESSAGE) {
		vmalloc_request(rq);
	} else if (err == RECEIVED_CAP) {
		vmalloc_request_cap(rq);
	} else if (err == RECEIVED_BITS) {
		vmalloc_notified(rq->w[0]);
		rq->reply = 0;
	} else if (err == -ERR_STALE) {
		rq->reply = 0; /* the client was killed meanwhile */
	} else {
		panic("vmalloc: receive failed with error %d", err);
	}
	rq->caps = caps_pair(CAP_NULL, SLOT_RECEIVE);
}

static _Noreturn void serve(void)
{
	struct request rq = { .caps = caps_pair(CAP_NULL, SLOT_RECEIVE) };
	err_t err = ipc_recv(SLOT_SELF_ENDPOINT, 0, 0, &rq);

	for (;;) {
		if (unlikely(err != RECEIVED_MESSAGE || !hot_request(&rq))) {
			struct request other = rq;

			other_request(&other, err);
			rq = other;
		}
		err = ipc_reply_recv(SLOT_SELF_ENDPOINT, &rq);
	}
}

_Noreturn void server_main(const struct server_info *info)
{
	if (info->state_pages < STATE_NEED)
		panic("vmalloc: it needs %lu state pages (user/boot.manifest)", (unsigned long)STATE_NEED);
	page_close(); /* a predecessor may have been looking */
	if (clients_open((void *)STATE_VA) == STATE_KEPT)
		server_redeliver(SLOT_SELF_ENDPOINT, vmalloc_request);
	serve();
}
