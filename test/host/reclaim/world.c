// SPDX-License-Identifier: MIT
// A kernel, a reverse map and a disk (world.h).
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

u64 fake_argument[PAGE_SIZE / sizeof(u64)];
_Alignas(PAGE_SIZE) char fake_heap[17 * PAGE_SIZE];
struct liveness fake_liveness;
struct frame_view table[FIRST + FRAMES];
u64 content[FIRST + FRAMES];
struct entry pte[PROCS][PAGES];
u64 disk[DISKS][1024];
u32 disk_pages[DISKS] = { 400, 120 };
u64 notified, notified_vm, notified_slab, seed, usage, pins, replies, low, high, min_room;
u32 error_rate, lie_rate;
bool crossed;
struct request replied;
_Alignas(PAGE_SIZE) char segment[1 << 17];
static u64 segment_pages = 8;
static u8 header[DISKS][PAGE_SIZE];

static _Alignas(PAGE_SIZE) u64 ring_vm[2][4096], ring_disk[2][4096], ring_slab[2][512], page_rmap[512];
static struct channel driver; // the disk's end
static struct block_request at_disk[TRANSFERS];
static u32 at_disk_count;

u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

_Noreturn void panic(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fail("panic", 0, "panic");
}

void log_line(const char *format, ...)
{
	(void)format;
}

// ---- frames

static struct frame_view *lookup(frame_t frame)
{
	u32 pfn = (u32)frame;

	if (pfn < FIRST || pfn >= FIRST + FRAMES || table[pfn].gen != frame >> 32 ||
	    (table[pfn].state != FRAME_OWNED && table[pfn].state != FRAME_EVICTING))
		return NULL;
	return &table[pfn];
}

static void marks_look(void)
{
	if (!crossed && FRAMES - usage < low) {
		crossed = true;
		notified |= RECLAIM_NOTIFY_LOW;
	} else if (crossed && FRAMES - usage > high) {
		crossed = false;
		notified |= RECLAIM_NOTIFY_HIGH;
	}
}

static void frame_release(struct frame_view *f)
{
	EXPECT(!f->mapcount && !f->pins);
	f->gen++;
	f->state = FRAME_FREE;
	f->marks = 0;
	f->word0 = f->word1 = 0;
	content[f - table] = 0xdead0000 + rnd(1000);
	usage--;
	marks_look();
}

frame_t frame_new(bool reserve)
{
	u32 pfn = FIRST + (u32)rnd(FRAMES);

	if (FRAMES - usage <= (reserve ? 0 : min_room))
		return 0;
	while (table[pfn].state != FRAME_FREE)
		pfn = pfn + 1 < FIRST + FRAMES ? pfn + 1 : FIRST;
	table[pfn].state = FRAME_OWNED;
	table[pfn].pool = POOL;
	usage++;
	marks_look();
	return (u64)table[pfn].gen << 32 | pfn;
}

err_t sys_pool_ctl(cptr_t pool, u64 op, u64 a, u64 b, u64 c, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	EXPECT(pool == SLOT_CLIENT_POOL);
	if (op == POOLOP_STAT) {
		*r0 = FRAMES;
		*r1 = usage;
		*r3 = 0;
		(void)r2;
	} else if (op == POOLOP_MARKS) {
		/* A machine of this size: what the core chose is too coarse. */
		(void)a;
		(void)b;
		(void)c;
	}
	return 0;
}

err_t sys_frame_alloc(cptr_t pool, u64 order, u64 count, u64 flags, u64 *done, u64 *first)
{
	EXPECT(!order && count && count <= BATCH);
	(void)flags;
	*done = 0;
	if (pool != SLOT_CLIENT_POOL) {
		*done = count;
		return 0;
	}
	while (*done < count) {
		frame_t frame = frame_new(false);

		if (!frame)
			break;
		fake_argument[(*done)++] = frame;
	}
	if (first)
		*first = fake_argument[0];
	return *done ? 0 : -ERR_NOMEM;
}

