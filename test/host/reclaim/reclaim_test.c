// SPDX-License-Identifier: MIT
/*
 * reclaim's core under random load. The test plays vm, by the rules of docs/pagers.md: programs read, write, fork,
 * unmap and end; every value read is compared with what was written. Messages, interrupts and quanta come in any order.
 * The disk is slow and may fail, the reverse map may lie, rings may overflow, reclaim may be killed between two steps.
 * At any moment counts equal tokens; at the end everything is free.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static u64 seed0, steps, reads, ooms, io_kills, let_go, called_off, abandoned;
static struct swap swap;
static struct frames frames = { .table = table, .first = FIRST, .end = FIRST + FRAMES };
static struct channel chan; // vm's end
static struct channel slab_chan;
static struct {
	bool waits;
	u64 wants, asked, given, refused, pressed;
} slab;
static u64 value[PROCS][PAGES], next_value = 1;
static struct wait {
	enum { RUNS, WAITS_PAGE, WAITS_FRAME } how;
	u64 slot;
} waits[PROCS];
static bool frames_asked;
static bool disk_bad; // in this run it loses pages

_Noreturn void fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s (seed %lu, step %lu)\n", file, line, what, seed0, steps);
	abort();
}

static void send(u64 what, u64 slot, u64 arg)
{
	struct swap_request request = { .flow = 1 + slot, .what = what, .slot = slot, .arg = arg };

	EXPECT(channel_put(&chan, (u64 *)&request));
	notified |= 1ul << 32;
}

// ---- programs

static u64 word0_of(u32 p)
{
	return (u64)(p + 1) << 2 | 1;
}

static void map_page(u32 p, u32 page, u32 pfn, bool writable)
{
	struct frame_view *f = &table[pfn];

	pte[p][page] = (struct entry){ .kind = PRESENT, .what = pfn, .writable = writable, .accessed = true };
	f->mapcount++;
	f->state = FRAME_OWNED; /* perhaps a rescue */
	f->word0 = word0_of(p);
	f->word1 = page;
}

static bool frame_wait(u32 p)
{
	waits[p].how = WAITS_FRAME;
	if (!frames_asked)
		send(SWAPREQ_FRAMES, 0, 1 + rnd(4));
	frames_asked = true;
	return false;
}

static bool copy_to_new(u32 p, u32 page, u64 from)
{
	frame_t frame = frame_new(false);
	u64 ref = frame;

	if (!frame)
		return frame_wait(p);
	(void)ring_put(&swap.news, &ref);
	if (pte[p][page].kind == PRESENT)
		entry_unmap(p, page);
	content[(u32)frame] = from;
	table[(u32)frame].marks |= FRAME_DIRTY;
	map_page(p, page, (u32)frame, true);
	return true;
}

// The token's page is in a frame.
static bool token_map(u32 p, u32 page, u32 pfn, bool write)
{
	u32 slot = pte[p][page].what;

	if (write && !(swap_count(&swap, slot) == 1 && !table[pfn].mapcount)) {
		if (!copy_to_new(p, page, content[pfn]))
			return false;
		(void)swap_put(&swap, slot, 1);
		notified |= 1ul << 32;
		return true;
	}
	map_page(p, page, pfn, false);
	table[pfn].word0 = swap_word0(word0_of(p), slot);
	if (swap_put(&swap, slot, 1))
		notified |= 1ul << 32;
	return true;
}

// A write to a page that is read-only: it becomes writable, or a copy.
static bool write_fault(u32 p, u32 page)
{
	struct entry *e = &pte[p][page];
	struct frame_view *f = &table[e->what];
	u64 slot = swap_word0_slot(f->word0);

	if (f->marks & FRAME_SWAPCACHE && f->mapcount == 1 && !swap_count(&swap, slot)) {
		f->marks = (f->marks & ~FRAME_SWAPCACHE) | FRAME_DIRTY;
		f->word0 = word0_of(p);
		(void)ring_put(&swap.emptied, &slot);
		notified |= 1ul << 32;
	}
	if (f->marks & FRAME_SWAPCACHE || f->mapcount > 1)
		return copy_to_new(p, page, content[e->what]);
	e->writable = true;
	return true;
}

