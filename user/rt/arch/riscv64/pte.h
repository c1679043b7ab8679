// SPDX-License-Identifier: MIT
// How a page-table entry of RISC-V reads, for the looking glasses. All modes (Sv39, Sv48, Sv57) share the entry format.
#pragma once

#include <lib/base/types.h>

#include <stddef.h>

#define PTE_INDEX_BITS 9

static inline u32 pte_index(u64 va, u32 level)
{
	return va >> (12 + PTE_INDEX_BITS * level) & 511;
}

static inline u64 pte_paddr(u64 pte)
{
	return (pte >> 10 & 0xfffffffffff) << 12;
}

// "D A G U X W R V", a dot for a bit that is clear.
static inline void pte_flags(u64 pte, char text[16])
{
	static const char letters[] = "DAGUXWRV";

	for (int i = 0; i < 8; i++) {
		text[2 * i] = pte >> (7 - i) & 1 ? letters[i] : '.';
		text[2 * i + 1] = i < 7 ? ' ' : '\0';
	}
}

static inline const char *pte_level_name(u32 level)
{
	static const char *const name[] = { "PTE", "PMD", "PUD", "P4D", "PGD" };

	return level < 5 ? name[level] : "?";
}

// A part of the kernel half, for ptdump -k: where it begins and how much of the address space is set aside for it.
struct pte_region {
	u64 start, size;
	const char *name;
};

// The same in all three modes (docs/internals.md): Sv39's kernel half is the topmost part of the others'.
static inline const struct pte_region *pte_kernel_regions(u32 levels)
{
	static const struct pte_region regions[] = {
		{ 0xffffffc000000000, 64ul << 30, "struct page array" },
		{ 0xffffffd000000000, 190ul << 30, "direct map" },
		{ 0xffffffff80000000, 2ul << 30, "kernel image" },
		{ 0, 0, NULL },
	};

	(void)levels;
	return regions;
}