err_t sys_frame_free(cptr_t pool, u64 count, u64 frame, u64 flags, u64 *done)
{
	struct frame_view *f = lookup(frame);

	EXPECT(pool == SLOT_CLIENT_POOL && !count && !done);
	if (!f)
		return -ERR_STALE;
	if (f->mapcount || f->pins || (f->marks & (FRAME_DIRTY | FRAME_WRITEBACK) && !(flags & FREE_DISCARD)))
		return -ERR_BUSY;
	frame_release(f);
	return 0;
}

static struct entry *place(u64 id, u64 va, u32 pfn)
{
	u64 p = id - 1000, page = va >> PAGE_SHIFT;
	struct entry *e;

	if (p >= PROCS || page >= PAGES || va % PAGE_SIZE)
		return NULL;
	e = &pte[p][page];
	return e->kind == PRESENT && e->what == pfn ? e : NULL;
}

static u64 age(struct frame_view *f, u64 n)
{
	u64 kept = 0;

	for (u64 i = 0; i < n; i++) {
		struct entry *e = place(fake_argument[2 * i], fake_argument[2 * i + 1], (u32)(f - table));

		if (!e)
			continue;
		f->marks |= e->accessed ? FRAME_YOUNG : 0;
		e->accessed = false;
		fake_argument[2 * kept] = fake_argument[2 * i];
		fake_argument[2 * kept++ + 1] = fake_argument[2 * i + 1];
	}
	return kept;
}

err_t sys_frame_mark(cptr_t pool, u64 frame, u64 op, u64 a, u64 b, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	struct frame_view *f = lookup(frame);
	u64 kept = 0;

	EXPECT(pool == SLOT_CLIENT_POOL && !b);
	if (!f)
		return -ERR_STALE;
	if (op == MARK_AGE)
		kept = age(f, a);
	if (op == MARK_BEGIN) {
		EXPECT(!a);
		if (f->marks & FRAME_WRITEBACK || f->mapcount)
			return -ERR_BUSY;
		f->marks = (f->marks & ~FRAME_DIRTY) | FRAME_WRITEBACK;
	}
	if (op == MARK_END || op == MARK_FAIL) {
		if (!(f->marks & FRAME_WRITEBACK))
			return -ERR_INVAL;
		f->marks &= ~FRAME_WRITEBACK;
		f->marks |= op == MARK_FAIL ? FRAME_DIRTY : 0;
	}
	if (op == MARK_SWAPCACHE_CLEAR) {
		if (f->state == FRAME_EVICTING)
			return -ERR_BUSY;
		if (f->marks & FRAME_SWAPCACHE)
			f->marks = (f->marks & ~FRAME_SWAPCACHE) | FRAME_DIRTY;
	}
	if (r0)
		*r0 = f->state | (u64)f->marks << 8;
	if (r1)
		*r1 = f->mapcount | (u64)f->pins << 32;
	if (r2)
		*r2 = f->word0;
	if (r3)
		*r3 = kept;
	if (op == MARK_AGE)
		f->marks &= ~FRAME_YOUNG;
	return 0;
}

err_t sys_evict(cptr_t pool, u64 frame, u64 token, u64 count, u64 flags, u64 *left)
{
	struct frame_view *f = lookup(frame);
	struct entry *taken[RMAP_PLACES];

	EXPECT(pool == SLOT_CLIENT_POOL && token && !flags && count <= EVICT_PLACES);
	(void)left;
	if (!f)
		return -ERR_STALE;
	if (f->state == FRAME_EVICTING || f->pins)
		return -ERR_BUSY;
	for (u64 i = 0; i < count; i++) {
		taken[i] = place(fake_argument[2 * i], fake_argument[2 * i + 1], (u32)frame);
		for (u64 k = 0; k < i; k++)
			if (taken[k] == taken[i])
				return -ERR_EXIST;
		if (!taken[i])
			return -ERR_EXIST;
	}
	if (count != f->mapcount)
		return -ERR_BUSY;
	for (u64 i = 0; i < count; i++) {
		f->marks |= (taken[i]->dirty ? FRAME_DIRTY : 0) | (taken[i]->accessed ? FRAME_YOUNG : 0);
		*taken[i] = (struct entry){ .kind = SWAPPED, .what = (u32)token };
	}
	f->mapcount = 0;
	f->marks |= FRAME_SWAPCACHE;
	f->state = FRAME_EVICTING;
	f->word0 = token;
	return 0;
}

