// SPDX-License-Identifier: MIT
// The page-table entry of x86_64 (Intel SDM volume 3A, 4.5; four and five levels share it).
//
//	leaf     63 NX | 51..12 pfn | 10 DEVICE | 8 G | 7 PS | 6 D | 5 A | 4 PCD | 3 PWT | 2 U | 1 W | 0 P=1
//	table          | 51..12 pfn | 9 TABLE=1                | 5 A=1           | 2 U=1 | 1 W=1 | 0 P=1
//	held           | 51..44 all ones | 43 zero | 42..12 pfn inverted | 3 X | 2 W | 1 R | 0 P=0
//	token    63..52 token 53..42 | 51..43 all ones | 42..1 token 41..0 | 0 P=0
//	empty    0
// PS stands in leaves above level 0.
// The L1TF rule: a processor may load, speculatively, from the address that an entry with P = 0 names. So none names
// memory that the kernel uses, all of which lies below ARCH_MEMORY_LIMIT, also on processors that compare only 44
// address bits: bits 51..43 (tokens, whose content a pager chooses) or 51..44 and the inverted pfn's top bits (held)
// are ones.
// U and W stand in every table entry: the leaf decides.
#pragma once

#include <arch/arch.h>
#include <abi/abi.h>
#include <lib/base/panic.h>
#include <lib/base/types.h>

typedef u64 pte_t;

#define ARCH_LARGE_LEVEL  1 // leaves of 2 MiB
#define ARCH_MEMORY_LIMIT (1ul << 39)

#define PTE_P        0x001ul
#define PTE_W        0x002ul
#define PTE_U        0x004ul
#define PTE_PWT      0x008ul
#define PTE_PCD      0x010ul
#define PTE_A        0x020ul
#define PTE_D        0x040ul
#define PTE_PS       0x080ul
#define PTE_G        0x100ul
#define PTE_TABLE    0x200ul // for software: points to a table
#define PTE_DEVICE   0x400ul // of a leaf; for software: there is no struct page behind it
#define PTE_NX       (1ul << 63)
#define PTE_TABLE_OF (PTE_P | PTE_W | PTE_U | PTE_A | PTE_TABLE)
#define PTE_PFN_MASK ((1ul << 40) - 1)

#define HELD_ONES  (0xfful << 44) // bits 51..44, bit 43 zero
#define HELD_PFN   ((1ul << 31) - 1)
#define TOKEN_ONES (0x1fful << 43) // bits 51..43
#define TOKEN_LOW  ((1ul << 42) - 1)

_Static_assert(PROT_READ == PTE_P && PROT_WRITE == PTE_W && PROT_EXEC == 4,
	       "read and write are the entry's bits, execute is bit 63 inverted");

static always_inline u64 pte_index(vaddr_t va, u32 level)
{
	return va >> (PAGE_SHIFT + 9 * level) & 511;
}

static always_inline bool pte_is_table(pte_t e)
{
	return (e & (PTE_P | PTE_TABLE)) == (PTE_P | PTE_TABLE);
}

static always_inline bool pte_is_leaf(pte_t e)
{
	return (e & (PTE_P | PTE_TABLE)) == PTE_P;
}

static always_inline bool pte_is_held(pte_t e)
{
	return (e & (TOKEN_ONES | PTE_P)) == HELD_ONES;
}

static always_inline u32 pte_kind(pte_t e)
{
	if (e == 0)
		return ENTRY_EMPTY;
	if (e & PTE_P)
		return e & PTE_TABLE ? ENTRY_TABLE : ENTRY_LEAF;
	return pte_is_held(e) ? ENTRY_HELD : ENTRY_TOKEN;
}

// What may be present may be read, so a protection without reading is rounded down to none. Write implies read, as on
// every CPU. Unknown bits are dropped.
static always_inline u64 pte_prot_possible(u64 prot)
{
	return prot & (PROT_READ | PROT_WRITE) ? (prot | PROT_READ) & (PROT_READ | PROT_WRITE | PROT_EXEC) : 0;
}

static always_inline u64 pte_prot_bits(u64 prot)
{
	return (prot & PTE_W) | PTE_P | (~prot & PROT_EXEC) << 61;
}

static always_inline pte_t pte_make_table(pfn_t pfn)
{
	return pfn << PAGE_SHIFT | PTE_TABLE_OF;
}

// The table that a table entry points to. Its bits other than the address are constants.
static always_inline pte_t *pte_table(pte_t e)
{
	return (pte_t *)(e + ARCH_DIRECT_MAP - PTE_TABLE_OF);
}

// Kernel leaves are global and have A and D set: the kernel takes no faults on its own memory.
static always_inline pte_t pte_make_leaf(pfn_t pfn, u64 prot, bool user, bool device)
{
	assert(prot & PROT_READ);
	return pfn << PAGE_SHIFT | pte_prot_bits(prot) | (user ? PTE_U : PTE_G | PTE_A | PTE_D) |
	       (device ? PTE_DEVICE | PTE_PCD | PTE_PWT : 0);
}

// A leaf as it is written at `level`.
static always_inline pte_t pte_at_level(pte_t leaf, u32 level)
{
	return level ? leaf | PTE_PS : leaf;
}

// False for held entries and tokens: only leaves map devices.
static always_inline bool pte_is_device(pte_t e)
{
	return (e & (PTE_P | PTE_DEVICE)) == (PTE_P | PTE_DEVICE);
}

static always_inline pte_t pte_make_held(pfn_t pfn, u64 prot)
{
	return HELD_ONES | (~pfn & HELD_PFN) << PAGE_SHIFT | (prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) << 1;
}

static always_inline pte_t pte_make_token(u64 token)
{
	return TOKEN_ONES | (token & TOKEN_LOW) << 1 | (token & ~TOKEN_LOW) << 10;
}

static always_inline pfn_t pte_pfn(pte_t e)
{
	return e & PTE_P ? e >> PAGE_SHIFT & PTE_PFN_MASK : ~e >> PAGE_SHIFT & HELD_PFN;
}

static always_inline u64 pte_token(pte_t e)
{
	return (e >> 1 & TOKEN_LOW) | (e >> 10 & ~TOKEN_LOW & ((1ul << 54) - 1));
}

static always_inline u64 pte_prot(pte_t e)
{
	if (!(e & PTE_P))
		return e >> 1 & (PROT_READ | PROT_WRITE | PROT_EXEC);
	return (e & (PTE_P | PTE_W)) | (~e >> 61 & PROT_EXEC);
}

static always_inline bool pte_young(pte_t e)
{
	return (e & (PTE_P | PTE_A)) == (PTE_P | PTE_A);
}

static always_inline bool pte_dirty(pte_t e)
{
	return (e & (PTE_P | PTE_D)) == (PTE_P | PTE_D);
}

static always_inline pte_t pte_set_young(pte_t e)
{
	return e | PTE_A;
}

static always_inline pte_t pte_set_dirty(pte_t e)
{
	return e | PTE_A | PTE_D;
}

static always_inline pte_t pte_clear_young(pte_t e)
{
	return e & ~PTE_A;
}

static always_inline pte_t pte_clear_dirty(pte_t e)
{
	return e & ~PTE_D;
}

// Leaves and held entries; a leaf keeps at least the right to read.
static always_inline pte_t pte_set_prot(pte_t e, u64 prot)
{
	if (!(e & PTE_P))
		return (e & ~(7ul << 1)) | (prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) << 1;
	assert(prot & PROT_READ);
	return (e & ~(PTE_W | PTE_NX)) | pte_prot_bits(prot);
}
