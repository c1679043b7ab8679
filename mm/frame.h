// SPDX-License-Identifier: MIT
// The frame state machine: every transition of kernel-interface.md that is not a page-table operation. System calls of
// the same names are thin shells over these. A call that fails has changed nothing.
#pragma once

#include <mm/buddy.h>
#include <mm/pool.h>

struct aspace;

// Blocks of 2^order frames. All frames of a block get the same generation, so reference + i names frame i of it. Frames
// are zeroed unless ALLOC_LAZY (the first map does it) or ALLOC_NOZERO and the frame comes back to the pool that had it
// last; blocks above order 5 are always LAZY, since one call zeroes at most BATCH_FILL frames. ALLOC_RUN: `count`
// consecutive frames out of one block of `order`, one reference, *done = 1. *done < count with status 0: call again for
// the rest, until NOMEM.
err_t frame_alloc(struct pool *pool, u32 order, u64 count, u64 flags, frame_t *out, u64 *done) must_check;
// A frame for a page table (charged to the pool, reserve allowed), zeroed; NULL when there is none.
struct page *frame_table_alloc(struct pool *pool);
void frame_table_free(struct page *page);
// `flags`: FREE_*, and FRAME_FREE_EVICT when the caller also holds the evict right on the pool: only he may free
// EVICTING frames and frames that lie in the swap cache (PERM). BUSY: mapped, pinned, DIRTY or WRITEBACK without
// FREE_DISCARD.
#define FRAME_FREE_EVICT (1ul << 32)
err_t frame_free(struct pool *pool, frame_t frame, u64 flags) must_check;
// BUSY: mapped, pinned, being written back, in the swap cache or evicting. The words and flags of the old pager are
// cleared, DIRTY stays.
err_t frame_move(struct pool *from, struct pool *to, frame_t frame, frame_t *out) must_check;
// src 0: zero. dst must be unmapped and not WRITEBACK, SWAPCACHE or EVICTING (BUSY). A copy is DIRTY: nobody has
// written it out yet.
err_t frame_fill(struct pool *pool, frame_t dst, frame_t src) must_check;
// MARK_STAT .. MARK_AGE; for BEGIN on a mapped frame, and for AGE, `places` are {aspace id, va} pairs. out:
// FRAME_STAT_WORD, mapcount | pins << 32, word0, word1, as they are after the operation; AGE: YOUNG as it was found,
// and the places that are left in the list instead of word1. INVAL: END or FAIL on a frame that is not WRITEBACK.
err_t frame_mark(struct pool *pool, frame_t frame, u64 op, u64 a, u64 b, u64 *places, u64 n, u64 out[4]) must_check;
// The state and flags word of MARK_STAT: state | marks << 8 | pager flags << 16 | place << 24; MARK_FLAGS takes the
// same layout and changes the pager flags and PAGE_YOUNG.
#define FRAME_WORD_MARKS 8
#define FRAME_WORD_PAGER 16
#define FRAME_WORD_PLACE 24
// A pin of each frame in the list for device number 1 .. 15 (delta 1, from the first on: its entry becomes the address
// for the device), or one less of its pins (-1, from the last one back: after an error that is what undoes *done of
// them). BUSY: another device's, none, or as many as can be counted.
err_t frame_pin(struct pool *pool, u64 *list, u64 n, u32 device, s64 delta, u64 *done) must_check;
// Drop the pins of a device in the `most` frames from *pfn on (round and round). Returns how many there were.
u32 frame_unpin_device(pfn_t *pfn, u32 device, u32 most);
// evict: all or nothing. places: n {aspace id, va} pairs, at most EVICT_PLACES. *left: mappings they did not cover.
// BUSY: they are not all places of the frame, or it is pinned, or evicting, or PARTIAL and dirty; EXIST: the place with
// index *left does not map the frame (with a 4K entry), or twice.
err_t frame_evict(struct pool *pool, frame_t frame, u64 token, const u64 *places, u64 n, u64 flags,
		  u64 *left) must_check;
// Boot: RESERVED frames (the boot archive) become OWNED by this pool, which must have room.
void frame_adopt(struct pool *pool, pfn_t base, pfn_t limit);

// ---- for the page-table operations
// A mapping to this page was removed: sticky bits, count. The caller has flushed or flushes before it returns.
static always_inline void page_unmapped(struct page *page, bool dirty, bool young)
{
	assert(page->state == PAGE_OWNED && page->mapcount);
	page->marks |= (dirty ? PAGE_DIRTY : 0) | (young ? PAGE_YOUNG : 0);
	page->mapcount--;
}

// May this page (OWNED or EVICTING, of this pool) be mapped now by a holder of the MAP right? Rescues an EVICTING
// frame; makes content presentable: MAP_ZERO, MAP_COPY from `source` (BUSY on a frame in use), else zero if it never
// was. The caller maps it read-only if it has PAGE_SWAPCACHE afterwards. BUSY, DYING. *filled: frames zeroed or copied
// are counted there (BATCH_FILL a call).
err_t page_prepare(struct page *page, struct pool *pool, u64 flags, struct page *source, u64 *filled) must_check;
// May an unmap with UNMAP_FREE that emptied this page free it (DISCARD implied)?
static always_inline bool page_freeable(const struct page *page, const struct pool *pool)
{
	return page->pool == pool->id && !page->mapcount && !page->pins && !(page->marks & PAGE_SWAPCACHE);
}

// Free n consecutive pages that are: together they go back in few and large blocks.
void pages_free(struct page *page, u64 n, struct pool *pool);

// ---- for pool.c, object.c and evict.c
// pool_destroy: free a frame of a dying pool, whatever its marks; false: object frame, page table, or pinned.
bool page_reclaim(struct page *page);
// The frame that a reference names: OWNED or EVICTING and of this pool, else NULL (STALE).
struct page *frame_lookup(const struct pool *pool, frame_t frame);
// MARK_BEGIN's first step: harvest and write-protect the frame's places, which must be all, or EVICT_PLACES of more
// (BUSY). Afterwards it is DIRTY if one of them was.
err_t page_write_protect(struct page *page, const struct pool *pool, const u64 *places, u64 n) must_check;
// MARK_AGE's: A bits of those places that map the page go to YOUNG; the others leave the list. Returns how many stay.
u64 page_age(struct page *page, u64 *places, u64 n);

// zones of this machine; flat now, behind this interface a sparse model can take over
#define ZONES 2
extern struct buddy zone[ZONES];
extern u32 zones;
