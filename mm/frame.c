// SPDX-License-Identifier: MIT
// Frames: FREE <-> OWNED, moves between pools, content, pins. mark.c has the marks, evict.c the way out of the page
// tables, object.c object frames.
//
//	           alloc                       mark BEGIN (takes D, write-protects)
//	  FREE ------------> OWNED, clean <--------------------------------+
//	   ^                   |  ^  \                                     |
//	   |                   |  |   +-- written: D harvested --> DIRTY --+--> WRITEBACK -- mark END --> clean
//	   |  free (gen + 1)   |  |                                  ^             |
//	   +-------------------+  +-- move (gen + 1)                 +- mark FAIL -+
//
// Invariants:
//	- FREE frames have no marks, no pins, no mappings; `pool` is the last owner, whose the content is, or 0
//	- a frame without PAGE_ZEROED holds another pool's content: it is filled before it is mapped or copied from
//	- DIRTY is set by harvest (page_unmapped), by copies and by mark FAIL; cleared by mark BEGIN and by frees only
//	- a frame's `pool` usage counts it unless it is FREE
#include <lib/base/trace.h>
#include <mm/buddy.h>
#include <mm/frame.h>

struct buddy zone[ZONES];
u32 zones;

// Work of one call, in instructions, roughly (a single block of the largest order takes a little more).
#define WORK_ALLOC  18000
#define WORK_BLOCK  330 // to find a block; single frames that are not zeroed come out of larger ones
#define WORK_SINGLE 40
#define WORK_FRAME  16 // to make a frame the pool's
#define WORK_ZERO   540
#define ZERO_ORDER  5 // 2^5 == BATCH_FILL: larger blocks are LAZY
_Static_assert(1 << ZERO_ORDER == BATCH_FILL, "a block that is zeroed must fit into one call");
_Static_assert(ALLOC_NOZERO == 1 && ALLOC_LAZY == 2 && ALLOC_MOVABLE == 4 && ALLOC_RUN == 8, "ALLOC_ALL");
#define ALLOC_ALL (ALLOC_NOZERO | ALLOC_LAZY | ALLOC_MOVABLE | ALLOC_RUN)

static struct buddy *page_zone(const struct page *page)
{
	struct buddy *buddy = zone;
	while (page_to_pfn(page) >= buddy->limit)
		buddy++;
	assert(buddy < zone + zones);
	return buddy;
}

// From the last zone down, so that DMA32 is what remains.
static struct page *block_take(u32 order, u16 prefer_pool)
{
	for (struct buddy *buddy = zone + zones; buddy-- > zone;) {
		struct page *page = buddy_alloc(buddy, order, prefer_pool);
		if (likely(page))
			return page;
	}
	return NULL;
}

static void page_clear(struct page *page)
{
	arch_page_clear(page_address(page));
	page->marks |= PAGE_ZEROED;
}

// What a page was to its owner ends. The checks were the caller's.
static always_inline void page_forget(struct page *page)
{
	page->gen++;
	if (unlikely(!(page->marks & PAGE_ZEROED)))
		page->pool = 0; // it still holds what a pool before this one wrote
	page->marks = 0;
	page->pager = 0;
}

// Any state -> FREE.
static always_inline void page_release(struct page *page, struct pool *pool)
{
	assert(!page->mapcount && !page->pins && page->pool == pool->id);
	trace(EVENT_FREE, frame_ref(page), 0, page->pool);
	page_forget(page);
	buddy_free_page(page_zone(page), page);
	pool_uncharge(pool, 1);
}

// ---- alloc

// gen, pool, state; no order, no flags of the pager: the word that frame_check compares.
static always_inline u64 page_head(u64 gen, const struct pool *pool)
{
	return gen | (u64)pool->id << 32 | (u64)PAGE_OWNED << 48;
}

// Whose pages may be shown to the pool as they are? Only its own, and if it asked for that.
static always_inline u32 page_shown(const struct pool *pool, u64 flags)
{
	return flags & ALLOC_NOZERO ? pool->id : ~0u;
}

