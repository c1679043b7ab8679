// SPDX-License-Identifier: MIT
/*
 * swapon and swapoff. One at a time; the caller's request is parked until it is done.
 *
 *	FREE --swapon: header is being read--> OPENING --it is good--> ON --swapoff--> DRAINING --all back--> FREE
 *	                                          |                     ^-- memory is out --+
 *	                                          +-- it is not, no memory --> FREE
 *
 * DRAINING goes window by window: read what is not cached, tell vm (unuse), which maps it where its tokens are; when vm
 * has done that, what has count 0 is settled, and the window is looked at again until nothing is left in it. A drain
 * whose caller was killed goes on.
 */
#include "reclaim.h"

#include <base/log.h>
#include <base/string.h>

#define HEADER_VA (SERVER_HEAP - PAGE_SIZE)

// The first page of a swap area, as mkswap writes it (include/linux/swap.h, union swap_header).
struct swap_header {
	u8 boot[1024];
	u32 version;
	u32 last_page;
	u32 bad_pages;
	u8 uuid[16];
	u8 label[16];
	u32 padding[117];
	u32 bad_page[637];
	u8 magic[10];
};
#define BAD_PAGES_MAX 637
#define MAGIC         "SWAPSPACE2"
_Static_assert(offsetof(struct swap_header, bad_page) == 1536, "as mkswap writes it");
#define MAGIC_OFFSET (PAGE_SIZE - 10)

static struct area *area_at(u32 i)
{
	return &rc.state->area[i];
}

static void area_set(u32 i, const struct area *a)
{
	state_stage(&rc.segment, area_at(i), a, sizeof(*a));
	state_commit(&rc.segment);
}

static void area_answer(err_t err, u64 pages, bool on)
{
	struct request rq = on ? reclaim_reply_swapon(rc.area_rq.reply, err, pages)
			       : reclaim_reply_swapoff(rc.area_rq.reply, err);

	if (rc.area_rq.reply)
		(void)ipc_reply(SLOT_SELF_ENDPOINT, &rq); /* STALE: the caller was killed */
	rc.area_rq.reply = 0;
}

static bool area_busy(void)
{
	for (u32 i = 0; i < AREAS; i++)
		if (area_at(i)->state == AREA_OPENING || area_at(i)->state == AREA_DRAINING)
			return true;
	return false;
}

static struct area *area_of_unit(u64 unit)
{
	for (u32 i = 0; i < AREAS; i++)
		if (area_at(i)->state != AREA_FREE && area_at(i)->unit == unit)
			return area_at(i);
	return NULL;
}

// ---- swapon

// Below all that are there.
static s32 priority_next(void)
{
	s32 least = 0;

	for (u32 i = 0; i < AREAS; i++)
		if (area_at(i)->state != AREA_FREE && area_at(i)->priority < least)
			least = area_at(i)->priority;
	return least - 1;
}

// Watermarks in proportion to memory: 1/64 and 1/32 of it.
static void marks_first(void)
{
	u64 limit;

	(void)pool_room();
	limit = rc.stats[RECLAIMSTAT_POOL_LIMIT];
	rc.min = limit / 256 < 16 ? 16 : limit / 256 > 256 ? 256 : limit / 256;
	marks_set(rc.min + limit / 64, rc.min + limit / 32);
	/* What was allocated before nobody has told: the frame table knows. */
	rescan_start();
}

// What reclaim needs is made when it is first needed, by swapon.
err_t memory_ready(void)
{
	err_t err = lists_make();

	if (err)
		return err;
	if (!rc.state->header_frame) {
		if (!stock_fill(1, 0))
			return -ERR_NOMEM;
		rc.state->header_frame = rc.state->stock[--rc.stocked];
		rc.state->user_pool = frame_at(&rc.frames, (u32)rc.state->header_frame)->pool;
	}
	if (!rc.low)
		marks_first();
	return 0;
}

err_t area_open(struct request *rq, u64 unit, u64 priority)
{
	struct area a = { .state = AREA_OPENING, .unit = (u32)unit, .priority = (s32)priority };
	u64 sectors = 0, flags = 0;
	struct transfer *t;
	u32 i = 0;
	err_t err = block_unit(PEER_BLOCK, unit, &sectors, &flags, NULL, NULL);

	if (err)
		return err;
	if (area_of_unit(unit) || area_busy() || flags & BLOCKUNIT_READ_ONLY)
		return -ERR_BUSY;
	while (i < AREAS && area_at(i)->state != AREA_FREE)
		i++;
	if (i == AREAS)
		return -ERR_NFILE;
	err = memory_ready();
	if (err)
		return err;
	if (frame_at(&rc.frames, (u32)rc.state->header_frame)->pins)
		return -ERR_BUSY; /* a predecessor's read is under way */
	t = transfer_new(BLOCK_READ, 0);
	if (!t)
		return -ERR_BUSY;
	a.device_pages = sectors / BLOCK_SECTORS_PER_PAGE;
	if ((s64)priority == -1)
		a.priority = priority_next();
	area_set(i, &a);
	rc.area_index = i;
	rc.area_rq = *rq;
	t->unit = a.unit;
	t->n = 1;
	t->frame[0] = rc.state->header_frame;
	transfer_start(t);
	return PARKED;
}

