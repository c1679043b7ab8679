// SPDX-License-Identifier: MIT
// Taking entries out: ranges (unmap), the frames of a pool (strip); finding single places (for evict and mark).
//
// Frames are freed and tables given back before the flush: that is safe because both only change lists under the kernel
// lock, and the flush is done before the lock is let go, so nobody can have got them meanwhile.
#include <mm/pgtable.h>

#define WORK_FREE     20  // more for an entry whose frame is freed
#define WORK_FREE_RUN 450 // and for each run of frames: the buddy may merge it many times
#define WORK_SPAN     140 // a table visited
#define WORK_TABLE    600 // and one that goes

struct unmap {
	struct aspace *as;
	struct pool *free_pool;
	u64 flags;
	pte_t leave; // what stays in the entries: a token, or 0
	u64 *list;
	struct unmap_result *r;
	s64 work;
	bool traced;
	struct page *run, *run_end; // consecutive frames to free: they go back together
	struct tlb_batch batch;
};

static void unmap_run_free(struct unmap *op)
{
	u64 pages = op->run_end - op->run;
	if (pages)
		pages_free(op->run, pages, op->free_pool);
	op->work -= WORK_FREE_RUN;
	op->r->freed += pages;
	op->run = op->run_end = NULL;
}

// A frame that was mapped for the last time and has its content in a swap slot too is for the keeper of the slot to
// free.
static __attribute__((noinline)) void unmap_kept(struct unmap *op, struct page *page, const struct pool *pool,
						 vaddr_t va)
{
	if (!(op->flags & UNMAP_TOKENS) || page->mapcount || page->pool != pool->id)
		return;
	if (op->r->tokens == BATCH)
		return; // under a large entry; nobody puts frames of the swap cache there
	op->list[2 * op->r->tokens] = frame_ref(page);
	op->list[2 * op->r->tokens + 1] = va | UNMAP_FRAME;
	op->r->tokens++;
}

static always_inline void unmap_free(struct unmap *op, struct page *page, const struct pool *pool, vaddr_t va)
{
	if (!page_freeable(page, pool)) {
		if (unlikely(page->marks & PAGE_SWAPCACHE))
			unmap_kept(op, page, pool, va);
		return;
	}
	if (page != op->run_end) {
		unmap_run_free(op);
		op->run = page;
	}
	op->run_end = page + 1;
}

static void unmap_token(struct unmap *op, vaddr_t va, pte_t old)
{
	u64 token = pte_token(old);
	if (token == TOKEN_REVOKED)
		return; // no swap slot behind it
	if (op->flags & UNMAP_TOKENS) {
		op->list[2 * op->r->tokens] = token;
		op->list[2 * op->r->tokens + 1] = va;
	}
	op->r->tokens++;
}

static void unmap_trace(const struct unmap *op, vaddr_t va, pte_t old)
{
	trace_write(EVENT_UNMAP, va, pte_frame(old), object_id(op->as));
}

// Entries of one table. Returns where it stopped.
static vaddr_t unmap_span(struct unmap *op, const struct pt_span *span)
{
	const pte_t leave = op->leave;
	const struct pool *free_pool = op->free_pool;
	const bool traced = op->traced;
	const s64 cost = free_pool ? WORK_ENTRY + WORK_FREE : WORK_ENTRY;
	s64 emptied = 0, removed = 0;
	pte_t *slot = span->slot;
	for (; slot < span->stop && op->work > 0; slot++) {
		if (!*slot) {
			op->work -= WORK_EMPTY;
			continue;
		}
		op->work -= cost;
		emptied++;
		pte_t old = pte_exchange(slot, leave);
		if (unlikely(!pte_is_leaf(old) && pte_kind(old) == ENTRY_TOKEN)) {
			unmap_token(op, span->va + (slot - span->slot) * PAGE_SIZE, old);
			continue;
		}
		removed++;
		if (unlikely(traced))
			unmap_trace(op, span->va + (slot - span->slot) * PAGE_SIZE, old);
		if (unlikely(!pte_has_page(old)))
			continue;
		struct page *page = pte_page(old);
		page_unmapped(page, pte_dirty(old), pte_young(old));
		if (free_pool)
			unmap_free(op, page, free_pool, span->va + (slot - span->slot) * PAGE_SIZE);
	}
	vaddr_t va = span->va + (slot - span->slot) * PAGE_SIZE;
	op->r->removed += removed;
	op->as->leaves -= removed;
	if (removed)
		tlb_batch_add(&op->batch, span->va, va);
	if (!leave)
		pt_counted(span->slot, -emptied);
	return va;
}

// A large entry leaves as one; it is all that the call does.
static void unmap_large(struct unmap *op, const struct pt_span *span)
{
	pte_t old = pte_exchange(span->slot, 0);
	op->r->removed++;
	op->work = 0;
	op->as->leaves--;
	pt_counted(span->slot, -1);
	tlb_batch_add(&op->batch, span->va, span->va + pt_size(span->level));
	if (op->traced)
		unmap_trace(op, span->va, old);
	if (!op->free_pool || !pte_has_page(old)) {
		pt_drop_large(old);
		return;
	}
	struct page *page = pte_page(old);
	const bool dirty = pte_dirty(old), young = pte_young(old);
	for (u32 i = 0; i < PT_ENTRIES; i++) {
		page_unmapped(page + i, dirty, young);
		unmap_free(op, page + i, op->free_pool, span->va + i * PAGE_SIZE);
	}
}

