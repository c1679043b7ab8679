// SPDX-License-Identifier: MIT
// The generic page-table walker: finding, making and taking out tables, splitting and collapsing large leaves. Rules:
// pgtable.h.
#include <mm/pgtable.h>

// ---- finding

// The first entry of `table` from *va on that is not empty. NULL: none before `end` (or before `work` ran out); *va is
// then behind what was looked at.
static pte_t *pt_skip(pte_t *table, u32 level, vaddr_t *va, vaddr_t end, s64 *work)
{
	const u64 first = pte_index(*va, level);
	pte_t *slot = table + first;
	if (*work <= 0)
		return NULL;
	if (likely(*slot))
		return slot;
	const u64 size = pt_size(level), most = MIN((u64)*work / WORK_EMPTY + 1, PT_ENTRIES - first);
	const pte_t *stop = slot + MIN((end - 1) / size - *va / size + 1, most);
	while (slot < stop && !*slot)
		slot++;
	u64 empty = slot - (table + first);
	*va = (*va & -size) + empty * size;
	*work -= empty * WORK_EMPTY;
	return slot < stop ? slot : NULL;
}

// The span that begins with `slot`. Its table, if a leaf table, is the one that aspace_slot and pt_prune find first.
static always_inline void pt_span_set(struct aspace *as, vaddr_t va, vaddr_t end, pte_t *slot, u32 level,
				      struct pt_span *span)
{
	u64 left = (end - va) / PAGE_SIZE, here = PT_ENTRIES - pte_index(va, 0);
	u64 run = level ? 1 : left < here ? left : here;
	*span = (struct pt_span){ .va = va, .slot = slot, .stop = slot + run, .level = level };
	if (level)
		return;
	as->walk_tag = va >> LEAF_TABLE_BITS;
	as->walk_table = slot - pte_index(va, 0);
}

bool pt_next(struct aspace *as, vaddr_t va, vaddr_t end, s64 *work, struct pt_span *span)
{
	while (va<end && * work> 0) {
		bool known = va >> LEAF_TABLE_BITS == as->walk_tag;
		pte_t *table = known ? as->walk_table : as->table;
		for (u32 level = known ? 0 : arch_levels - 1;; level--) {
			*work -= WORK_STEP;
			pte_t *slot = pt_skip(table, level, &va, end, work);
			if (!slot)
				break;
			if (level == 0 || !pte_is_table(*slot)) {
				pt_span_set(as, va, end, slot, level, span);
				return true;
			}
			table = pt_child(*slot);
		}
	}
	span->va = va < end ? va : end;
	return false;
}

bool pt_span_whole(const struct pt_span *span, vaddr_t end)
{
	u64 size = pt_size(span->level);
	return (span->va & (size - 1)) == 0 && end - span->va >= size;
}

pte_t *pt_slot(const struct aspace *as, vaddr_t va, u32 level)
{
	pte_t *table = as->table;
	for (u32 at = arch_levels - 1; at > level; at--) {
		pte_t e = table[pte_index(va, at)];
		if (!pte_is_table(e))
			return NULL;
		table = pt_child(e);
	}
	return table + pte_index(va, level);
}

// ---- tables

struct page *pt_table_take(struct aspace *as)
{
	struct page *table;
	if (as->stash) {
		table = pfn_to_page(as->stash);
		as->stash = table->word1;
		as->stash_count--;
	} else {
		table = frame_table_alloc(as->pool);
		if (!table)
			return NULL;
	}
	as->tables++;
	return table;
}

static void pt_stash_push(struct aspace *as, struct page *table)
{
	table->word0 = table_word0(object_id(as), TABLE_STASHED);
	table->word1 = as->stash;
	as->stash = page_to_pfn(table);
	as->stash_count++;
}

void pt_table_give(struct aspace *as, struct page *table)
{
	trace(EVENT_TABLE, table->word1, page_to_pfn(table), table_level(table));
	as->walk_tag = WALK_NONE;
	as->tables--;
	if (as->stash_count < as->stash_keep)
		pt_stash_push(as, table);
	else
		frame_table_free(table);
}

static void pt_stash_drop(struct aspace *as, u32 keep)
{
	while (as->stash_count > keep) {
		struct page *table = pfn_to_page(as->stash);
		as->stash = table->word1;
		as->stash_count--;
		frame_table_free(table);
	}
}

err_t pt_stash_resize(struct aspace *as, u32 tables)
{
	u32 before = as->stash_count;
	while (as->stash_count < tables) {
		struct page *table = frame_table_alloc(as->pool);
		if (!table) {
			pt_stash_drop(as, before);
			return -ERR_NOMEM;
		}
		pt_stash_push(as, table);
	}
	as->stash_keep = tables;
	pt_stash_drop(as, tables);
	return 0;
}

