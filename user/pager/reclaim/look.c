// SPDX-License-Identifier: MIT
// What a frame is at this moment, and whether it was used: the reverse map names its places, the kernel checks them and
// harvests their A bits (frame_mark AGE).
#include "reclaim.h"

struct looked looked;

// A frame of the swap cache that nothing maps: EVICTING, or left behind by an unmap.
static enum look look_cached(const struct frame_view *view, u32 slot)
{
	looked.slot = slot;
	looked.places = 0;
	return slot && slot < rc.share->slots && view->pins == 0 && slot_area(slot) ? LOOK_CACHED : LOOK_KEEP;
}

/*
 * Most pages are private and lie in few large ranges: what rmap said of one holds for its neighbours, until vm changes
 * a mapping. As any answer of rmap's it is a hint: the kernel sees whether the page is there.
 */
static struct {
	u64 changes; // of swap_share, when rmap was asked
	u64 mapping;
	u64 first, end; // word1 of its pages; equal: nothing is known
	u64 aspace, va; // where the first would be
} run;

static u64 mapping_of(const struct frame_view *view)
{
	return view->word0 & ((1ul << SWAP_WORD_SHIFT) - 1);
}

static u64 changes(void)
{
	return __atomic_load_n(&rc.share->changes, __ATOMIC_ACQUIRE);
}

// Is the place of the frame known? Then it is put in the argument page.
static bool run_has(const struct frame_view *view)
{
	u64 at = view->word1 - run.first;

	if (at >= run.end - run.first || mapping_of(view) != run.mapping || changes() != run.changes)
		return false;
	server_argument()[0] = run.aspace;
	server_argument()[1] = run.va + (at << PAGE_SHIFT);
	return true;
}

static void run_learn(const struct frame_view *view, u64 asked_at, u64 first, u64 end, const u64 *place)
{
	u64 index = view->word1;

	run.first = run.end = 0;
	if (index < first || index >= end)
		return;
	run.changes = asked_at;
	run.mapping = mapping_of(view);
	run.first = first;
	run.end = end;
	run.aspace = place[0];
	run.va = place[1] - ((index - first) << PAGE_SHIFT);
}

// One list of places from rmap into the argument page. Returns how many there are from `from` on; less than 0: none.
static s64 places_ask(u32 from)
{
	const struct frame_view *view = frame_at(&rc.frames, looked.pfn);
	u64 *list = server_argument(), count = 0, asked_at = changes(), few[6];
	err_t err = rmap_places_flow(PEER_RMAP, rc.flow, looked.frame, from, &count, &few[0], &few[1], &few[2], &few[3],
				     &few[4], &few[5]);
	u64 n = count < RMAP_PLACES ? count : RMAP_PLACES;
	const u64 *places = count > 3 ? rc.places : few;

	if (err)
		return err;
	if (count == 1 && !from)
		run_learn(view, asked_at, few[2], few[3], few);
	for (u64 i = 0; i < 2 * n; i++)
		list[i] = places[i];
	return (s64)count;
}

// More candidates than one list holds: what the kernel keeps of each list is collected. Leaves it in the argument page.
static bool look_many(u64 total, u64 mapcount, u64 *marks)
{
	static u64 kept[2 * RMAP_PLACES];
	u64 n = looked.places, left;

	__builtin_memcpy(kept, server_argument(), 2 * n * sizeof(u64));
	for (u32 from = RMAP_PLACES; from < total && n < mapcount; from += RMAP_PLACES) {
		s64 more = places_ask(from);
		u64 found = 0, all = 0;

		if (more <= 0 ||
		    sys_frame_mark(SLOT_CLIENT_POOL, looked.frame, MARK_AGE,
				   more < RMAP_PLACES ? (u64)more : RMAP_PLACES, 0, &all, NULL, NULL, &found))
			return false;
		*marks |= all;
		left = RMAP_PLACES - n;
		if (found > left)
			return false;
		__builtin_memcpy(&kept[2 * n], server_argument(), 2 * found * sizeof(u64));
		n += found;
	}
	__builtin_memcpy(server_argument(), kept, 2 * n * sizeof(u64));
	looked.places = n;
	return true;
}

static enum look look_mapped(void)
{
	bool known = run_has(frame_at(&rc.frames, looked.pfn));
	s64 count = known ? 1 : places_ask(0);
	u64 n = count < 0 ? 0 : count < RMAP_PLACES ? (u64)count : RMAP_PLACES, marks = 0, counts = 0, word0 = 0;
	err_t err = sys_frame_mark(SLOT_CLIENT_POOL, looked.frame, MARK_AGE, n, 0, &marks, &counts, &word0,
				   &looked.places);

	if (err == -ERR_STALE)
		return LOOK_GONE;
	if (err || counts >> 32)
		return LOOK_KEEP;
	if (count > RMAP_PLACES && looked.places < (u32)counts && !look_many((u64)count, (u32)counts, &marks))
		return LOOK_KEEP;
	if (looked.places != (u32)counts && known) {
		run.first = run.end = 0;
		return look_mapped(); /* this time rmap is asked */
	}
	if (looked.places != (u32)counts) {
		rc.stats[RECLAIMSTAT_EVICT_FAILED]++;
		return LOOK_KEEP;
	}
	looked.slot = marks >> 8 & FRAME_SWAPCACHE ? (u32)swap_word0_slot(word0) : 0;
	if (marks >> 8 & FRAME_SWAPCACHE && (!looked.slot || !slot_area(looked.slot)))
		return LOOK_KEEP;
	return marks >> 8 & FRAME_YOUNG ? LOOK_YOUNG : LOOK_OLD;
}

enum look page_look(u32 pfn)
{
	const struct frame_view *view = frame_at(&rc.frames, pfn);
	struct lru *l = lru_of(pfn);

	rc.fruitless++;
	rc.stats[work_wanted() || rc.pending_count ? RECLAIMSTAT_PGSCAN_DIRECT : RECLAIMSTAT_PGSCAN_KSWAPD]++;
	looked = (struct looked){ .pfn = pfn, .frame = frame_reference(&rc.frames, pfn) };
	if (list_of(pfn) == LRU_NONE || view->pool != rc.state->user_pool)
		return LOOK_GONE;
	if (view->state == FRAME_EVICTING)
		return look_cached(view, (u32)view->word0);
	if (view->state != FRAME_OWNED)
		return LOOK_GONE;
	if (l->ahead && view->mapcount) {
		l->ahead = 0;
		rc.stats[RECLAIMSTAT_SWAP_RA_HIT]++;
	}
	if (view->mapcount)
		return look_mapped();
	if (view->marks & FRAME_SWAPCACHE)
		return look_cached(view, (u32)swap_word0_slot(view->word0));
	return LOOK_KEEP; /* in vm's hands */
}
