// SPDX-License-Identifier: MIT
// The page-table entry of RISC-V (Sv39, Sv48 and Sv57 share it).
//
//	present    53..10 pfn   | 8 DEVICE   | 7 D | 6 A | 5 G | 4 U | 3 X | 2 W | 1 R | 0 V=1
//	held       53..10 pfn   | 8 HELD=1                           | 3 X | 2 W | 1 R | 0 V=0
//	token      63..10 token | 9 TOKEN=1, 8 zero                                    | 0 V=0
//	empty      0
// A table is present with R, W and X zero. R, W and X of a held entry: the protection to give back.
#pragma once

#include <arch/arch.h>
#include <abi/abi.h>
#include <lib/base/panic.h>
#include <lib/base/types.h>

typedef u64 pte_t;

#define ARCH_LARGE_LEVEL 1 // leaves of 2 MiB

#define PTE_V         0x01ul
#define PTE_R         0x02ul
#define PTE_W         0x04ul
#define PTE_X         0x08ul
#define PTE_U         0x10ul
#define PTE_G         0x20ul
#define PTE_A         0x40ul
#define PTE_D         0x80ul
#define PTE_HELD      0x100ul
#define PTE_DEVICE    0x100ul // of a leaf; for software: there is no struct page behind it
#define PTE_TOKEN     0x200ul
#define PTE_RWX       (PTE_R | PTE_W | PTE_X)
#define PTE_PFN_SHIFT 10
#define PTE_PFN_MASK  ((1ul << 44) - 1)

_Static_assert(PROT_READ << 1 == PTE_R && PROT_WRITE << 1 == PTE_W && PROT_EXEC << 1 == PTE_X,
	       "protection is the entry's, shifted by one");

static always_inline u64 pte_index(vaddr_t va, u32 level)
{
	return va >> (PAGE_SHIFT + 9 * level) & 511;
}

static always_inline bool pte_is_table(pte_t e)
{
	return (e & (PTE_V | PTE_RWX)) == PTE_V;
}

static always_inline bool pte_is_leaf(pte_t e)
{
	return (e & PTE_V) && (e & PTE_RWX);
}

static always_inline u32 pte_kind(pte_t e)
{
	if (e == 0)
		return ENTRY_EMPTY;
	if (e & PTE_V)
		return e & PTE_RWX ? ENTRY_LEAF : ENTRY_TABLE;
	return e & PTE_HELD ? ENTRY_HELD : ENTRY_TOKEN;
}

// The most of a protection that an entry can give. 0: none of it. Write implies read, on every CPU.
static always_inline u64 pte_prot_possible(u64 prot)
{
	return (prot & PROT_WRITE ? prot | PROT_READ : prot) & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

// A writable leaf that is not readable is a reserved encoding: write implies read. Unknown bits are dropped, so U, V
// and G are out of reach.
static always_inline u64 pte_prot_bits(u64 prot)
{
	u64 bits = prot << 1 & PTE_RWX;
	return bits | (bits & PTE_W) >> 1;
}

static always_inline pte_t pte_make_table(pfn_t pfn)
{
	return pfn << PTE_PFN_SHIFT | PTE_V;
}

// The table that a table entry points to. All its bits but V and the address are 0, so two instructions do.
static always_inline pte_t *pte_table(pte_t e)
{
	return (pte_t *)((e << (PAGE_SHIFT - PTE_PFN_SHIFT)) +
			 (ARCH_DIRECT_MAP - (PTE_V << (PAGE_SHIFT - PTE_PFN_SHIFT))));
}

// A leaf without any right would be a table in the hardware's eyes: whoever wants no access makes a held entry.
// Device memory needs no bit for the hardware: what is a device is a physical attribute on this architecture.
// Kernel leaves are global and have A and D set: the kernel takes no faults on its own memory.
static always_inline pte_t pte_make_leaf(pfn_t pfn, u64 prot, bool user, bool device)
{
	u64 bits = pte_prot_bits(prot);
	assert(bits != 0);
	return pfn << PTE_PFN_SHIFT | bits | PTE_V | (user ? PTE_U : PTE_G | PTE_A | PTE_D) | (device ? PTE_DEVICE : 0);
}

// A leaf as it is written at `level`: the same at all.
static always_inline pte_t pte_at_level(pte_t leaf, u32 level)
{
	(void)level;
	return leaf;
}

// False for held entries and tokens: only leaves map devices.
static always_inline bool pte_is_device(pte_t leaf)
{
	return (leaf & (PTE_V | PTE_DEVICE)) == (PTE_V | PTE_DEVICE);
}

static always_inline pte_t pte_make_held(pfn_t pfn, u64 prot)
{
	return pfn << PTE_PFN_SHIFT | PTE_HELD | pte_prot_bits(prot);
}

static always_inline pte_t pte_make_token(u64 token)
{
	return token << PTE_PFN_SHIFT | PTE_TOKEN;
}

static always_inline pfn_t pte_pfn(pte_t e)
{
	return e >> PTE_PFN_SHIFT & PTE_PFN_MASK;
}

static always_inline u64 pte_token(pte_t e)
{
	return e >> PTE_PFN_SHIFT;
}

static always_inline u64 pte_prot(pte_t e)
{
	return (e & PTE_RWX) >> 1;
}

static always_inline bool pte_young(pte_t e)
{
	return e & PTE_A;
}

static always_inline bool pte_dirty(pte_t e)
{
	return e & PTE_D;
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

// Leaves and held entries; a leaf keeps at least one right.
static always_inline pte_t pte_set_prot(pte_t e, u64 prot)
{
	u64 bits = pte_prot_bits(prot);
	assert(bits != 0 || !(e & PTE_V));
	return (e & ~PTE_RWX) | bits;
}
