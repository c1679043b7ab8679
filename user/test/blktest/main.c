// SPDX-License-Identifier: MIT
/*
 * blktest: a client of the disk driver on a machine of its own (test/system/blk*.test). It writes a pattern that names
 * each page of the disk, several requests in flight, reads it back in another order, asks for what cannot be, and ends
 * with no frame pinned.
 *
 * On the kernel's command line: blk.pages=N of the disk to use (1024), blk.depth=N requests in flight (24),
 * blk.bad=N: requests may fail, and N pages must: what the disk reports is counted, not an end.
 */
#include <abi/abi_names.h>
#include <abi/block_client.h>
#include <abi/init_client.h>

#include "../lab/lab.h"

#include <base/log.h>
#include <base/panic.h>
#include <base/string.h>
#include <pager/channel.h>
#include <server/main.h>

#define SLOT_INIT  SLOT_PEER0
#define SLOT_BLK   (SLOT_PEER0 + 1)
#define DEPTH      32
#define FRAMES     (DEPTH * BLOCK_SEGMENTS)
#define FRAMES_VA  0x3300000000ul
#define PAGES_MOST 65536
#define WORDS      (PAGE_SIZE / sizeof(u64))

static struct channel channel;
static frame_t frames[FRAMES]; // BLOCK_SEGMENTS for each request in flight, mapped in this order
static struct block_request open[DEPTH];
static u32 in_flight, most_in_flight;
static u64 depth, pages, bad_wanted;
static u64 done_requests, done_pages, failed_pages;
static u8 bad[PAGES_MOST]; // pages that the disk failed to write or read
static u64 rng = 88172645463325252ul;