// One access. False: it waits.
static bool access(u32 p, u32 page, bool write)
{
	struct entry *e = &pte[p][page];

	if (e->kind == SWAPPED) {
		frame_t frame = swap_cached(&swap, e->what);

		if (!frame) {
			waits[p].how = WAITS_PAGE;
			waits[p].slot = e->what;
			send(SWAPREQ_PAGE, e->what, 0);
			return false;
		}
		EXPECT(table[(u32)frame].marks & FRAME_SWAPCACHE);
		swap.share->found++;
		if (!token_map(p, page, (u32)frame, write))
			return false;
	}
	if (e->kind == NOTHING && !write)
		return true;
	if (e->kind == NOTHING && !copy_to_new(p, page, 0))
		return false;
	if (write && !e->writable && !write_fault(p, page))
		return false;
	e->accessed = true;
	reads++;
	EXPECT(content[e->what] == value[p][page]);
	if (write) {
		e->dirty = true;
		content[e->what] = value[p][page] = next_value++;
	}
	return true;
}

static void page_drop(u32 p, u32 page)
{
	struct entry *e = &pte[p][page];
	u32 what = e->what;

	value[p][page] = 0;
	if (e->kind == SWAPPED) {
		e->kind = NOTHING;
		if (swap_put(&swap, what, 1))
			notified |= 1ul << 32;
	} else if (e->kind == PRESENT) {
		frame_t frame = frame_reference(&frames, what);

		entry_unmap(p, page);
		if (table[what].gen == frame >> 32 && !table[what].mapcount && table[what].marks & FRAME_SWAPCACHE) {
			swap_left(&swap, frame);
			notified |= 1ul << 32;
		}
	}
}

static void process_end(u32 p)
{
	for (u32 page = 0; page < PAGES; page++)
		page_drop(p, page);
	waits[p].how = RUNS;
}

static void process_fork(u32 from, u32 to)
{
	if (waits[from].how != RUNS || waits[to].how != RUNS || from == to)
		return;
	process_end(to);
	for (u32 page = 0; page < PAGES; page++) {
		struct entry *e = &pte[from][page];

		if (e->kind == PRESENT) {
			table[e->what].mapcount++;
			e->writable = false;
		} else if (e->kind == SWAPPED) {
			swap_get(&swap, e->what, 1);
		}
		pte[to][page] = *e;
		pte[to][page].dirty = pte[to][page].accessed = false;
		value[to][page] = value[from][page];
	}
}

// ---- answers

static u64 held(u32 p)
{
	u64 n = 0;

	for (u32 page = 0; page < PAGES; page++)
		n += pte[p][page].kind != NOTHING;
	return n;
}

static bool draining(void)
{
	for (u32 i = 0; i < AREAS; i++)
		if (rc.state->area[i].state == AREA_DRAINING)
			return true;
	return false;
}

static void oom(void)
{
	u32 worst = 0;

	EXPECT(!draining()); /* swapoff is called off first */

	for (u32 p = 1; p < PROCS; p++)
		if (held(p) > held(worst))
			worst = p;
	process_end(worst);
	ooms++;
}

static void wake(u32 how, u64 slot, bool any)
{
	for (u32 p = 0; p < PROCS; p++)
		if (waits[p].how == how && (any || waits[p].slot == slot))
			waits[p].how = RUNS;
}

static void page_lost(u64 slot)
{
	for (u32 p = 0; p < PROCS; p++) {
		if (waits[p].how != WAITS_PAGE || waits[p].slot != slot)
			continue;
		EXPECT(disk_bad);
		process_end(p);
		io_kills++;
	}
}

static void unuse(void)
{
	for (u32 p = 0; p < PROCS; p++)
		for (u32 page = 0; page < PAGES; page++) {
			struct entry *e = &pte[p][page];
			frame_t frame;

			if (e->kind != SWAPPED || e->what < swap.share->unuse_first || e->what >= swap.share->unuse_end)
				continue;
			frame = swap_cached(&swap, e->what);
			if (frame)
				EXPECT(token_map(p, page, (u32)frame, false));
		}
	send(SWAPREQ_UNUSED, 0, swap.share->unuse_round);
}

static void answers(void)
{
	struct swap_answer a;

	if (channel_overflowed(&chan)) {
		wake(WAITS_PAGE, 0, true);
		wake(WAITS_FRAME, 0, true);
		frames_asked = false;
	}
	while (channel_take(&chan, (u64 *)&a)) {
		if (a.what == SWAPANS_PAGE && (s64)a.status == -ERR_IO)
			page_lost(a.slot);
		else if (a.what == SWAPANS_PAGE)
			wake(WAITS_PAGE, a.slot, false);
		else if (a.what == SWAPANS_UNUSE)
			unuse();
		if (a.what == SWAPANS_NO_PROGRESS)
			oom();
		if (a.what == SWAPANS_NO_PROGRESS || a.what == SWAPANS_FRAMES) {
			frames_asked = false;
			wake(WAITS_FRAME, 0, true);
		}
	}
}

