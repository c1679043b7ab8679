// SPDX-License-Identifier: MIT
/*
 * A message as the registers carry it, on both sides: a client fills label and words and finds the reply in them; a
 * server finds the request and leaves the reply in them.
 *
 *   label, w[8]  request: protocol << 16 | op; reply: 0 or -ERR of the operation
 *   flow         everything done for one fault or one outermost call has one flow id. Client: 0 lets the kernel make
 * one badge        server only: who asks (minted into the client's capability) reply        server only: the reply
 * word. 0: nothing to answer, so that reply_recv only receives caps         capability slots for this transfer,
 * caps_pair(send, receive); stays as it is until changed
 *
 * Hot loops keep a `struct request` in registers: its address must then not leave the function (the primitives are
 * inlined; hand a copy to anything that is not).
 */
#pragma once

#include <abi/abi.h>

struct request {
	u64 label;
	u64 w[MSG_WORDS];
	u64 flow;
	u64 badge;
	u64 reply;
	u64 caps;
};

/* An operation's handler returns this when it keeps the request and will answer later. */
#define PARKED 1

/* The slot whose capability goes along and the slot that takes an incoming one; CAP_NULL for none. */
static inline u64 caps_pair(cptr_t send, cptr_t receive)
{
	return send | receive << 32;
}

static inline u32 request_protocol(const struct request *rq)
{
	return rq->label >> 16;
}

static inline void reply_set_status(struct request *rq, err_t err)
{
	rq->label = (u64)(s64)err;
}