void entry_unmap(u32 p, u32 page)
{
	struct entry *e = &pte[p][page];
	struct frame_view *f = &table[e->what];

	EXPECT(e->kind == PRESENT && f->mapcount && f->state == FRAME_OWNED);
	f->marks |= e->dirty ? FRAME_DIRTY : 0;
	e->kind = NOTHING;
	if (--f->mapcount == 0 && !f->pins && !(f->marks & FRAME_SWAPCACHE))
		frame_release(f);
}

// ---- reclaim itself

err_t sys_aspace_ctl(cptr_t aspace, u64 op, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 *r0, u64 *r1, u64 *r2,
		     u64 *r3)
{
	EXPECT(aspace == SLOT_SELF_ASPACE && op == ASOP_OBSERVE && a == SLOT_SYSTEM && !(b | c | d | e | f) && !r3);
	*r0 = (u64)table;
	*r1 = FIRST;
	*r2 = FRAMES;
	return 0;
}

static u32 header_unit; // whose header was read last

err_t sys_map(cptr_t aspace, u64 va, cptr_t pool, u64 frame, u64 count, u64 prot, u64 source, u64 word0, u64 word1,
	      u64 *done, u64 *achieved)
{
	(void)achieved;
	EXPECT(aspace == SLOT_SELF_ASPACE && !source && !word0 && !word1 && !done);
	if (pool == SLOT_CLIENT_POOL) {
		EXPECT(va == (u64)fake_heap && prot == PROT_READ && lookup(frame) && count == 1);
		memcpy(fake_heap, header[header_unit], PAGE_SIZE);
	}
	return 0;
}

err_t sys_unmap(cptr_t aspace, u64 va, u64 count, cptr_t pool, u64 flags, u64 token, u64 *done, u64 *removed,
		u64 *freed, u64 *tokens)
{
	EXPECT(aspace == SLOT_SELF_ASPACE && va && count && !pool && !flags && !token && !done && !removed && !freed &&
	       !tokens);
	return 0;
}

err_t ipc_notify(cptr_t notification, u64 bits)
{
	if (notification == SLOT_SELF_NOTIFY)
		notified |= bits;
	else if (notification == SLOT_RING0)
		notified_vm |= bits;
	else if (notification == SLOT_RING0 + 3)
		notified_slab |= bits;
	return 0;
}

err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow)
{
	(void)flow;
	return ipc_notify(notification, bits);
}

err_t ipc_reply(cptr_t endpoint, const struct request *rq)
{
	EXPECT(endpoint == SLOT_SELF_ENDPOINT && rq->reply);
	replied = *rq;
	replies++;
	return 0;
}

err_t ipc_reply_recv(cptr_t endpoint, struct request *rq)
{
	(void)endpoint;
	(void)rq;
	return -ERR_INVAL;
}

err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq)
{
	(void)flags;
	(void)deadline;
	return ipc_reply_recv(endpoint, rq);
}

err_t init_state_size(cptr_t ep, u64 pages, u64 *out_pages)
{
	EXPECT(ep == PEER_INIT);
	if (pages > sizeof(segment) / PAGE_SIZE)
		return -ERR_NOMEM;
	/* It may shrink, but not under slots that vm may look at. */
	EXPECT(pages * PAGE_SIZE >= SWAP_TABLE + rc.share->slots * sizeof(struct swap_slot));
	segment_pages = pages;
	*out_pages = segment_pages;
	return 0;
}

