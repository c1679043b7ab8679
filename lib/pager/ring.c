// SPDX-License-Identifier: MIT
// Single-producer, single-consumer ring (ring.h). Release on publishing a position, acquire on reading the other
// side's.
#include <base/panic.h>
#include <pager/ring.h>

static void ring_shape(struct ring *ring, struct ring_shared *shared, u32 records, u32 words)
{
	assert(records && !(records & (records - 1)) && words);
	ring->shared = shared;
	ring->records = ring->limit = records;
	ring->words = words;
}

void ring_create(struct ring *ring, struct ring_shared *shared, u32 records, u32 words)
{
	ring_shape(ring, shared, records, words);
	ring->position = 0;
	__atomic_store_n(&shared->head, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->overflow, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->tail, 0, __ATOMIC_RELEASE);
}

void ring_attach_producer(struct ring *ring, struct ring_shared *shared, u32 records, u32 words)
{
	ring_shape(ring, shared, records, words);
	ring->position = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE);
}

void ring_attach_consumer(struct ring *ring, struct ring_shared *shared, u32 records, u32 words)
{
	ring_shape(ring, shared, records, words);
	ring->position = __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE);
}

static u64 *ring_record(const struct ring *ring, u32 position)
{
	return &ring->shared->data[(size_t)(position & (ring->records - 1)) * ring->words];
}

// Records are a few words long: four at a time.
static void record_copy(u64 *to, const u64 *from, u32 words)
{
	for (; words >= 4; words -= 4, to += 4, from += 4) {
		u64 a = from[0], b = from[1], c = from[2], d = from[3];

		to[0] = a;
		to[1] = b;
		to[2] = c;
		to[3] = d;
	}
	while (words--)
		*to++ = *from++;
}

bool ring_put(struct ring *ring, const u64 *record)
{
	struct ring_shared *shared = ring->shared;
	u32 tail = __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE);

	/* A tail ahead of the head makes the difference huge: treated as full. */
	if (ring->position - tail >= ring->limit) {
		__atomic_store_n(&shared->overflow, 1, __ATOMIC_RELEASE);
		return false;
	}
	record_copy(ring_record(ring, ring->position), record, ring->words);
	ring->position++;
	__atomic_store_n(&shared->head, ring->position, __ATOMIC_RELEASE);
	return true;
}

bool ring_put_run(struct ring *ring, const u64 *records, u32 n)
{
	struct ring_shared *shared = ring->shared;

	if (ring_room(ring) < n) {
		__atomic_store_n(&shared->overflow, 1, __ATOMIC_RELEASE);
		return false;
	}
	for (u32 i = 0; i < n; i++, records += ring->words)
		record_copy(ring_record(ring, ring->position + i), records, ring->words);
	ring->position += n;
	__atomic_store_n(&shared->head, ring->position, __ATOMIC_RELEASE);
	return true;
}

static inline bool look(struct ring *ring, u64 *record)
{
	struct ring_shared *shared = ring->shared;
	u32 head = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE);

	if (head == ring->position)
		return false;
	if (head - ring->position > ring->records) {
		/* The producer wrote nonsense: skip to where it claims to be, and rescan. */
		ring->position = head;
		__atomic_store_n(&shared->tail, head, __ATOMIC_RELEASE);
		__atomic_store_n(&shared->overflow, 1, __ATOMIC_RELEASE);
		return false;
	}
	record_copy(record, ring_record(ring, ring->position), ring->words);
	return true;
}

static inline void drop(struct ring *ring)
{
	ring->position++;
	__atomic_store_n(&ring->shared->tail, ring->position, __ATOMIC_RELEASE);
}

bool ring_look(struct ring *ring, u64 *record)
{
	return look(ring, record);
}

void ring_drop(struct ring *ring)
{
	drop(ring);
}

bool ring_take(struct ring *ring, u64 *record)
{
	if (!look(ring, record))
		return false;
	drop(ring);
	return true;
}