// ---- events

static void vm_turn(void)
{
	notified_vm = 0;
	answers();
}

// slab asks for frames now and then, and takes what it wanted away from user memory for a while if it can.
static void slab_asks(void)
{
	struct swap_request request = { .flow = 7, .what = SWAPREQ_FRAMES };

	if (slab.waits)
		return;
	request.arg = slab.wants = 1 + rnd(12);
	EXPECT(channel_put(&slab_chan, (u64 *)&request));
	notified |= world_info()->ring[3].in_bits;
	slab.waits = true;
	slab.asked++;
}

static void slab_turn(void)
{
	struct swap_answer a;

	slab.pressed += (notified_slab & NOTIFY_PRESSURE) != 0;
	notified_slab = 0;
	while (channel_take(&slab_chan, (u64 *)&a)) {
		EXPECT(a.what == SWAPANS_FRAMES || a.what == SWAPANS_NO_PROGRESS);
		EXPECT(a.flow == 7 || (!a.flow && rc.share->starts > 1)); /* a successor's, who knows of no request */
		if (!slab.waits) {
			EXPECT(rc.share->starts > 1);
			continue;
		}
		slab.waits = false;
		slab.given += a.what == SWAPANS_FRAMES;
		slab.refused += a.what == SWAPANS_NO_PROGRESS;
	}
}

static void reclaim_turn(void)
{
	u64 bits = notified;

	notified = 0;
	reclaim_notified(bits);
}

static bool world_turn(void)
{
	switch (rnd(4)) {
	case 0:
		if (notified_vm) {
			vm_turn();
			return true;
		}
		if (notified_slab) {
			slab_turn();
			return true;
		}
		return false;
	case 1 ... 2:
		if (notified) {
			reclaim_turn();
			return true;
		}
		return false;
	default:
		return disk_step();
	}
}

static void settle(void)
{
	for (u32 idle = 0; idle < 40; idle++)
		if (world_turn())
			idle = 0;
}

static struct request ask(u64 label, u64 w0, u64 w1)
{
	static u64 number = 1;
	struct request rq = { .label = label, .w = { w0, w1 }, .reply = ++number << 32 | 5, .badge = 1 << 16 | 1 };
	u64 reply = rq.reply, before = replies;

	fake_liveness.pid[1] = 1;
	reclaim_request(&rq);
	if (rq.reply)
		return rq;
	for (u64 i = 0; i < 200000 && replies == before; i++)
		(void)world_turn();
	EXPECT(replies > before && replied.reply == reply);
	return replied;
}

static s64 swapon(u64 unit)
{
	return (s64)ask(OP_RECLAIM_SWAPON, unit, (u64)-1).label;
}

static s64 swapoff(u64 unit)
{
	return (s64)ask(OP_RECLAIM_SWAPOFF, unit, 0).label;
}

static void step(void)
{
	u32 p = (u32)rnd(PROCS), page = (u32)rnd(PAGES);

	switch (rnd(40)) {
	case 0:
		process_fork(p, (u32)rnd(PROCS));
		break;
	case 1:
		if (waits[p].how == RUNS && !rnd(4))
			process_end(p);
		break;
	case 2:
		if (waits[p].how == RUNS)
			page_drop(p, page);
		break;
	case 3 ... 20:
		if (waits[p].how == RUNS)
			(void)access(p, page, rnd(2));
		break;
	case 21:
		if (!rnd(10))
			slab_asks();
		break;
	default:
		(void)world_turn();
	}
	if (steps % 64 == 0)
		EXPECT(!world_check());
}

static void start(void)
{
	static struct server_ring end;

	world_reset();
	reclaim_open(world_info(), segment);
	swap_attach(&swap, segment, &frames);
	end = (struct server_ring){ .out = world_info()->ring[0].in, .in = world_info()->ring[0].out, .pages = 4 };
	EXPECT(channel_attach(&chan, &end, 4, 4));
	end = (struct server_ring){ .out = world_info()->ring[3].in, .in = world_info()->ring[3].out, .pages = 1 };
	EXPECT(channel_attach(&slab_chan, &end, 4, 4));
	slab.waits = false;
	memset(value, 0, sizeof(value));
	memset(waits, 0, sizeof(waits));
	frames_asked = false;
}

static void marks_small(void)
{
	rc.min = 4;
	rc.low = 12;
	rc.high = 24;
}

