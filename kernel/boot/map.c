// SPDX-License-Identifier: MIT
#include "map.h"

#include <arch/arch.h>
#include <lib/base/panic.h>
#include <mm/page.h>

#define ENTRIES 512

static struct ranges *source;
static pte_t *root;

static u64 level_size(u32 level)
{
	return (u64)PAGE_SIZE << 9 * level;
}

paddr_t boot_frames(u64 size, u64 align)
{
	paddr_t pa;
	if (!ranges_take(source, size, align, &pa))
		panic("no %lu KiB of memory in one piece for the kernel's tables", size >> 10);
	return pa;
}

paddr_t boot_frame(void)
{
	paddr_t pa = boot_frames(PAGE_SIZE, PAGE_SIZE);
	arch_page_clear(arch_p2v(pa));
	return pa;
}

paddr_t boot_map_start(struct ranges *frames)
{
	source = frames;
	paddr_t pa = boot_frame();
	root = arch_p2v(pa);
	return pa;
}

// The slot for va at `level`; the tables above are made where they are missing.
static pte_t *slot(vaddr_t va, u32 level)
{
	pte_t *table = root;
	for (u32 l = arch_levels - 1; l > level; l--) {
		pte_t *entry = &table[pte_index(va, l)];
		if (*entry == 0)
			*entry = pte_make_table(boot_frame() >> PAGE_SHIFT);
		assert(pte_is_table(*entry));
		table = arch_p2v(pte_pfn(*entry) << PAGE_SHIFT);
	}
	return &table[pte_index(va, level)];
}

// The highest level below the root whose entries are aligned with `address` and not larger than `size`.
static u32 best_level(u64 address, u64 size)
{
	u32 level = arch_levels - 2;
	while (level > 0 && (address % level_size(level) != 0 || size < level_size(level)))
		level--;
	return level;
}

// For who wants to know how well the TLB covers memory.
static void count_direct(u32 level)
{
	u32 last = ARRAY_SIZE(mem.direct_map) - 1;
	mem.direct_map[level < last ? level : last] += level_size(level) >> PAGE_SHIFT;
}

void boot_map(vaddr_t va, paddr_t pa, u64 size, u64 prot, bool device)
{
	assert((va | pa | size) % PAGE_SIZE == 0);
	while (size != 0) {
		u32 level = best_level(va | pa, size);
		pte_t *entry = slot(va, level);
		assert(*entry == 0);
		if (va == (vaddr_t)arch_p2v(pa) && !device)
			count_direct(level);
		*entry = pte_at_level(pte_make_leaf(pa >> PAGE_SHIFT, prot, false, device), level);
		va += level_size(level);
		pa += level_size(level);
		size -= level_size(level);
	}
}

// The entry that fills a slot of `level` with zeroes: at level 0 a leaf of the zero page, above it a table full of the
// entry one level below.
static pte_t zero_entry(u32 level)
{
	static pte_t entry[ARCH_LEVELS_MAX];
	if (entry[level] != 0)
		return entry[level];
	paddr_t pa = boot_frame();
	pte_t *table = arch_p2v(pa);
	for (u32 i = 0; level > 0 && i < ENTRIES; i++)
		table[i] = zero_entry(level - 1);
	pfn_t pfn = pa >> PAGE_SHIFT;
	return entry[level] = level > 0 ? pte_make_table(pfn) : pte_make_leaf(pfn, PROT_READ, false, false);
}

void boot_map_zeroes(vaddr_t va, vaddr_t limit)
{
	while (va < limit) {
		u32 level = best_level(va, limit - va);
		*slot(va, level) = zero_entry(level);
		va += level_size(level);
	}
}
