// SPDX-License-Identifier: MIT
// From a client's ring into the table and back (clients.h). A record is in the table, which is in the state segment,
// before it leaves its ring; an answer is in its ring before it leaves the table.
#include "clients.h"

#include <lib/base/panic.h>
#include <pager/channel.h>

#define REQUEST_WORDS (sizeof(struct block_request) / sizeof(u64))
#define DONE_WORDS    (sizeof(struct block_done) / sizeof(u64))

static struct channel channel[DISK_CLIENTS];

bool client_open(struct disks *d, u32 i, const struct server_ring *end)
{
	struct channel *ch = &channel[i];
	struct block_request rq;

	if (!channel_attach(ch, end, DONE_WORDS, REQUEST_WORDS))
		return false;
	io_answers_seen(d, i, ch->out.position);
	if (io_taken(d, i, ch->in.position) && ring_look(&ch->in, (u64 *)&rq))
		ring_drop(&ch->in);
	return true;
}

// Takes what there is room for. True: some were taken, and some are left.
static bool requests_take(struct disks *d, u32 client)
{
	struct channel *ch = &channel[client];
	struct block_request rq;
	bool taken = false;

	while (ring_look(&ch->in, (u64 *)&rq)) {
		if (!io_take(d, client, ch->in.position, &rq))
			return taken;
		ring_drop(&ch->in);
		taken = true;
	}
	return false;
}

static void answers_give(struct disks *d, u32 client)
{
	struct channel *ch = &channel[client];
	const struct io *io;

	while ((io = io_answer(d, client)) && channel_room(ch)) {
		struct block_done done = { .flow = io->flow, .id = io->id, .status = (u64)(s64)io->status };

		io_answering(d, client, ch->out.position);
		if (!channel_put(ch, (u64 *)&done))
			panic("blk: a ring with room is full");
		io_answered(d, client);
	}
	channel_flush(ch);
}

// A record may be answered at once, which makes room for one that was left in its ring, and no interrupt would bring
// us back to that one: so the rings are looked at until nothing is taken of what they have.
void clients_serve(struct disks *d)
{
	bool more;

	do {
		more = false;
		for (u32 i = 0; i < d->clients; i++)
			more |= requests_take(d, i);
		for (u32 i = 0; i < d->units; i++)
			unit_start(d, &d->unit[i]);
		for (u32 i = 0; i < d->clients; i++)
			answers_give(d, i);
	} while (more);
}