// Slots that no other area has: the lowest gap that is large enough.
static u32 base_find(u32 pages)
{
	u32 base = CLUSTER;

	for (u32 i = 0; i < AREAS; i++) {
		const struct area *a = area_at(i);

		if (!a->base || base + pages <= a->base || base >= a->base + a->pages)
			continue;
		base = (a->base + a->pages + CLUSTER - 1) & ~(u32)(CLUSTER - 1);
		i = (u32)-1; /* from the start: the areas are in no order */
	}
	return base;
}

// vm may look at all of the table up to share->slots, so it is there before it is said to be. It is taken from user
// memory, of which something must be left to page with.
static err_t table_grow(u32 slots)
{
	u64 bytes = SWAP_TABLE + (u64)slots * sizeof(struct swap_slot), pages = 0;
	u64 there = SWAP_TABLE + rc.share->slots * sizeof(struct swap_slot);
	err_t err;

	/* It never shrinks: vm may look at all of it, and areas further on are in use. */
	if (slots <= rc.share->slots)
		return 0;
	if (pool_room() < rc.min + (bytes - there) / PAGE_SIZE)
		return -ERR_NOMEM;
	err = init_state_size(PEER_INIT, (bytes + PAGE_SIZE - 1) / PAGE_SIZE, &pages);
	if (err)
		return err;
	rc.stats[RECLAIMSTAT_TABLE_BYTES] = pages * PAGE_SIZE - SWAP_TABLE;
	__atomic_store_n(&rc.share->slots, slots, __ATOMIC_RELEASE);
	return 0;
}

static err_t header_check(const struct swap_header *h, const struct area *a)
{
	if (memcmp((const u8 *)h + MAGIC_OFFSET, MAGIC, sizeof(MAGIC) - 1) || h->version != 1)
		return -ERR_INVAL;
	if (h->last_page < 1 || h->last_page >= a->device_pages || h->bad_pages > BAD_PAGES_MAX ||
	    h->last_page >= SWAP_SLOTS_MAX / AREAS)
		return -ERR_INVAL;
	for (u32 i = 0; i < h->bad_pages; i++)
		if (!h->bad_page[i] || h->bad_page[i] > h->last_page)
			return -ERR_INVAL;
	return h->bad_pages >= h->last_page ? -ERR_INVAL : 0;
}

static err_t area_make(const struct swap_header *h)
{
	struct area a = *area_at(rc.area_index);
	err_t err = header_check(h, &a);

	if (err)
		return err;
	a.pages = h->last_page + 1;
	a.base = base_find(a.pages);
	err = table_grow(a.base + a.pages);
	if (err)
		return err;
	/* A slot here of which tokens are left, since its page could not be read when an area was let go, stays out of
	 * use until they are gone. */
	for (u32 i = 0; i < a.pages; i++)
		slot_set(a.base + i, 0);
	slot_set(a.base, SWAPSLOT_HELD);
	for (u32 i = 0; i < h->bad_pages; i++)
		slot_set(a.base + h->bad_page[i], SWAPSLOT_HELD);
	a.state = AREA_ON;
	area_set(rc.area_index, &a);
	slots_count(area_at(rc.area_index));
	rc.stats[RECLAIMSTAT_SWAP_TOTAL] += area_at(rc.area_index)->usable;
	return 0;
}

static err_t header_read(void)
{
	err_t err = sys_map(SLOT_SELF_ASPACE, HEADER_VA, SLOT_CLIENT_POOL, rc.state->header_frame, 1, PROT_READ, 0, 0,
			    0, NULL, NULL);

	if (err)
		return err;
	err = area_make((const struct swap_header *)HEADER_VA);
	(void)sys_unmap(SLOT_SELF_ASPACE, HEADER_VA, 1, CAP_NULL, 0, 0, NULL, NULL, NULL, NULL);
	return err;
}

void area_header_done(err_t err)
{
	static const struct area none;

	if (!err)
		err = header_read();
	if (err)
		area_set(rc.area_index, &none);
	area_answer(err, err ? 0 : area_at(rc.area_index)->usable, true);
}

// ---- swapoff

static bool slot_filled(u32 slot)
{
	return slot_word(slot) & SWAPSLOT_USED && slot_count(slot);
}

// Slots whose page is nowhere but on the disk.
static u64 only_there(const struct area *a)
{
	u64 n = 0;

	for (u32 slot = a->base; slot < a->base + a->pages; slot++)
		n += slot_filled(slot) && !(slot_word(slot) & SWAPSLOT_FRAME);
	return n;
}

