// SPDX-License-Identifier: MIT
// Address spaces: making, windows, stash, taking apart. The operations on ranges are in map.c, unmap.c, protect.c,
// scan.c and clone.c.
//
//	         aspace_init          aspace_activate             all ASIDs used up
//	(slot) ---------------> IDLE ------------------> READY --------------------> IDLE
//	                    root == 0          ^     root, asid valid
//	                          |            +--- a hart has it loaded: keeps its ASID
//	                          v aspace_destroy_step, again and again: entries, then stash and root table
//	                        (slot)
// Invariants: windows do not overlap and end below the observers' root entry; `leaves` and `tables` are what a walk
// would count; every address space with a root table is on the list.
#include <lib/base/string.h>
#include <mm/observe.h>
#include <mm/pgtable.h>

#define STASH_MAX BATCH_FILL // each is zeroed when it is taken

struct aspace *aspaces;

static u64 aspace_serial;

static void aspace_link(struct aspace *as)
{
	as->serial = ++aspace_serial;
	as->prev = NULL;
	as->next = aspaces;
	if (aspaces)
		aspaces->prev = as;
	aspaces = as;
}

static void aspace_unlink(struct aspace *as)
{
	if (as->next)
		as->next->prev = as->prev;
	if (as->prev)
		as->prev->next = as->next;
	else
		aspaces = as->next;
}

err_t aspace_init(struct aspace *as, struct pool *pool)
{
	assert(!as->table);
	as->pool = pool;
	as->walk_tag = WALK_NONE;
	struct page *root = pt_table_take(as);
	if (!root)
		return -ERR_NOMEM;
	root->word0 = table_word0(object_id(as), arch_levels - 1);
	root->word1 = 0;
	as->table = page_address(root);
	// The kernel half: its root entries are fixed at boot, so every address space sees every later change below
	// them.
	const pte_t *kernel = arch_p2v(arch_kernel_root());
	memcpy(as->table + PT_ENTRIES / 2, kernel + PT_ENTRIES / 2, PAGE_SIZE / 2);
	aspace_link(as);
	return 0;
}

// ---- windows

struct window *aspace_window(struct aspace *as, vaddr_t va)
{
	for (u32 i = 0; i < WINDOWS; i++) {
		struct window *w = &as->window[i];
		if (va >= w->start && va < w->end)
			return w;
	}
	return NULL;
}

const struct pool *aspace_window_pool(struct aspace *as, vaddr_t va)
{
	const struct window *w = aspace_window(as, va);
	return w ? w->pool : NULL;
}

// Tables are never empty, so the walk ends soon: no bound on its work is needed.
static bool aspace_range_empty(struct aspace *as, vaddr_t start, vaddr_t end)
{
	struct pt_span span;
	s64 work = INT64_MAX;
	return start >= end || !pt_next(as, start, end, &work, &span);
}

err_t aspace_set_window(struct aspace *as, u32 index, const struct window *w)
{
	if (index >= WINDOWS)
		return -ERR_INVAL;
	struct window *old = &as->window[index];
	bool remove = !w->start && !w->end;
	if (!remove && (w->start % PAGE_SIZE || w->end % PAGE_SIZE || w->start >= w->end || w->end > pt_user_limit()))
		return -ERR_INVAL;
	for (u32 i = 0; i < WINDOWS; i++) {
		const struct window *other = &as->window[i];
		if (i != index && w->start < other->end && other->start < w->end)
			return -ERR_INVAL;
	}
	// What lies outside the new bounds must be empty: nobody would be asked about it any more.
	vaddr_t low = w->start < old->end ? w->start : old->end, high = w->end > old->start ? w->end : old->start;
	if (!aspace_range_empty(as, old->start, low) || !aspace_range_empty(as, high, old->end))
		return -ERR_BUSY;
	*old = *w;
	return 0;
}

err_t aspace_set_stash(struct aspace *as, u64 tables)
{
	if (tables > STASH_MAX)
		return -ERR_INVAL;
	return pt_stash_resize(as, tables);
}

// ---- taking apart

// No hart may have the root loaded when it goes: this one changes to the kernel's root here, another one does so when
// it runs something else or goes idle. Then what translations there are go with one flush, and no later step needs one.
// AGAIN: not yet.
static err_t aspace_retire(struct aspace *as)
{
	for (u32 i = 0; i < tlb_harts; i++) {
		if (tlb_hart[i]->as != as)
			continue;
		if (i != tlb_self)
			return -ERR_AGAIN;
		tlb_hart[i]->as = NULL;
		arch_root_switch(arch_root_value(arch_kernel_root(), 0));
	}
	tlb_flush_aspace(as);
	as->harts = 0;
	as->root = 0;
	return 0;
}

err_t aspace_destroy_step(struct aspace *as)
{
	assert(as->table);
	vaddr_t end = pt_user_limit();
	err_t err = aspace_retire(as);
	if (as->destroy_va < end) {
		struct unmap_result r;
		err = aspace_unmap(as, WINDOW_ANY, as->destroy_va, (end - as->destroy_va) / PAGE_SIZE, NULL, 0, 0, NULL,
				   &r);
		assert(err == 0);
		as->destroy_va += r.done * PAGE_SIZE;
		return -ERR_AGAIN;
	}
	if (err)
		return err;
	aspace_unlink(as);
	assert(as->leaves == 0 && as->tables == 1);
	memset(as->table, 0, PAGE_SIZE);
	err = pt_stash_resize(as, 0);
	assert(err == 0);
	pt_table_give(as, virt_to_page(as->table));
	as->table = NULL;
	return 0;
}

// ---- looking

err_t aspace_walk(struct aspace *as, vaddr_t va, u32 level, u64 out[4])
{
	if (level >= arch_levels || (va >= arch_user_end && va < -arch_user_end))
		return -ERR_INVAL;
	pte_t *slot = pt_slot(as, va, level);
	if (!slot)
		return -ERR_NOENT;
	pte_t e = *slot;
	u32 kind = pte_kind(e);
	out[0] = e;
	out[1] = arch_v2p(slot);
	out[2] = kind;
	out[3] = 0;
	if (kind == ENTRY_LEAF || kind == ENTRY_HELD) {
		out[2] |= pte_prot(e) << 8;
		out[3] = pte_frame(e);
	} else if (kind == ENTRY_TOKEN) {
		out[3] = pte_token(e);
	} else if (kind == ENTRY_TABLE) {
		out[3] = pte_pfn(e);
	}
	return 0;
}
