// SPDX-License-Identifier: MIT
// The virtqueue (queue.h): chains in fixed places, answers that are checked.
#include "queue.h"

#include <device.h>
#include <lib/base/panic.h>
#include <lib/base/string.h>

#define STATUS_UNWRITTEN 0xff

void queue_reset(struct queue *q, u32 size)
{
	assert(size >= QUEUE_CHAIN && size <= QUEUE_SIZE && !(size & (size - 1)));
	memset(q->mem, 0, sizeof(*q->mem));
	memset(q->room, 0, sizeof(q->room));
	q->size = (u16)size;
	q->slots = (u16)(size / QUEUE_CHAIN);
	q->avail = q->used = 0;
	q->busy = 0;
}

s32 queue_slot(const struct queue *q)
{
	u32 free = ~q->busy & (u32)((1ull << q->slots) - 1);

	return free ? __builtin_ctz(free) : -1;
}

paddr_t queue_paddr(const struct queue *q, const void *part)
{
	u64 offset = (u64)((const u8 *)part - (const u8 *)q->mem);

	return q->page[offset / PAGE_SIZE] + offset % PAGE_SIZE;
}

void queue_send(struct queue *q, u32 slot, const struct queue_request *rq)
{
	u32 first = slot * QUEUE_CHAIN, at = first;
	u16 data = DESC_NEXT | (rq->type == BLK_TYPE_IN ? DESC_WRITE : 0);
	struct virtq_desc *desc = q->mem->desc;

	assert(slot < q->slots && !(q->busy & 1u << slot) && rq->pages <= BLOCK_SEGMENTS);
	q->mem->header[slot] = (struct blk_header){ .type = rq->type, .sector = rq->sector };
	q->mem->status[slot] = STATUS_UNWRITTEN;
	desc[at++] = (struct virtq_desc){ queue_paddr(q, &q->mem->header[slot]), sizeof(struct blk_header), DESC_NEXT,
					  (u16)(first + 1) };
	for (u32 i = 0; i < rq->pages; i++, at++)
		desc[at] = (struct virtq_desc){ rq->page[i], PAGE_SIZE, data, (u16)(at + 1) };
	desc[at] = (struct virtq_desc){ queue_paddr(q, &q->mem->status[slot]), 1, DESC_WRITE, 0 };
	q->room[slot] = 1 + (rq->type == BLK_TYPE_IN ? rq->pages * PAGE_SIZE : 0);
	q->busy |= 1u << slot;
	q->mem->avail.ring[q->avail++ & (q->size - 1)] = (u16)first;
}

bool queue_publish(struct queue *q)
{
	if (q->mem->avail.idx == q->avail)
		return false;
	device_barrier(); // the chains before the index that shows them
	__atomic_store_n(&q->mem->avail.idx, q->avail, __ATOMIC_RELAXED);
	device_barrier(); // the index before the look at the flag, and before the register that tells the device
	return !(__atomic_load_n(&q->mem->used.flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY);
}

enum queue_found queue_take(struct queue *q, struct queue_answer *a)
{
	u16 ahead = (u16)(__atomic_load_n(&q->mem->used.idx, __ATOMIC_RELAXED) - q->used);
	const struct virtq_used_entry *entry = &q->mem->used.ring[q->used & (q->size - 1)];
	u32 id, written, slot;

	if (!ahead)
		return QUEUE_EMPTY;
	if (ahead > (u32)__builtin_popcount(q->busy))
		return QUEUE_BROKEN;
	device_barrier(); // the index before the entry and the data that it shows
	id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);
	written = __atomic_load_n(&entry->len, __ATOMIC_RELAXED);
	slot = id / QUEUE_CHAIN;
	if (id % QUEUE_CHAIN || slot >= q->slots || !(q->busy & 1u << slot) || written > q->room[slot])
		return QUEUE_BROKEN;
	q->used++;
	q->busy &= ~(1u << slot);
	*a = (struct queue_answer){ slot, written, __atomic_load_n(&q->mem->status[slot], __ATOMIC_RELAXED) };
	return QUEUE_ANSWER;
}