static void left_print(void)
{
	fprintf(stderr, "usage %lu, stock %u, slots %lu\n", usage, rc.stocked, rc.stats[RECLAIMSTAT_SWAP_USED]);
	for (u32 slot = 1; slot < rc.share->slots; slot++)
		if (slot_word(slot) & SWAPSLOT_USED)
			fprintf(stderr, "slot %u: word %#x count %u area state %u\n", slot, slot_word(slot),
				slot_count(slot), slot_area(slot) ? slot_area(slot)->state : 99);
	for (u32 pfn = FIRST; pfn < FIRST + FRAMES; pfn++)
		if (table[pfn].state != FRAME_FREE)
			fprintf(stderr, "frame %u: state %u marks %#x list %u word0 %#lx\n", pfn, table[pfn].state,
				table[pfn].marks, list_of(pfn), table[pfn].word0);
}

// Everything ends: nothing is in use but the frames in hand and the one for headers.
static void finish(void)
{
	settle();
	EXPECT(!slab.waits);
	for (u32 p = 0; p < PROCS; p++)
		process_end(p);
	notified |= 1ul << 32;
	settle();
	EXPECT(!world_check() && !pins && !rc.list[LRU_WRITING].count);
	if (usage != rc.stocked + 1 || rc.stats[RECLAIMSTAT_SWAP_USED])
		left_print();
	EXPECT(usage == rc.stocked + 1 && !rc.stats[RECLAIMSTAT_SWAP_USED]);
}

static void test_header(void)
{
	start();
	header_write(0, disk_pages[0] + 1, 0);
	EXPECT(swapon(0) == -ERR_INVAL && swapon(5) == -ERR_NOENT && swapoff(0) == -ERR_NOENT);
	header_write(0, 1, 0);
	EXPECT(swapon(0) == -ERR_INVAL);
	memset(fake_heap, 0, sizeof(fake_heap));
	header_write(0, 100, 7);
	EXPECT(swapon(0) == 0 && replied.w[0] == 100 - 1 - 7 && swapon(0) == -ERR_BUSY);
	header_write(1, 120, 0);
	EXPECT(swapon(1) == 0 && rc.stats[RECLAIMSTAT_SWAP_TOTAL] == 92 + 119);
	EXPECT(swapoff(0) == 0 && swapoff(1) == 0 && rc.stats[RECLAIMSTAT_SWAP_TOTAL] == 0);
	finish();
}

// As long as reclaim has its turn nobody waits for a frame: what goes below low comes back above high, every time, also
// after a time in which nothing could go.
static void test_background(void)
{
	start();
	header_write(0, 400, 0);
	EXPECT(!swapon(0));
	marks_small();
	for (u32 i = 0; i < 4000; i++) {
		high = rc.high = 30 + i / 100;
		if (waits[i % PROCS].how == RUNS)
			(void)access(i % PROCS, (u32)rnd(PAGES), i < 1000);
		settle();
		EXPECT(FRAMES - usage >= rc.low);
	}
	EXPECT(rc.stats[RECLAIMSTAT_PGSTEAL_KSWAPD] > 100 && !rc.stats[RECLAIMSTAT_PGSTEAL_DIRECT]);
	for (u32 p = 0; p < PROCS; p++)
		process_end(p);
	high = rc.high = 24;
	settle();
	for (u32 i = 0; FRAMES - usage >= rc.low; i++)
		EXPECT(access(i % PROCS, i / PROCS, true));
	notified &= ~(u64)RECLAIM_NOTIFY_LOW; /* as if reclaim had given up since */
	rc.background = false;
	send(SWAPREQ_FRAMES, 0, 1);
	settle();
	EXPECT(FRAMES - usage > rc.high);
	finish();
}

static void run(u64 n, u32 pages, u32 errors, u32 lies, bool kills, bool offs)
{
	start();
	error_rate = errors;
	disk_bad = errors;
	lie_rate = lies;
	header_write(0, pages, 2);
	header_write(1, 120, 0);
	EXPECT(!swapon(0) && (!offs || !swapon(1)));
	marks_small();
	for (u64 i = 0; i < n; i++, steps++) {
		step();
		if (kills && !rnd(3000) && !rc.stats[RECLAIMSTAT_NR_READING]) {
			/* Requests that were under way end; nobody listens. */
			while (disk_step())
				;
			memset(fake_heap, 0, sizeof(fake_heap)); /* a successor's memory is new */
			reclaim_open(world_info(), segment);
			wake(WAITS_PAGE, 0, true);
			wake(WAITS_FRAME, 0, true);
			frames_asked = false;
			marks_small();
		}
		if (offs && !rnd(4000)) {
			s64 err = swapoff(1);

			EXPECT(!err || err == -ERR_NOMEM || err == -ERR_NOENT);
			if (err == -ERR_NOENT)
				(void)swapon(1);
			if (!err) {
				s64 on = swapon(1);

				EXPECT(!on || on == -ERR_NOMEM);
			}
			marks_small();
		}
	}
	error_rate = 0;
	lie_rate = 0;
	finish();
}