err_t pt_populate(struct aspace *as, vaddr_t va, u32 level)
{
	pte_t *table = as->table;
	for (u32 at = arch_levels - 1; at > level; at--) {
		pte_t *slot = table + pte_index(va, at);
		if (!pte_is_table(*slot)) {
			if (*slot)
				return -ERR_EXIST;
			struct page *page = pt_table_take(as);
			if (!page)
				return -ERR_NOMEM;
			page->word0 = table_word0(object_id(as), at - 1);
			page->word1 = va & -pt_size(at);
			pte_fill(slot, pte_make_table(page_to_pfn(page)));
			pt_counted(slot, 1);
			trace(EVENT_TABLE, page->word1, page_to_pfn(page), at - 1);
		}
		table = pt_child(*slot);
	}
	return 0;
}

void pt_prune_walk(struct aspace *as, vaddr_t va, struct tlb_batch *batch)
{
	pte_t *path[ARCH_LEVELS_MAX];
	u32 top = arch_levels - 1, level = top;
	path[level] = as->table + pte_index(va, level);
	while (level > 0 && pte_is_table(*path[level])) {
		pte_t *table = pt_child(*path[level]);
		level--;
		path[level] = table + pte_index(va, level);
	}
	for (; level < top; level++) {
		struct page *table = virt_to_page(path[level]);
		if (table_entries(table))
			return;
		pte_fill(path[level + 1], 0);
		pt_counted(path[level + 1], -1);
		batch->tables = true;
		pt_table_give(as, table);
	}
}

// ---- large leaves

// Part i of a large entry.
static pte_t pt_part(pte_t large, u32 i)
{
	if (!pte_is_leaf(large))
		return pte_make_held(pte_pfn(large) + i, pte_prot(large));
	pte_t e = pte_make_leaf(pte_pfn(large) + i, pte_prot(large), true, pte_is_device(large));
	if (pte_dirty(large))
		return pte_set_dirty(e);
	return pte_young(large) ? pte_set_young(e) : e;
}

// The entry is out while its parts are written, so that no walker sets A or D in what is being copied; an access of
// another hart in between faults, waits for the lock, and is found spurious.
void pt_split(struct aspace *as, vaddr_t va, pte_t *slot, struct page *table, struct tlb_batch *batch)
{
	va &= -pt_size(ARCH_LARGE_LEVEL);
	pte_t large = pte_exchange(slot, 0);
	pte_t *part = page_address(table);
	for (u32 i = 0; i < PT_ENTRIES; i++)
		part[i] = pt_part(large, i);
	table->word0 = table_word0(object_id(as), ARCH_LARGE_LEVEL - 1);
	table->word1 = va;
	table_count(table, PT_ENTRIES);
	pte_fill(slot, pte_make_table(page_to_pfn(table)));
	as->leaves += PT_ENTRIES - 1;
	tlb_batch_add(batch, va, va + pt_size(ARCH_LARGE_LEVEL));
	trace(EVENT_TABLE, va, page_to_pfn(table), ARCH_LARGE_LEVEL - 1);
}

// Consecutive frames of one pool with one protection. (Device memory stays in small leaves: it is not worth a rule.)
static bool pt_collapsible(const pte_t *part)
{
	pte_t first = part[0];
	if (!pte_is_leaf(first) || pte_pfn(first) % PT_ENTRIES)
		return false;
	for (u32 i = 0; i < PT_ENTRIES; i++) {
		pte_t e = part[i];
		if (!pte_is_leaf(e) || !pte_has_page(e) || pte_pfn(e) != pte_pfn(first) + i ||
		    pte_prot(e) != pte_prot(first))
			return false;
		if (pte_page(e)->pool != pte_page(first)->pool)
			return false;
	}
	return true;
}

// The parts come out one by one, atomically, so no D is lost; the table is empty then and goes.
bool pt_collapse(struct aspace *as, vaddr_t va, pte_t *slot, struct tlb_batch *batch)
{
	pte_t *part = pt_child(*slot);
	if (!pt_collapsible(part))
		return false;
	pte_t large = pte_make_leaf(pte_pfn(part[0]), pte_prot(part[0]), true, false), marks = 0;
	large = pte_at_level(large, ARCH_LARGE_LEVEL);
	for (u32 i = 0; i < PT_ENTRIES; i++)
		marks |= pte_exchange(&part[i], 0); // A and D of a leaf are a bit each
	if (pte_young(marks))
		large = pte_set_young(large);
	if (pte_dirty(marks))
		large = pte_set_dirty(large);
	pt_counted(part, -PT_ENTRIES);
	pte_fill(slot, large);
	as->leaves -= PT_ENTRIES - 1;
	tlb_batch_add(batch, va, va + pt_size(ARCH_LARGE_LEVEL));
	batch->tables = true;
	pt_table_give(as, virt_to_page(part));
	return true;
}

void pt_drop_large(pte_t old)
{
	if (!pte_has_page(old))
		return;
	struct page *page = pte_page(old);
	bool dirty = pte_dirty(old), young = pte_young(old);
	for (u32 i = 0; i < PT_ENTRIES; i++)
		page_unmapped(page + i, dirty, young);
}
