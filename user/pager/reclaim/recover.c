// SPDX-License-Identifier: MIT
// A successor: which frame holds which slot stands in the frame table. What was on its way to the disk counts as dirty;
// what was being read is read again when vm asks again.
#include "reclaim.h"

#include <base/panic.h>

static void frame_recover(u32 pfn)
{
	const struct frame_view *view = frame_at(&rc.frames, pfn);
	bool evicting = view->state == FRAME_EVICTING;
	u64 slot = evicting ? view->word0 : swap_word0_slot(view->word0);

	frame_t frame = frame_reference(&rc.frames, pfn);
	bool writing = view->marks & FRAME_WRITEBACK;

	if (view->pool != rc.state->user_pool || (!evicting && view->state != FRAME_OWNED))
		return;
	if (writing)
		(void)sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_FAIL, 0, 0, NULL, NULL, NULL, NULL);
	if (writing && !view->mapcount && !(view->marks & FRAME_SWAPCACHE))
		(void)sys_frame_free(SLOT_CLIENT_POOL, 0, frame, FREE_DISCARD,
				     NULL); /* given up, and its process gone */
	if (!(view->marks & FRAME_SWAPCACHE) || slot >= rc.share->slots || !slot_area((u32)slot))
		return;
	slot_set((u32)slot, slot_word((u32)slot) | SWAPSLOT_USED | pfn);
	if (evicting)
		rc.policy->add(pfn, true);
}

// Counted for an evict that never came: no page lies behind it. Unless vm has the page already, and the count is about
// to fall.
static void slot_recover(u32 slot)
{
	u32 word = slot_word(slot);

	if (slot == __atomic_load_n(&rc.share->giving_up, __ATOMIC_ACQUIRE))
		return;
	if (word & SWAPSLOT_USED && !(word & (SWAPSLOT_ON_DISK | SWAPSLOT_FRAME | SWAPSLOT_FAILED))) {
		__atomic_store_n(&rc.slot[slot].count, 0, __ATOMIC_RELEASE);
		slot_set(slot, 0);
	}
}

static bool areas_recover(void)
{
	bool any = false;

	for (u32 i = 0; i < AREAS; i++) {
		struct area a = rc.state->area[i];

		if (a.state == AREA_OPENING)
			a = (struct area){ 0 };
		if (a.state == AREA_DRAINING)
			a.state = AREA_ON; /* who asked for it asks again */
		any |= a.state != AREA_FREE;
		state_stage(&rc.segment, &rc.state->area[i], &a, sizeof(a));
	}
	state_commit(&rc.segment);
	return any;
}

// Frames in hand that a predecessor had not used yet.
static void stock_recover(void)
{
	for (u32 i = 0; i < STOCK; i++) {
		frame_t frame = rc.state->stock[i];
		const struct frame_view *view = frame ? frame_of(&rc.frames, frame) : NULL;

		rc.state->stock[i] = 0;
		if (view && frame != rc.state->header_frame && view->pool == rc.state->user_pool &&
		    view->state == FRAME_OWNED && !view->mapcount && !view->pins && !view->word0 &&
		    !(view->marks & FRAME_SWAPCACHE))
			rc.state->stock[rc.stocked++] = frame;
	}
}

void recover(void)
{
	err_t err;

	if (!areas_recover())
		return;
	stock_recover();
	err = memory_ready();
	if (err)
		panic("reclaim: no memory to start again: error %d", err);
	for (u32 slot = 1; slot < rc.share->slots; slot++) {
		rc.cached += (slot_word(slot) & SWAPSLOT_FRAME) != 0;
		slot_set(slot, slot_word(slot) & ~(SWAPSLOT_FRAME | SWAPSLOT_BUSY));
	}
	for (u32 pfn = (u32)rc.frames.first; pfn < rc.frames.end; pfn++)
		frame_recover(pfn);
	for (u32 slot = 1; slot < rc.share->slots; slot++)
		slot_recover(slot);
	for (u32 i = 0; i < AREAS; i++) {
		struct area *a = &rc.state->area[i];

		if (a->state != AREA_ON)
			continue;
		slots_count(a);
		rc.stats[RECLAIMSTAT_SWAP_TOTAL] += a->usable;
	}
	rc.slots_read = 1; /* what was brought to 0 and not seen */
}