const struct server_info *world_info(void)
{
	static struct server_info info;
	struct server_ring *r = info.ring;

	info.rings = 4;
	r[0] = (struct server_ring){ .peer = "vm",
				     .out = (u64)ring_vm[0],
				     .in = (u64)ring_vm[1],
				     .pages = 4,
				     .notify = SLOT_RING0,
				     .out_bits = 1ul << 40,
				     .in_bits = 1ul << 32 };
	r[1] = (struct server_ring){ .peer = "blk",
				     .out = (u64)ring_disk[0],
				     .in = (u64)ring_disk[1],
				     .pages = 2,
				     .notify = SLOT_RING0 + 1,
				     .out_bits = 1ul << 41,
				     .in_bits = 1ul << 33 };
	r[3] = (struct server_ring){ .peer = "slab",
				     .out = (u64)ring_slab[0],
				     .in = (u64)ring_slab[1],
				     .pages = 1,
				     .notify = SLOT_RING0 + 3,
				     .out_bits = 1ul << 43,
				     .in_bits = 1ul << 35 };
	r[2] = (struct server_ring){ .peer = "rmap", .in = (u64)page_rmap, .pages = 1 };
	return &info;
}

// ---- the reverse map

#define CANDIDATES (PROCS * PAGES + 2)

// All places of a frame, or nearly so. Returns how many there are.
static u64 places_of(u64 frame, u64 *list)
{
	u64 n = 0;

	for (u32 p = 0; p < PROCS; p++)
		for (u32 page = 0; page < PAGES; page++)
			if (pte[p][page].kind == PRESENT && pte[p][page].what == (u32)frame) {
				list[2 * n] = 1000 + p;
				list[2 * n++ + 1] = (u64)page << PAGE_SHIFT;
			}
	if (!lie_rate || rnd(lie_rate))
		return n;
	switch (rnd(4)) {
	case 0:
		return n - (n != 0);
	case 1:
		memcpy(&list[2 * n], list, 16);
		return n + 1;
	case 2:
		list[1] += PAGE_SIZE;
		return n;
	default:
		list[0] = rnd(2000);
		return n;
	}
}

err_t rmap_places_flow(cptr_t ep, u64 flow, u64 frame, u64 from, u64 *count, u64 *aspace0, u64 *va0, u64 *aspace1,
		       u64 *va1, u64 *aspace2, u64 *va2)
{
	u64 list[2 * CANDIDATES] = { 0 };

	EXPECT(ep == PEER_RMAP && !from);
	(void)flow;
	if (!lookup(frame))
		return -ERR_STALE;
	*count = places_of(frame, list);
	for (u64 i = 0; *count > 3 && i < 2 * *count; i++)
		page_rmap[i] = list[i];
	*aspace0 = list[0];
	*va0 = list[1];
	*aspace1 = list[2];
	*va1 = list[3];
	*aspace2 = list[4];
	*va2 = list[5];
	if (*count == 1 && rnd(2)) {
		/* What it says of neighbours is true by chance. */
		*aspace1 = frame_at(&rc.frames, (u32)frame)->word1 - rnd(3);
		*va1 = *aspace1 + rnd(5);
	}
	return 0;
}

// ---- the disk

err_t block_unit(cptr_t ep, u64 unit, u64 *sectors, u64 *flags, u64 *name0, u64 *name1)
{
	EXPECT(ep == PEER_BLOCK);
	(void)name0;
	(void)name1;
	if (unit >= DISKS)
		return -ERR_NOENT;
	*sectors = disk_pages[unit] * 8;
	*flags = 0;
	return 0;
}

void header_write(u32 unit, u32 pages, u32 bad)
{
	u32 *words = (u32 *)(header[unit] + 1024);

	memset(header[unit], 0, PAGE_SIZE);
	words[0] = 1;
	words[1] = pages - 1;
	words[2] = bad;
	for (u32 i = 0; i < bad; i++)
		words[128 + i] = 3 + 5 * i;
	memcpy(header[unit] + PAGE_SIZE - 10, "SWAPSPACE2", 10);
}

static err_t transfer(const struct block_request *r)
{
	if (error_rate && r->sector && !rnd(error_rate))
		return -ERR_IO;
	for (u32 i = 0; i < r->frames; i++) {
		u64 at = r->sector / 8 + i;
		struct frame_view *f = lookup(r->frame[i]);

		EXPECT(f && at < disk_pages[r->unit]);
		if (r->op == BLOCK_READ && at == 0)
			header_unit = r->unit;
		if (r->op == BLOCK_READ)
			content[f - table] = disk[r->unit][at];
		else
			disk[r->unit][at] = content[f - table];
	}
	return 0;
}

