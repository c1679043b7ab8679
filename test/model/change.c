// SPDX-License-Identifier: MIT
// The oracle, part two: what an operation may change, given the capabilities it had and what it returned.
#include <string.h>

#include <test/model/oracle.h>

// Page tables and the objects of the world itself come and go with everything.
static bool acted_on(const struct page *page)
{
	if (page->pool == table_pool.id)
		return true;
	for (u32 p = 0; p < config.pools; p++)
		if (op_pools >> p & 1 && ids[p] == page->pool)
			return true;
	return false;
}

static bool may_discard(const struct op *op)
{
	return (op->kind == OP_FREE && op->flags & FREE_DISCARD) || (op->kind == OP_UNMAP && op->flags & UNMAP_FREE) ||
	       op->kind == OP_DESTROY;
}

static bool ranged(const struct op *op)
{
	switch (op->kind) {
	case OP_MAP:
		return op->n > 1;
	case OP_UNMAP:
	case OP_PROTECT:
	case OP_SCAN:
	case OP_CLONE:
	case OP_DESTROY:
	case OP_AS_DESTROY:
		return true;
	default:
		return false;
	}
}

static void check_gen(u32 i, const struct page *old, const struct page *page, const struct op *op)
{
	bool ended = old->state != PAGE_FREE && old->state != PAGE_RESERVED && page->state == PAGE_FREE;
	bool moved = alive(old) && alive(page) && old->pool != page->pool;
	s32 grown = page->gen - old->gen;
	bool good = grown >= 0 && (!(ended || moved) || grown >= 1);
	if (old->state == page->state && old->pool == page->pool && op->kind != OP_ALLOC && page->state != PAGE_FREE &&
	    !ended)
		good = good && (grown == 0 || page->state == PAGE_TABLE);
	good = good && !(grown && page->mapcount); // an old reference would name what is still mapped
	if (!good)
		model_fail("frame %lx: generation %u -> %u, %s -> %s", mem.base + i, old->gen, page->gen,
			   page_state_name(old->state), page_state_name(page->state));
}

// Bits that one operation alone may take away, in one life of a frame.
static void check_marks(u32 i, const struct page *old, const struct page *page, const struct op *op, err_t err)
{
	u8 lost = old->marks & ~page->marks, won = page->marks & ~old->marks;
	bool mark = op->kind == OP_MARK && !err && frame_pfn[op->f] == mem.base + i;
	u8 may = PAGE_YOUNG;
	if (mark && op->mark == MARK_BEGIN)
		may |= PAGE_DIRTY;
	if (mark && (op->mark == MARK_END || op->mark == MARK_FAIL))
		may |= PAGE_WRITEBACK;
	if (mark && op->mark == MARK_SWAPCACHE_CLEAR)
		may |= PAGE_SWAPCACHE;
	bool unmapped = !old->mapcount || op->n > 1; // an earlier entry of the list may have unmapped it
	if (op->kind == OP_MAP && op->flags & MAP_UNCACHE && unmapped && acted_on(old))
		may |= PAGE_SWAPCACHE;
	if (lost & ~may)
		model_fail("frame %lx: marks %x -> %x", mem.base + i, old->marks, page->marks);
	if (lost & PAGE_SWAPCACHE && !(page->marks & PAGE_DIRTY))
		model_fail("frame %lx: gave up its slot and is clean", mem.base + i);
	if (won & PAGE_SWAPCACHE && !(op->kind == OP_EVICT && !err))
		model_fail("frame %lx: marks %x -> %x without an evict", mem.base + i, old->marks, page->marks);
	if (won & PAGE_WRITEBACK && !(mark && op->mark == MARK_BEGIN))
		model_fail("frame %lx: marks %x -> %x without BEGIN", mem.base + i, old->marks, page->marks);
}

static void check_more_mappings(u32 i, const struct page *old, const struct page *page, const struct op *op)
{
	u32 owner = owner_of(page);
	if (old->pins && op->kind == OP_CLONE)
		model_fail("frame %lx: cloned while pinned", mem.base + i);
	if (owner != NONE && pool[owner].dying)
		model_fail("frame %lx: mapped once more while its pool is dying", mem.base + i);
}

static void check_change(u32 i, const struct op *op, err_t err)
{
	const struct page *old = &before.page[i], *page = &now.page[i];
	pfn_t pfn = mem.base + i;
	bool same_life = alive(old) && alive(page) && old->pool == page->pool && old->gen == page->gen;
	bool moved = alive(old) && alive(page) && op->kind == OP_MOVE && !err && frame_pfn[op->f] == pfn;
	check_gen(i, old, page, op);
	bool head = old->gen != page->gen || old->pool != page->pool || old->state != page->state ||
		    old->pins != page->pins;
	if (head && old->state != PAGE_FREE && !acted_on(old))
		model_fail("frame %lx of pool %u: changed by an operation without authority over it", pfn, old->pool);
	if (head && page->state != PAGE_FREE && !acted_on(page))
		model_fail("frame %lx: given to pool %u by an operation without authority over it", pfn, page->pool);
	if (page->pins < old->pins && op->kind != OP_UNPIN)
		model_fail("frame %lx: pins %u -> %u", pfn, old->pins, page->pins);
	if (page->mapcount > old->mapcount)
		check_more_mappings(i, old, page, op);
	if (same_life)
		check_marks(i, old, page, op, err);
	if (moved) {
		owners[now.word[i]] |= 1u << op->q;
		if (old->marks & PAGE_DIRTY && !(page->marks & PAGE_DIRTY))
			model_fail("frame %lx: DIRTY lost by a move", pfn);
		return;
	}
	if (!alive(old) || old->pool == table_pool.id)
		return;
	// Unsafe content that is gone; content that programs look at.
	u64 was = before.word[i];
	bool replaced = op->kind == OP_MAP && op->n > 1; // an earlier entry of the list may have unmapped it
	if (same_life && old->mapcount && now.word[i] != was && !wrote[i] && !replaced)
		model_fail("frame %lx: content changed by the kernel while it was mapped", pfn);
	bool gone = !same_life || (now.word[i] != was && !wrote[i]);
	bool fill = op->kind == OP_FILL || (op->kind == OP_MAP && op->flags & (MAP_ZERO | MAP_COPY));
	bool said = same_life ? fill && (!err || ranged(op)) : may_discard(op) && acted_on(old);
	if (gone && was && was != safe[i] && old->marks & PAGE_ZEROED && !said)
		model_fail("frame %lx: version %lu dropped", pfn, was);
}

