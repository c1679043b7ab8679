// SPDX-License-Identifier: MIT
/*
 * The disk driver's core: two clients with their rings, the driver, a device that delays, reorders, fails and lies, and
 * a driver that is killed in any call of its port and started again.
 *
 * Oracle: every request is answered once, with the error it deserves; what is read is what was last written there; no
 * frame is pinned when nothing is open; the device finds every frame it touches pinned (fake_disk.c).
 *
 *	make build/host/blk.test && build/host/blk.test [seed]
 */
#include "fake_disk.h"

#include <drv/blk/clients.h>
#include <drv/blk/port.h>
#include <pager/channel.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS       2
#define TAGS          40 // requests of a client that may be open
#define DONE_WORDS    (sizeof(struct block_done) / sizeof(u64))
#define REQUEST_WORDS (sizeof(struct block_request) / sizeof(u64))
#define RING_PAGES    2

u64 fake_argument[PAGE_SIZE / sizeof(u64)];
struct liveness fake_liveness;
static u64 seed, rng;
static char last_line[200];

_Noreturn void fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: seed %lu: failed: %s (last line: %s)\n", file, line, seed, what, last_line);
	abort();
}

u64 rnd(u64 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

static jmp_buf dead;
static bool panics_expected;

_Noreturn void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(last_line, sizeof(last_line), fmt, args);
	va_end(args);
	if (panics_expected)
		longjmp(dead, 2);
	fail(__FILE__, __LINE__, "panic");
}

void log_line(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(last_line, sizeof(last_line), fmt, args);
	va_end(args);
}

err_t ipc_notify(cptr_t notification, u64 bits)
{
	(void)notification;
	(void)bits;
	return 0;
}

err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow)
{
	(void)flow;
	return ipc_notify(notification, bits);
}

static void killed(void)
{
	longjmp(dead, 1);
}

// ---- the driver's surroundings

static struct disks disks;
static _Alignas(PAGE_SIZE) struct queue_memory memory;
static _Alignas(64) struct disk_state segment;
static _Alignas(64) u8 ring_memory[CLIENTS][2][RING_PAGES * PAGE_SIZE];

static struct server_ring ring_end(u32 client, bool driver)
{
	return (struct server_ring){ .out = (u64)ring_memory[client][driver],
				     .in = (u64)ring_memory[client][!driver],
				     .pages = RING_PAGES };
}

static void driver_start(void)
{
	struct unit *u = &disks.unit[0];

	disks_open(&disks, &segment, sizeof(segment), 1);
	u->queue.mem = &memory;
	for (u32 i = 0; i < QUEUE_PAGES; i++)
		u->queue.page[i] = (u64)&memory + i * PAGE_SIZE;
	CHECK(device_is_disk(0) && device_stop(0));
	disks_begin(&disks, CLIENTS);
	for (u32 i = 0; i < CLIENTS; i++) {
		struct server_ring end = ring_end(i, true);

		CHECK(client_open(&disks, i, &end));
	}
	(void)device_open(u);
	clients_serve(&disks);
}

static u32 deaths;
static bool gave_up; // the disk was given up once in this world

static void driver_life(void (*part)(void))
{
	if (!setjmp(dead)) {
		part();
		return;
	}
	// whoever was killed is started again, and may be killed while it starts
	while (setjmp(dead))
		;
	deaths++;
	driver_start();
}

static void interrupt(void)
{
	gave_up |= disks.unit[0].condition == UNIT_BROKEN; // before a successor tries again
	unit_interrupt(&disks, &disks.unit[0]);
	clients_serve(&disks);
}

static void told(void)
{
	clients_serve(&disks);
}

// ---- clients and oracle

static struct client {
	struct channel ch;
	struct {
		bool open;
		struct block_request rq;
		err_t wanted; // what it must be answered, or 1: depends on the device
		u64 value;    // written, in the first page; the others count up
	} tag[TAGS];
	u64 asked, answered;
} clients[CLIENTS];

static u64 value_of[FAKE_PAGES]; // 0: nobody knows
static bool page_used[FAKE_PAGES], frame_used[FAKE_FRAMES];
static u64 next_value;
static u64 errors;
static struct {
	bool lies, short_one, needs_reset, pin_error, kills;
} spoiled; // what the device of this world does, also before world_end made it good

static void fill(u32 frame, u64 value)
{
	for (u32 i = 0; i < PAGE_SIZE; i += 8)
		memcpy(&fake.frame[frame][i], &(u64){ value * 4096 + i }, 8);
}

static bool holds(u32 frame, u64 value)
{
	for (u32 i = 0; i < PAGE_SIZE; i += 8)
		if (memcmp(&fake.frame[frame][i], &(u64){ value * 4096 + i }, 8))
			return false;
	return true;
}

