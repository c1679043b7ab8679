// SPDX-License-Identifier: MIT
// map: entries that name frames of a pool; and device memory, which has no frames.
//
// Two passes. First the tables: when one cannot be had, those that were made go back and nothing has happened. Then the
// entries, one after the other, up to the first error: for each, the conditions on the old entry, then the frame's
// content, then the entry and the counts. A list may have holes (reference 0): their pages are passed over, so that
// areas with guard pages between them are mapped by one call.
#include <mm/pgtable.h>

#define MAP_CONDITIONS (MAP_IF_EMPTY | MAP_IF_TOKEN | MAP_IF_SAME)
#define MAP_ALL \
	(PROT_ALL | MAP_ZERO | MAP_COPY | MAP_CONDITIONS | MAP_IF_EXCLUSIVE | MAP_HELD | MAP_RUN | MAP_LARGE | \
	 MAP_TOUCH | MAP_UNCACHE)
// With any of these, or while tracing, an entry is not plain and takes the long way.
#define MAP_SPECIAL (MAP_COPY | MAP_IF_SAME | MAP_IF_EXCLUSIVE | MAP_HELD | MAP_UNCACHE)

#define WORK_HOLE  30
#define WORK_PLAIN 50
#define WORK_SLOW  340
#define WORK_ZERO  560
#define WORK_COPY  1200

struct mapper {
	struct aspace *as;
	struct pool *pool;
	u64 flags, prot;
	u64 word0;
	struct page *source; // MAP_COPY, MAP_IF_SAME
	bool plain, traced;
	u64 filled; // frames zeroed or copied so far
	u64 holes;
	s64 work;
	s64 fresh;  // entries that were empty, of the table at hand
	s64 leaves; // leaves and held entries that came to it
	struct tlb_batch batch;
};

static err_t map_check(struct mapper *m, const struct map_request *rq)
{
	u64 prot = rq->flags & PROT_ALL, conditions = rq->flags & MAP_CONDITIONS;
	if (rq->flags & ~(u64)MAP_ALL || !rq->count || rq->count > BATCH || conditions & (conditions - 1))
		return -ERR_INVAL;
	if (!prot && !(rq->flags & MAP_HELD))
		return -ERR_INVAL;
	if ((rq->flags & MAP_COPY && (rq->flags & MAP_ZERO || !rq->source)))
		return -ERR_INVAL;
	if (rq->flags & MAP_UNCACHE && rq->flags & (MAP_ZERO | MAP_COPY | MAP_LARGE))
		return -ERR_INVAL;
	if (rq->flags & MAP_LARGE && (rq->count > 1 || rq->list || rq->pairs || rq->flags & (MAP_ZERO | MAP_COPY)))
		return -ERR_INVAL;
	if (rq->pool->dying)
		return -ERR_DYING;
	if (rq->source && !(m->source = frame_lookup(rq->pool, rq->source)))
		return -ERR_STALE;
	return 0;
}

// Whether the conditions of the call let this page replace this entry.
static err_t map_allowed(const struct mapper *m, pte_t old, const struct page *page)
{
	u32 kind = pte_kind(old);
	if (m->flags & MAP_IF_EMPTY && kind != ENTRY_EMPTY)
		return -ERR_EXIST;
	if (m->flags & MAP_IF_TOKEN && kind != ENTRY_EMPTY && kind != ENTRY_TOKEN)
		return -ERR_EXIST;
	if (m->flags & MAP_IF_SAME && !pte_names(old, page_to_pfn(m->source ? m->source : page)))
		return -ERR_STALE;
	if (m->flags & MAP_IF_EXCLUSIVE && (page->mapcount != 1 || !pte_names(old, page_to_pfn(page))))
		return -ERR_BUSY;
	if (m->flags & MAP_UNCACHE && page->mapcount)
		return -ERR_BUSY;
	return 0;
}

static pte_t map_entry(const struct mapper *m, pfn_t pfn, bool read_only, u32 level)
{
	u64 prot = read_only ? m->prot & ~PROT_WRITE : m->prot;
	if (m->flags & MAP_HELD || !prot)
		return pte_make_held(pfn, prot ? prot : m->flags & PROT_ALL);
	pte_t e = pte_at_level(pte_make_leaf(pfn, prot, true, false), level);
	if (m->flags & MAP_TOUCH)
		e = prot & PROT_WRITE ? pte_set_dirty(e) : pte_set_young(e);
	return e;
}

static always_inline void map_words(const struct mapper *m, struct page *page, u64 index)
{
	if (m->word0) {
		page->word0 = m->word0;
		page->word1 = index;
	}
}

