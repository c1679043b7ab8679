// SPDX-License-Identifier: MIT
/*
 * The disk's virtqueue. A request has a slot, and a slot has descriptors of its own: QUEUE_CHAIN of them, at a fixed
 * place, so there is no list of free descriptors that anything could tangle.
 *
 *	slot:	free --queue_send--> busy --queue_take--> free
 *
 * The device only reads what it should; what it writes (the used ring, the status byte) is read once and believed
 * nothing: an answer counts only for a slot that is busy, and anything else is QUEUE_BROKEN, after which the device
 * must be reset.
 */
#pragma once

#include "virtio.h"

#include <abi/abi.h>

#define QUEUE_SIZE  256                  // most descriptors
#define QUEUE_CHAIN (BLOCK_SEGMENTS + 2) // header, pages, status
#define QUEUE_SLOTS (QUEUE_SIZE / QUEUE_CHAIN)
#define QUEUE_PAGES 3

// What the device sees: three pages, each its own frame, so that no part crosses one.
struct queue_memory {
	struct virtq_desc desc[QUEUE_SIZE];
	union {
		struct virtq_avail avail;
		u8 avail_bytes[PAGE_SIZE / 4];
	};
	union {
		struct virtq_used used;
		u8 used_bytes[PAGE_SIZE - PAGE_SIZE / 4];
	};
	union {
		struct {
			struct blk_header header[QUEUE_SLOTS];
			u8 status[QUEUE_SLOTS];
		};
		u8 request_bytes[PAGE_SIZE];
	};
};
_Static_assert(sizeof(struct queue_memory) == QUEUE_PAGES * PAGE_SIZE, "three pages");
_Static_assert(QUEUE_SLOTS <= 32, "slots are bits of a word");

struct queue {
	struct queue_memory *mem;
	paddr_t page[QUEUE_PAGES]; // where the device finds them
	u16 size;                  // descriptors in use, a power of two
	u16 slots;
	u16 avail;             // requests sent, modulo 2^16
	u16 used;              // answers taken
	u32 busy;              // a bit for each slot that the device has
	u32 room[QUEUE_SLOTS]; // bytes the device may write for it
};

struct queue_request {
	enum blk_type type;
	u64 sector;
	u32 pages;
	paddr_t page[BLOCK_SEGMENTS];
};

enum queue_found { QUEUE_EMPTY, QUEUE_ANSWER, QUEUE_BROKEN };

struct queue_answer {
	u32 slot;
	u32 written; // bytes, the status byte included
	u8 status;   // BLK_STATUS_*, or 0xff: the device did not write it
};

// All slots free. The device must be stopped: nothing of the memory may be in use. `size` is a power of two.
void queue_reset(struct queue *q, u32 size);
// Where the device finds a part of the memory.
paddr_t queue_paddr(const struct queue *q, const void *part);
// The first free slot, or -1.
s32 queue_slot(const struct queue *q);
// The slot must be free. The device sees it with queue_publish.
void queue_send(struct queue *q, u32 slot, const struct queue_request *rq);
// Shows the device what was sent. true: it wants to be notified.
bool queue_publish(struct queue *q);
// The next answer. BROKEN: the used ring makes no sense.
enum queue_found queue_take(struct queue *q, struct queue_answer *a) must_check;