static void pin(const struct block_request *r, s32 delta)
{
	for (u32 i = 0; i < r->frames; i++) {
		struct frame_view *f = lookup(r->frame[i]);

		EXPECT(f);
		f->pins += delta;
		pins += delta;
	}
}

static void answer_request(const struct block_request *r, err_t err)
{
	struct block_done done = { .flow = r->flow, .id = r->id, .status = (u64)(s64)err };

	EXPECT(channel_put(&driver, (u64 *)&done));
	notified |= 1ul << 33;
}

// A frame may be gone before the driver pins it: nothing of the request is done then.
static void request_take(const struct block_request *r)
{
	for (u32 i = 0; i < r->frames; i++)
		if (!lookup(r->frame[i])) {
			answer_request(r, -ERR_STALE);
			return;
		}
	at_disk[at_disk_count++] = *r;
	pin(r, 1);
}

bool disk_step(void)
{
	struct block_request taken;
	u32 i;

	while (at_disk_count < TRANSFERS && rnd(3) && channel_take(&driver, (u64 *)&taken))
		request_take(&taken);
	if (!at_disk_count)
		return false;
	i = (u32)rnd(at_disk_count);
	taken = at_disk[i];
	at_disk[i] = at_disk[--at_disk_count];
	pin(&taken, -1);
	answer_request(&taken, transfer(&taken));
	return true;
}

void world_reset(void)
{
	struct server_ring end = { .out = (u64)ring_disk[1], .in = (u64)ring_disk[0], .pages = 2 };

	memset(table, 0, sizeof(table));
	memset(pte, 0, sizeof(pte));
	memset(segment, 0, sizeof(segment));
	memset(ring_vm, 0, sizeof(ring_vm));
	memset(ring_disk, 0, sizeof(ring_disk));
	memset(ring_slab, 0, sizeof(ring_slab));
	for (u32 pfn = FIRST; pfn < FIRST + FRAMES; pfn++)
		table[pfn] = (struct frame_view){ .gen = 1 + (u32)rnd(100), .state = FRAME_FREE };
	memset(fake_heap, 0, sizeof(fake_heap));
	usage = pins = notified = notified_vm = notified_slab = at_disk_count = 0;
	segment_pages = 8;
	low = 12;
	high = 24;
	min_room = 4;
	crossed = false;
	EXPECT(channel_attach(&driver, &end, sizeof(struct block_done) / 8, sizeof(struct block_request) / 8));
}

// ---- what must hold at any moment

u64 world_check(void)
{
	static u32 tokens[4096], leaves[FIRST + FRAMES];
	u64 bad = 0, used = 0, cached = 0;

	memset(tokens, 0, sizeof(tokens));
	memset(leaves, 0, sizeof(leaves));
	for (u32 p = 0; p < PROCS; p++)
		for (u32 page = 0; page < PAGES; page++) {
			const struct entry *e = &pte[p][page];

			if (e->kind == SWAPPED)
				tokens[e->what]++;
			else if (e->kind == PRESENT)
				leaves[e->what]++;
		}
	for (u32 slot = 1; slot < rc.share->slots; slot++) {
		u32 word = slot_word(slot), pfn = word & SWAPSLOT_FRAME;

		cached += pfn != 0;
		bad += slot_count(slot) != tokens[slot];
		bad += tokens[slot] && !(word & SWAPSLOT_USED);
		bad += tokens[slot] && !(word & (SWAPSLOT_ON_DISK | SWAPSLOT_FRAME | SWAPSLOT_FAILED));
		if (pfn && tokens[slot])
			bad += !(table[pfn].marks & FRAME_SWAPCACHE);
	}
	for (u32 pfn = FIRST; pfn < FIRST + FRAMES; pfn++) {
		bad += table[pfn].mapcount != leaves[pfn];
		used += table[pfn].state != FRAME_FREE;
	}
	return bad + (used != usage) + (cached != rc.cached);
}