// Will everything that is out there find room? In other areas a page that is also in memory needs none.
static bool fits(const struct area *a)
{
	u64 room = pool_room();

	for (const struct area *other = area_at(0); other < area_at(0) + AREAS; other++)
		if (other != a && other->state == AREA_ON)
			room += other->usable - only_there(other);
	return only_there(a) + rc.min <= room;
}

err_t area_close(struct request *rq, u64 unit)
{
	struct area *a = area_of_unit(unit), draining;

	if (!a)
		return -ERR_NOENT;
	if (area_busy())
		return -ERR_BUSY;
	if (!fits(a))
		return -ERR_NOMEM;
	draining = *a;
	draining.state = AREA_DRAINING;
	rc.area_index = (u32)(a - rc.state->area);
	area_set(rc.area_index, &draining);
	rc.stats[RECLAIMSTAT_SWAP_TOTAL] -= a->usable;
	cluster_flush();
	rc.area_rq = *rq;
	rc.drain_next = a->base;
	rc.drain_end = 0;
	rc.drain_told = false;
	return PARKED;
}

bool area_drain_stop(void)
{
	struct area a = *area_at(rc.area_index);

	if (a.state != AREA_DRAINING)
		return false;
	a.state = AREA_ON;
	area_set(rc.area_index, &a);
	rc.stats[RECLAIMSTAT_SWAP_TOTAL] += a.usable;
	rc.drain_told = false;
	area_answer(-ERR_NOMEM, 0, false);
	return true;
}

static void drained(struct area *a)
{
	static const struct area none;

	rc.stats[RECLAIMSTAT_SWAP_USED] -= area_used(a);
	for (u32 i = 0; i < a->pages; i++)
		slot_set(a->base + i, 0);
	slots_count(a);
	area_set(rc.area_index, &none);
	area_answer(0, 0, false);
}

static bool unfinished(const struct area *a)
{
	for (u32 slot = a->base; slot < a->base + a->pages; slot++)
		if (slot_word(slot) & SWAPSLOT_USED && !(slot_word(slot) & SWAPSLOT_FAILED))
			return true;
	return false;
}

// The next window: so many filled slots as may be cached at once. They stay in memory until vm has mapped them, so a
// window is a small part of it.
static void window_open(const struct area *a)
{
	u32 end = a->base + a->pages, filled = 0, most;

	(void)pool_room();
	most = (u32)(rc.stats[RECLAIMSTAT_POOL_LIMIT] / 16);
	most = most < CLUSTER ? CLUSTER : most > DRAIN_MAX ? DRAIN_MAX : most;

	while (rc.drain_next < end && !slot_filled(rc.drain_next)) {
		(void)slot_settle(rc.drain_next);
		rc.drain_next++;
	}
	rc.drain_end = rc.drain_next;
	while (rc.drain_end < end && filled < most)
		filled += slot_filled(rc.drain_end++);
}

// Asks for what is missing. True: everything that can be had is there.
static bool window_cached(void)
{
	bool whole = true;

	for (u32 slot = rc.drain_next; slot < rc.drain_end; slot++) {
		u32 word = slot_word(slot);

		if (!slot_filled(slot) || word & (SWAPSLOT_FRAME | SWAPSLOT_FAILED))
			continue;
		whole = false;
		if (!(word & SWAPSLOT_BUSY) && rc.pending_count < PENDING / 2)
			swapin_request(slot, rc.area_rq.flow, true, false);
	}
	return whole;
}

void area_drain(void)
{
	struct area *a = area_at(rc.area_index);

	if (a->state != AREA_DRAINING || rc.drain_told || rc.pending_count)
		return;
	if (rc.drain_next >= rc.drain_end)
		window_open(a);
	if (rc.drain_next >= a->base + a->pages) {
		if (unfinished(a))
			rc.drain_next = rc.drain_end = a->base; /* what was being written when it was passed */
		else
			drained(a);
		return;
	}
	if (!window_cached()) {
		swapin_run();
		return;
	}
	rc.share->unuse_first = rc.drain_next;
	rc.share->unuse_end = rc.drain_end;
	rc.share->unuse_round++;
	rc.drain_told = true;
	answer(SWAPANS_UNUSE, rc.drain_next, 0, rc.area_rq.flow);
}

// vm has mapped what was there. A page that failed or was pushed out again meanwhile keeps the window open.
void area_drained(u64 round)
{
	if (!rc.drain_told || round != rc.share->unuse_round)
		return;
	rc.drain_told = false;
	for (; rc.drain_next < rc.drain_end; rc.drain_next++) {
		if (slot_filled(rc.drain_next) && !(slot_word(rc.drain_next) & SWAPSLOT_FAILED))
			break;
		(void)slot_settle(rc.drain_next);
	}
}

void area_request_drop_dead(void)
{
	if (rc.area_rq.reply && !badge_alive(rc.area_rq.badge))
		rc.area_rq.reply = 0;
	if (rc.shrink && !badge_alive(rc.shrink_rq.badge))
		rc.shrink = 0;
}
