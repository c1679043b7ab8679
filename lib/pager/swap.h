// SPDX-License-Identifier: MIT
/*
 * The memory that vm and reclaim share: slot table, news, emptied slots (lib/abi/54-reclaim.idl). It is reclaim's state
 * segment; vm sees it at VIEW_VA. This is vm's side. docs/pagers.md says who may do what when.
 *
 * A token is the number of a slot. A slot's count is the number of page-table entries that hold its token.
 */
#pragma once

#include "frames.h"
#include "ring.h"

#include <base/panic.h>

struct swap {
	struct swap_share *share;
	struct swap_slot *table;
	const struct frames *frames;
	struct ring news;    // frame references of refills
	struct ring emptied; // slots that vm brought to count 0
};

static inline void *swap_part(void *segment, u64 offset)
{
	return (char *)segment + offset;
}

// vm attaches to memory that init made zero, or that an earlier vm used.
static inline void swap_attach(struct swap *swap, void *segment, const struct frames *frames)
{
	swap->share = swap_part(segment, SWAP_SHARE);
	swap->table = swap_part(segment, SWAP_TABLE);
	swap->frames = frames;
	ring_attach_producer(&swap->news, swap_part(segment, SWAP_NEWS), SWAP_RING_RECORDS, 1);
	ring_attach_producer(&swap->emptied, swap_part(segment, SWAP_EMPTIED), SWAP_RING_RECORDS, 1);
}

// Has reclaim filled the segment, and is there a swap slot with this number?
static inline bool swap_slot_valid(const struct swap *swap, u64 slot)
{
	return slot && slot < __atomic_load_n(&swap->share->slots, __ATOMIC_ACQUIRE);
}

// The frame in the swap cache that has the slot's page, 0: none. The generation is read before the table says a second
// time that the frame is the slot's: so the reference is of the time when it was, and stale from the moment it is not.
static inline frame_t swap_cached(const struct swap *swap, u64 slot)
{
	const u32 *word = &swap->table[slot].frame;
	u32 frame = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	frame_t reference;

	if (!(frame & SWAPSLOT_FRAME))
		return 0;
	reference = frame_reference(swap->frames, frame & SWAPSLOT_FRAME);
	if ((__atomic_load_n(word, __ATOMIC_ACQUIRE) ^ frame) & SWAPSLOT_FRAME)
		return 0;
	return reference;
}

static inline u32 swap_count(const struct swap *swap, u64 slot)
{
	return __atomic_load_n(&swap->table[slot].count, __ATOMIC_ACQUIRE);
}

// n more tokens of the slot are out (clone). Before anybody runs who could give one up.
static inline void swap_get(struct swap *swap, u64 slot, u32 n)
{
	__atomic_fetch_add(&swap->table[slot].count, n, __ATOMIC_RELEASE);
}

// n tokens are gone (unmap, map over one). true: it was the last; tell reclaim with the next notification.
static inline bool swap_put(struct swap *swap, u64 slot, u32 n)
{
	u32 old = __atomic_fetch_sub(&swap->table[slot].count, n, __ATOMIC_ACQ_REL);

	assert(old >= n);
	if (old != n)
		return false;
	(void)ring_put(&swap->emptied, &slot); // full: reclaim reads the table
	return true;
}

static inline u64 swap_word0_slot(u64 word0)
{
	return word0 >> SWAP_WORD_SHIFT;
}

// A frame that unmap named with UNMAP_FRAME: nothing maps it any more. If no token is out either, it is reclaim's to
// free, and this answers true: tell it with the next notification.
static inline bool swap_left(struct swap *swap, frame_t frame)
{
	const struct frame_view *view = frame_of(swap->frames, frame);
	u64 slot = view ? swap_word0_slot(view->word0) : 0;

	if (!swap_slot_valid(swap, slot) || swap_count(swap, slot))
		return false;
	(void)ring_put(&swap->emptied, &slot);
	return true;
}

// word0 of a frame that is mapped while it is in the swap cache.
static inline u64 swap_word0(u64 word0, u64 slot)
{
	return slot << SWAP_WORD_SHIFT | (word0 & ((1ul << SWAP_WORD_SHIFT) - 1));
}
