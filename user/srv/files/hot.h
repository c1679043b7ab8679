// SPDX-License-Identifier: MIT
// At most eight bytes through a pipe, the commonest request of programs that talk to each other: straight from the
// badge to the ring, or from the writer's word to the reader that waits for it. Whatever is not plain goes the general
// way through io.c, which does all of this too.
//
// Everything here is inlined into the receive loop and the request's address is given to nobody, so it stays in
// registers.
#pragma once

#include "files.h"

#define HOT_BYTES sizeof(u64)

// Keeps what the answer to a small read needs: who, and how much. The other fields of a parked request are read for
// other kinds only, and files never sends a capability (caps is 0 in every entry).
static always_inline bool hot_wait(struct pipe *p, const struct request *rq)
{
	u32 link = pipe_park.free;
	struct parked *entry = &pipe_park.entry[link - 1];

	if (unlikely(!link))
		return false;
	pipe_park.free = entry->next;
	entry->rq.label = rq->label;
	entry->rq.w[1] = rq->w[1];
	entry->rq.badge = rq->badge;
	entry->rq.reply = rq->reply;
	entry->next = 0;
	if (unlikely(p->readers.tail))
		pipe_park.entry[p->readers.tail - 1].next = link;
	else
		p->readers.head = link;
	p->readers.tail = link;
	return true;
}

// A reader waits, so the ring is empty: its answer is the writer's word. False: not a small one, it wants less, or it
// is dead.
static always_inline bool hot_hand_over(struct pipe *p, u64 word, u64 len)
{
	const struct request *reader = &pipe_park.entry[p->readers.head - 1].rq;
	struct request reply = { .w = { len, word }, .reply = reader->reply };

	if (unlikely(reader->label != OP_FILES_READ_SMALL || reader->w[1] < len))
		return false;
	park_pop(&pipe_park, &p->readers);
	return !ipc_reply(SLOT_SELF_ENDPOINT, &reply); // STALE: it was killed, and files will hear of it
}

static always_inline bool hot_write(struct pipe *p, struct request *rq)
{
	u64 len = rq->w[1], word = rq->w[2];

	if (unlikely(!p->reader || p->writers.head || len - 1 >= HOT_BYTES || len > PIPE_BYTES - pipe_used(p)))
		return false;
	if (!p->readers.head || !hot_hand_over(p, word, len)) {
		for (u64 i = 0; i < len; i++, word >>= 8)
			p->ring[p->tail++ % PIPE_BYTES] = (u8)word;
		if (p->readers.head)
			pipe_pump(p);
	}
	rq->label = 0;
	rq->w[0] = len;
	return true;
}

static always_inline bool hot_read(struct pipe *p, struct request *rq)
{
	u64 len = rq->w[1], used = pipe_used(p), word = 0;

	if (unlikely(len - 1 >= SMALL_READ))
		return false;
	if (!used) {
		if (!p->writer || !hot_wait(p, rq))
			return false;
		rq->reply = 0;
		return true;
	}
	if (len > used)
		len = used;
	if (len > HOT_BYTES)
		return false;
	for (u64 i = 0; i < len; i++)
		word |= (u64)p->ring[p->head++ % PIPE_BYTES] << 8 * i;
	if (unlikely(p->writers.head))
		pipe_pump(p);
	rq->label = 0;
	rq->w[0] = len;
	rq->w[1] = word;
	return true;
}

// False: the general way.
static always_inline bool hot_request(struct request *rq)
{
	bool is_write = rq->label == OP_FILES_WRITE_SMALL;
	struct client *c = &clients[badge_slot(rq->badge) % CLIENTS];
	const struct open *o;

	if (!is_write && rq->label != OP_FILES_READ_SMALL)
		return false;
	// a client that is not known yet has no pipe
	if (unlikely(c->badge != rq->badge))
		return false;
	o = fd_open(c, rq->w[0]);
	if (unlikely(!o || o->kind != FD_PIPE || !(o->flags & (is_write ? OPEN_WRITE : OPEN_READ))))
		return false;
	c->requests++;
	return is_write ? hot_write(&pipes[o->pipe], rq) : hot_read(&pipes[o->pipe], rq);
}
