// SPDX-License-Identifier: MIT
// protect: present entries get another protection or become held, held ones become present. Large entries may be split
// and collapsed on the way.
//
// Write is granted to a frame that is mapped once and not in the swap cache; others stay read-only, and the next write
// faults to the pager, who knows whether it is to be copied.
#include <mm/pgtable.h>

#define PROTECT_FLAGS (PROT_ALL | PROTECT_SPLIT | PROTECT_COLLAPSE)

#define WORK_PROTECT 95
#define WORK_OTHER   15 // an entry of another kind
#define WORK_SPLIT   4500

struct protector {
	struct aspace *as;
	u64 prot;
	bool split, collapse, traced;
	s64 work;
	u64 changed;
	struct tlb_batch batch;
};

// The protection that these frames may get, out of what was asked.
static u64 protect_grant(u64 prot, pte_t e, u32 level)
{
	if (!(prot & PROT_WRITE) || !pte_has_page(e))
		return prot;
	const struct page *page = pte_page(e);
	for (u64 i = 0; i < pt_pages(level); i++) {
		if (page[i].mapcount != 1 || page[i].marks & PAGE_SWAPCACHE)
			return prot & ~PROT_WRITE;
	}
	return prot;
}

static void protect_mark(pte_t old, u32 level)
{
	u8 marks = (pte_dirty(old) ? PAGE_DIRTY : 0) | (pte_young(old) ? PAGE_YOUNG : 0);
	struct page *page = pte_page(old);
	for (u64 i = 0; marks && i < pt_pages(level); i++)
		page[i].marks |= marks;
}

// A held entry carries no D and A: they go to the frame.
static void protect_entry(struct protector *op, pte_t *slot, vaddr_t va, u32 level)
{
	pte_t old = *slot;
	u64 prot = protect_grant(op->prot, old, level);
	if (!prot) {
		if (pte_kind(old) == ENTRY_HELD || !pte_has_page(old))
			return;
		old = pte_exchange(slot, pte_make_held(pte_pfn(old), pte_prot(old)));
		protect_mark(old, level);
	} else if (pte_kind(old) == ENTRY_HELD) {
		pte_fill(slot, pte_at_level(pte_make_leaf(pte_pfn(old), prot, true, false), level));
	} else {
		if (pte_prot(pte_set_prot(old, prot)) == pte_prot(old))
			return;
		while (!pte_change(slot, &old, pte_set_prot(old, prot)))
			;
	}
	op->changed++;
	tlb_batch_add(&op->batch, va, va + pt_size(level));
	if (op->traced)
		trace_write(EVENT_PROTECT, va, pte_frame(old), prot);
}

static vaddr_t protect_span(struct protector *op, const struct pt_span *span)
{
	vaddr_t va = span->va;
	for (pte_t *slot = span->slot; slot < span->stop && op->work > 0; slot++, va += PAGE_SIZE) {
		if (!*slot) {
			op->work -= WORK_EMPTY;
			continue;
		}
		u32 kind = pte_kind(*slot);
		op->work -= WORK_OTHER;
		if (kind != ENTRY_LEAF && kind != ENTRY_HELD)
			continue;
		op->work -= WORK_PROTECT;
		protect_entry(op, slot, va, 0);
	}
	return va;
}

// The large entry that a boundary of the range cuts, or NULL.
static pte_t *protect_cut(const struct aspace *as, vaddr_t va)
{
	pte_t *slot = pt_slot(as, va, ARCH_LARGE_LEVEL);
	return va % pt_size(ARCH_LARGE_LEVEL) && slot && *slot && !pte_is_table(*slot) ? slot : NULL;
}

// Both ends, if the call says so; the tables are taken before anything is changed.
static err_t protect_split(struct protector *op, vaddr_t va, vaddr_t end)
{
	pte_t *low = protect_cut(op->as, va), *high = protect_cut(op->as, end);
	struct page *table = NULL;
	if (high == low)
		high = NULL;
	if (!low && !high)
		return 0;
	if (!op->split)
		return -ERR_INVAL;
	if (low && !(table = pt_table_take(op->as)))
		return -ERR_NOMEM;
	if (high) {
		struct page *second = pt_table_take(op->as);
		if (!second) {
			if (table)
				pt_table_give(op->as, table);
			return -ERR_NOMEM;
		}
		pt_split(op->as, end, high, second, &op->batch);
		op->work -= WORK_SPLIT;
	}
	if (low) {
		pt_split(op->as, va, low, table, &op->batch);
		op->work -= WORK_SPLIT;
	}
	return 0;
}

static vaddr_t protect_run(struct protector *op, vaddr_t va, vaddr_t end)
{
	struct pt_span span = { .va = va };
	while (pt_next(op->as, span.va, end, &op->work, &span)) {
		if (span.level == 0) {
			span.va = protect_span(op, &span);
		} else if (op->work < WORK_WHOLE) {
			break;
		} else {
			protect_entry(op, span.slot, span.va, span.level);
			span.va += pt_size(span.level);
			op->work = 0; // 512 frames were looked at
		}
	}
	return span.va;
}

// Blocks of 512 leaves in the range become large ones where they fit together; one block a call.
static vaddr_t protect_collapse(struct protector *op, vaddr_t va, vaddr_t end)
{
	u64 size = pt_size(ARCH_LARGE_LEVEL);
	for (; va < end && op->work > 0; va += size) {
		pte_t *slot = pt_slot(op->as, va, ARCH_LARGE_LEVEL);
		op->work -= WORK_ENTRY;
		if (!slot || !pte_is_table(*slot))
			continue;
		op->work = 0;
		op->changed += pt_collapse(op->as, va, slot, &op->batch);
	}
	return va;
}

err_t aspace_protect(struct aspace *as, u32 window, vaddr_t va, u64 count, u64 prot, u64 *done, u64 *changed)
{
	*done = *changed = 0;
	err_t err = aspace_check_range(as, window, va, count);
	if (err)
		return err;
	vaddr_t end = va + count * PAGE_SIZE, stopped;
	u64 large = pt_size(ARCH_LARGE_LEVEL);
	if (prot & ~(u64)PROTECT_FLAGS)
		return -ERR_INVAL;
	struct protector op = {
		.as = as,
		.prot = pt_prot(prot),
		.split = prot & PROTECT_SPLIT,
		.collapse = prot & PROTECT_COLLAPSE,
		.traced = pt_traced(),
		.work = WORK_CALL,
	};
	if (op.collapse) {
		if (op.split || op.prot || va % large || end % large)
			return -ERR_INVAL;
		stopped = protect_collapse(&op, va, end);
	} else {
		err = protect_split(&op, va, end);
		stopped = err ? va : protect_run(&op, va, end);
	}
	*done = (stopped - va) / PAGE_SIZE;
	*changed = op.changed;
	tlb_batch_flush(as, &op.batch);
	return err;
}
