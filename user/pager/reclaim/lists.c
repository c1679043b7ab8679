// SPDX-License-Identifier: MIT
// Lists of frames. An entry belongs to one life of its frame: the low bits of the generation tell whether it still
// does.
#include "reclaim.h"

#include <base/panic.h>

// Memory of the array: made when there is first something to do with it, in pages of the server's own at SERVER_HEAP.
// It is indexed by frame number, so the part for numbers below the first one stays empty.
err_t lists_make(void)
{
	u64 from = (rc.frames.first * sizeof(struct lru)) & -(u64)PAGE_SIZE, va = SERVER_HEAP;
	u64 pages = (rc.frames.end * sizeof(struct lru) - from + PAGE_SIZE - 1) / PAGE_SIZE;

	if (rc.lru)
		return 0;
	for (u64 made = 0, n; made < pages; made += n) {
		n = pages - made < BATCH_FILL ? pages - made : BATCH_FILL;
		err_t err = sys_frame_alloc(SLOT_SELF_POOL, 0, n, 0, &n, NULL);

		if (!err)
			err = sys_map(SLOT_SELF_ASPACE, va + made * PAGE_SIZE, SLOT_SELF_POOL, server_argument()[0], n,
				      PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL);
		if (err) {
			(void)sys_unmap(SLOT_SELF_ASPACE, va, made + n, SLOT_SELF_POOL, UNMAP_FREE, 0, NULL, NULL, NULL,
					NULL);
			return err;
		}
	}
	rc.lru = (struct lru *)(va - from);
	return 0;
}

u32 list_of(u32 pfn)
{
	const struct lru *l = lru_of(pfn);

	return l->gen == (frame_gen(frame_at(&rc.frames, pfn)) & 0xffffff) ? l->list : LRU_NONE;
}

void list_remove(u32 pfn)
{
	struct lru *l = lru_of(pfn);
	struct lru_list *list = &rc.list[l->list];

	if (l->list == LRU_NONE)
		return;
	if (l->prev)
		lru_of(l->prev)->next = l->next;
	else
		list->first = l->next;
	if (l->next)
		lru_of(l->next)->prev = l->prev;
	else
		list->last = l->prev;
	list->count--;
	l->list = LRU_NONE;
	l->referenced = l->ahead = l->alone = 0;
}

// A frame that was freed by somebody else leaves the list now, unless its number is on a list again.
void list_forget(frame_t frame)
{
	if (lru_of((u32)frame)->gen == (frame >> 32 & 0xffffff))
		list_remove((u32)frame);
}

void list_add(u32 pfn, u32 which)
{
	struct lru *l = lru_of(pfn);
	struct lru_list *list = &rc.list[which];

	list_remove(pfn); /* of an earlier life */
	assert(which != LRU_NONE);
	l->gen = frame_gen(frame_at(&rc.frames, pfn)) & 0xffffff;
	l->list = which & 0xf;
	l->prev = 0;
	l->next = list->first;
	if (list->first)
		lru_of(list->first)->prev = pfn;
	else
		list->last = pfn;
	list->first = pfn;
	list->count++;
}

void list_move(u32 pfn, u32 which)
{
	struct lru *l = lru_of(pfn);
	u32 referenced = l->referenced, ahead = l->ahead;

	list_add(pfn, which);
	l->referenced = referenced & 1;
	l->ahead = ahead & 1;
}