// What it costs that the table of va was visited, and that those that are empty now go.
static always_inline s64 prune(struct aspace *as, vaddr_t va, struct tlb_batch *batch)
{
	u64 tables = as->tables;
	pt_prune(as, va, batch);
	return WORK_SPAN + (tables - as->tables) * WORK_TABLE;
}

static err_t unmap_range(struct unmap *op, vaddr_t va, vaddr_t end, vaddr_t *stopped)
{
	struct pt_span span = { .va = va };
	while (va < end && pt_next(op->as, va, end, &op->work, &span)) {
		if (likely(span.level == 0)) {
			va = unmap_span(op, &span);
		} else if (pt_span_whole(&span, end) && !op->leave) {
			if (op->work < WORK_WHOLE)
				break;
			unmap_large(op, &span);
			va = span.va + pt_size(span.level);
		} else {
			*stopped = span.va;
			return -ERR_INVAL;
		}
		op->work -= prune(op->as, span.va, &op->batch);
	}
	*stopped = va < end ? span.va : end;
	return 0;
}

err_t aspace_unmap(struct aspace *as, u32 window, vaddr_t va, u64 count, struct pool *free_pool, u64 flags, u64 token,
		   u64 *list, struct unmap_result *r)
{
	*r = (struct unmap_result){ 0 };
	err_t err = aspace_check_range(as, window, va, count);
	if (err)
		return err;
	if (flags & ~(u64)(UNMAP_FREE | UNMAP_TOKENS) || (flags & UNMAP_TOKENS && !list) || token >= TOKEN_REVOKED)
		return -ERR_INVAL;
	if (!(flags & UNMAP_FREE) != !free_pool)
		return -ERR_INVAL;
	struct unmap op = {
		.as = as,
		.free_pool = free_pool,
		.flags = flags,
		.leave = token ? pte_make_token(token) : 0,
		.list = list,
		.r = r,
		.work = WORK_CALL,
		.traced = pt_traced(),
	};
	vaddr_t stopped;
	err = unmap_range(&op, va, va + count * PAGE_SIZE, &stopped);
	unmap_run_free(&op);
	r->done = (stopped - va) / PAGE_SIZE;
	tlb_batch_flush(as, &op.batch);
	return err;
}

// ---- the frames of a dying pool

static void strip_span(struct aspace *as, const struct pool *pool, const struct pt_span *span, struct tlb_batch *batch)
{
	pte_t revoked = aspace_window_pool(as, span->va) == pool ? 0 : pte_make_token(TOKEN_REVOKED);
	vaddr_t va = span->va;
	for (pte_t *slot = span->slot; slot < span->stop; slot++, va += PAGE_SIZE) {
		u32 kind = pte_kind(*slot);
		if ((kind != ENTRY_LEAF && kind != ENTRY_HELD) || !pte_has_page(*slot) ||
		    pte_page(*slot)->pool != pool->id)
			continue;
		pte_t old = pte_exchange(slot, revoked);
		trace(EVENT_UNMAP, va, pte_frame(old), object_id(as));
		pt_drop(old);
		as->leaves--;
		if (!revoked)
			pt_counted(slot, -1);
		tlb_batch_add(batch, va, va + PAGE_SIZE);
	}
}

// A large leaf is of one pool as a whole (map takes no other), and leaves no token: there is no place for 512.
static void strip_large(struct aspace *as, const struct pool *pool, const struct pt_span *span, struct tlb_batch *batch)
{
	if (!pte_has_page(*span->slot) || pte_page(*span->slot)->pool != pool->id)
		return;
	pte_t old = pte_exchange(span->slot, 0);
	trace(EVENT_UNMAP, span->va, pte_frame(old), object_id(as));
	pt_drop_large(old);
	as->leaves--;
	pt_counted(span->slot, -1);
	tlb_batch_add(batch, span->va, span->va + pt_size(span->level));
}

err_t aspace_strip_pool(struct aspace *as, const struct pool *pool, vaddr_t *va)
{
	struct tlb_batch batch = { 0 };
	struct pt_span span = { .va = *va };
	vaddr_t end = pt_user_limit();
	s64 work = WORK_CALL;
	// Each span costs as if all its entries were taken: the bound holds whatever is found.
	while (pt_next(as, span.va, end, &work, &span)) {
		if (span.level && work < WORK_WHOLE)
			break;
		u64 most = work > 0 ? work / WORK_ENTRY + 1 : 1;
		if ((u64)(span.stop - span.slot) > most)
			span.stop = span.slot + most;
		u64 entries = span.stop - span.slot;
		vaddr_t next = (span.va & -pt_size(span.level)) + entries * pt_size(span.level);
		if (span.level == 0)
			strip_span(as, pool, &span, &batch);
		else
			strip_large(as, pool, &span, &batch);
		work -= span.level == 0 ? entries * WORK_ENTRY : WORK_CALL;
		work -= prune(as, span.va, &batch);
		span.va = next;
	}
	tlb_batch_flush(as, &batch);
	*va = span.va;
	return span.va < end ? -ERR_AGAIN : 0;
}