// The old entry of a slot goes for `e`, whose frames are counted already.
static void map_replace(struct mapper *m, pte_t *slot, vaddr_t va, pte_t e, u32 level)
{
	pte_t old = *slot;
	u32 kind = pte_kind(old);
	if (kind == ENTRY_EMPTY || kind == ENTRY_TOKEN) {
		m->fresh += kind == ENTRY_EMPTY;
		m->leaves++;
		pte_fill(slot, e);
		return;
	}
	old = pte_exchange(slot, e);
	if (level)
		pt_drop_large(old);
	else
		pt_drop(old);
	tlb_batch_add(&m->batch, va, va + pt_size(level));
}

// One entry, the long way. AGAIN: the call has done enough.
static err_t map_one(struct mapper *m, pte_t *slot, vaddr_t va, frame_t frame, u64 index)
{
	struct page *page = frame_lookup(m->pool, frame);
	if (!page)
		return -ERR_STALE;
	err_t err = map_allowed(m, *slot, page);
	if (err)
		return err;
	bool fill = m->flags & (MAP_ZERO | MAP_COPY) || !(page->marks & PAGE_ZEROED);
	if (m->work <= 0 || (fill && m->filled >= BATCH_FILL))
		return -ERR_AGAIN;
	if (m->flags & MAP_COPY && m->source == page)
		return -ERR_INVAL;
	err = page_prepare(page, m->pool, m->flags, m->source, &m->filled);
	if (err)
		return err;
	m->work -= WORK_SLOW + (m->flags & MAP_COPY ? WORK_COPY : fill ? WORK_ZERO : 0);
	if (m->flags & MAP_UNCACHE)
		page_uncache(page);
	page->mapcount++;
	map_words(m, page, index);
	map_replace(m, slot, va, map_entry(m, page_to_pfn(page), page->marks & PAGE_SWAPCACHE, 0), 0);
	if (m->traced)
		trace_write(EVENT_MAP, va, frame, m->flags);
	return 0;
}

// What is the same for all plain entries of a call, where the compiler keeps it in registers.
struct plain {
	u16 pool;
	bool on, touch, zero;
	u64 prot, word0;
};

// Zero a frame on the way: it is nobody's yet, and this call has not done enough.
static bool plain_zero(struct mapper *m, struct page *page)
{
	if (page->mapcount || page->marks & (PAGE_WRITEBACK | PAGE_SWAPCACHE) || m->filled >= BATCH_FILL ||
	    m->work <= 0)
		return false;
	arch_page_clear(page_address(page));
	page->marks |= PAGE_ZEROED;
	m->filled++;
	m->work -= WORK_ZERO;
	return true;
}

// The common case in few instructions: a present frame, with content of its own or zeroed now, into an empty slot.
// False: not that, nothing done.
static always_inline bool map_plain(struct mapper *m, const struct plain *p, pte_t *slot, frame_t frame, u64 index)
{
	struct page *page = frame_check(frame, p->pool, PAGE_OWNED);
	if (unlikely(!page || *slot || !p->on || page->marks & PAGE_SWAPCACHE || page->mapcount == (u32)-1))
		return false;
	if (unlikely(p->zero || !(page->marks & PAGE_ZEROED)) && !plain_zero(m, page))
		return false;
	page->mapcount++;
	if (p->word0) {
		page->word0 = p->word0;
		page->word1 = index;
	}
	pte_t e = pte_make_leaf((u32)frame, p->prot, true, false);
	if (p->touch)
		e = p->prot & PROT_WRITE ? pte_set_dirty(e) : pte_set_young(e);
	pte_fill(slot, e);
	return true;
}

// `n` entries of one table: the list's frames, or the run that starts at `frame`. *done counts up.
static err_t map_table(struct mapper *m, pte_t *slot, vaddr_t va, const u64 *list, frame_t frame, u64 n, u64 index,
		       u64 *done)
{
	const struct plain p = {
		.pool = m->pool->id,
		.on = m->plain,
		.touch = m->flags & MAP_TOUCH,
		.zero = m->flags & MAP_ZERO,
		.prot = m->prot,
		.word0 = m->word0,
	};
	s64 plain = 0, counted = 0;
	err_t err = 0;
	u64 i = 0;
	for (; i < n; i++) {
		frame_t ref = list ? list[i] : frame + i;
		if (likely(map_plain(m, &p, slot + i, ref, index + i))) {
			plain++;
			continue;
		}
		if (list && !ref) {
			m->holes++;
			m->work -= WORK_HOLE;
			continue;
		}
		m->work -= (plain - counted) * WORK_PLAIN;
		counted = plain;
		err = map_one(m, slot + i, va + i * PAGE_SIZE, ref, index + i);
		if (err)
			break;
	}
	m->work -= (plain - counted) * WORK_PLAIN;
	*done += i;
	pt_counted(slot, m->fresh + plain);
	m->as->leaves += m->leaves + plain;
	m->fresh = m->leaves = 0;
	return err;
}