// A request that is wrong in itself, and what it must be answered.
static err_t wrong(struct block_request *rq)
{
	switch (rnd(7)) {
	case 0:
		rq->sector = fake.capacity - rnd(BLOCK_SECTORS_PER_PAGE);
		return -ERR_INVAL;
	case 1:
		rq->sector = ~0ull - rnd(100) * 8;
		return -ERR_INVAL;
	case 2:
		rq->op = rnd(2) ? 0 : 4 + (u32)rnd(1000);
		return -ERR_INVAL;
	case 3:
		rq->frame[rnd(rq->frames)] += 1ull << 32;
		return rq->op == BLOCK_WRITE && fake.features & FEATURE_RO ? -ERR_ROFS : -ERR_STALE;
	case 4:
		rq->unit = 1 + (u32)rnd(1000);
		return -ERR_NOENT;
	case 5:
		rq->frames = rnd(2) ? 0 : 9 + (u32)rnd(1000);
		return -ERR_INVAL;
	default:
		if (fake.block_size == 512)
			return 1;
		rq->sector++;
		return -ERR_INVAL;
	}
}

// Pages and frames that no other request has.
static bool room_choose(struct block_request *rq, u32 pages)
{
	u32 first = (u32)rnd(FAKE_PAGES - pages + 1), n = 0;

	for (u32 i = 0; i < pages; i++)
		if (page_used[first + i])
			return false;
	for (u32 i = (u32)rnd(FAKE_FRAMES), tries = 0; n < pages && tries < FAKE_FRAMES; tries++, i++)
		if (!frame_used[i % FAKE_FRAMES])
			rq->frame[n++] = fake_frame(i % FAKE_FRAMES);
	rq->frames = pages;
	rq->sector = first * BLOCK_SECTORS_PER_PAGE;
	return n == pages;
}

static void room_use(const struct block_request *rq, bool used)
{
	for (u32 i = 0; i < rq->frames; i++) {
		page_used[rq->sector / BLOCK_SECTORS_PER_PAGE + i] = used;
		frame_used[(u32)rq->frame[i]] = used;
	}
}

static void ask(struct client *c)
{
	u32 t = (u32)rnd(TAGS);
	bool flush = !rnd(20);
	struct block_request rq = { .flow = rnd(~0ull), .id = t + 1, .op = flush ? BLOCK_FLUSH : 1 + (u32)rnd(2) };
	err_t wanted = 1;

	if (c->tag[t].open || (!flush && !room_choose(&rq, 1 + (u32)rnd(BLOCK_SEGMENTS))))
		return;
	if (!flush && !rnd(16))
		wanted = wrong(&rq);
	if (wanted == 1 && rq.op == BLOCK_WRITE && fake.features & FEATURE_RO)
		wanted = -ERR_ROFS;
	if (!flush && wanted == 1) {
		room_use(&rq, true);
		c->tag[t].value = next_value;
		for (u32 i = 0; i < rq.frames; i++)
			fill((u32)rq.frame[i], ++next_value);
	}
	c->tag[t].open = true;
	c->tag[t].rq = rq;
	c->tag[t].wanted = wanted;
	CHECK(channel_put(&c->ch, (u64 *)&rq));
	c->asked++;
}

// Has the disk a bad page there?
static bool bad_there(const struct block_request *rq)
{
	for (u32 i = 0; i < rq->frames; i++)
		if (fake.bad[rq->sector / BLOCK_SECTORS_PER_PAGE + i])
			return true;
	return false;
}

static void content_check(const struct block_request *rq, u64 value, err_t err)
{
	for (u32 i = 0; i < rq->frames; i++) {
		u64 *known = &value_of[rq->sector / BLOCK_SECTORS_PER_PAGE + i];

		if (rq->op == BLOCK_READ && !err)
			CHECK(!*known || holds((u32)rq->frame[i], *known));
		if (rq->op == BLOCK_WRITE)
			*known = !err ? value + 1 + i : err == -ERR_IO ? 0 : *known;
		if (!rnd(8) && !fake.pins[(u32)rq->frame[i]])
			fake.generation[(u32)rq->frame[i]]++; // freed by the client: nothing of the driver may name it
	}
}

static void answer_check(struct client *c, const struct block_done *a)
{
	const struct block_request *rq = &c->tag[a->id - 1].rq;
	err_t err = (err_t)a->status, wanted = c->tag[a->id - 1].wanted;

	CHECK(a->id && a->id <= TAGS && c->tag[a->id - 1].open && a->flow == rq->flow);
	c->tag[a->id - 1].open = false;
	c->answered++;
	errors += err == -ERR_IO;
	if (wanted != 1) {
		CHECK(err == wanted || (err == -ERR_IO && (gave_up || (wanted == -ERR_STALE && spoiled.kills))) ||
		      (err == -ERR_BUSY && spoiled.pin_error));
		return;
	}
	CHECK(!err || err == -ERR_IO || (err == -ERR_BUSY && spoiled.pin_error));
	if (rq->op == BLOCK_FLUSH)
		return;
	room_use(rq, false);
	if (err == -ERR_IO && !spoiled.lies && !spoiled.short_one && !spoiled.needs_reset && !gave_up &&
	    !spoiled.pin_error)
		CHECK(bad_there(rq));
	content_check(rq, c->tag[a->id - 1].value, err);
}

