// SPDX-License-Identifier: MIT
// Buddy allocator with split and merge, orders 0 .. MAX_ORDER; an instance per zone, so host tests build a 64-page machine.
// Invariant: a FREE block head has state FREE, its order in struct page, and is on free[order]; its buddy of the same order is not free.
#pragma once

#include <mm/page.h>

struct buddy {
	const char *name;                 // "DMA32", "Normal"
	pfn_t base, limit;                // pfns it covers
	u64 free_frames;
	u32 head[MAX_ORDER + 1];          // first block's pfn, 0 none
	u32 tail[MAX_ORDER + 1];
	u64 blocks[MAX_ORDER + 1];        // blocks on each list
};

void buddy_init(struct buddy *buddy, const char *name, pfn_t base, pfn_t limit);
// Hand RAM to the allocator: RESERVED -> FREE, merged as far as alignment allows.
void buddy_add(struct buddy *buddy, pfn_t base, pfn_t limit);
// A block of 2^order frames, or NULL. Pages come back in state FREE with order 0 each and off all lists; the caller sets state and pool.
// `prefer_pool`: among blocks of the wanted order prefer one last owned by this pool (saves zeroing); looks at both ends of the list only.
struct page *buddy_alloc(struct buddy *buddy, u32 order, u16 prefer_pool);
// Take a block back: all its pages become FREE (they must not be), their `pool` stays as the last owner. Merges as far as it can.
void buddy_free(struct buddy *buddy, struct page *page, u32 order);
// Lists, orders, states and counts agree: returns the number of violations, each logged in a line.
u64 buddy_check(const struct buddy *buddy);
