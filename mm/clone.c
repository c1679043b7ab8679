// SPDX-License-Identifier: MIT
// clone: entries of one range appear in another one: copy on write, shared, or moved.
//
// A call handles at most BATCH consecutive pages, counted from the first entry that is not empty, so the destination
// needs at most two tables of the lowest level. They are made first; then entries are copied up to the first one that
// must not be. The source's translations are flushed once, at the end: until then a write through a stale one reaches a
// frame whose copy nobody can have seen, since the lock is still held.
#include <mm/pgtable.h>

#define WORK_PLAIN  36
#define WORK_SLOW   135             // an entry that is not plain
#define WORK_CLONE  (WORK_CALL / 2) // up to eight tables are made and taken out besides
#define WORK_SEARCH (WORK_CALL / 3)

struct cloner {
	struct aspace *dst, *src;
	vaddr_t shift; // destination address - source address
	u64 op;
	u64 *list;
	u64 copied, tokens;
	u32 pool;      // the pool that was last found alive, 0 none
	bool weakened; // an entry of the source lost a right or is gone
	bool traced;
	s64 work;
	s64 filled; // entries that came to the destination's table at hand (and, moved, left the source's)
	struct tlb_batch batch, dst_batch;
};

static bool clone_pool_alive(struct cloner *c, u32 id)
{
	if (pool_by_id(id)->dying)
		return false;
	c->pool = id;
	return true;
}

// May this frame be mapped once more (COW, SHARE)?
static err_t clone_check(struct cloner *c, const struct page *page)
{
	if (unlikely(page->pins || page->mapcount == (u32)-1))
		return -ERR_BUSY;
	if (unlikely(page->pool != c->pool) && !clone_pool_alive(c, page->pool))
		return -ERR_DYING;
	return 0;
}

static always_inline pte_t clone_read_only(pte_t e)
{
	return pte_set_prot(e, pte_prot(e) & ~PROT_WRITE);
}

// The right to write is taken out of the source's entry; D and A stay there.
static pte_t clone_weaken(struct cloner *c, pte_t *slot, pte_t e)
{
	if (!(pte_prot(e) & PROT_WRITE))
		return e;
	if (pte_kind(e) == ENTRY_LEAF)
		c->weakened = true;
	while (!pte_change(slot, &e, clone_read_only(e)))
		;
	return clone_read_only(e);
}

// Tokens mean something to one pool's pager. The list is full only if the call has done enough.
static err_t clone_token(struct cloner *c, vaddr_t va, pte_t e)
{
	const struct pool *from = aspace_window_pool(c->src, va), *to = aspace_window_pool(c->dst, va + c->shift);
	if (pte_token(e) == TOKEN_REVOKED)
		return 0;
	if (from != to || !c->list)
		return -ERR_INVAL;
	c->list[2 * c->tokens] = pte_token(e);
	c->list[2 * c->tokens + 1] = va;
	c->tokens++;
	return 0;
}

static void clone_trace(const struct cloner *c, vaddr_t va, pte_t e)
{
	if (pte_kind(e) == ENTRY_TOKEN)
		return;
	if (c->op == CLONE_MOVE)
		trace_write(EVENT_UNMAP, va, pte_frame(e), object_id(c->src));
	trace_write(EVENT_MAP, va + c->shift, pte_frame(e), pte_prot(e));
}

// The entry leaves the source as it is, D and A included; the frames' counts do not change.
static err_t clone_move(struct cloner *c, pte_t *to, pte_t *from, vaddr_t va)
{
	bool token = pte_kind(*from) == ENTRY_TOKEN;
	if (token) {
		err_t err = clone_token(c, va, *from);
		if (err)
			return err;
	} else if (pte_has_page(*from) && pte_page(*from)->pool != c->pool &&
		   !clone_pool_alive(c, pte_page(*from)->pool)) {
		return -ERR_DYING; // it must not slip past the sweep of pool_destroy
	}
	pte_t e = pte_exchange(from, 0);
	pte_fill(to, e);
	c->filled++;
	c->copied += !token;
	c->weakened |= pte_is_leaf(e);
	if (c->traced)
		clone_trace(c, va, e);
	return 0;
}

