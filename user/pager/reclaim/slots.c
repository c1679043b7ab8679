// SPDX-License-Identifier: MIT
/*
 * Slots of the swap areas. Which are free is in the table alone: word and count both 0. They are given out in runs of
 * CLUSTER, from a cursor on, so that what is written together lies together and is read together.
 */
#include "reclaim.h"

#include <base/panic.h>

#define SEARCH 512  // runs looked at for a free one, before single slots will do
#define STEP   1024 // slots of the table read in one step

static u32 area_index(const struct area *a)
{
	return (u32)(a - rc.state->area);
}

u32 area_used(const struct area *a)
{
	return rc.slots_used[area_index(a)];
}

struct area *slot_area(u32 slot)
{
	for (u32 i = 0; i < AREAS; i++) {
		struct area *a = &rc.state->area[i];

		if (a->state != AREA_FREE && slot - a->base < a->pages)
			return a;
	}
	return NULL;
}

u64 swap_free(void)
{
	u64 n = 0;

	for (u32 i = 0; i < AREAS; i++)
		if (rc.state->area[i].state == AREA_ON)
			n += rc.state->area[i].usable - rc.slots_used[i];
	return n;
}

static bool slot_is_free(u32 slot)
{
	return !slot_word(slot) && !slot_count(slot);
}

static bool run_is_free(u32 first, u32 end)
{
	if (first + CLUSTER > end)
		return false;
	for (u32 i = 0; i < CLUSTER; i++)
		if (!slot_is_free(first + i))
			return false;
	return true;
}

// The next slot in the run at hand, the start of a free run, or any free slot at all.
static u32 slot_find(const struct area *a, u32 from)
{
	u32 end = a->base + a->pages, run = (from + CLUSTER - 1) & ~(u32)(CLUSTER - 1);

	if (from < end && from % CLUSTER && slot_is_free(from))
		return from;
	for (u32 i = 0; i < SEARCH; i++, run += CLUSTER) {
		if (run >= end)
			run = a->base;
		if (run_is_free(run, end))
			return run;
	}
	for (u32 i = 0; i < a->pages; i++, from++) {
		if (from >= end)
			from = a->base;
		if (slot_is_free(from))
			return from;
	}
	return 0;
}

static struct area *area_choose(void)
{
	struct area *best = NULL;

	for (u32 i = 0; i < AREAS; i++) {
		struct area *a = &rc.state->area[i];

		if (a->state == AREA_ON && rc.slots_used[i] < a->usable && (!best || a->priority > best->priority))
			best = a;
	}
	return best;
}

u32 slot_alloc(void)
{
	struct area *a = area_choose();
	u32 slot, i;

	if (!a)
		return 0;
	i = area_index(a);
	if (rc.slots_next[i] < a->base || rc.slots_next[i] >= a->base + a->pages)
		rc.slots_next[i] = a->base;
	slot = slot_find(a, rc.slots_next[i]);
	assert(slot);
	rc.slots_next[i] = slot + 1;
	rc.slots_used[i]++;
	rc.stats[RECLAIMSTAT_SWAP_USED]++;
	slot_set(slot, SWAPSLOT_USED);
	return slot;
}

void slot_free(u32 slot)
{
	struct area *a = slot_area(slot);

	assert(a && slot_word(slot) & SWAPSLOT_USED && !slot_count(slot));
	/* What failed stays out of use. */
	slot_set(slot, slot_word(slot) & SWAPSLOT_FAILED ? SWAPSLOT_HELD : 0);
	if (slot_word(slot)) {
		a->usable--;
		rc.stats[RECLAIMSTAT_SWAP_TOTAL] -= a->state == AREA_ON;
	}
	rc.slots_used[area_index(a)]--;
	rc.stats[RECLAIMSTAT_SWAP_USED]--;
}

