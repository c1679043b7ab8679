// SPDX-License-Identifier: MIT
// Object frames: OWNED -> OBJECT with the first slot taken, OBJECT -> OWNED with the last one put back.
//
// Invariants:
//	- word1 is type | slot size << 8, never 0 in an OBJECT frame; bit i of word0: slot i is taken; at least one is
//	- slots that are not taken are all zero, so an object starts zeroed and the frame goes back zeroed
//	- an object smaller than the frame starts with struct object, whose type is the frame's
//	- one as large as the frame is bare memory
#include <lib/base/string.h>
#include <mm/pool.h>

static u32 frame_type(const struct page *page)
{
	return page->word1 & 0xff;
}

static u32 frame_slot_size(const struct page *page)
{
	return (u16)(page->word1 >> 8); // a capability leaf keeps its table above (kernel/cap.c)
}

static void frame_to_objects(struct page *page, u32 type, u32 size)
{
	arch_page_clear(page_address(page));
	page->state = PAGE_OBJECT;
	page->marks = PAGE_ZEROED;
	page->word0 = 0;
	page->word1 = type | (u64)size << 8;
}

err_t object_take(struct pool *pool, frame_t frame, u32 slot, u32 type, u32 size, void **object)
{
	assert(size >= 64 && size <= PAGE_SIZE && PAGE_SIZE % size == 0 && type > 0 && type < 256);
	struct page *page = frame_check(frame, pool->id, PAGE_OBJECT);
	bool fresh = !page;
	if (fresh)
		page = frame_check(frame, pool->id, PAGE_OWNED);
	if (!page)
		return -ERR_STALE;
	if (pool->dying)
		return -ERR_DYING;
	if (slot >= PAGE_SIZE / size || (!fresh && (frame_type(page) != type || frame_slot_size(page) != size)))
		return -ERR_INVAL;
	if (fresh && (page->mapcount || page->pins || page->marks & (PAGE_DIRTY | PAGE_WRITEBACK | PAGE_SWAPCACHE)))
		return -ERR_BUSY;
	if (fresh)
		frame_to_objects(page, type, size);
	if (page->word0 >> slot & 1)
		return -ERR_EXIST;
	page->word0 |= 1ul << slot;
	*object = (char *)page_address(page) + (u64)slot * size;
	if (size < PAGE_SIZE)
		((struct object *)*object)->type = type;
	return 0;
}

void object_put(void *object)
{
	struct page *page = virt_to_page(object);
	assert(page->state == PAGE_OBJECT);
	u32 size = frame_slot_size(page), offset = arch_v2p(object) & (PAGE_SIZE - 1), slot = offset / size;
	assert(offset % size == 0 && page->word0 >> slot & 1);
	memset(object, 0, size);
	page->word0 &= ~(1ul << slot);
	if (!page->word0) {
		page->state = PAGE_OWNED;
		page->word1 = 0;
	}
}

void *object_find(u32 id, u32 type)
{
	pfn_t pfn = id >> (PAGE_SHIFT - 6);
	u32 offset = (id << 6) & (PAGE_SIZE - 1);
	if (pfn < mem.base || pfn >= mem.limit)
		return NULL;
	const struct page *page = pfn_to_page(pfn);
	if (page->state != PAGE_OBJECT || frame_type(page) != type)
		return NULL;
	u32 size = frame_slot_size(page);
	if (offset % size || !(page->word0 >> (offset / size) & 1))
		return NULL;
	return (char *)page_address(page) + offset;
}