static void answers_take(struct client *c)
{
	struct block_done a;

	gave_up |= disks.unit[0].condition == UNIT_BROKEN;
	while (channel_take(&c->ch, (u64 *)&a))
		answer_check(c, &a);
}

static void machine_choose(void)
{
	static const u32 queue[] = { 16, 20, 64, 256, 1024 }, blocks[] = { 512, 1024, 4096 };

	fake_reset_all();
	fake.queue_max = queue[rnd(5)];
	fake.seg_max = rnd(3) ? 254 : 8;
	fake.block_size = blocks[rnd(3)];
	if (!rnd(4))
		fake.features &= ~FEATURE_FLUSH;
	if (!rnd(8))
		fake.features |= FEATURE_RO;
	fake.io_error = rnd(2);
	fake.lies = rnd(3) ? 0 : 30 + (u32)rnd(200);
	fake.short_one = rnd(3) ? 0 : 10 + (u32)rnd(100);
	fake.pin_error = rnd(3) ? 0 : 20;
	fake.needs_reset = rnd(4) ? 0 : 50;
	fake.kills = rnd(2) ? 0 : 50 + (u32)rnd(1000);
	spoiled.lies = fake.lies;
	spoiled.short_one = fake.short_one;
	spoiled.needs_reset = fake.needs_reset;
	spoiled.pin_error = fake.pin_error;
	spoiled.kills = fake.kills;
	for (u32 i = 0; i < FAKE_PAGES; i++)
		fake.bad[i] = fake.io_error && !rnd(8);
}

static void world_make(void)
{
	machine_choose();
	gave_up = false;
	next_value = 0;
	memset(&segment, 0, sizeof(segment));
	memset(ring_memory, 0, sizeof(ring_memory));
	memset(clients, 0, sizeof(clients));
	memset(value_of, 0, sizeof(value_of));
	memset(page_used, 0, sizeof(page_used));
	memset(frame_used, 0, sizeof(frame_used));
	for (u32 i = 0; i < CLIENTS; i++) {
		struct server_ring end = ring_end(i, false);

		CHECK(channel_attach(&clients[i].ch, &end, REQUEST_WORDS, DONE_WORDS));
	}
}

static u32 worlds_dead;

static void world_end(void)
{
	u32 open = 0;

	fake.kills = fake.lies = fake.short_one = fake.needs_reset = fake.pin_error = 0;
	for (u32 round = 0; round < 10000; round++) {
		fake_run();
		driver_life(interrupt);
		driver_life(told);
		open = 0;
		for (u32 i = 0; i < CLIENTS; i++) {
			answers_take(&clients[i]);
			open += clients[i].asked != clients[i].answered;
		}
		if (!open && fake_idle())
			break;
	}
	CHECK(!open && fake_idle() && !disks_open_ios(&disks) && !fake.pins_all);
	worlds_dead += disks.unit[0].condition == UNIT_BROKEN;
}

static u64 total[5];

static void world(u32 steps)
{
	world_make();
	driver_life(driver_start);
	for (u32 i = 0; i < steps; i++) {
		struct client *c = &clients[rnd(CLIENTS)];

		switch (rnd(4)) {
		case 0:
			for (u64 n = rnd(12); n; n--)
				ask(c);
			break;
		case 1:
			driver_life(told);
			break;
		case 2:
			if (fake_run())
				driver_life(interrupt);
			break;
		default:
			answers_take(c);
		}
	}
	total[0] += fake.resets;
	total[1] += fake.lies_told;
	total[2] += fake.joined;
	total[3] += fake.answers;
	world_end();
	for (u32 i = 0; i < CLIENTS; i++)
		total[4] += clients[i].answered;
}

// ---- devices that cannot be used

static void unusable(const char *line)
{
	memset(&segment, 0, sizeof(segment));
	memset(ring_memory, 0, sizeof(ring_memory));
	last_line[0] = '\0';
	driver_start();
	CHECK(disks.unit[0].condition == UNIT_BROKEN && strstr(last_line, line));
}

