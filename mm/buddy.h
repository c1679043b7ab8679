// SPDX-License-Identifier: MIT
// Buddy allocator with split and merge, orders 0 .. MAX_ORDER; an instance per zone, so host tests build a 64-page
// machine. Invariant: a FREE block head has state FREE, its order in struct page, and is on free[order]; its buddy of
// the same order is not free.
#pragma once

#include <mm/page.h>

struct buddy {
	const char *name;  // "DMA32", "Normal"
	pfn_t base, limit; // pfns it covers
	u64 free_frames;
	u32 head[MAX_ORDER + 1]; // first block's pfn, 0 none
	u32 tail[MAX_ORDER + 1];
	u64 blocks[MAX_ORDER + 1]; // blocks on each list
};

void buddy_init(struct buddy *buddy, const char *name, pfn_t base, pfn_t limit);
// Hand RAM to the allocator: RESERVED -> FREE, merged as far as alignment allows.
void buddy_add(struct buddy *buddy, pfn_t base, pfn_t limit);
// A block of 2^order frames, or NULL. Pages come back in state FREE with order 0 each and off all lists; the caller
// sets state and pool. `prefer_pool`: among blocks of the wanted order prefer one last owned by this pool (saves
// zeroing); looks at both ends of the list only.
struct page *buddy_alloc(struct buddy *buddy, u32 order, u16 prefer_pool);
// Take a block back: all its pages become FREE (they must not be), their `pool` stays as the last owner. Merges as far
// as it can.
void buddy_free(struct buddy *buddy, struct page *page, u32 order);
// The same for pages that the caller has made FREE, with order 0, already.
void buddy_insert(struct buddy *buddy, struct page *page, u32 order);
// The same for one page; inline where there is nothing to merge with.
static always_inline void buddy_free_page(struct buddy *buddy, struct page *page);
// Lists, orders, states and counts agree: returns the number of violations, each logged in a line.
u64 buddy_check(const struct buddy *buddy);

static always_inline void buddy_push(struct buddy *buddy, struct page *page, u32 order)
{
	u32 pfn = page_to_pfn(page), first = buddy->head[order];
	page->order = order;
	page->prev = 0;
	page->next = first;
	if (likely(first))
		pfn_to_page(first)->prev = pfn;
	else
		buddy->tail[order] = pfn;
	buddy->head[order] = pfn;
	buddy->blocks[order]++;
}

static always_inline void buddy_free_page(struct buddy *buddy, struct page *page)
{
	pfn_t pfn = page_to_pfn(page), mate = pfn ^ 1;
	bool inside = pfn >= buddy->base && pfn < buddy->limit && mate >= buddy->base && mate < buddy->limit;
	if (unlikely(!inside || page->state == PAGE_FREE ||
		     (pfn_to_page(mate)->state == PAGE_FREE && !pfn_to_page(mate)->order))) {
		buddy_free(buddy, page, 0);
		return;
	}
	page->state = PAGE_FREE;
	buddy->free_frames++;
	buddy_push(buddy, page, 0);
}
