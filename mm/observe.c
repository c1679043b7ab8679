// SPDX-License-Identifier: MIT
// Observers read the struct page array in the last root entry of the user half. The subtree below that entry belongs to
// the kernel: it is in no address space's counts, and clone, scan, unmap and destroy end before it. Where the array has
// no memory (frames that do not exist), one page of zeroes shows, which reads as RESERVED; whole blocks of such frames
// share one table per level.
#include <mm/observe.h>
#include <mm/pgtable.h>

static pfn_t observe_table;                 // 0: not built
static pte_t observe_hole[ARCH_LEVELS_MAX]; // by level: an entry that covers holes only

static pte_t observe_leaf(paddr_t pa)
{
	return pte_set_young(pte_make_leaf(pa / PAGE_SIZE, PROT_READ, true, false));
}

static void observe_holes(paddr_t (*take)(void))
{
	observe_hole[0] = observe_leaf(take());
	for (u32 level = 1; level < arch_levels - 1; level++) {
		paddr_t pa = take();
		pte_t *table = arch_p2v(pa);
		for (u32 i = 0; i < PT_ENTRIES; i++)
			table[i] = observe_hole[level - 1];
		observe_hole[level] = pte_make_table(pa / PAGE_SIZE);
	}
}

// The page of the array at `offset`: where the kernel's own tables say that it is.
static pte_t observe_page(u64 offset)
{
	vaddr_t va = (vaddr_t)ARCH_MEM_MAP + offset;
	const pte_t *table = arch_p2v(arch_kernel_root());
	for (u32 level = arch_levels - 1;; level--) {
		pte_t e = table[pte_index(va, level)];
		if (pte_is_leaf(e))
			return observe_leaf(pfn_to_paddr(pte_pfn(e)) + (va & (pt_size(level) - 1)));
		if (level == 0 || !pte_is_table(e))
			return observe_hole[0];
		table = pt_child(e);
	}
}

// The entry of `level` that shows the array from `offset` on. As deep as there are levels.
static pte_t observe_build(u32 level, u64 offset, paddr_t (*take)(void))
{
	if (offset + pt_size(level) <= mem.base * sizeof(struct page))
		return observe_hole[level];
	if (level == 0)
		return observe_page(offset);
	paddr_t pa = take();
	pte_t *table = arch_p2v(pa);
	for (u32 i = 0; i < PT_ENTRIES && offset < mem.limit * sizeof(struct page); i++, offset += pt_size(level - 1))
		table[i] = observe_build(level - 1, offset, take);
	return pte_make_table(pa / PAGE_SIZE);
}

void observe_init(paddr_t (*take)(void))
{
	assert(mem.limit * sizeof(struct page) <= pt_size(arch_levels - 1));
	observe_holes(take);
	observe_table = pte_pfn(observe_build(arch_levels - 1, 0, take));
}

err_t aspace_observe(struct aspace *as, vaddr_t *va)
{
	if (!observe_table)
		return -ERR_NOENT;
	*va = pt_user_limit();
	pte_fill(as->table + pte_index(*va, arch_levels - 1), pte_make_table(observe_table));
	as->observing = 1;
	return 0;
}