static void test_unusable(void)
{
	fake_reset_all();
	CHECK(device_is_disk(0));
	fake.id = 1;
	CHECK(!device_is_disk(0));
	fake.id = VIRTIO_ID_BLK;
	fake.version = 1;
	CHECK(!device_is_disk(0) && strstr(last_line, "force-legacy=false"));
	fake_reset_all();
	fake.features &= ~FEATURE_VERSION_1;
	unusable("only the old protocol");
	fake_reset_all();
	fake.refuses_features = true;
	unusable("refuses the features");
	fake_reset_all();
	fake.queue_max = 8;
	unusable("too short");
	fake_reset_all();
	fake.block_size = 8192;
	unusable("larger than a page");
	fake_reset_all();
	fake.block_size = 1536;
	unusable("no power of two");
	fake_reset_all();
	fake.features |= FEATURE_SIZE_MAX;
	fake.size_max = 1024;
	unusable("a whole page");
	fake_reset_all();
	fake.seg_max = 7;
	unusable("too few segments");
	fake_reset_all();
	fake.features &= ~FEATURE_SEG_MAX;
	unusable("too few segments");
}

// A client that gives more than the answers have room for loses nothing; requests of a disk that is not there end too.
static void test_full(void)
{
	struct block_request rq = { .op = BLOCK_READ, .id = 1, .frames = 1 };
	struct block_done a;
	u64 put = 0, got = 0;

	world_make();
	fake_reset_all();
	driver_start();
	for (u32 i = 0; i < 1000; i++) {
		rq.frame[0] = fake_frame(i % FAKE_FRAMES);
		rq.sector = i % FAKE_PAGES * BLOCK_SECTORS_PER_PAGE;
		put += channel_put(&clients[0].ch, (u64 *)&rq);
		if (rnd(2))
			told();
		if (fake_run())
			interrupt();
	}
	while (channel_take(&clients[0].ch, (u64 *)&a)) {
		got++;
		told();
		if (fake_run())
			interrupt();
	}
	CHECK(put == got && put >= 63 && !disks_open_ios(&disks) && !fake.pins_all);
	disks.units = 0;
	CHECK(channel_put(&clients[1].ch, (u64 *)&rq));
	told();
	CHECK(channel_take(&clients[1].ch, (u64 *)&a) && (err_t)a.status == -ERR_NOENT);
}

// A device with requests that does not stop: the driver ends rather than let it write into frames it gave back.
static void test_never_stops(void)
{
	struct block_request rq = { .op = BLOCK_READ, .frames = 1, .frame = { 3 } };

	world_make();
	fake_reset_all();
	driver_start();
	CHECK(channel_put(&clients[0].ch, (u64 *)&rq));
	told();
	fake.never_stops = true;
	panics_expected = true;
	if (setjmp(dead) != 2) {
		unit_reset(&disks, &disks.unit[0], "test");
		fail(__FILE__, __LINE__, "it went on");
	}
	panics_expected = false;
	CHECK(strstr(last_line, "cannot be stopped") && fake.pins[3] == 1);
}

// A device that only ever asks to be reset: every request is answered with an error in the end.
static void test_given_up(void)
{
	struct block_request rq = { .op = BLOCK_WRITE, .id = 1, .frames = 8, .frame = { 1, 2, 3, 4, 5, 6, 7, 8 } };
	struct block_done a;
	u32 rounds = 0;

	world_make();
	fake_reset_all();
	driver_start();
	fake.needs_reset = 1;
	while (disks.unit[0].condition == UNIT_READY && rounds++ < 100) {
		CHECK(channel_put(&clients[0].ch, (u64 *)&rq));
		told();
		fake_run();
		interrupt();
	}
	CHECK(rounds < 100 && strstr(last_line, "given up") && !disks_open_ios(&disks) && !fake.pins_all);
	CHECK(channel_put(&clients[0].ch, (u64 *)&rq));
	told();
	for (rounds = 0; channel_take(&clients[0].ch, (u64 *)&a); rounds++)
		CHECK((err_t)a.status == -ERR_IO || rounds);
	CHECK((err_t)a.status == -ERR_IO);
}

int main(int argc, char **argv)
{
	bool quick = getenv("JJOK_TEST") && !strcmp(getenv("JJOK_TEST"), "quick");
	u32 worlds = quick ? 300 : 3000;

	fake_killed = killed;
	rng = seed = 1;
	test_unusable();
	test_full();
	test_never_stops();
	test_given_up();
	for (u32 i = 0; i < worlds; i++) {
		seed = argc > 1 ? strtoul(argv[1], NULL, 0) : i + 1;
		rng = seed * 88172645463325252ull + 1;
		world(600);
		if (argc > 1)
			break;
	}
	printf("blk: %lu requests, %lu answers of the device (%lu of several pages), %lu lies, %lu resets, %u deaths, "
	       "%lu "
	       "errors, "
	       "%u disks given up\n",
	       total[4], total[3], total[2], total[1], total[0], deaths, errors, worlds_dead);
	CHECK(argc > 1 || (total[1] && total[2] && deaths && errors && worlds_dead < worlds / 4));
	return 0;
}