// swapoff while programs go on, and whose caller may be killed meanwhile.
static void swapoff_under_load(u64 unit)
{
	struct request rq = {
		.label = OP_RECLAIM_SWAPOFF, .w = { unit }, .reply = (9 + steps) << 32 | 5, .badge = 1 << 16 | 1
	};
	u64 reply = rq.reply, before = replies, total = rc.stats[RECLAIMSTAT_SWAP_TOTAL];
	bool killed = false, hungry = rnd(2);

	fake_liveness.pid[1] = 1;
	reclaim_request(&rq);
	if (rq.reply)
		return; /* refused at once */
	for (u64 i = 0; draining(); i++, steps++) {
		EXPECT(i < 1000000);
		step();
		for (u32 page = 0; hungry && page < PAGES; page += 1 + rnd(6)) {
			u32 p = (u32)rnd(PROCS);

			if (waits[p].how == RUNS)
				(void)access(p, page, true);
		}
		if (!killed && !rnd(150)) {
			killed = true;
			abandoned++;
			fake_liveness.pid[1] = 0;
			notified |= NOTIFY_DEATH;
		}
	}
	let_go += rc.stats[RECLAIMSTAT_SWAP_TOTAL] < total;
	called_off += rc.stats[RECLAIMSTAT_SWAP_TOTAL] == total;
	if (killed)
		return;
	EXPECT(replies > before && replied.reply == reply);
	EXPECT((s64)replied.label == (rc.stats[RECLAIMSTAT_SWAP_TOTAL] < total ? 0 : -ERR_NOMEM));
}

// Two disks in turn, of which programs need both now and then.
static void run_letting_go(u64 n)
{
	start();
	error_rate = 0;
	disk_bad = false;
	header_write(0, 60, 2);
	header_write(1, 40, 0);
	for (u64 i = 0; i < n; i++, steps++) {
		step();
		if (rnd(150))
			continue;
		(void)swapon(rnd(DISKS)); /* also what is in use already */
		marks_small();
		swapoff_under_load(rnd(DISKS));
	}
	fake_liveness.pid[1] = 1;
	finish();
}

int main(void)
{
	const char *given = getenv("SEED");
	const char *mode = getenv("JJOK_TEST");
	const u64 n = mode && !strcmp(mode, "full") ? 400000 : 60000;

	seed0 = seed = given ? strtoul(given, NULL, 0) : 20261127;
	test_header();
	test_background();
	run(n, 400, 0, 0, false, false);
	printf("reclaim: %lu accesses, %lu out of memory, out %lu in %lu dropped %lu rescued %lu\n", reads, ooms,
	       rc.stats[RECLAIMSTAT_PSWPOUT], rc.stats[RECLAIMSTAT_PSWPIN], rc.stats[RECLAIMSTAT_DROPPED],
	       rc.stats[RECLAIMSTAT_RESCUED]);
	EXPECT(rc.stats[RECLAIMSTAT_PSWPOUT] > n / 100 && rc.stats[RECLAIMSTAT_PSWPIN] > n / 100);
	run(n, 400, 0, 5, false, false);
	run(n, 400, 0, 0, false, true);
	EXPECT(!ooms);
	run(n, 12, 0, 20, false, false);
	EXPECT(ooms);
	run(n, 400, 60, 0, false, true);
	run(n, 400, 0, 0, true, true);
	run_letting_go(n);
	printf("reclaim: swapoff while programs go on: %lu times done, %lu called off, %lu callers killed meanwhile\n",
	       let_go, called_off, abandoned);
	fflush(stdout);
	EXPECT(let_go && called_off && abandoned);
	printf("reclaim: %lu accesses in all, %lu out of memory, %lu ended by the disk\n", reads, ooms, io_kills);
	EXPECT(io_kills);
	printf("reclaim: slab asked %lu times, got %lu, was refused %lu, heard of pressure %lu times\n", slab.asked,
	       slab.given, slab.refused, slab.pressed);
	EXPECT(slab.asked == slab.given + slab.refused && slab.given && slab.refused && slab.pressed);
	return 0;
}
