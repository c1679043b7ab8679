// SPDX-License-Identifier: MIT
// Ios become requests of the device, its answers become the ends of ios (disk.h).
#include "disk.h"
#include "port.h"

#include <lib/base/log.h>

#define BROKEN_MOST 8  // resets without a good answer between them, then the disk is given up
#define ERROR_LINES 16 // lines about requests that failed; later ones are counted only

static void io_send(struct disks *d, struct unit *u, struct io *io, u32 slot)
{
	static const enum blk_type type[] = {
		[BLOCK_READ] = BLK_TYPE_IN, [BLOCK_WRITE] = BLK_TYPE_OUT, [BLOCK_FLUSH] = BLK_TYPE_FLUSH
	};
	struct queue_request rq;
	err_t err = io_pin(io, rq.page);

	rq.type = type[io->op];
	rq.sector = io->op == BLOCK_FLUSH ? 0 : io->sector;
	rq.pages = io->frames;
	if (err) {
		// a request that a reset device had before may have been done
		io_finish(d, io, io->tries ? -ERR_IO : err);
		return;
	}
	u->slot[slot] = (u16)(io - d->state->io);
	queue_send(&u->queue, slot, &rq);
	u->stat[BLOCKSTAT_IN_FLIGHT]++;
	if (u->stat[BLOCKSTAT_IN_FLIGHT_MAX] < u->stat[BLOCKSTAT_IN_FLIGHT])
		u->stat[BLOCKSTAT_IN_FLIGHT_MAX] = u->stat[BLOCKSTAT_IN_FLIGHT];
}

void unit_start(struct disks *d, struct unit *u)
{
	struct io *io;
	s32 slot;

	while (u->condition == UNIT_BROKEN && (io = io_pop(d, &u->queued)))
		io_finish(d, io, -ERR_IO);
	if (u->condition != UNIT_READY)
		return;
	while (u->queued.head && (slot = queue_slot(&u->queue)) >= 0 && (io = io_pop(d, &u->queued)))
		io_send(d, u, io, (u32)slot);
	if (queue_publish(&u->queue))
		port_write(u->number, REG_QUEUE_NOTIFY, 0);
}

static void error_tell(struct unit *u, const struct io *io, u8 status)
{
	static const char *const verb[] = { [BLOCK_READ] = "read", [BLOCK_WRITE] = "write", [BLOCK_FLUSH] = "flush" };
	static const char *const says[] = { "nothing sensible", "I/O error", "not supported" };

	u->stat[BLOCKSTAT_ERRORS]++;
	if (u->stat[BLOCKSTAT_ERRORS] > ERROR_LINES)
		return;
	log_line("blk: vd%c: cannot %s sectors %lu to %lu: the disk says: %s%s", 'a' + u->number, verb[io->op],
		 (unsigned long)io->sector, (unsigned long)io->sector + io->frames * BLOCK_SECTORS_PER_PAGE,
		 says[status <= BLK_STATUS_UNSUPPORTED ? status : 0],
		 u->stat[BLOCKSTAT_ERRORS] == ERROR_LINES ? " (further errors are counted only)" : "");
}

static void done_count(struct unit *u, const struct io *io)
{
	u64 sectors = io->frames * (u64)BLOCK_SECTORS_PER_PAGE;

	if (io->op == BLOCK_READ) {
		u->stat[BLOCKSTAT_READS]++;
		u->stat[BLOCKSTAT_READ_SECTORS] += sectors;
	} else if (io->op == BLOCK_WRITE) {
		u->stat[BLOCKSTAT_WRITES]++;
		u->stat[BLOCKSTAT_WRITE_SECTORS] += sectors;
	}
}

static void answer_take(struct disks *d, struct unit *u, const struct queue_answer *a)
{
	struct io *io = &d->state->io[u->slot[a->slot]];

	u->stat[BLOCKSTAT_IN_FLIGHT]--;
	io_unpin(io);
	if (a->status == BLK_STATUS_OK && a->written == u->queue.room[a->slot]) {
		u->broken = 0;
		done_count(u, io);
		io_finish(d, io, 0);
	} else {
		error_tell(u, io, a->status);
		io_finish(d, io, -ERR_IO);
	}
}

static void answers_take(struct disks *d, struct unit *u)
{
	struct queue_answer a;
	enum queue_found found;

	while ((found = queue_take(&u->queue, &a)) == QUEUE_ANSWER)
		answer_take(d, u, &a);
	if (found == QUEUE_BROKEN)
		unit_reset(d, u, "it answers what was not asked");
}

void unit_interrupt(struct disks *d, struct unit *u)
{
	u32 why;

	if (u->condition != UNIT_READY)
		return;
	u->stat[BLOCKSTAT_INTERRUPTS]++;
	why = port_read(u->number, REG_INTERRUPT_STATUS);
	port_write(u->number, REG_INTERRUPT_ACK, why);
	if (why & INTERRUPT_CONFIG) {
		/* A device that wants to be reset says so by this interrupt too (Virtio 1.2, 2.1.2). */
		if (port_read(u->number, REG_STATUS) & STATUS_NEEDS_RESET) {
			unit_reset(d, u, "it asks for it");
			return;
		}
		device_config(u);
	}
	answers_take(d, u);
}

// What the device had goes to the front of the queue again; what has seen too many resets ends.
static void slots_take_back(struct disks *d, struct unit *u)
{
	for (u32 slot = QUEUE_SLOTS; slot-- > 0;) {
		struct io *io = &d->state->io[u->slot[slot]];

		if (!(u->queue.busy & 1u << slot))
			continue;
		io_unpin(io);
		if (++io->tries < DISK_TRIES)
			io_push(d, &u->queued, io, true);
		else
			io_finish(d, io, -ERR_IO);
	}
	u->stat[BLOCKSTAT_IN_FLIGHT] = 0;
}

void unit_reset(struct disks *d, struct unit *u, const char *why)
{
	log_line("blk: vd%c is reset: %s", 'a' + u->number, why);
	// a device that goes on would write into frames that have other owners by then
	if (!device_stop(u->number))
		panic("blk: vd%c cannot be stopped, and it has %u requests", 'a' + u->number,
		      __builtin_popcount(u->queue.busy));
	slots_take_back(d, u);
	u->queue.busy = 0;
	if (++u->broken > BROKEN_MOST || device_open(u)) {
		u->condition = UNIT_BROKEN;
		log_line("blk: vd%c is given up; requests are answered with an error from now on", 'a' + u->number);
	}
}
