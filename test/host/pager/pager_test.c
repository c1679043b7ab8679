// SPDX-License-Identifier: MIT
/*
 * lib/pager: the state segment killed at every step, the ring with two threads and with a hostile peer, parked
 * requests.
 *
 *	make build/host/pager.test && build/host/pager.test [seed]
 */
#include <pager/channel.h>
#include <pager/ring.h>
#include <pager/server.h>
#include <pager/state.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

u64 fake_argument[PAGE_SIZE / sizeof(u64)];
struct liveness fake_liveness;
static u64 rng = 88172645463325252ul;

_Noreturn void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	abort();
}

#define check(cond) \
	do { \
		if (!(cond)) \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

static u64 rnd(u64 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

// ---- state segment

#define RECORDS 16
struct record {
	u64 word[4];
};

struct segment {
	struct state_header header;
	struct record record[RECORDS];
};

// A killed program: the segment as it is, opened by a successor, must hold `want`.
static void successor_sees(const struct segment *now, const struct record *want)
{
	static _Alignas(8) struct segment copy;
	struct state state;

	memcpy(&copy, now, sizeof(copy));
	check(state_open(&state, &copy, sizeof(copy), 1, 7) == STATE_KEPT);
	check(!memcmp(copy.record, want, sizeof(copy.record)));
	check(!copy.header.words);
}

static void test_state(void)
{
	static _Alignas(8) struct segment segment;
	static struct record before[RECORDS], after[RECORDS];
	struct state state;

	memset(&segment, 0xa5, sizeof(segment));
	check(state_open(&state, &segment, sizeof(segment), 1, 7) == STATE_FRESH);
	for (u32 round = 0; round < 20000; round++) {
		u32 writes = 1 + (u32)rnd(6);
		struct segment partial;

		memcpy(before, segment.record, sizeof(before));
		memcpy(after, before, sizeof(after));
		for (u32 i = 0; i < writes; i++) {
			u32 at = (u32)rnd(RECORDS);
			struct record r = { .word = { rnd(~0ul), rnd(~0ul), round, i } };

			state_stage(&state, &segment.record[at], &r, sizeof(r));
			after[at] = r;
			successor_sees(&segment, before);
		}
		if (rnd(8) == 0) {
			state_drop(&state);
			continue;
		}
		state_seal(&state);
		successor_sees(&segment, after);
		/* Killed in the middle of applying: any mixture of old and new words. */
		partial = segment;
		for (u32 i = 0; i < RECORDS; i++)
			for (u32 w = 0; w < 4; w++)
				if (rnd(2))
					partial.record[i].word[w] = after[i].word[w];
		successor_sees(&partial, after);
		state_apply(&state);
		successor_sees(&segment, after);
	}
	/* Another layout, version or size starts afresh; so does a log that points outside. */
	check(state_open(&state, &segment, sizeof(segment), 1, 8) == STATE_FRESH);
	check(state_open(&state, &segment, sizeof(segment), 2, 8) == STATE_FRESH);
	check(!segment.record[0].word[0]);
	segment.header.log[0] = (u64)sizeof(segment) << 32 | 1;
	segment.header.words = 2;
	check(state_open(&state, &segment, sizeof(segment), 2, 8) == STATE_FRESH);
	for (u32 round = 0; round < 100000; round++) {
		for (u32 i = 0; i < 4; i++)
			segment.header.log[i] = rnd(3) ? rnd(4096) << 32 | rnd(8) : rnd(~0ul);
		segment.header.words = (u32)(rnd(2) ? rnd(5) : rnd(~0u));
		(void)state_open(&state, &segment, sizeof(segment), 2, 8); /* ASan: nothing is written outside */
	}
}

// ---- ring

#define RING_RECORDS 64
#define RING_WORDS   3
static _Alignas(64) char ring_memory[sizeof(struct ring_shared) + RING_RECORDS * RING_WORDS * 8];
static u64 ring_total;

static void *producer(void *unused)
{
	struct ring ring;

	(void)unused;
	ring_attach_producer(&ring, (void *)ring_memory, RING_RECORDS, RING_WORDS);
	for (u64 i = 1; i <= ring_total; i++) {
		u64 record[RING_WORDS] = { i, i * 3, ~i };

		(void)ring_put(&ring, record);
	}
	/* The last record must arrive, so that the consumer knows the end. */
	u64 end[RING_WORDS] = { 0, 0, ~0ul };
	while (!ring_put(&ring, end))
		;
	return NULL;
}

static void test_ring_threads(void)
{
	struct ring ring;
	pthread_t thread;
	u64 last = 0, taken = 0, overflows = 0, record[RING_WORDS];

	ring_create(&ring, (void *)ring_memory, RING_RECORDS, RING_WORDS);
	ring_attach_consumer(&ring, (void *)ring_memory, RING_RECORDS, RING_WORDS);
	check(!pthread_create(&thread, NULL, producer, NULL));
	for (;;) {
		overflows += ring_overflowed(&ring);
		if (!ring_take(&ring, record))
			continue;
		check(record[1] == record[0] * 3 && record[2] == ~record[0]);
		if (!record[0])
			break;
		check(record[0] > last); /* in order, none twice */
		last = record[0];
		taken++;
	}
	check(!pthread_join(thread, NULL));
	overflows += ring_overflowed(&ring);
	check(taken == ring_total || overflows); /* a loss is always told */
	check(!ring_take(&ring, record));
}

static void test_ring_edges(void)
{
	struct ring in, out;
	struct ring_shared *shared = (void *)ring_memory;
	u64 record[RING_WORDS] = { 1, 2, 3 }, got = 0;

	ring_create(&in, shared, RING_RECORDS, RING_WORDS);
	ring_attach_consumer(&out, shared, RING_RECORDS, RING_WORDS);
	check(!ring_take(&out, record) && !ring_overflowed(&out));
	for (u32 i = 0; i < RING_RECORDS; i++)
		check(ring_put(&in, record));
	check(!ring_put(&in, record) && ring_overflowed(&out) && !ring_overflowed(&out));
	for (u32 i = 0; i < RING_RECORDS; i++)
		check(ring_take(&out, record));
	check(!ring_take(&out, record));
	/* Positions wrap at 2^32. */
	shared->head = shared->tail = (u32)-3;
	ring_attach_producer(&in, shared, RING_RECORDS, RING_WORDS);
	ring_attach_consumer(&out, shared, RING_RECORDS, RING_WORDS);
	for (u32 i = 0; i < 10; i++)
		check(ring_put(&in, record) && ring_take(&out, record));
	/* A peer that writes nonsense costs records and rescans, nothing else. */
	for (u32 i = 0; i < 100000; i++) {
		if (!rnd(4))
			shared->head = (u32)rnd(~0u);
		if (!rnd(4))
			shared->tail = (u32)rnd(~0u);
		(void)ring_put(&in, record);
		got += ring_take(&out, record);
		got += ring_overflowed(&out);
	}
	check(got);
}

// ---- parked requests

static void test_park(void)
{
	static struct parked entries[8];
	struct park park;
	struct park_queue a = { 0 }, b = { 0 };
	struct request rq = { 0 };

	park_init(&park, entries, 8);
	for (u64 i = 1; i <= 8; i++) {
		rq.badge = i | i << 16;
		fake_liveness.pid[i] = (u32)i;
		check(park_put(&park, i % 2 ? &a : &b, &rq));
	}
	check(!park_put(&park, &a, &rq));
	check(park_first(&park, &a)->badge == (1 | 1 << 16));
	fake_liveness.pid[3] = 0;
	fake_liveness.pid[7] = 99; /* its slot has a new owner */
	check(park_drop_dead(&park, &a) == 2);
	check(park_take(&park, &a, &rq) && rq.badge == (1 | 1 << 16));
	check(park_take(&park, &a, &rq) && rq.badge == (5 | 5 << 16));
	check(!park_take(&park, &a, &rq) && !park_first(&park, &a));
	for (u64 i = 0; i < 4; i++)
		check(park_put(&park, &a, &rq));
	check(!park_put(&park, &a, &rq));
	for (u64 i = 2; i <= 8; i += 2)
		check(park_take(&park, &b, &rq) && rq.badge == (i | i << 16));
	check(!badge_alive(2000 | 1 << 16) && badge_alive(5 | 5 << 16));
}

// ---- channels

static cptr_t told_cap;
static u64 told_bits;
static u32 told_times;

err_t ipc_notify(cptr_t notification, u64 bits)
{
	told_cap = notification;
	told_bits = bits;
	told_times++;
	return 0;
}

err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow)
{
	(void)flow;
	return ipc_notify(notification, bits);
}

// Two servers of a manifest, a ring of one page between them.
static void test_channel(void)
{
	static _Alignas(64) u8 memory[2][PAGE_SIZE];
	struct server_info info[2] = { { .rings = 1 }, { .rings = 1 } };
	struct channel a, b;
	u64 record[4] = { 0 };
	u32 n = 0;

	check(channel_records(1, 4) == 64 && channel_records(1, 8) == 32 && channel_records(2, 4) == 128);
	for (u32 i = 0; i < 2; i++)
		info[i].ring[0] = (struct server_ring){ .peer = { 'b' - (u8)i },
							.out = (u64)memory[i],
							.in = (u64)memory[1 - i],
							.pages = 1,
							.notify = SLOT_RING0 + i,
							.out_bits = 2u << i,
							.in_bits = 4u >> i };
	check(!channel_open(&a, &info[0], "a", 4, 2) && !channel_open(&a, &info[0], "b", 600, 2));
	check(channel_open(&a, &info[0], "b", 4, 2) && channel_open(&b, &info[1], "a", 2, 4));
	channel_flush(&a);
	check(!told_times && channel_room(&a) == 64 && channel_room(&b) == 128);
	for (n = 0; channel_put(&a, record); n++)
		record[0]++;
	check(n == 64 && !channel_room(&a) && a.in_bits == 4 && b.in_bits == 2);
	channel_flush(&a);
	channel_flush(&a);
	check(told_times == 1 && told_cap == SLOT_RING0 && told_bits == b.in_bits);
	check(channel_overflowed(&b) && !channel_overflowed(&b) && !channel_overflowed(&a));
	for (n = 0; channel_take(&b, record); n++)
		check(record[0] == n);
	check(n == 64 && channel_room(&a) == 64 && !channel_take(&a, record));
	((struct ring_shared *)memory[0])->tail += 5; // a consumer that says it read what was never written
	check(!channel_room(&a));
}

int main(int argc, char **argv)
{
	bool quick = getenv("JJOK_TEST") && !strcmp(getenv("JJOK_TEST"), "quick");

	rng += argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	ring_total = quick ? 200000 : 5000000;
	test_state();
	test_ring_edges();
	test_ring_threads();
	test_channel();
	test_park();
	printf("pager: ok\n");
	return 0;
}
