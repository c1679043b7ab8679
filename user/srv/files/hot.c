// SPDX-License-Identifier: MIT
// A few bytes through a pipe, the commonest request of programs that talk to each other: straight from the badge to the ring. Whatever is
// not plain (no data yet, no room, another kind of file) goes the general way through ops.c, which does all of this too.
#include "files.h"

static bool hot_write(struct request *rq, struct pipe *p)
{
	u64 len = rq->w[1];

	if (!p->reader || p->writers.head || len > SMALL_WRITE || len > PIPE_BYTES - pipe_used(p))
		return false;
	pipe_put(p, (const u8 *)&rq->w[2], len);
	if (p->readers.head)
		pipe_pump(p);
	rq->label = 0;
	rq->w[0] = len;
	return true;
}

static bool hot_read(struct request *rq, struct pipe *p)
{
	u64 len = rq->w[1], used = pipe_used(p);

	if (!used || !len || len > SMALL_READ)
		return false;
	if (len > used)
		len = used;
	pipe_get(p, (u8 *)&rq->w[1], len);
	if (p->writers.head)
		pipe_pump(p);
	rq->label = 0;
	rq->w[0] = len;
	return true;
}

bool hot_request(struct request *rq)
{
	bool is_write = rq->label == OP_FILES_WRITE_SMALL;
	const struct client *c;
	const struct open *o;

	if (!is_write && rq->label != OP_FILES_READ_SMALL)
		return false;
	// a client that is not known yet has no pipe
	c = &clients[badge_slot(rq->badge) % CLIENTS];
	if (unlikely(c->badge != rq->badge))
		return false;
	o = fd_open(c, rq->w[0]);
	if (!o || o->kind != FD_PIPE || !(o->flags & (is_write ? OPEN_WRITE : OPEN_READ)))
		return false;
	clients[badge_slot(rq->badge)].requests++;
	return is_write ? hot_write(rq, &pipes[o->pipe]) : hot_read(rq, &pipes[o->pipe]);
}