// One entry of 4K or, with `pages` 512, a large one.
static err_t clone_copy(struct cloner *c, pte_t *to, pte_t *from, vaddr_t va, u64 pages)
{
	pte_t e = *from;
	bool counted = pte_kind(e) != ENTRY_TOKEN;
	if (likely(counted && pte_has_page(e))) {
		struct page *page = pte_page(e);
		for (u64 i = 0; i < pages; i++) {
			err_t err = clone_check(c, page + i);
			if (unlikely(err))
				return err;
		}
		for (u64 i = 0; i < pages; i++)
			page[i].mapcount++;
		if (c->op == CLONE_COW)
			e = clone_weaken(c, from, e);
		if (pte_kind(e) == ENTRY_LEAF)
			e = pte_clear_dirty(pte_clear_young(e));
	} else {
		err_t err = counted ? c->op == CLONE_COW ? -ERR_BUSY : 0 : clone_token(c, va, e);
		if (err)
			return err;
	}
	pte_fill(to, e);
	c->filled++;
	c->copied += counted;
	if (unlikely(c->traced))
		clone_trace(c, va, e);
	return 0;
}

static err_t clone_entry(struct cloner *c, pte_t *to, pte_t *from, vaddr_t va, u64 pages)
{
	if (*to)
		return -ERR_EXIST;
	if (c->op == CLONE_MOVE)
		return clone_move(c, to, from, va);
	return clone_copy(c, to, from, va, pages);
}

// The common case in few instructions: a present entry of a frame of `pool`, which is alive, into an empty slot. False:
// not that, or a walker has just set A or D; nothing done.
static always_inline bool clone_plain(u32 pool, bool cow, pte_t *to, pte_t *from, bool *weakened)
{
	pte_t e = *from;
	if (unlikely(!pte_is_leaf(e) || !pte_has_page(e) || *to))
		return false;
	struct page *page = pte_page(e);
	u32 mapcount = page->mapcount + 1;
	if (unlikely(page->pool != pool || page->pins || !mapcount))
		return false;
	if (cow && pte_prot(e) & PROT_WRITE) {
		pte_t weak = clone_read_only(e);
		if (unlikely(!pte_change(from, &e, weak)))
			return false;
		*weakened = true;
		e = weak;
	}
	page->mapcount = mapcount;
	__atomic_store_n(to, pte_clear_dirty(pte_clear_young(e)), __ATOMIC_RELAXED); // its frame's content is old
	return true;
}

// The same for an entry that moves, D and A and all.
static always_inline bool clone_plain_move(u32 pool, pte_t *to, pte_t *from)
{
	pte_t e = *from;
	if (unlikely(!pte_is_leaf(e) || !pte_has_page(e) || *to || pte_page(e)->pool != pool))
		return false;
	__atomic_store_n(to, pte_exchange(from, 0), __ATOMIC_RELAXED);
	return true;
}

// Entries that lie in one table here and in one there. *va is moved on.
static err_t clone_table(struct cloner *c, pte_t *to, pte_t *from, u64 n, vaddr_t *va)
{
	const bool plain = !c->traced, move = c->op == CLONE_MOVE, cow = c->op == CLONE_COW;
	u64 copied = c->copied, i;
	u32 pool = c->pool;
	bool weakened = false;
	s64 filled = 0, counted = 0;
	err_t err = 0;
	n = MIN(n, (u64)MAX(c->work, 0l) / WORK_PLAIN + 1);
	for (i = 0; i < n && c->work > 0; i++) {
		if (!from[i])
			continue;
		if (likely(plain && (move ? clone_plain_move(pool, to + i, from + i)
					  : clone_plain(pool, cow, to + i, from + i, &weakened)))) {
			filled++;
			continue;
		}
		err = clone_entry(c, to + i, from + i, *va + i * PAGE_SIZE, 1);
		if (err)
			break;
		pool = c->pool;
		c->work -= WORK_SLOW + (filled - counted) * WORK_PLAIN;
		counted = filled;
	}
	c->work -= (filled - counted) * WORK_PLAIN;
	c->copied += filled;
	c->filled += filled;
	copied = c->copied - copied;
	pt_counted(to, c->filled);
	c->dst->leaves += copied;
	if (move) {
		pt_counted(from, -c->filled);
		c->src->leaves -= copied;
	}
	if (c->weakened || weakened || (move && filled))
		tlb_batch_add(&c->batch, *va, *va + i * PAGE_SIZE);
	c->filled = 0;
	c->weakened = false;
	*va += i * PAGE_SIZE;
	return err;
}

