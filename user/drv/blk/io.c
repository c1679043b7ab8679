// SPDX-License-Identifier: MIT
// The table of ios (disk.h): what is taken from rings and what is answered, and what a successor finds.
#include "disk.h"
#include "port.h"

#define STATE_VERSION 1

static u32 layout_sum(void)
{
	return (u32)sizeof(struct disk_state) ^ (u32)sizeof(struct io) << 20;
}

static void state_set(struct io *io, enum io_state state)
{
	state_barrier(); // the record is whole before it counts
	io->state = state;
	state_barrier();
}

static struct io *io_first(const struct disks *d, const struct io_list *list)
{
	return list->head ? &d->state->io[list->head - 1] : NULL;
}

void io_push(struct disks *d, struct io_list *list, struct io *io, bool front)
{
	u16 link = (u16)(io - d->state->io + 1);

	d->next[link - 1] = front ? list->head : 0;
	if (!list->head)
		list->head = list->tail = link;
	else if (front)
		list->head = link;
	else
		list->tail = d->next[list->tail - 1] = link;
}

struct io *io_pop(struct disks *d, struct io_list *list)
{
	struct io *io = io_first(d, list);

	if (!io)
		return NULL;
	list->head = d->next[list->head - 1];
	if (!list->head)
		list->tail = 0;
	return io;
}

static void frames_unpin(const struct io *io, u32 frames)
{
	if (frames)
		port_unpin(io->unit, io->frame, frames);
}

err_t io_pin(struct io *io, paddr_t *paddr)
{
	err_t err = 0;
	u32 pinned;

	state_set(io, IO_PIN);
	if (io->frames)
		err = port_pin(io->unit, io->frame, io->frames, paddr, &pinned);
	if (err)
		frames_unpin(io, pinned);
	state_set(io, err ? IO_QUEUED : IO_BUSY);
	return err;
}

void io_unpin(struct io *io)
{
	state_set(io, IO_PIN);
	frames_unpin(io, io->frames);
	state_set(io, IO_QUEUED);
}

void io_finish(struct disks *d, struct io *io, err_t status)
{
	io->status = status;
	io->put = 0;
	state_set(io, IO_DONE);
	io_push(d, &d->done[io->client], io, false);
}

// Is there work to do? If not, *status is the answer.
static bool io_wanted(const struct disks *d, const struct io *io, err_t *status)
{
	const struct unit *u = &d->unit[io->unit];
	u64 sectors = io->frames * (u64)BLOCK_SECTORS_PER_PAGE;

	*status = 0;
	if (io->unit >= d->units)
		*status = -ERR_NOENT;
	else if (u->condition == UNIT_BROKEN)
		*status = -ERR_IO;
	else if (io->op == BLOCK_FLUSH)
		return u->cache;
	else if ((io->op != BLOCK_READ && io->op != BLOCK_WRITE) || !io->frames || io->frames > BLOCK_SEGMENTS)
		*status = -ERR_INVAL;
	else if (io->sector % (u->block_size / BLOCK_SECTOR) || io->sector > u->capacity ||
		 u->capacity - io->sector < sectors)
		*status = -ERR_INVAL;
	else if (io->op == BLOCK_WRITE && u->read_only)
		*status = -ERR_ROFS;
	return !*status;
}

// What is out of range is kept in range and out of sense.
static void io_fill(struct io *io, u32 client, u32 record, const struct block_request *rq)
{
	io->flow = rq->flow;
	io->id = rq->id;
	io->sector = rq->sector;
	io->status = 0;
	io->record = record;
	io->answer = 0;
	io->client = (u8)client;
	io->unit = (u8)(rq->unit < BLOCK_UNITS ? rq->unit : BLOCK_UNITS);
	io->op = (u8)(rq->op < OP_NONE ? rq->op : OP_NONE);
	io->frames = (u8)(rq->frames <= BLOCK_SEGMENTS ? rq->frames : BLOCK_SEGMENTS + 1);
	io->tries = io->put = 0;
	if (io->op == BLOCK_FLUSH)
		io->frames = 0;
	for (u32 i = 0; i < BLOCK_SEGMENTS && i < io->frames; i++)
		io->frame[i] = rq->frame[i];
}

bool io_take(struct disks *d, u32 client, u32 record, const struct block_request *rq)
{
	struct io *io;
	err_t status;

	if (d->owned[client] >= DISK_IOS / d->clients)
		return false;
	io = io_pop(d, &d->unused);
	d->free--;
	d->owned[client]++;
	io_fill(io, client, record, rq);
	if (io_wanted(d, io, &status)) {
		state_set(io, IO_QUEUED);
		io_push(d, &d->unit[io->unit].queued, io, false);
	} else {
		io_finish(d, io, status);
	}
	return true;
}

