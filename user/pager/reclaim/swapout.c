// SPDX-License-Identifier: MIT
/*
 * Pages that leave: out of all their places, to the disk if it has not got them, and free.
 *
 *	mapped --evict--> EVICTING --clean and ON_DISK--> freed
 *	                     |  else: cluster --BEGIN, WRITE--> END --> freed, or rescued meanwhile: active list
 *	                     +------------------- error --> alone --> error: STUCK, the slot FAILED
 */
#include "reclaim.h"

#include <base/panic.h>

static void page_went(void)
{
	rc.fruitless = 0;
	work_went();
	rc.shrunk += rc.shrink != 0;
	rc.stats[work_wanted() || rc.pending_count ? RECLAIMSTAT_PGSTEAL_DIRECT : RECLAIMSTAT_PGSTEAL_KSWAPD]++;
}

// Free a clean frame whose page is on the disk. It may be rescued at any moment before: then the kernel says BUSY.
static bool cached_free(u32 pfn, u32 slot, frame_t frame)
{
	u32 word = slot_word(slot);

	slot_set(slot, word & ~SWAPSLOT_FRAME);
	if (sys_frame_free(SLOT_CLIENT_POOL, 0, frame, 0, NULL)) {
		slot_set(slot, word);
		return false;
	}
	list_remove(pfn);
	(void)slot_settle(slot);
	page_went();
	return true;
}

static bool slot_draining(u32 slot)
{
	return slot_area(slot)->state == AREA_DRAINING;
}

// ---- clusters

// A frame that cannot be written now after all, or need not go, stays in memory.
static void write_put_back(u32 pfn)
{
	list_move(pfn, LRU_ACTIVE);
	rc.stats[RECLAIMSTAT_RESCUED]++;
}

// What was collected goes as one transfer, or as several when some of it was touched meanwhile.
void cluster_flush(void)
{
	struct transfer *t = NULL;

	for (u32 i = 0; i < rc.cluster.n; i++) {
		frame_t frame = rc.cluster.frame[i];

		if (!t)
			t = transfer_new(BLOCK_WRITE, rc.cluster.slot + i);
		if (t && !sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_BEGIN, 0, 0, NULL, NULL, NULL, NULL)) {
			t->frame[t->n++] = frame;
			continue;
		}
		slot_flags(rc.cluster.slot + i, SWAPSLOT_BUSY, 0);
		write_put_back((u32)frame);
		(void)slot_settle(rc.cluster.slot + i);
		if (t && t->n)
			transfer_start(t);
		else if (t)
			transfer_end(t);
		t = NULL;
	}
	if (t)
		transfer_start(t);
	rc.cluster.n = 0;
}

// The slot is BUSY from here on: vm may give it up, but nobody else gets it before the write has ended.
static void cluster_add(u32 slot, frame_t frame)
{
	struct cluster *c = &rc.cluster;
	bool alone = lru_of((u32)frame)->alone;

	if (c->n && (alone || slot != c->slot + c->n))
		cluster_flush();
	if (!c->n)
		c->slot = slot;
	c->frame[c->n++] = frame;
	slot_flags(slot, SWAPSLOT_ON_DISK, SWAPSLOT_BUSY);
	list_move((u32)frame, LRU_WRITING);
	if (alone || c->n == CLUSTER)
		cluster_flush();
}

// The frame is EVICTING. Drop it, or write it. False: it stays.
static bool evicted_out(u32 pfn, u32 slot, frame_t frame)
{
	const struct frame_view *view = frame_at(&rc.frames, pfn);
	u32 word = slot_word(slot);
	bool dirty = view->marks & (FRAME_DIRTY | FRAME_WRITEBACK);

	if (!dirty && word & SWAPSLOT_ON_DISK) {
		if (!cached_free(pfn, slot, frame))
			return false;
		rc.stats[RECLAIMSTAT_DROPPED]++;
		return true;
	}
	if (word & (SWAPSLOT_FAILED | SWAPSLOT_BUSY))
		return false;
	cluster_add(slot, frame);
	return true;
}

bool cached_out(void)
{
	const struct frame_view *view = frame_at(&rc.frames, looked.pfn);
	u32 slot = looked.slot;

	if (slot_word(slot) & SWAPSLOT_BUSY)
		return false;
	if (slot_count(slot) && slot_draining(slot))
		return false; /* swapoff has fetched it */
	if (!slot_count(slot)) {
		u32 pfn = looked.pfn;

		if (!slot_settle(slot))
			return false;
		if (list_of(pfn) == LRU_NONE)
			page_went();
		return true;
	}
	if (view->state == FRAME_OWNED && sys_evict(SLOT_CLIENT_POOL, looked.frame, slot, 0, 0, NULL))
		return false;
	return evicted_out(looked.pfn, slot, looked.frame);
}

