// SPDX-License-Identifier: MIT
// scan: harvest accessed and dirty bits of a range, list its entries. And what a fault finds, which is a look at one
// entry.
#include <mm/pgtable.h>

#define WORK_SCAN  130
#define WORK_LARGE 5000

struct scanner {
	struct aspace *as;
	u64 flags;
	u64 *list;
	u64 entries, most;
	s64 work;
	struct tlb_batch batch;
};

// Takes A, and D with the right to write, out of a leaf and marks its frames. Clearing A alone flushes nothing: a stale
// A costs one late harvest, and no frame's content depends on it.
static bool scan_harvest(struct scanner *op, pte_t *slot, vaddr_t va, u32 level)
{
	pte_t old = *slot, set;
	do {
		set = old;
		if (op->flags & SCAN_CLEAR_A)
			set = pte_clear_young(set);
		if (op->flags & SCAN_CLEAR_D && pte_dirty(old))
			set = pte_set_prot(pte_clear_dirty(set), pte_prot(set) & ~PROT_WRITE);
		if (set == old)
			return false;
	} while (!pte_change(slot, &old, set));
	bool dirty = pte_dirty(old) && !pte_dirty(set), young = pte_young(old) && !pte_young(set);
	if (dirty)
		tlb_batch_add(&op->batch, va, va + pt_size(level));
	struct page *page = pte_page(old);
	for (u64 i = 0; i < pt_pages(level); i++)
		page[i].marks |= (dirty ? PAGE_DIRTY : 0) | (young ? PAGE_YOUNG : 0);
	return true;
}

static void scan_list(struct scanner *op, pte_t e, vaddr_t va, u32 level)
{
	u64 *out = op->list + 4 * op->entries;
	u32 kind = pte_kind(e);
	out[0] = va | kind;
	out[1] = level ? SCAN_INFO_LARGE : 0;
	out[3] = 0;
	if (kind == ENTRY_TOKEN) {
		out[2] = pte_token(e);
		return;
	}
	out[1] |= pte_prot(e) | (pte_young(e) ? SCAN_INFO_YOUNG : 0) | (pte_dirty(e) ? SCAN_INFO_DIRTY : 0);
	out[2] = pte_frame(e);
	if (pte_has_page(e))
		out[3] = pte_page(e)->marks | (u64)pte_page(e)->mapcount << 32;
	else
		out[1] |= SCAN_INFO_DEVICE;
}

static void scan_entry(struct scanner *op, pte_t *slot, vaddr_t va, u32 level)
{
	bool changed = false;
	if (pte_kind(*slot) == ENTRY_LEAF && pte_has_page(*slot) && op->flags & (SCAN_CLEAR_A | SCAN_CLEAR_D))
		changed = scan_harvest(op, slot, va, level);
	if (op->list)
		scan_list(op, *slot, va, level);
	op->entries += changed || op->list;
	op->work -= level ? WORK_LARGE : WORK_SCAN;
}

static vaddr_t scan_span(struct scanner *op, const struct pt_span *span)
{
	vaddr_t va = span->va;
	for (pte_t *slot = span->slot; slot < span->stop && op->work > 0 && op->entries < op->most;
	     slot++, va += PAGE_SIZE) {
		op->work -= WORK_EMPTY;
		if (*slot)
			scan_entry(op, slot, va, 0);
	}
	return va;
}

err_t aspace_scan(struct aspace *as, u32 window, vaddr_t va, u64 count, u64 flags, u64 *list, u64 *done, u64 *entries)
{
	*done = *entries = 0;
	err_t err = aspace_check_range(as, window, va, count);
	if (err)
		return err;
	if (flags & ~(u64)(SCAN_CLEAR_A | SCAN_CLEAR_D | SCAN_LIST) || (flags & SCAN_LIST && !list))
		return -ERR_INVAL;
	struct scanner op = {
		.as = as,
		.flags = flags,
		.list = flags & SCAN_LIST ? list : NULL,
		.most = flags & SCAN_LIST ? SCAN_LIST_MAX : BATCH,
		.work = WORK_CALL,
	};
	vaddr_t end = va + count * PAGE_SIZE;
	struct pt_span span = { .va = va };
	while (op.entries < op.most && pt_next(as, span.va, end, &op.work, &span)) {
		if (span.level == 0) {
			span.va = scan_span(&op, &span);
		} else if (pt_span_whole(&span, end)) {
			scan_entry(&op, span.slot, span.va, span.level);
			span.va += pt_size(span.level);
		} else {
			err = -ERR_INVAL;
			break;
		}
	}
	*done = (span.va - va) / PAGE_SIZE;
	*entries = op.entries;
	tlb_batch_flush(as, &op.batch);
	return err;
}

// ---- faults

// The deepest entry on the way to va.
static pte_t *fault_slot(const struct aspace *as, vaddr_t va, u32 *level)
{
	pte_t *table = as->table;
	for (*level = arch_levels - 1;; --*level) {
		pte_t *slot = table + pte_index(va, *level);
		if (*level == 0 || !pte_is_table(*slot))
			return slot;
		table = pt_child(*slot);
	}
}

// The entry allows the access: it was written since this hart looked (or filled in by a hart that had the lock before),
// or the CPU leaves A and D to software. This hart forgets what it knew; others take their own fault.
static void fault_resolve(struct aspace *as, pte_t *slot, vaddr_t va, u32 access)
{
	pte_t old = *slot;
	while (!pte_change(slot, &old, access == ACCESS_WRITE ? pte_set_dirty(old) : pte_set_young(old)))
		;
	arch_flush_page(va, as->asid);
}

bool aspace_fault(struct aspace *as, const struct window *w, vaddr_t va, u32 access, struct fault_entry *e)
{
	u32 level;
	assert(va < arch_user_end && access <= ACCESS_EXEC);
	pte_t *slot = fault_slot(as, va, &level);
	pte_t entry = *slot;
	*e = (struct fault_entry){ .kind = pte_kind(entry) };
	if (e->kind == ENTRY_EMPTY)
		return false;
	if (e->kind == ENTRY_TOKEN) {
		e->what = pte_token(entry);
		return false;
	}
	e->prot = pte_prot(entry);
	if (e->kind == ENTRY_LEAF && e->prot >> access & 1) {
		fault_resolve(as, slot, va, access);
		return true;
	}
	e->what = pte_frame(entry);
	if (pte_has_page(entry)) {
		const struct page *page = pte_page(entry) + (va & (pt_size(level) - 1)) / PAGE_SIZE;
		e->what = frame_ref(page);
		e->exclusive = page->mapcount == 1;
		e->same_pool = w && w->pool && w->pool->id == page->pool;
	}
	return false;
}