const struct io *io_answer(const struct disks *d, u32 client)
{
	return io_first(d, &d->done[client]);
}

void io_answering(struct disks *d, u32 client, u32 position)
{
	struct io *io = io_first(d, &d->done[client]);

	io->answer = position;
	state_barrier();
	io->put = 1;
	state_barrier();
}

static void io_free(struct disks *d, struct io *io)
{
	state_set(io, IO_FREE);
	io_push(d, &d->unused, io, false);
	d->free++;
	d->owned[io->client]--;
}

void io_answered(struct disks *d, u32 client)
{
	io_free(d, io_pop(d, &d->done[client]));
}

bool io_taken(const struct disks *d, u32 client, u32 record)
{
	for (u32 i = 0; i < DISK_IOS; i++) {
		const struct io *io = &d->state->io[i];

		if (io->state != IO_FREE && io->client == client && io->record == record)
			return true;
	}
	return false;
}

void io_answers_seen(struct disks *d, u32 client, u32 head)
{
	struct io_list kept = { 0, 0 };
	struct io *io;

	while ((io = io_pop(d, &d->done[client]))) {
		if (io->put && (s32)(head - io->answer) > 0) {
			io_free(d, io);
			continue;
		}
		io->put = 0;
		io_push(d, &kept, io, false);
	}
	d->done[client] = kept;
}

// Of the io whose frames were being pinned or unpinned the kernel's count says how many are. It comes first: there must
// never be two of its kind, wherever this is killed.
static void pins_recover(struct disks *d)
{
	u32 busy[BLOCK_UNITS] = { 0 };

	for (u32 i = 0; i < DISK_IOS; i++)
		if (d->state->io[i].state == IO_BUSY)
			busy[d->state->io[i].unit] += d->state->io[i].frames;
	for (u32 i = 0; i < DISK_IOS; i++) {
		struct io *io = &d->state->io[i];

		if (io->state != IO_PIN)
			continue;
		io->tries += io->tries < DISK_TRIES; // it may have been done: pins are dropped after that
		frames_unpin(io, port_pins(io->unit) - busy[io->unit]);
		state_set(io, IO_QUEUED);
	}
	for (u32 i = 0; i < DISK_IOS; i++) {
		struct io *io = &d->state->io[i];

		if (io->state != IO_BUSY)
			continue;
		io->tries += io->tries < DISK_TRIES;
		io_unpin(io);
	}
}

// Requests of a client in the order in which they were taken; clients one after the other.
static bool io_before(const struct io *a, const struct io *b)
{
	return a->client != b->client ? a->client < b->client : (s32)(a->record - b->record) < 0;
}

static void queues_recover(struct disks *d)
{
	u16 order[DISK_IOS];
	u32 n = 0;

	for (u32 i = 0; i < DISK_IOS; i++) {
		u32 at = n;

		if (d->state->io[i].state != IO_QUEUED)
			continue;
		for (; at && io_before(&d->state->io[i], &d->state->io[order[at - 1]]); at--)
			order[at] = order[at - 1];
		order[at] = (u16)i;
		n++;
	}
	for (u32 i = 0; i < n; i++)
		io_push(d, &d->unit[d->state->io[order[i]].unit].queued, &d->state->io[order[i]], false);
}

void disks_open(struct disks *d, void *segment, u64 bytes, u32 units)
{
	struct state state;

	assert(bytes >= sizeof(struct disk_state) && units <= BLOCK_UNITS);
	*d = (struct disks){ .state = segment, .units = units };
	for (u32 i = 0; i < BLOCK_UNITS; i++)
		d->unit[i] = (struct unit){ .number = i, .block_size = BLOCK_SECTOR };
	(void)state_open(&state, segment, sizeof(struct disk_state), STATE_VERSION, layout_sum()); // fresh is all free
}

void disks_begin(struct disks *d, u32 clients)
{
	assert(clients <= DISK_CLIENTS);
	d->clients = clients;
	pins_recover(d);
	for (u32 i = 0; i < DISK_IOS; i++) {
		struct io *io = &d->state->io[i];

		if (io->state == IO_FREE || io->client >= clients || (io->state == IO_QUEUED && io->unit >= d->units)) {
			state_set(io, IO_FREE); // of a client or a disk that this machine no longer has
			io_push(d, &d->unused, io, false);
			d->free++;
			continue;
		}
		d->owned[io->client]++;
		if (io->state == IO_DONE)
			io_push(d, &d->done[io->client], io, false);
	}
	queues_recover(d);
}

u32 disks_open_ios(const struct disks *d)
{
	return DISK_IOS - d->free;
}