// A page of a block becomes the pool's.
static always_inline void page_own(struct page *page, u64 head, u32 shown, u64 flags)
{
	page->marks = page->pool == shown ? PAGE_ZEROED : 0;
	*(u64 *)page = head;
	page->word0 = 0;
	page->word1 = 0;
	if (!(flags & ALLOC_LAZY) && !page->marks)
		page_clear(page);
}

// The pages of a block get one generation: that of the oldest.
static void block_own(struct page *page, u64 frames, const struct pool *pool, u64 flags)
{
	u64 gen = page->gen;
	for (u64 i = 1; i < frames; i++)
		if (page[i].gen > gen)
			gen = page[i].gen;
	u64 head = page_head(gen, pool);
	u32 shown = page_shown(pool, flags);
	for (u64 i = 0; i < frames; i++)
		page_own(&page[i], head, shown, flags);
}

// Of a block of 2^order, the first `keep` frames are OWNED now; the rest goes back in the largest blocks. As long as a
// page is out of the buddy it must not be FREE, or it would be taken for a free block's.
static void block_trim(struct page *page, u32 order, u64 keep)
{
	u64 at = 1ul << order;
	for (u64 i = keep; i < at; i++)
		page[i].state = PAGE_RESERVED;
	while (at > keep) {
		u32 k = __builtin_ctzl(at);
		while (at - (1ul << k) < keep)
			k--;
		at -= 1ul << k;
		buddy_free(page_zone(page), page + at, k);
	}
}

// One block, charged already.
static bool block_alloc(struct pool *pool, u32 order, u64 frames, u64 flags, frame_t *out)
{
	struct page *page = block_take(order, pool->id);
	if (unlikely(!page))
		return false;
	block_own(page, frames, pool, flags);
	if (unlikely(frames != 1ul << order))
		block_trim(page, order, frames);
	*out = frame_ref(page);
	trace(EVENT_ALLOC, *out, order, pool->id);
	return true;
}

// Many single frames at once: out of larger blocks, which costs one search for up to 32. Returns how many; the caller
// goes on one by one.
#define SINGLES_MIN 8
static u64 singles_alloc(struct pool *pool, u64 count, u64 flags, frame_t *out)
{
	u64 n = 0;
	u32 shown = page_shown(pool, flags);
	while (count - n >= SINGLES_MIN) {
		u32 order = count - n >= 32 ? 5 : count - n >= 16 ? 4 : 3;
		struct page *page = block_take(order, pool->id);
		if (!page)
			break;
		for (u32 i = 0; i < 1u << order; i++, page++) {
			page_own(page, page_head(page->gen, pool), shown, flags);
			out[n++] = frame_ref(page);
			trace(EVENT_ALLOC, out[n - 1], 0, pool->id);
		}
	}
	return n;
}

// How many blocks one call takes, charged to the pool: what its work and the pool's room allow.
static err_t blocks_charge(struct pool *pool, u32 order, u64 frames, u64 flags, u64 *count)
{
	u64 each = flags & ALLOC_LAZY ? (order ? WORK_BLOCK : WORK_SINGLE) + frames * WORK_FRAME
				      : WORK_BLOCK + frames * (WORK_FRAME + WORK_ZERO);
	u64 work = MAX(WORK_ALLOC / each, 1ul);
	u64 room = pool_room(pool) > pool->min ? (pool_room(pool) - pool->min) >> order : 0;
	if (*count > work)
		*count = work;
	if (room && *count > room)
		*count = room;
	return pool_charge(pool, *count * frames, false);
}

err_t frame_alloc(struct pool *pool, u32 order, u64 count, u64 flags, frame_t *out, u64 *done)
{
	*done = 0;
	if (order > MAX_ORDER || !count || count > BATCH || flags & ~(u64)ALLOC_ALL ||
	    (flags & ALLOC_RUN && count > 1ul << order))
		return -ERR_INVAL;
	u64 frames = 1ul << order;
	if (flags & ALLOC_RUN) {
		frames = count;
		count = 1;
	}
	if (frames > BATCH_FILL)
		flags |= ALLOC_LAZY;
	err_t err = blocks_charge(pool, order, frames, flags, &count);
	if (err)
		return err;
	u64 n = order ? 0 : singles_alloc(pool, count, flags, out);
	while (n < count && block_alloc(pool, order, frames, flags, &out[n]))
		n++;
	if (unlikely(n < count))
		pool_uncharge(pool, (count - n) * frames);
	*done = n;
	return n ? 0 : -ERR_NOMEM;
}

