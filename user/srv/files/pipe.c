// SPDX-License-Identifier: MIT
// Pipes: a ring of one page, and the requests that wait for it.
//
// Invariants: tail - head <= PIPE_BYTES; readers wait only while the ring is empty and the write end is open; writers
// wait only while the ring has too little room and the read end is open; so after every change pipe_pump serves
// whoever can go on, in order of arrival (that makes every write atomic: nobody overtakes a waiting writer).
//
//	free --pipe_make--> both ends open --pipe_close--> one end open --pipe_close--> free
//
// A parked write of the long kind keeps its progress in w[7] of its request.
#include "files.h"

#include <lib/base/string.h>

struct pipe pipes[PIPES + 1];
struct park pipe_park;
static struct parked parked[CLIENTS];
static u32 pipes_used;

void pipe_init(void)
{
	memset(pipes, 0, sizeof(pipes));
	park_init(&pipe_park, parked, CLIENTS);
	pipes_used = 0;
}

u32 pipe_count(void)
{
	return pipes_used;
}

u32 pipe_parked(void)
{
	u32 free = 0;

	for (u32 i = pipe_park.free; i; i = parked[i - 1].next)
		free++;
	return CLIENTS - free;
}

err_t pipe_make(u32 *index)
{
	u32 i = 1;
	struct pipe *p;

	while (i <= PIPES && pipes[i].page)
		i++;
	if (i > PIPES)
		return -ERR_NFILE;
	p = &pipes[i];
	*p = (struct pipe){ .page = store_take(), .reader = true, .writer = true };
	if (!p->page)
		return -ERR_NOSPC;
	p->ring = store_at(p->page);
	pipes_used++;
	*index = i;
	return 0;
}

static u64 bytes_min(u64 a, u64 b)
{
	return a < b ? a : b;
}

static bool park_wait(struct park_queue *q, const struct request *rq)
{
	return park_put(&pipe_park, q, rq);
}

// Data, the end (0), or PARKED. rq is what would be parked: its words are those of OP_FILES_READ or
// OP_FILES_READ_SMALL.
err_t pipe_read(u32 index, const struct request *rq, u8 *out, u64 len, u64 *done)
{
	struct pipe *p = &pipes[index];

	*done = bytes_min(len, pipe_used(p));
	if (!len || (!*done && !p->writer))
		return 0;
	if (!*done)
		return park_wait(&p->readers, rq) ? PARKED : -ERR_NFILE;
	pipe_get(p, out, *done);
	pipe_pump(p);
	return 0;
}

// All bytes, or PARKED until they are in. A short write fits in the ring and goes in one piece.
err_t pipe_write(u32 index, const struct request *rq, const u8 *bytes, u64 len, u64 *done)
{
	struct pipe *p = &pipes[index];
	struct request waiting;
	u64 room = PIPE_BYTES - pipe_used(p);

	if (!p->reader)
		return -ERR_PIPE;
	if (p->writers.head || (len > room && len <= SMALL_WRITE))
		room = 0; // behind the others; or wait for room for all of it
	*done = bytes_min(len, room);
	if (*done == len) {
		pipe_put(p, bytes, len);
		pipe_pump(p);
		return 0;
	}
	waiting = *rq;
	if (rq->label == OP_FILES_WRITE)
		waiting.w[7] = *done;
	if (!park_wait(&p->writers, &waiting))
		return -ERR_NFILE;
	pipe_put(p, bytes, *done);
	pipe_pump(p);
	return PARKED;
}

static void answer(struct request *rq, err_t err, u64 done)
{
	reply_set_status(rq, err);
	rq->w[0] = done;
	request_answer(rq);
}

// The oldest reader gets what there is; at the end of the pipe that is nothing.
static void reader_serve(struct pipe *p)
{
	struct request rq;
	bool found = park_take(&pipe_park, &p->readers, &rq);
	u64 n = bytes_min(rq.w[1], pipe_used(p));
	err_t err = 0;

	assert(found);
	if (rq.label == OP_FILES_READ_SMALL) {
		memset(&rq.w[1], 0, SMALL_READ);
		pipe_get(p, (u8 *)&rq.w[1], n);
	} else if (n) {
		u8 *out = buffer_at(client_at(badge_slot(rq.badge)), rq.w[2], n);

		if (out)
			pipe_get(p, out, n);
		else
			err = -ERR_NOMEM;
	}
	answer(&rq, err, err ? 0 : n);
}

// Moves what fits of the oldest writer's bytes; answers it when all are in. False: it goes on waiting.
static bool writer_serve(struct pipe *p)
{
	struct request *first = park_first(&pipe_park, &p->writers);
	bool is_long = first->label == OP_FILES_WRITE;
	u64 len = first->w[1], done = is_long ? first->w[7] : 0;
	u64 room = PIPE_BYTES - pipe_used(p);
	u64 n = bytes_min(len - done, room);
	struct request rq;
	err_t err = 0;

	if (!p->reader) {
		err = -ERR_PIPE;
	} else if (!is_long) {
		if (n < len)
			return false;
		pipe_put(p, (const u8 *)&first->w[2], n);
		done = n;
	} else {
		const u8 *bytes = buffer_at(client_at(badge_slot(first->badge)), first->w[2] + done, n);

		if (!bytes) {
			err = -ERR_NOMEM;
		} else {
			pipe_put(p, bytes, n);
			first->w[7] = done += n;
			if (done < len)
				return n != 0;
		}
	}
	if (!park_take(&pipe_park, &p->writers, &rq))
		panic("files: a waiting writer is gone");
	answer(&rq, err, done);
	return true;
}

void pipe_pump(struct pipe *p)
{
	for (bool moved = true; moved;) {
		moved = false;
		while (p->readers.head && (pipe_used(p) || !p->writer)) {
			reader_serve(p);
			moved = true;
		}
		if (p->writers.head)
			moved = writer_serve(p) || moved;
	}
}

// Requests that still wait at an end that is closed: a capability was used from two processes. They get BADF.
static void waiting_refuse(struct park_queue *q)
{
	struct request rq;

	while (park_take(&pipe_park, q, &rq))
		answer(&rq, -ERR_BADF, 0);
}

void pipe_close(u32 index, bool writer)
{
	struct pipe *p = &pipes[index];

	if (writer) {
		p->writer = false;
		waiting_refuse(&p->writers);
	} else {
		p->reader = false;
		waiting_refuse(&p->readers);
	}
	if (p->reader || p->writer) {
		pipe_pump(p);
		return;
	}
	store_put(p->page);
	p->page = 0;
	pipes_used--;
}

static void queue_forget(struct park_queue *q, u64 badge)
{
	struct park_queue kept = { 0, 0 };
	struct request rq;

	while (park_take(&pipe_park, q, &rq))
		if (rq.badge != badge && !park_put(&pipe_park, &kept, &rq))
			panic("files: no room for a request that had room");
	*q = kept;
}

void pipes_forget(u64 badge)
{
	for (u32 i = 1; i <= PIPES; i++) {
		struct pipe *p = &pipes[i];

		if (!p->page || (!p->readers.head && !p->writers.head))
			continue;
		queue_forget(&p->readers, badge);
		queue_forget(&p->writers, badge);
		pipe_pump(p); // the writer behind it may fit
	}
}
