// SPDX-License-Identifier: MIT
/*
 * Two lists and a second chance, the way of Linux 2.6.
 *
 *	new --> inactive (head) --old at the tail--> goes
 *	           |  young, first time: to the head, referenced;  young again: active
 *	           +<-- tail of the active list, when the inactive one is the shorter: referenced
 *
 * The fault that brought a page in has set its A bit; so the first look at the tail finds it young in any case, and
 * only the second tells something.
 */
#include "reclaim.h"

static void add(u32 pfn, bool read)
{
	(void)read;
	list_add(pfn, LRU_INACTIVE);
}

static void keep(u32 pfn)
{
	rc.stats[RECLAIMSTAT_PGROTATED]++;
	list_move(pfn, LRU_INACTIVE);
}

// The last of the active list has its turn. It is not looked at: what was used shows at the tail of the inactive list,
// where one sign of use is enough to bring it back.
static void refill(void)
{
	u32 pfn = rc.list[LRU_ACTIVE].last;

	rc.stats[RECLAIMSTAT_PGREFILL]++;
	if (list_of(pfn) == LRU_NONE) {
		list_remove(pfn);
		return;
	}
	list_move(pfn, LRU_INACTIVE);
	lru_of(pfn)->referenced = 1;
	rc.stats[RECLAIMSTAT_PGDEACTIVATE]++;
}

static void young(u32 pfn)
{
	struct lru *l = lru_of(pfn);

	if (l->referenced) {
		l->referenced = 0;
		list_move(pfn, LRU_ACTIVE);
		rc.stats[RECLAIMSTAT_PGACTIVATE]++;
	} else {
		l->referenced = 1;
		keep(pfn);
	}
}

static u32 next(u32 *budget)
{
	while (*budget) {
		u32 pfn;

		while (rc.list[LRU_INACTIVE].count < rc.list[LRU_ACTIVE].count)
			refill();
		pfn = rc.list[LRU_INACTIVE].last;
		if (!pfn)
			return 0;
		--*budget;
		switch (page_look(pfn)) {
		case LOOK_GONE:
			list_remove(pfn);
			break;
		case LOOK_YOUNG:
			young(pfn);
			break;
		case LOOK_KEEP:
			keep(pfn);
			break;
		default:
			return pfn;
		}
	}
	return 0;
}

const struct policy policy_two = { .name = "active-inactive", .add = add, .next = next, .keep = keep };