static err_t map_finish(struct mapper *m, err_t err)
{
	tlb_batch_flush(m->as, &m->batch);
	return err;
}

// ---- consecutive pages

static vaddr_t map_table_end(vaddr_t va, vaddr_t end)
{
	vaddr_t next = (va & -pt_size(1)) + pt_size(1);
	return next < end ? next : end;
}

static void map_prune_range(struct mapper *m, vaddr_t va, vaddr_t end)
{
	for (; va < end; va = map_table_end(va, end))
		pt_prune(m->as, va, &m->batch);
}

static err_t map_range(struct mapper *m, const struct map_request *rq, u64 *done)
{
	vaddr_t va, end = rq->va + rq->count * PAGE_SIZE;
	err_t err = 0;
	for (va = rq->va; va < end && !err; va = map_table_end(va, end)) {
		if (!aspace_slot(m->as, va))
			err = pt_populate(m->as, va, 0);
	}
	for (va = rq->va; va < end && !err; va = map_table_end(va, end)) {
		u64 i = (va - rq->va) / PAGE_SIZE, n = (map_table_end(va, end) - va) / PAGE_SIZE;
		const u64 *list = rq->list ? rq->list + i : NULL;
		err = map_table(m, aspace_slot(m->as, va), va, list, rq->frame + i, n, rq->word1 + i, done);
	}
	// A table that got nothing but holes is as superfluous as one that an error left empty.
	if (err || m->holes)
		map_prune_range(m, rq->va, end);
	return err;
}

// ---- pages around va. The pairs lie in memory that other threads can write: they are read once.

struct map_pair {
	vaddr_t va;
	frame_t frame;
};

static err_t map_pairs_read(const struct aspace *as, const struct map_request *rq, struct map_pair *pair)
{
	s64 most = arch_user_end / PAGE_SIZE;
	for (u64 i = 0; i < rq->count; i++) {
		s64 offset = rq->pairs[2 * i + 1];
		if (offset < -most || offset > most)
			return -ERR_INVAL;
		pair[i] = (struct map_pair){ .va = rq->va + offset * PAGE_SIZE, .frame = rq->pairs[2 * i] };
		err_t err = aspace_check_range(as, rq->window, pair[i].va, 1);
		if (err)
			return err;
	}
	return 0;
}

static err_t map_pairs(struct mapper *m, const struct map_request *rq, u64 *done)
{
	struct map_pair pair[BATCH_FILL];
	if (rq->count > BATCH_FILL)
		return -ERR_INVAL;
	err_t err = map_pairs_read(m->as, rq, pair);
	if (err)
		return err;
	for (u64 i = 0; i < rq->count && !err; i++) {
		if (!aspace_slot(m->as, pair[i].va))
			err = pt_populate(m->as, pair[i].va, 0);
	}
	for (u64 i = 0; i < rq->count && !err; i++) {
		u64 index = rq->word1 + (pair[i].va - rq->va) / PAGE_SIZE; // counts down for pages before va
		err = map_table(m, aspace_slot(m->as, pair[i].va), pair[i].va, NULL, pair[i].frame, 1, index, done);
	}
	for (u64 i = 0; i < rq->count && err; i++)
		pt_prune(m->as, pair[i].va, &m->batch);
	return err;
}

// ---- one large leaf

// Its 512 frames must all be there, and presentable. A call that looks at so many has little time to make them so: it
// does that to a few and leaves the rest, and the mapping, to the next one.
#define LARGE_FILL 12

static err_t map_large_frame(struct mapper *m, frame_t frame)
{
	struct page *page = frame_lookup(m->pool, frame);
	if (!page)
		return -ERR_STALE;
	if (page->mapcount == (u32)-1)
		return -ERR_BUSY;
	if (page->marks & PAGE_ZEROED && page->state == PAGE_OWNED)
		return 0;
	if (m->filled >= LARGE_FILL)
		return -ERR_AGAIN;
	return page_prepare(page, m->pool, 0, NULL, &m->filled);
}

