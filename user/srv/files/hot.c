// SPDX-License-Identifier: MIT
// A few bytes through a pipe, the commonest request of programs that talk to each other: straight from the badge to
// the ring, or from the writer's words to the reader that waits for them. Whatever is not plain (no room, a long
// reader, another kind of file) goes the general way through ops.c, which does all of this too.
#include "files.h"

// A reader waits, so the ring is empty: its answer is made of the writer's words.
static bool reader_hand_over(struct pipe *p, const struct request *rq, u64 len)
{
	const struct request *reader = &pipe_park.entry[p->readers.head - 1].rq;
	struct request reply;

	if (reader->label != OP_FILES_READ_SMALL || reader->w[1] < len || !len)
		return false;
	reply.label = 0;
	reply.reply = reader->reply;
	reply.badge = reader->badge;
	reply.caps = 0;
	reply.w[0] = len;
	for (u32 i = 0; i < SMALL_WRITE / sizeof(u64); i++)
		reply.w[1 + i] = rq->w[2 + i];
	reply.w[7] = 0;
	park_pop(&pipe_park, &p->readers);
	request_answer(&reply);
	return true;
}

static bool hot_write(struct request *rq, struct pipe *p)
{
	u64 len = rq->w[1];

	if (!p->reader || p->writers.head || len > SMALL_WRITE || len > PIPE_BYTES - pipe_used(p))
		return false;
	if (!p->readers.head) {
		pipe_put(p, (const u8 *)&rq->w[2], len);
	} else if (!reader_hand_over(p, rq, len)) {
		pipe_put(p, (const u8 *)&rq->w[2], len);
		pipe_pump(p);
	}
	rq->label = 0;
	rq->w[0] = len;
	return true;
}

static bool hot_read(struct request *rq, struct pipe *p)
{
	u64 len = rq->w[1], used = pipe_used(p);

	if (!len || len > SMALL_READ)
		return false;
	if (!used) {
		if (!p->writer || !park_put(&pipe_park, &p->readers, rq))
			return false;
		rq->reply = 0;
		return true;
	}
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
	u64 slot = badge_slot(rq->badge) % CLIENTS;
	struct client *c = &clients[slot];
	const struct open *o;

	if (!is_write && rq->label != OP_FILES_READ_SMALL)
		return false;
	// a client that is not known yet has no pipe
	if (unlikely(c->badge != rq->badge))
		return false;
	o = fd_open(c, rq->w[0]);
	if (!o || o->kind != FD_PIPE || !(o->flags & (is_write ? OPEN_WRITE : OPEN_READ)))
		return false;
	c->requests++;
	return is_write ? hot_write(rq, &pipes[o->pipe]) : hot_read(rq, &pipes[o->pipe]);
}