// ---- mapped pages

// Count and frame are written before the tokens can be seen, and taken back when there are none.
static err_t places_evict(u32 slot, bool fresh)
{
	u32 word = slot_word(slot);
	err_t err;

	__atomic_fetch_add(&rc.slot[slot].count, (u32)looked.places, __ATOMIC_RELEASE);
	if (fresh)
		slot_set(slot, word | looked.pfn);
	err = sys_evict(SLOT_CLIENT_POOL, looked.frame, slot, looked.places, 0, NULL);
	if (!err)
		return 0;
	__atomic_fetch_sub(&rc.slot[slot].count, (u32)looked.places, __ATOMIC_RELEASE);
	if (fresh) {
		slot_set(slot, word);
		slot_free(slot);
	}
	rc.stats[RECLAIMSTAT_EVICT_FAILED]++;
	return err;
}

bool page_out(void)
{
	u32 slot = looked.slot, pfn = looked.pfn;
	frame_t frame = looked.frame;

	/* A slot of a disk that is being let go, which no token names: the page takes another one. */
	if (slot && slot_draining(slot) && slot_settle(slot))
		slot = looked.slot = 0;
	/* Being written still; or it cannot be written there: when nobody has a token any more it gets another slot. */
	if (slot && (slot_word(slot) & (SWAPSLOT_FAILED | SWAPSLOT_BUSY) || slot_draining(slot)))
		return false;
	if (!slot && !(slot = slot_alloc()))
		return false;
	if (places_evict(slot, !looked.slot))
		return false;
	return evicted_out(pfn, slot, frame);
}

// ---- the disk has answered

// vm gave the slot up while the page was being written: what was written is nobody's.
static void written_for_nobody(u32 slot, u32 pfn, frame_t frame, u32 mapcount)
{
	slot_set(slot, slot_word(slot) & ~(SWAPSLOT_FRAME | SWAPSLOT_ON_DISK));
	(void)slot_settle(slot);
	if (!frame_of(&rc.frames, frame)) {
		list_forget(frame);
		return;
	}
	if (!mapcount && !sys_frame_free(SLOT_CLIENT_POOL, 0, frame, FREE_DISCARD, NULL))
		list_remove(pfn);
	else
		write_put_back(pfn);
}

static void written(u32 slot, frame_t frame)
{
	u32 pfn = (u32)frame;
	u64 marks = 0, counts = 0;

	if (sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_END, 0, 0, &marks, &counts, NULL, NULL)) {
		slot_set(slot, slot_word(slot) & ~SWAPSLOT_FRAME);
		(void)slot_settle(slot);
		list_forget(frame);
		return;
	}
	if (!(marks >> 8 & FRAME_SWAPCACHE)) {
		written_for_nobody(slot, pfn, frame, (u32)counts);
		return;
	}
	rc.stats[RECLAIMSTAT_PSWPOUT]++;
	slot_flags(slot, 0, SWAPSLOT_ON_DISK);
	if (slot_count(slot))
		(void)cached_free(pfn, slot, frame);
	else
		(void)slot_settle(slot);
	if (list_of(pfn) == LRU_WRITING) /* it is still there: rescued */
		write_put_back(pfn);
}

static void write_failed(u32 slot, frame_t frame, bool alone)
{
	u32 pfn = (u32)frame;
	u64 marks = 0, counts = 0;

	/* STALE leaves no marks: a frame that was given up and freed before the driver came to it. */
	(void)sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_FAIL, 0, 0, &marks, &counts, NULL, NULL);
	if (!(marks >> 8 & FRAME_SWAPCACHE)) {
		written_for_nobody(slot, pfn, frame, (u32)counts);
		return;
	}
	if (!alone) {
		/* Which of them is bad shows when each is written alone. */
		list_move(pfn, LRU_INACTIVE);
		lru_of(pfn)->alone = 1;
		(void)slot_settle(slot);
		return;
	}
	rc.stats[RECLAIMSTAT_WRITE_ERRORS]++;
	slot_flags(slot, 0, SWAPSLOT_FAILED);
	list_move(pfn, LRU_STUCK);
	(void)slot_settle(slot);
}

void swapout_done(struct transfer *t, err_t err)
{
	for (u32 i = 0; i < t->n; i++) {
		if (err)
			write_failed(t->slot + i, t->frame[i], t->n == 1);
		else
			written(t->slot + i, t->frame[i]);
	}
}