struct page *frame_table_alloc(struct pool *pool)
{
	if (pool_charge(pool, 1, true))
		return NULL;
	struct page *page = block_take(0, 0);
	if (!page) {
		pool_uncharge(pool, 1);
		return NULL;
	}
	page_own(page, page_head(page->gen, pool), page_shown(pool, 0), 0);
	page->state = PAGE_TABLE;
	trace(EVENT_ALLOC, frame_ref(page), 0, pool->id);
	return page;
}

void frame_table_free(struct page *page)
{
	assert(page->state == PAGE_TABLE);
	struct pool *pool = pool_by_id(page->pool);
	page_release(page, pool);
	page->pool = 0; // entries of a table are nothing that the pool may see
}

void frame_adopt(struct pool *pool, pfn_t base, pfn_t limit)
{
	for (pfn_t pfn = base; pfn < limit; pfn++) {
		struct page *page = pfn_to_page(pfn);
		assert(page->state == PAGE_RESERVED);
		if (pool_charge(pool, 1, false))
			panic("pool %u has no room for boot frame %lx", pool->id, pfn);
		page->pool = pool->id;
		page->state = PAGE_OWNED;
		page->marks = PAGE_ZEROED;
	}
}

// ---- free and move

struct page *frame_lookup(const struct pool *pool, frame_t frame)
{
	struct page *page = frame_check(frame, pool->id, PAGE_OWNED);
	return likely(page) ? page : frame_check(frame, pool->id, PAGE_EVICTING);
}

err_t frame_free(struct pool *pool, frame_t frame, u64 flags)
{
	if (flags & ~(FREE_DISCARD | FRAME_FREE_EVICT))
		return -ERR_INVAL;
	struct page *page = frame_lookup(pool, frame);
	if (unlikely(!page))
		return -ERR_STALE;
	if (page->mapcount || page->pins)
		return -ERR_BUSY;
	if (page->marks & (PAGE_DIRTY | PAGE_WRITEBACK) && !(flags & FREE_DISCARD))
		return -ERR_BUSY;
	if ((page->marks & PAGE_SWAPCACHE || page->state == PAGE_EVICTING) && !(flags & FRAME_FREE_EVICT))
		return -ERR_PERM;
	page_release(page, pool);
	return 0;
}

void pages_free(struct page *page, u64 n, struct pool *pool)
{
	for (u64 i = 0; i < n; i++) {
		trace(EVENT_FREE, frame_ref(&page[i]), 0, pool->id);
		page_forget(&page[i]);
		page[i].state = PAGE_FREE;
	}
	pool_uncharge(pool, n);
	// A page still to come is FREE with order 0 and on no list, but never the mate of a block: a block of order 0
	// that is not the last has its mate before it, and larger blocks look for mates of their own order.
	while (n) {
		pfn_t pfn = page_to_pfn(page);
		u32 order = 0;
		while (order < MAX_ORDER && 2ul << order <= n && !(pfn >> order & 1))
			order++;
		buddy_insert(page_zone(page), page, order);
		page += 1ul << order;
		n -= 1ul << order;
	}
}

bool page_reclaim(struct page *page)
{
	struct pool *pool = pool_by_id(page->pool);
	assert(pool->dying);
	if ((page->state != PAGE_OWNED && page->state != PAGE_EVICTING) || page->mapcount || page->pins)
		return false;
	page_release(page, pool);
	return true;
}

err_t frame_move(struct pool *from, struct pool *to, frame_t frame, frame_t *out)
{
	struct page *page = frame_lookup(from, frame);
	if (!page)
		return -ERR_STALE;
	if (from == to)
		return -ERR_INVAL;
	if (page->state == PAGE_EVICTING || page->mapcount || page->pins ||
	    page->marks & (PAGE_WRITEBACK | PAGE_SWAPCACHE))
		return -ERR_BUSY;
	err_t err = pool_charge(to, 1, false);
	if (err)
		return err;
	pool_uncharge(from, 1);
	page->gen++;
	page->pool = to->id;
	page->pager = 0;
	page->marks &= ~PAGE_YOUNG;
	page->word0 = page->word1 = 0;
	*out = frame_ref(page);
	return 0;
}

