// SPDX-License-Identifier: MIT
/*
 * The system calls that carry messages, over arch_syscall and arch_ipc of the architecture. Everything here is inlined,
 * so that a `struct request` or an argument array whose address does not leave the caller is never written to memory.
 *
 * Results: negative = -ERR_x (then a request is as it was), 0 = done or a request, 1 = a notification (receives only).
 */
#pragma once

#include <pager/request.h>
#include <syscall.h>

/*
 * Send rq's label and words and wait; they hold the reply afterwards (badge and reply are used up). The status is that
 * of the transport: 0 says that the server answered, and rq->label what it answered.
 */
RT_INLINE err_t ipc_call(cptr_t endpoint, struct request *rq)
{
	u64 flow = rq->flow;
	err_t err = arch_ipc(NR_CALL, endpoint, flow, rq->caps, rq);

	rq->flow = flow;
	return err;
}

/*
 * Answer the request rq->reply with rq's label and words (0: answer nothing), then receive the next one into rq. A
 * client that is gone by now is no error. On an error nothing was received.
 */
RT_INLINE err_t ipc_reply_recv(cptr_t endpoint, struct request *rq)
{
	return arch_ipc(NR_REPLY_RECV, endpoint, rq->caps, rq->reply, rq);
}

/* A fault's answer; count > 1: pairs {frame, page offset from the faulting page} in the argument page. */
struct map_reply {
	u64 prot; /* PROT_* and MAP_* */
	cptr_t pool;
	frame_t frame;
	frame_t source;
	u64 word0;
	u64 word1;
	u64 count;
};

/*
 * Answer the fault rq->reply with mappings, then receive; no capability travels either way. On an error nothing was
 * mapped, answered or received.
 */
RT_INLINE err_t ipc_reply_map_recv(cptr_t endpoint, const struct map_reply *map, struct request *rq)
{
	struct request next = {
		.label = map->prot,
		.w = { map->pool, map->frame, map->source, map->word0, map->word1, map->count },
	};
	err_t err;

	err = arch_ipc(NR_REPLY_MAP_RECV, endpoint, 0, rq->reply, &next);
	if (err < 0)
		return err;
	next.caps = rq->caps;
	*rq = next;
	return err;
}

/* Answer without receiving; the content of rq is used up. */
RT_INLINE err_t ipc_reply(cptr_t endpoint, struct request *rq)
{
	return arch_ipc(NR_REPLY, endpoint, rq->caps, rq->reply, rq);
}

/* Receive. flags: IPC_POLL, IPC_DEADLINE (then `deadline` is an absolute time in nanoseconds), IPC_REDELIVER (it is
 * 0 to begin, else 1). */
RT_INLINE err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq)
{
	struct request next = { .w = { deadline } };
	err_t err;

	err = arch_ipc(NR_RECV | flags, endpoint, rq->caps, 0, &next);
	if (err < 0)
		return err;
	next.caps = rq->caps;
	*rq = next;
	return err;
}

/* Set bits of a notification, in the course of work for a flow (0: that at hand). */
RT_INLINE err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow)
{
	u64 r[10] = { notification, bits, flow };

	return arch_syscall(NR_NOTIFY, 3, r);
}

RT_INLINE err_t ipc_notify(cptr_t notification, u64 bits)
{
	return ipc_notify_flow(notification, bits, 0);
}

/* Wait for bits of a notification and take them. flags: IPC_POLL, IPC_DEADLINE. */
RT_INLINE err_t ipc_wait(cptr_t notification, u64 flags, u64 deadline, u64 *out_bits)
{
	u64 r[10] = { notification, 0, deadline };
	err_t err = arch_syscall(NR_WAIT | flags, 3, r);

	if (err >= 0)
		*out_bits = r[2];
	return err;
}
