// SPDX-License-Identifier: MIT
// Buddy allocator. A free block of order k starts at a multiple of 2^k; its buddy is the block whose number differs in
// bit k only.
//
// Invariants:
//	- all pages of a free block are FREE; the first, its head, is on the list of the block's order and has it
//	- the other pages have order 0
//	- a free block's buddy is never a free block of the same order (they would have merged)
//	- blocks[k] is the length of list k; free_frames is the sum of 2^k over all blocks
// The list links are pfns in struct page; 0 ends a list, so frame 0 is never handed in.
//
// A page inside a free block (FREE, order 0) is never taken for a head of order 0: its buddy of order 0 lies in the
// same free block, and nobody frees that one.
#include <lib/base/log.h>
#include <mm/buddy.h>

static void block_remove(struct buddy *buddy, struct page *page, u32 order)
{
	u32 prev = page->prev, next = page->next;
	if (prev)
		pfn_to_page(prev)->next = next;
	else
		buddy->head[order] = next;
	if (next)
		pfn_to_page(next)->prev = prev;
	else
		buddy->tail[order] = prev;
	page->order = 0;
	buddy->blocks[order]--;
}

void buddy_init(struct buddy *buddy, const char *name, pfn_t base, pfn_t limit)
{
	assert(base > 0 && base <= limit && limit <= (u32)-1);
	*buddy = (struct buddy){ .name = name, .base = base, .limit = limit };
}

void buddy_add(struct buddy *buddy, pfn_t base, pfn_t limit)
{
	assert(base >= buddy->base && base <= limit && limit <= buddy->limit);
	while (base < limit) {
		u32 order = 0;
		while (order < MAX_ORDER && !(base & ((2ul << order) - 1)) && base + (2ul << order) <= limit)
			order++;
		buddy_free(buddy, pfn_to_page(base), order);
		base += 1ul << order;
	}
}

// The block to take from the list of `have`: one last owned by this pool if it is at either end, else the first.
static struct page *block_pick(const struct buddy *buddy, u32 have, u16 prefer_pool)
{
	struct page *first = pfn_to_page(buddy->head[have]), *last = pfn_to_page(buddy->tail[have]);
	return first->pool != prefer_pool && last->pool == prefer_pool ? last : first;
}

static __attribute__((noinline)) struct page *alloc_slow(struct buddy *buddy, u32 order, u16 prefer_pool)
{
	u32 have = order;
	while (!buddy->head[have])
		if (++have > MAX_ORDER)
			return NULL;
	struct page *page = block_pick(buddy, have, prefer_pool);
	block_remove(buddy, page, have);
	while (have > order) { // keep the lower half
		have--;
		buddy_push(buddy, page + (1ul << have), have);
	}
	buddy->free_frames -= 1ul << order;
	return page;
}

struct page *buddy_alloc(struct buddy *buddy, u32 order, u16 prefer_pool)
{
	assert(order <= MAX_ORDER);
	// In one go: the first of several blocks of the right size, last owned by this pool.
	u32 first = buddy->head[order];
	struct page *page = pfn_to_page(first);
	if (unlikely(!first || page->pool != prefer_pool || !page->next))
		return alloc_slow(buddy, order, prefer_pool);
	buddy->head[order] = page->next;
	pfn_to_page(page->next)->prev = 0;
	page->order = 0;
	buddy->blocks[order]--;
	buddy->free_frames -= 1ul << order;
	return page;
}

void buddy_insert(struct buddy *buddy, struct page *page, u32 order)
{
	pfn_t pfn = page_to_pfn(page);
	buddy->free_frames += 1ul << order;
	for (; order < MAX_ORDER; order++) {
		pfn_t other = pfn ^ 1ul << order;
		if (other < buddy->base || other >= buddy->limit)
			break;
		struct page *mate = pfn_to_page(other);
		if (mate->state != PAGE_FREE || mate->order != order)
			break;
		block_remove(buddy, mate, order);
		pfn &= ~(1ul << order);
	}
	buddy_push(buddy, pfn_to_page(pfn), order);
}

void buddy_free(struct buddy *buddy, struct page *page, u32 order)
{
	pfn_t pfn = page_to_pfn(page);
	assert(order <= MAX_ORDER && !(pfn & ((1ul << order) - 1)));
	assert(pfn >= buddy->base && pfn + (1ul << order) <= buddy->limit);
	for (struct page *p = page, *end = page + (1ul << order); p < end; p++) {
		assert(p->state != PAGE_FREE);
		p->state = PAGE_FREE;
		p->order = 0;
	}
	buddy_insert(buddy, page, order);
}

// One free block: the head's neighbours on the list agree, all pages are FREE, the buddy is not a free block of the
// same order.
static u64 check_block(const struct buddy *buddy, u32 pfn, u32 prev, u32 order)
{
	const struct page *page = pfn_to_page(pfn);
	u64 bad = 0;
	if (page->state != PAGE_FREE || page->order != order || page->prev != prev) {
		log_line("check: frame %x: head of a free block: expected FREE order %u prev %x, found %s order %u "
			 "prev %x",
			 pfn, order, prev, page_state_name(page->state), page->order, page->prev);
		bad++;
	}
	for (u64 i = 1; i < 1ul << order; i++)
		if (page[i].state != PAGE_FREE || page[i].order) {
			log_line("check: frame %lx: inside a free block: expected FREE order 0, found %s order %u",
				 pfn + i, page_state_name(page[i].state), page[i].order);
			bad++;
		}
	pfn_t other = pfn ^ 1ul << order;
	if (order < MAX_ORDER && other >= buddy->base && other < buddy->limit &&
	    pfn_to_page(other)->state == PAGE_FREE && pfn_to_page(other)->order == order) {
		log_line("check: frame %x: order %u: expected its buddy in use, found it free", pfn, order);
		bad++;
	}
	return bad;
}

static u64 check_list(const struct buddy *buddy, u32 order, u64 *frames)
{
	u64 bad = 0, blocks = 0;
	u32 prev = 0;
	for (u32 pfn = buddy->head[order]; pfn; prev = pfn, pfn = pfn_to_page(pfn)->next) {
		if (pfn < buddy->base || pfn + (1ul << order) > buddy->limit || pfn & ((1ul << order) - 1) ||
		    ++blocks > buddy->blocks[order]) {
			log_line("check: zone %s: list of order %u: expected %lu blocks, found a stray link to %x",
				 buddy->name, order, buddy->blocks[order], pfn);
			return bad + 1;
		}
		bad += check_block(buddy, pfn, prev, order);
		*frames += 1ul << order;
	}
	if (blocks != buddy->blocks[order] || buddy->tail[order] != prev) {
		log_line("check: zone %s: list of order %u: expected %lu blocks up to %x, found %lu up to %x",
			 buddy->name, order, buddy->blocks[order], buddy->tail[order], blocks, prev);
		bad++;
	}
	return bad;
}

u64 buddy_check(const struct buddy *buddy)
{
	u64 bad = 0, frames = 0, found = 0;
	for (u32 order = 0; order <= MAX_ORDER; order++)
		bad += check_list(buddy, order, &frames);
	for (pfn_t pfn = buddy->base; pfn < buddy->limit; pfn++)
		found += pfn_to_page(pfn)->state == PAGE_FREE;
	if (frames != buddy->free_frames || found != frames) {
		log_line("check: zone %s: expected %lu free frames, found %lu on lists, %lu marked FREE", buddy->name,
			 buddy->free_frames, frames, found);
		bad++;
	}
	return bad;
}