// ---- content

// The source of a copy: what it shows must be presentable itself.
static void page_copy(struct page *page, struct page *source)
{
	if (unlikely(!(source->marks & PAGE_ZEROED)))
		page_clear(source);
	arch_page_copy(page_address(page), page_address(source));
	page->marks |= PAGE_ZEROED | PAGE_DIRTY;
}

static bool page_content_busy(const struct page *page)
{
	return page->mapcount || page->state == PAGE_EVICTING || page->marks & (PAGE_WRITEBACK | PAGE_SWAPCACHE);
}

err_t frame_fill(struct pool *pool, frame_t dst, frame_t src)
{
	struct page *page = frame_lookup(pool, dst), *source = NULL;
	if (!page || (src && !(source = frame_lookup(pool, src))))
		return -ERR_STALE;
	if (page == source)
		return -ERR_INVAL;
	if (page_content_busy(page))
		return -ERR_BUSY;
	if (source)
		page_copy(page, source);
	else
		page_clear(page);
	return 0;
}

err_t page_prepare(struct page *page, struct pool *pool, u64 flags, struct page *source, u64 *filled)
{
	assert(page->pool == pool->id && (page->state == PAGE_OWNED || page->state == PAGE_EVICTING));
	assert(!(flags & MAP_COPY) || (source && source != page));
	if (unlikely(pool->dying))
		return -ERR_DYING;
	if (unlikely(page->mapcount == (u32)-1))
		return -ERR_BUSY;
	if (flags & (MAP_ZERO | MAP_COPY)) {
		if (page_content_busy(page))
			return -ERR_BUSY;
		if (flags & MAP_COPY)
			page_copy(page, source);
		else
			page_clear(page);
		++*filled;
	} else if (unlikely(!(page->marks & PAGE_ZEROED))) {
		page_clear(page);
		++*filled;
	}
	if (unlikely(page->state == PAGE_EVICTING)) { // rescue
		page->state = PAGE_OWNED;
		page->word0 = 0;
	}
	return 0;
}

static err_t pin_one(struct pool *pool, u64 *entry, u32 device, s64 delta)
{
	frame_t frame = *entry;
	struct page *page = frame_lookup(pool, frame);
	if (!page)
		return -ERR_STALE;
	if (delta > 0 && pool->dying)
		return -ERR_DYING;
	u32 count = page->pins & PIN_COUNT, owner = (page->pins & PIN_DEVICE) >> PIN_DEVICE_SHIFT;
	if ((count && owner != device) || count == (delta > 0 ? PIN_COUNT : 0))
		return -ERR_BUSY;
	if (!(page->marks & PAGE_ZEROED))
		page_clear(page); // a device reads it as a program would
	count += delta;
	page->pins = (page->pins & PIN_ARGUMENTS) | (count ? device << PIN_DEVICE_SHIFT : 0) | count;
	if (delta > 0)
		*entry = pfn_to_paddr(page_to_pfn(page));
	return 0;
}

err_t frame_pin(struct pool *pool, u64 *list, u64 n, u32 device, s64 delta, u64 *done)
{
	*done = 0;
	if (delta != 1 && delta != -1)
		return -ERR_INVAL;
	for (; *done < n; ++*done) {
		err_t err = pin_one(pool, &list[delta > 0 ? *done : n - 1 - *done], device, delta);
		if (err)
			return err;
	}
	return 0;
}

u32 frame_unpin_device(pfn_t *pfn, u32 device, u32 most)
{
	u32 dropped = 0;
	for (u32 looked = 0; looked < most; looked++, ++*pfn) {
		if (*pfn < mem.base || *pfn >= mem.limit)
			*pfn = mem.base;
		struct page *page = pfn_to_page(*pfn);
		if (likely((page->pins & PIN_DEVICE) != device << PIN_DEVICE_SHIFT))
			continue;
		dropped += page->pins & PIN_COUNT;
		page->pins &= PIN_ARGUMENTS;
	}
	return dropped;
}
