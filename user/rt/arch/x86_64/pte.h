// SPDX-License-Identifier: MIT
// How a page-table entry of x86_64 reads, for the looking glasses. Held entries and tokens are not present; what they
// stand for comes decoded from the kernel.
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
	return pte & 0xffffffffff000;
}

// "N G S D A U W P" (N: no execution, S: a large leaf), a dot for a bit that is clear.
static inline void pte_flags(u64 pte, char text[16])
{
	static const char letters[] = "NGSDAUWP";
	static const unsigned char bits[] = { 63, 8, 7, 6, 5, 2, 1, 0 };

	for (int i = 0; i < 8; i++) {
		text[2 * i] = pte >> bits[i] & 1 ? letters[i] : '.';
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

// Linux's layout (Documentation/arch/x86/x86_64/mm.rst), which docs/internals.md explains.
static inline const struct pte_region *pte_kernel_regions(u32 levels)
{
	static const struct pte_region la48[] = {
		{ 0xffff888000000000, 64ul << 40, "direct map" },
		{ 0xffffea0000000000, 1ul << 40, "struct page array" },
		{ 0xffffffff80000000, 512ul << 20, "kernel image" },
		{ 0, 0, NULL },
	};
	static const struct pte_region la57[] = {
		{ 0xff11000000000000, 32ul << 50, "direct map" },
		{ 0xffd4000000000000, 512ul << 40, "struct page array" },
		{ 0xffffffff80000000, 512ul << 20, "kernel image" },
		{ 0, 0, NULL },
	};

	return levels == 5 ? la57 : la48;
}