static u64 rnd(u64 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

static void check(bool good, const char *what)
{
	if (!good)
		panic("blktest: FAILED: %s", what);
}

static u64 *frame_words(u32 slot, u32 i)
{
	return (u64 *)(FRAMES_VA + (slot * BLOCK_SEGMENTS + i) * PAGE_SIZE);
}

static u64 word_of(u64 page, u32 i)
{
	return (page * WORDS + i) * 0x9e3779b97f4a7c15ul;
}

static void frames_make(void)
{
	u64 done = 0;

	for (u64 n; done < FRAMES; done += n) {
		n = FRAMES - done < BATCH_FILL ? FRAMES - done : BATCH_FILL;
		lab_check("frames", sys_frame_alloc(SLOT_CLIENT_POOL, 0, n, 0, &n, NULL));
		memcpy(&frames[done], (const void *)ARGUMENT_VA, n * sizeof(frame_t));
		lab_check("to map them", sys_map(SLOT_SELF_ASPACE, FRAMES_VA + done * PAGE_SIZE, SLOT_CLIENT_POOL,
						 frames[done], n, PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL));
	}
}

static void pages_fill(u32 slot, u64 page, u32 n)
{
	for (u32 i = 0; i < n; i++)
		for (u32 w = 0; w < WORDS; w++)
			frame_words(slot, i)[w] = word_of(page + i, w);
}

static void pages_compare(u32 slot, u64 page, u32 n)
{
	for (u32 i = 0; i < n; i++)
		for (u32 w = 0; w < WORDS && !bad[page + i]; w++)
			if (frame_words(slot, i)[w] != word_of(page + i, w))
				panic("blktest: FAILED: page %lu, word %u: 0x%lx was read, 0x%lx was written", page + i,
				      w, frame_words(slot, i)[w], word_of(page + i, w));
}

static void done_take(const struct block_done *done)
{
	u32 slot = (u32)done->id - 1;
	struct block_request *rq = &open[slot];
	u64 page = rq->sector / BLOCK_SECTORS_PER_PAGE;

	check(done->id && done->id <= DEPTH && rq->id == done->id, "an answer to what was not asked");
	check(done->flow == rq->flow, "an answer with another flow");
	rq->id = 0;
	in_flight--;
	done_requests++;
	if (!done->status) {
		done_pages += rq->frames;
		if (rq->op == BLOCK_READ)
			pages_compare(slot, page, rq->frames);
		return;
	}
	if (!bad_wanted || (err_t)done->status != -ERR_IO)
		panic("blktest: FAILED: page %lu: %s", page, err_name((err_t)done->status));
	failed_pages += rq->frames;
	for (u32 i = 0; i < rq->frames; i++)
		bad[page + i] = 1;
}

static void answers_wait(void)
{
	struct block_done done;
	struct request rq = { 0 };
	u32 before = in_flight;

	while (before == in_flight) {
		while (channel_take(&channel, (u64 *)&done))
			done_take(&done);
		if (before == in_flight) // a request (init offers the archive) is left alone
			(void)ipc_recv(SLOT_SELF_ENDPOINT, 0, 0, &rq);
	}
}

static u32 slot_free(void)
{
	for (;;) {
		for (u32 slot = 0; slot < depth; slot++)
			if (!open[slot].id)
				return slot;
		answers_wait();
	}
}

static void send(u32 slot, struct block_request rq)
{
	rq.flow = 0x1000 + done_requests;
	rq.id = slot + 1;
	for (u32 i = 0; i < rq.frames && i < BLOCK_SEGMENTS; i++)
		if (!rq.frame[i])
			rq.frame[i] = frames[slot * BLOCK_SEGMENTS + i];
	open[slot] = rq;
	check(channel_put(&channel, (u64 *)&rq), "the ring is full");
	channel_flush(&channel);
	if (++in_flight > most_in_flight)
		most_in_flight = in_flight;
}

static void all_wait(void)
{
	while (in_flight)
		answers_wait();
}

// All pages once, in runs of one to eight that begin in a scattered order.
static void pass(u32 op)
{
	u64 runs = (pages + BLOCK_SEGMENTS - 1) / BLOCK_SEGMENTS, step = runs / 2 + 1;

	while (runs > 1 && runs % step == 0)
		step++;
	for (u64 n = 0, run = rnd(runs); n < runs; n++, run = (run + step) % runs) {
		u64 first = run * BLOCK_SEGMENTS;
		u32 left = (u32)(pages - first < BLOCK_SEGMENTS ? pages - first : BLOCK_SEGMENTS);

		for (u32 k; left; left -= k, first += k) {
			u32 slot = slot_free();

			k = bad_wanted ? 1 : 1 + (u32)rnd(left);
			if (op == BLOCK_WRITE)
				pages_fill(slot, first, k);
			send(slot,
			     (struct block_request){ .op = op, .frames = k, .sector = first * BLOCK_SECTORS_PER_PAGE });
		}
	}
	all_wait();
}

// One request alone, and what it must be answered.
static void expect(const char *what, struct block_request rq, err_t wanted)
{
	struct block_done done;
	struct request message = { 0 };

	send(0, rq);
	while (!channel_take(&channel, (u64 *)&done))
		(void)ipc_recv(SLOT_SELF_ENDPOINT, 0, 0, &message);
	in_flight--;
	open[0].id = 0;
	if ((err_t)done.status != wanted)
		panic("blktest: FAILED: %s was answered %s, not %s", what, err_name((err_t)done.status),
		      err_name(wanted));
}

static void wrong_requests(u64 sectors)
{
	expect("no such disk", (struct block_request){ .op = BLOCK_READ, .unit = 7, .frames = 1 }, -ERR_NOENT);
	expect("a unit out of range", (struct block_request){ .op = BLOCK_READ, .unit = ~0u, .frames = 1 }, -ERR_NOENT);
	expect("no such operation", (struct block_request){ .op = 9, .frames = 1 }, -ERR_INVAL);
	expect("no frame", (struct block_request){ .op = BLOCK_READ }, -ERR_INVAL);
	expect("nine frames", (struct block_request){ .op = BLOCK_READ, .frames = 9 }, -ERR_INVAL);
	expect("the end of the disk", (struct block_request){ .op = BLOCK_WRITE, .frames = 1, .sector = sectors - 7 },
	       -ERR_INVAL);
	expect("far behind the end", (struct block_request){ .op = BLOCK_READ, .frames = 1, .sector = ~7ul },
	       -ERR_INVAL);
	expect("a frame that is gone",
	       (struct block_request){ .op = BLOCK_READ, .frames = 2, .frame = { 0, frames[1] + (1ul << 32) } },
	       -ERR_STALE);
	expect("a frame of another pool", (struct block_request){ .op = BLOCK_READ, .frames = 1, .frame = { 1 } },
	       -ERR_STALE);
	expect("a flush", (struct block_request){ .op = BLOCK_FLUSH }, 0);
}

// The state of the machine afterwards: no frame is pinned, nothing is at the device.
static void rest_check(void)
{
	u64 counts = 0, value = 0;

	for (u32 i = 0; i < FRAMES; i++) {
		lab_check("to look at a frame",
			  sys_frame_mark(SLOT_CLIENT_POOL, frames[i], MARK_STAT, 0, 0, NULL, &counts, NULL, NULL));
		check(!(counts >> 32), "a frame is still pinned");
	}
	lab_check("a counter", block_stat(SLOT_BLK, 0, BLOCKSTAT_IN_FLIGHT, &value));
	check(!value, "a request is still at the device");
	lab_check("a counter", block_stat(SLOT_BLK, 0, BLOCKSTAT_IN_FLIGHT_MAX, &value));
	log_line(
		"blktest: %lu requests of %lu pages, %lu pages failed, at most %u in flight here and %lu at the device",
		done_requests, done_pages, failed_pages, most_in_flight, value);
	lab_check("a counter", block_stat(SLOT_BLK, 0, BLOCKSTAT_INTERRUPTS, &value));
	check(value, "no interrupt was taken");
	check(block_stat(SLOT_BLK, BLOCK_UNITS, 0, &value) == -ERR_NOENT &&
		      block_stat(SLOT_BLK, 0, 99, &value) == -ERR_INVAL,
	      "a counter that does not exist");
}

_Noreturn void server_main(const struct server_info *info)
{
	u64 sectors = 0, flags = 0, name[2] = { 0, 0 };
	err_t err = block_unit(SLOT_BLK, 0, &sectors, &flags, &name[0], &name[1]);

	check(channel_open(&channel, info, "blk", sizeof(struct block_request) / sizeof(u64),
			   sizeof(struct block_done) / sizeof(u64)),
	      "no ring with blk");
	if (err) {
		log_line("blktest: no disk: %s", err_name(err));
		frames_make();
		expect("a read without a disk", (struct block_request){ .op = BLOCK_READ, .frames = 1 }, -ERR_NOENT);
		(void)init_poweroff(SLOT_INIT, 0);
	}
	depth = lab_number((const char *)info->cmdline, "blk.depth", 24);
	pages = lab_number((const char *)info->cmdline, "blk.pages", 1024);
	bad_wanted = lab_number((const char *)info->cmdline, "blk.bad", 0);
	log_line("blktest: %s has %lu sectors, flags %lx", (const char *)name, sectors, flags);
	check(depth && depth <= DEPTH && pages <= PAGES_MOST && pages <= sectors / BLOCK_SECTORS_PER_PAGE,
	      "blk.depth= is at most 32, blk.pages= at most the disk's");
	frames_make();
	if (flags & BLOCKUNIT_READ_ONLY) {
		expect("a write to a read-only disk", (struct block_request){ .op = BLOCK_WRITE, .frames = 1 },
		       -ERR_ROFS);
		expect("a read of it", (struct block_request){ .op = BLOCK_READ, .frames = 8 }, 0);
	} else {
		wrong_requests(sectors);
		pass(BLOCK_WRITE);
		pass(BLOCK_READ);
		check(failed_pages >= bad_wanted, "the disk was to fail more often");
	}
	rest_check();
	log_line("blktest: ok");
	(void)init_poweroff(SLOT_INIT, 0);
	panic("init does not power off");
}