// Tables of the destination for what is in the source between va and end, where va has an entry and end is at most
// BATCH pages on.
static err_t clone_populate(struct cloner *c, vaddr_t va, vaddr_t end)
{
	err_t err = pt_populate(c->dst, va + c->shift, 0);
	vaddr_t second = ((va + c->shift) & -pt_size(1)) + pt_size(1) - c->shift;
	struct pt_span span;
	s64 work = WORK_SEARCH;
	if (!err && second < end && pt_next(c->src, second, end, &work, &span))
		err = pt_populate(c->dst, span.va + c->shift, 0);
	return err;
}

static err_t clone_pages(struct cloner *c, vaddr_t *va, vaddr_t end)
{
	err_t err = clone_populate(c, *va, end);
	struct pt_span span = { .va = *va };
	s64 work = WORK_SEARCH;
	while (!err && c->work > 0 && pt_next(c->src, *va, end, &work, &span) && span.level == 0) {
		vaddr_t to = span.va + c->shift;
		u64 n = span.stop - span.slot, room = PT_ENTRIES - pte_index(to, 0);
		*va = span.va;
		err = clone_table(c, pt_slot(c->dst, to, 0), span.slot, n < room ? n : room, va);
	}
	if (!err && c->work > 0)
		*va = span.va;
	return err;
}

// A large entry becomes a large entry, or nothing.
static err_t clone_large(struct cloner *c, const struct pt_span *span, vaddr_t end, vaddr_t *va)
{
	u64 size = pt_size(span->level);
	if (!pt_span_whole(span, end) || c->shift & (size - 1))
		return -ERR_INVAL;
	err_t err = pt_populate(c->dst, span->va + c->shift, span->level);
	if (err)
		return err;
	pte_t *to = pt_slot(c->dst, span->va + c->shift, span->level);
	err = clone_entry(c, to, span->slot, span->va, PT_ENTRIES);
	if (err)
		return err;
	pt_counted(to, 1);
	c->dst->leaves++;
	if (c->op == CLONE_MOVE) {
		pt_counted(span->slot, -1);
		c->src->leaves--;
	}
	if (c->weakened)
		tlb_batch_add(&c->batch, span->va, span->va + size);
	*va = span->va + size;
	return 0;
}

// Tables go only after the last entry was handled: when source and destination lie in one address space, a table that
// the source has left may be the next one that the destination needs. At most two are concerned on either side, those
// of the first and of the last page.
static void clone_prune(struct cloner *c, vaddr_t va, vaddr_t end)
{
	pt_prune(c->dst, va + c->shift, &c->dst_batch);
	pt_prune(c->dst, end - PAGE_SIZE + c->shift, &c->dst_batch);
	if (c->op != CLONE_MOVE)
		return;
	pt_prune(c->src, va, &c->batch);
	pt_prune(c->src, end - PAGE_SIZE, &c->batch);
}

static err_t clone_run(struct cloner *c, vaddr_t *va, vaddr_t end)
{
	struct pt_span span;
	s64 work = WORK_SEARCH;
	bool found = pt_next(c->src, *va, end, &work, &span);
	*va = span.va;
	if (!found)
		return 0;
	vaddr_t stop = span.va + BATCH * PAGE_SIZE;
	if (stop > end)
		stop = end;
	err_t err = span.level ? clone_large(c, &span, end, va) : clone_pages(c, va, stop);
	clone_prune(c, span.va, stop);
	return err;
}

err_t aspace_clone(struct aspace *dst, u32 dwin, vaddr_t dva, struct aspace *src, u32 swin, vaddr_t sva, u64 count,
		   u64 op, u64 *list, u64 *done, u64 *copied, u64 *tokens)
{
	*done = *copied = *tokens = 0;
	if (op > CLONE_MOVE || aspace_check_range(dst, dwin, dva, count) || aspace_check_range(src, swin, sva, count))
		return -ERR_INVAL;
	u64 bytes = count * PAGE_SIZE;
	if (dst == src && dva < sva + bytes && sva < dva + bytes)
		return -ERR_INVAL;
	struct cloner c = {
		.dst = dst,
		.src = src,
		.shift = dva - sva,
		.op = op,
		.list = list,
		.work = WORK_CLONE,
		.traced = pt_traced(),
	};
	vaddr_t va = sva;
	err_t err = clone_run(&c, &va, sva + bytes);
	tlb_batch_flush(src, &c.batch);
	tlb_batch_flush(dst, &c.dst_batch);
	*done = (va - sva) / PAGE_SIZE;
	*copied = c.copied;
	*tokens = c.tokens;
	return err;
}