// A slot's numbers, counted afresh: used ones, and those that are held for nothing.
void slots_count(struct area *a)
{
	u32 i = area_index(a), held = 0;

	rc.stats[RECLAIMSTAT_SWAP_USED] -= rc.slots_used[i];
	rc.slots_used[i] = 0;
	rc.slots_next[i] = a->base;
	for (u32 slot = a->base; slot < a->base + a->pages; slot++) {
		held += slot_word(slot) == SWAPSLOT_HELD;
		rc.slots_used[i] += (slot_word(slot) & SWAPSLOT_USED) != 0;
	}
	a->usable = a->pages - held;
	rc.stats[RECLAIMSTAT_SWAP_USED] += rc.slots_used[i];
}

static u32 frame_slot(const struct frame_view *view)
{
	return (u32)(view->state == FRAME_EVICTING ? view->word0 : swap_word0_slot(view->word0));
}

// A frame that holds the page of a slot nobody can ask for.
static bool frame_settle(u32 slot, u32 word, u32 pfn)
{
	const struct frame_view *view = frame_at(&rc.frames, pfn);
	frame_t frame = frame_reference(&rc.frames, pfn);
	bool draining = slot_area(slot)->state == AREA_DRAINING;
	u64 counts = 0;

	if (!(view->marks & FRAME_SWAPCACHE) || frame_slot(view) != slot) {
		/* vm gave the slot up, for a write; by now the frame may be anybody's. */
		slot_set(slot, word & ~SWAPSLOT_FRAME);
		return true;
	}
	if (!view->mapcount) {
		slot_set(slot, word & ~SWAPSLOT_FRAME);
		if (!sys_frame_free(SLOT_CLIENT_POOL, 0, frame, FREE_DISCARD, NULL)) {
			list_remove(pfn);
			return true;
		}
		slot_set(slot, word);
		return false;
	}
	/* Mapped: worth keeping as long as half of swap is free, since it may be dropped again without writing. */
	if (!draining && !(word & SWAPSLOT_FAILED) &&
	    rc.stats[RECLAIMSTAT_SWAP_USED] * 2 < rc.stats[RECLAIMSTAT_SWAP_TOTAL])
		return false;
	slot_set(slot, word & ~SWAPSLOT_FRAME);
	if (!sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_SWAPCACHE_CLEAR, 0, 0, NULL, &counts, NULL, NULL)) {
		/* Unmapped since the look at it (by another hart): vm has left it to reclaim. */
		if (!counts && !sys_frame_free(SLOT_CLIENT_POOL, 0, frame, FREE_DISCARD, NULL))
			list_remove(pfn);
		else if (list_of(pfn) == LRU_STUCK)
			list_move(pfn, LRU_ACTIVE);
		return true;
	}
	slot_set(slot, word);
	return false;
}

bool slot_settle(u32 slot)
{
	u32 word = slot_word(slot), pfn = word & SWAPSLOT_FRAME;

	if (!(word & SWAPSLOT_USED) || word & SWAPSLOT_BUSY || slot_count(slot))
		return false;
	if (pfn && !frame_settle(slot, word, pfn))
		return false;
	slot_free(slot);
	return true;
}

void slots_emptied(void)
{
	u64 slot;

	if (ring_overflowed(&rc.emptied))
		rc.slots_read = 1;
	for (u32 i = 0; i < SWAP_RING_RECORDS && ring_take(&rc.emptied, &slot); i++)
		if (slot && slot < rc.share->slots && slot_area((u32)slot))
			(void)slot_settle((u32)slot);
}

bool slots_read_on(void)
{
	u64 slots = rc.share->slots, end;

	end = rc.slots_read + STEP < slots ? rc.slots_read + STEP : slots;
	for (; rc.slots_read < end; rc.slots_read++)
		if (slot_word((u32)rc.slots_read) && slot_area((u32)rc.slots_read))
			(void)slot_settle((u32)rc.slots_read);
	if (end == slots)
		rc.slots_read = 0;
	return rc.slots_read;
}
