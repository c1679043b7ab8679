// SPDX-License-Identifier: MIT
/*
 * The kernel's frame table as an observer sees it: struct page (mm/page.h), read-only, indexed by frame number.
 *
 * A single field is true when it is read. Several belong together only if the generation is the same before and after;
 * whoever acts on what he read names the frame by its reference, and the kernel checks again.
 */
#pragma once

#include <abi/abi.h>
#include <base/types.h>

struct frame_view {
	u32 gen;
	u16 pool;
	u8 state : 4; // FRAME_*
	u8 order : 4;
	u8 pager;
	u32 mapcount;
	u16 pins;
	u8 marks; // FRAME_DIRTY ...
	u8 place;
	u64 word0;
	u64 word1;
};
_Static_assert(sizeof(struct frame_view) == 32, "as in the kernel");

enum { FRAME_RESERVED, FRAME_FREE, FRAME_OWNED, FRAME_EVICTING, FRAME_TABLE, FRAME_OBJECT };

#define FRAME_DIRTY     0x01
#define FRAME_WRITEBACK 0x02
#define FRAME_YOUNG     0x04
#define FRAME_SWAPCACHE 0x08

struct frames {
	const struct frame_view *table; // table[pfn]
	u64 first, end;                 // frame numbers that exist
};

static inline const struct frame_view *frame_at(const struct frames *frames, u64 pfn)
{
	return &frames->table[pfn];
}

static inline u32 frame_gen(const struct frame_view *view)
{
	return __atomic_load_n(&view->gen, __ATOMIC_ACQUIRE);
}

static inline frame_t frame_reference(const struct frames *frames, u64 pfn)
{
	return (u64)frame_gen(&frames->table[pfn]) << 32 | pfn;
}

// The record that a reference names, NULL when the frame was freed or moved since.
static inline const struct frame_view *frame_of(const struct frames *frames, frame_t frame)
{
	u64 pfn = (u32)frame;

	if (pfn < frames->first || pfn >= frames->end || frame_gen(&frames->table[pfn]) != frame >> 32)
		return NULL;
	return &frames->table[pfn];
}
