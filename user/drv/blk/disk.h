// SPDX-License-Identifier: MIT
/*
 * Disks: what clients want read or written, from the record in a client's ring to the answer in it
 * (lib/abi/56-block.idl).
 *
 *	FREE --io_take--> QUEUED --PIN--> BUSY --PIN--> DONE --io_answered--> FREE
 *	                    ^              |
 *	                    +-----PIN------+  the device was reset
 *
 * Invariants
 *	- struct io is the truth: it lies in the state segment, `state` is its commit store, lists are rebuilt from it
 *	- frames are pinned exactly while their io is BUSY, the time the device has them. PIN: they are being pinned or
 *	  unpinned, the first ones are; there is one such io at a time, so after a restart the kernel's count of pins
 *	  tells how many
 *	- every record taken is answered once, also over restarts of the driver: an io knows the position of its record
 *	  in the client's ring and that of its answer. What the device had then is given to it again
 *	- an io is one request of the device, and has one of its queue's slots while it is BUSY
 */
#pragma once

#include "queue.h"

#include <pager/state.h>

#define DISK_IOS     64 // requests of all clients
#define DISK_CLIENTS SERVER_RINGS
#define DISK_TRIES   3    // times an io is given to a device that then had to be reset
#define OP_NONE      0xff // an op that no request has

enum io_state { IO_FREE, IO_QUEUED, IO_PIN, IO_BUSY, IO_DONE };

struct io {
	u64 flow;
	u64 id; // the client's
	u64 sector;
	frame_t frame[BLOCK_SEGMENTS];
	u32 state;  // enum io_state
	s32 status; // DONE: 0 or -ERR
	u32 record; // position of the record in the client's ring
	u32 answer; // DONE and put: position of the answer
	u8 client;
	u8 unit;
	u8 op; // BLOCK_*
	u8 frames;
	u8 tries; // resets of the device and deaths of the driver that it has seen
	u8 put;   // DONE: `answer` counts
	u8 spare[2];
};

struct disk_state {
	struct state_header header;
	frame_t memory[BLOCK_UNITS][QUEUE_PAGES]; // the driver's own frames, 0: none yet
	struct io io[DISK_IOS];
};

struct io_list {
	u16 head, tail; // index + 1, 0: none
};

enum unit_condition {
	UNIT_STOPPED,
	UNIT_READY,
	UNIT_BROKEN, // cannot be made to work: requests are answered IO
};

struct unit {
	u32 number;
	enum unit_condition condition;
	struct queue queue;
	u16 slot[QUEUE_SLOTS]; // index of the io that has it
	struct io_list queued;
	u64 features;
	u64 capacity;   // sectors
	u32 block_size; // bytes; requests are multiples of it
	bool read_only;
	bool cache; // BLOCK_FLUSH does something
	u32 broken; // resets since the last good answer
	u64 stat[BLOCKSTAT_INTERRUPTS + 1];
};

struct disks {
	struct disk_state *state;
	u32 units;
	u32 clients;
	u32 free;                // ios
	u32 owned[DISK_CLIENTS]; // ios of each client
	u16 next[DISK_IOS];      // of the list that the io is on
	struct io_list unused, done[DISK_CLIENTS];
	struct unit unit[BLOCK_UNITS];
};

// ---- io.c: the table
// `segment` is zeroed or what a predecessor left. The units are STOPPED until device_open.
void disks_open(struct disks *d, void *segment, u64 bytes, u32 units);
// The table is ready for so many clients. What a predecessor had in devices, which must be stopped by now, is unpinned
// and queued again.
void disks_begin(struct disks *d, u32 clients);
// Did a predecessor take the record at this position of the client's ring, and die before it could say so there?
bool io_taken(const struct disks *d, u32 client, u32 record);
// A request. false: this client has as many open as it may. Wrong ones are answered at once.
bool io_take(struct disks *d, u32 client, u32 record, const struct block_request *rq) must_check;
// The next io of the client that is to be answered, or NULL.
const struct io *io_answer(const struct disks *d, u32 client);
// It is about to be put at this position of the client's ring; it has been.
void io_answering(struct disks *d, u32 client, u32 position);
void io_answered(struct disks *d, u32 client);
// Answers that a predecessor put at positions below `head` of the client's ring have been given.
void io_answers_seen(struct disks *d, u32 client, u32 head);
u32 disks_open_ios(const struct disks *d);

// Inside: QUEUED -> BUSY, on no list; an error leaves it QUEUED. BUSY -> QUEUED, on no list. The end.
err_t io_pin(struct io *io, paddr_t *paddr);
void io_unpin(struct io *io);
void io_finish(struct disks *d, struct io *io, err_t status);
void io_push(struct disks *d, struct io_list *list, struct io *io, bool front);
struct io *io_pop(struct disks *d, struct io_list *list);

// ---- unit.c: the device's side
// Gives the device what there is to do, as much as it takes.
void unit_start(struct disks *d, struct unit *u);
void unit_interrupt(struct disks *d, struct unit *u);
// Stops the device, takes back what it had, starts it again. BROKEN when that does not help.
void unit_reset(struct disks *d, struct unit *u, const char *why);

// ---- device.c: registers
// Does the transport hold a disk? A line says so if it is one that cannot be used.
bool device_is_disk(u32 unit);
// An error leaves it BROKEN, with a line that says why.
err_t device_open(struct unit *u);
// The device forgets everything. false: it does not stop.
bool device_stop(u32 unit);
void device_config(struct unit *u); // it has changed