// New entries: where do they come from?
static void check_entry(u32 as, u32 va, const struct op *op)
{
	pte_t old = before.entry[as][va], e = now.entry[as][va];
	if (!keeps_frame(e))
		return;
	u32 i = index_of(pte_pfn(e));
	const struct page *page = &now.page[i];
	bool same = keeps_frame(old) && pte_pfn(old) == pte_pfn(e);
	if (!same && op->kind != OP_CLONE && !(op->kind == OP_MAP && acted_on(page)))
		model_fail("address space %u va %u: frame %lx of pool %u mapped without authority", as, va, pte_pfn(e),
			   page->pool);
	if (!same && op->kind == OP_CLONE && before.page[i].mapcount == 0)
		model_fail("address space %u va %u: frame %lx cloned out of nothing", as, va, pte_pfn(e));
	bool writable = pte_is_leaf(e) && pte_prot(e) & PROT_WRITE;
	if (writable && page->marks & PAGE_SWAPCACHE && !writable_before[i])
		model_fail("address space %u va %u: frame %lx made writable while in the swap cache", as, va,
			   pte_pfn(e));
}

static pte_t without_ad(pte_t e)
{
	return pte_is_leaf(e) ? pte_clear_young(pte_clear_dirty(e)) : e;
}

// A call that fails has changed nothing; a program's faults on the way may have set A and D.
static void check_nothing(const struct op *op)
{
	for (u32 i = 0; i < total; i++) {
		const struct page *old = &before.page[i], *page = &now.page[i];
		bool table = (old->state == PAGE_FREE || old->pool == table_pool.id) && // tables came and went
			     (page->state == PAGE_FREE || page->pool == table_pool.id);
		if (!table && memcmp(old, page, sizeof(*page)))
			model_fail("frame %lx: changed by a call that failed: %s marks %x -> %s marks %x", mem.base + i,
				   page_state_name(old->state), old->marks, page_state_name(page->state), page->marks);
		if (!table && before.word[i] != now.word[i] && !wrote[i])
			model_fail("frame %lx: content changed by a call that failed", mem.base + i);
	}
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++)
			if (without_ad(before.entry[as][va]) != without_ad(now.entry[as][va]))
				model_fail("address space %u va %u: changed by a call that failed (%u)", as, va,
					   op->kind);
}

// What an operation that succeeded has promised.
static void check_promise(const struct op *op, u64 done)
{
	u32 f = index_of(frame_pfn[op->f]);
	const struct page *page = &now.page[f];
	if (op->kind == OP_EVICT && !(op->flags & EVICT_CANCEL) && page->state != PAGE_EVICTING)
		if (!(op->flags & EVICT_PARTIAL) || page->marks & (PAGE_DIRTY | PAGE_WRITEBACK))
			model_fail("frame %lx: evicted, but still %s, mapped %u times", frame_pfn[op->f],
				   page_state_name(page->state), page->mapcount);
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++) {
			pte_t e = now.entry[as][va];
			bool cow = op->kind == OP_CLONE && op->clone == CLONE_COW;
			bool from = cow && as == op->as && va - op->va < done;
			bool to = cow && as == op->bs && va - op->vb < done &&
				  keeps_frame(before.entry[op->as][op->va + va - op->vb]);
			bool writing = op->kind == OP_MARK && op->mark == MARK_BEGIN && keeps_frame(e) &&
				       pte_pfn(e) == frame_pfn[op->f];
			if (pte_is_leaf(e) && pte_prot(e) & PROT_WRITE && (from || to || writing))
				model_fail("address space %u va %u: still writable", as, va);
		}
}

static void check_stale(const struct op *op, err_t err)
{
	bool named = op->kind == OP_FREE || op->kind == OP_MOVE || op->kind == OP_FILL || op->kind == OP_MARK ||
		     op->kind == OP_PIN || op->kind == OP_UNPIN || op->kind == OP_EVICT || op->kind == OP_TAKE ||
		     (op->kind == OP_MAP && op->n == 1);
	if (!named || err)
		return;
	const struct page *old = &before.page[index_of(frame_pfn[op->f])];
	if (op->gen || old->state == PAGE_FREE || old->pool == table_pool.id || !acted_on(old))
		model_fail("frame %lx: a reference that does not hold was honoured", frame_pfn[op->f]);
}

void check_changes(const struct op *op, err_t err, u64 done)
{
	check_stale(op, err);
	for (u32 i = 0; i < total; i++)
		check_change(i, op, err);
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++)
			check_entry(as, va, op);
	if (err && !ranged(op))
		check_nothing(op);
	if (!err || op->kind == OP_CLONE)
		check_promise(op, done);
}
