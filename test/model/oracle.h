// SPDX-License-Identifier: MIT
// Inside of the oracle: what was before the operation, what is now, what is known of each frame's content.
#pragma once

#include <test/model/world.h>

struct view {
	struct page page[FRAMES_MAX];
	u64 word[FRAMES_MAX]; // content
	pte_t entry[ASPACES_MAX][VAS_MAX];
};

extern struct view before, now;
extern u64 safe[FRAMES_MAX];             // the version of the frame's content that need not be kept
extern u64 begun[FRAMES_MAX];            // the version that is being written out
extern bool wrote[FRAMES_MAX];           // a program wrote to it during this operation
extern u64 version;                      // the last one given out
extern u8 *owners;                       // by version: mask of pool slots
extern u32 total;                        // frames of RAM
extern bool writable_before[FRAMES_MAX]; // some entry could write to it
extern u32 op_pools;                     // mask of pool slots the operation was given
extern u16 ids[POOLS_MAX];               // pool ids before the operation

static inline u32 index_of(pfn_t pfn)
{
	return pfn - mem.base;
}

static inline bool alive(const struct page *page)
{
	return page->state == PAGE_OWNED || page->state == PAGE_EVICTING;
}

static inline bool keeps_frame(pte_t e)
{
	return pte_kind(e) == ENTRY_LEAF || pte_kind(e) == ENTRY_HELD;
}

// change.c: what this operation may have changed.
void check_changes(const struct op *op, err_t err, u64 done);
