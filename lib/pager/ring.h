// SPDX-License-Identifier: MIT
/*
 * A ring of fixed-size records in memory that two servers share: one producer, one consumer, no locks.
 *
 * A ring never blocks its producer: when it is full, the record is dropped and OVERFLOW is set; the consumer that finds
 * OVERFLOW rescans the truth (the frame table), which is the same code that crash recovery runs. Neither side believes
 * the other: each end keeps its own position in private memory and checks what it reads, so a broken peer costs lost
 * records and rescans, never a wild access.
 *
 *	producer: head moves          consumer: tail moves
 *	0 <= head - tail <= records, both counted modulo 2^32
 */
#pragma once

#include <base/types.h>

// What both sides see. Head and tail lie in cache lines of their own.
struct ring_shared {
	_Alignas(64) u32 head;
	u32 overflow; // set by the producer, taken by the consumer
	_Alignas(64) u32 tail;
	_Alignas(64) u64 data[];
};

// One end, private to its server.
struct ring {
	struct ring_shared *shared;
	u32 position; // own head or tail
	u32 records;  // a power of two
	u32 words;    // u64 words of a record
	u32 limit;    // records after which the producer finds it full: `records`, or fewer (ring_limit)
};

// Bytes of shared memory that a ring of this shape needs.
static inline size_t ring_bytes(u32 records, u32 words)
{
	return sizeof(struct ring_shared) + (size_t)records * words * sizeof(u64);
}

// The producer makes the ring; the consumer then attaches with the same shape. Either may attach again after a restart.
void ring_create(struct ring *ring, struct ring_shared *shared, u32 records, u32 words);
void ring_attach_producer(struct ring *ring, struct ring_shared *shared, u32 records, u32 words);
void ring_attach_consumer(struct ring *ring, struct ring_shared *shared, u32 records, u32 words);
// false: the ring is full (or its consumer broken), the record is lost and OVERFLOW is set.
bool ring_put(struct ring *ring, const u64 *record);
// n records that lie one after the other: all of them, or none and OVERFLOW.
bool ring_put_run(struct ring *ring, const u64 *records, u32 n);
// Records that the producer can put before the ring is full. A consumer that wrote nonsense leaves no room.
static inline u32 ring_room(const struct ring *ring)
{
	u32 used = ring->position - __atomic_load_n(&ring->shared->tail, __ATOMIC_ACQUIRE);

	return used < ring->limit ? ring->limit - used : 0;
}
// Tests make a ring smaller than it is, so that it overflows: the producer's own restraint.
static inline void ring_limit(struct ring *ring, u32 records)
{
	ring->limit = records < ring->records ? records : ring->records;
}
// Records that wait for the consumer, which asks.
static inline u32 ring_waiting(const struct ring *ring)
{
	u32 waiting = __atomic_load_n(&ring->shared->head, __ATOMIC_ACQUIRE) - ring->position;

	return waiting < ring->records ? waiting : ring->records;
}
// Nothing waits for the consumer, and nothing was lost.
static inline bool ring_quiet(const struct ring *ring)
{
	return __atomic_load_n(&ring->shared->head, __ATOMIC_ACQUIRE) == ring->position &&
	       !__atomic_load_n(&ring->shared->overflow, __ATOMIC_RELAXED);
}
// false: empty.
bool ring_take(struct ring *ring, u64 *record) must_check;
// The two halves of ring_take, for a consumer that must know of a record before it is gone from the ring. ring_drop may
// follow only a ring_look that said true.
bool ring_look(struct ring *ring, u64 *record) must_check;
void ring_drop(struct ring *ring);
// true, once per loss: records were dropped, rescan. To be asked before the records that follow are taken.
static inline bool must_check ring_overflowed(struct ring *ring)
{
	/* Look before taking: the exchange would dirty the producer's line on every call. */
	return __atomic_load_n(&ring->shared->overflow, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&ring->shared->overflow, 0, __ATOMIC_ACQ_REL);
}