static err_t map_large_prepare(struct mapper *m, frame_t frame, bool *read_only)
{
	u16 pool = m->pool->id;
	for (u64 i = 0; i < PT_ENTRIES; i++) {
		const struct page *page = frame_check(frame + i, pool, PAGE_OWNED);
		if (unlikely(!page || !(page->marks & PAGE_ZEROED) || page->mapcount == (u32)-1)) {
			err_t err = map_large_frame(m, frame + i);
			if (err)
				return err;
		}
		*read_only |= pfn_to_page((u32)frame + i)->marks & PAGE_SWAPCACHE;
	}
	return m->filled ? -ERR_AGAIN : 0;
}

static err_t map_large_slot(struct mapper *m, const struct map_request *rq, pte_t *slot)
{
	bool read_only = false;
	struct page *page = frame_lookup(m->pool, rq->frame);
	if (!page)
		return -ERR_STALE;
	if (pte_is_table(*slot))
		return -ERR_EXIST;
	err_t err = map_allowed(m, *slot, page);
	if (!err)
		err = map_large_prepare(m, rq->frame, &read_only);
	if (err)
		return err;
	for (u64 i = 0; i < PT_ENTRIES; i++) {
		page[i].mapcount++;
		map_words(m, page + i, rq->word1 + i);
	}
	map_replace(m, slot, rq->va, map_entry(m, page_to_pfn(page), read_only, ARCH_LARGE_LEVEL), ARCH_LARGE_LEVEL);
	pt_counted(slot, m->fresh);
	m->as->leaves += m->leaves;
	if (m->traced)
		trace_write(EVENT_MAP, rq->va, rq->frame, rq->flags);
	return 0;
}

static err_t map_large(struct mapper *m, const struct map_request *rq, u64 *done)
{
	if (rq->va & (pt_size(ARCH_LARGE_LEVEL) - 1) || (u32)rq->frame % PT_ENTRIES)
		return -ERR_INVAL;
	err_t err = pt_populate(m->as, rq->va, ARCH_LARGE_LEVEL);
	if (!err)
		err = map_large_slot(m, rq, pt_slot(m->as, rq->va, ARCH_LARGE_LEVEL));
	if (err)
		pt_prune(m->as, rq->va, &m->batch);
	else
		*done = 1;
	return err;
}

err_t aspace_map(struct aspace *as, const struct map_request *rq, u64 *done)
{
	struct mapper m = {
		.as = as,
		.pool = rq->pool,
		.flags = rq->flags,
		.prot = pt_prot(rq->flags),
		.word0 = rq->word0,
		.work = WORK_CALL,
		.traced = pt_traced(),
	};
	m.plain = !m.traced && m.prot && !(rq->flags & MAP_SPECIAL);
	*done = 0;
	err_t err = map_check(&m, rq);
	if (!err)
		err = aspace_check_range(as, rq->window, rq->va,
					 rq->flags & MAP_LARGE ? pt_pages(ARCH_LARGE_LEVEL) : rq->count);
	if (err)
		return err;
	if (rq->flags & MAP_LARGE)
		return map_finish(&m, map_large(&m, rq, done));
	if (rq->pairs)
		err = map_pairs(&m, rq, done);
	else
		err = map_range(&m, rq, done);
	// Entries that take longer are more than one call does: the caller sees how far it came.
	if (err == -ERR_AGAIN)
		err = 0;
	return map_finish(&m, err);
}

err_t aspace_map_device(struct aspace *as, u32 window, vaddr_t va, paddr_t pa, u64 pages)
{
	struct mapper m = { .as = as };
	assert(pa % PAGE_SIZE == 0);
	err_t err = aspace_check_range(as, window, va, pages);
	if (err)
		return err;
	if (pages > BATCH)
		return -ERR_INVAL;
	vaddr_t end = va + pages * PAGE_SIZE;
	struct pt_span span;
	s64 work = WORK_CALL;
	if (pt_next(as, va, end, &work, &span))
		return -ERR_EXIST;
	for (vaddr_t at = va; at < end && !err; at = map_table_end(at, end))
		err = pt_populate(as, at, 0);
	if (err) {
		map_prune_range(&m, va, end);
		return map_finish(&m, err);
	}
	for (u64 i = 0; i < pages; i++) {
		pte_t *slot = pt_slot(as, va + i * PAGE_SIZE, 0);
		pte_fill(slot, pte_make_leaf(pa / PAGE_SIZE + i, PROT_READ | PROT_WRITE, true, true));
		pt_counted(slot, 1);
	}
	as->leaves += pages;
	return 0;
}
