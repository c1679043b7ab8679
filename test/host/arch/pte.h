// SPDX-License-Identifier: MIT
// The page-table entry of the host tests: like no real CPU's on purpose, so that generic code which knows one format is
// found out.
//
//	present   63..13 pfn | 12 LARGE | 11 LEAF=1 | 10 TABLE | 7 DEVICE | 6 D | 5 A | 4 U
//	          | 3 NOT WRITABLE | 2 NOT READABLE | 1 X | 0 P=1
//	held      63..13 pfn | 9 HELD=1 | 3 W | 2 R | 1 X | 0 P=0
//	token     63..10 token | 8 TOKEN=1 | 0 P=0
//	empty     0
//
// -DHOST_PTE_RISCV and -DHOST_PTE_X86 test the formats of RISC-V and x86_64 instead.
#pragma once

extern void *host_ram; // arch_inline.h

#ifdef HOST_PTE_RISCV
#define ARCH_DIRECT_MAP ((unsigned long)host_ram)
#include <arch/riscv/pte.h>
#elif defined(HOST_PTE_X86)
#define ARCH_DIRECT_MAP ((unsigned long)host_ram)
#include <arch/x86_64/pte.h>
#else

#include <abi/abi.h>
#include <lib/base/panic.h>
#include <lib/base/types.h>

typedef u64 pte_t;

#define ARCH_LARGE_LEVEL 1

#define HPTE_P      0x001ul
#define HPTE_X      0x002ul
#define HPTE_NOT_R  0x004ul
#define HPTE_NOT_W  0x008ul
#define HPTE_U      0x010ul
#define HPTE_A      0x020ul
#define HPTE_D      0x040ul
#define HPTE_DEVICE 0x080ul
#define HPTE_TOKEN  0x100ul
#define HPTE_HELD   0x200ul
#define HPTE_TABLE  0x400ul
#define HPTE_LEAF   0x800ul
#define HPTE_LARGE  0x1000ul
#define HPTE_SHIFT  13
#define HPTE_RIGHTS (HPTE_X | HPTE_NOT_R | HPTE_NOT_W)

static always_inline u64 pte_index(vaddr_t va, u32 level)
{
	return va >> (PAGE_SHIFT + 9 * level) & 511;
}

static always_inline bool pte_is_table(pte_t e)
{
	return (e & (HPTE_P | HPTE_TABLE)) == (HPTE_P | HPTE_TABLE);
}

static always_inline bool pte_is_leaf(pte_t e)
{
	return (e & (HPTE_P | HPTE_LEAF)) == (HPTE_P | HPTE_LEAF);
}

static always_inline u32 pte_kind(pte_t e)
{
	if (e == 0)
		return ENTRY_EMPTY;
	if (e & HPTE_P)
		return e & HPTE_TABLE ? ENTRY_TABLE : ENTRY_LEAF;
	return e & HPTE_TOKEN ? ENTRY_TOKEN : ENTRY_HELD;
}

// Rights as bits of an entry; the two negated ones are stored inverted in a leaf.
static always_inline u64 pte_right_bits(u64 prot)
{
	u64 read = prot & (PROT_READ | PROT_WRITE) ? HPTE_NOT_R : 0;
	return (prot & PROT_EXEC ? HPTE_X : 0) | read | (prot & PROT_WRITE ? HPTE_NOT_W : 0);
}

static always_inline pte_t pte_make_table(pfn_t pfn)
{
	return pfn << HPTE_SHIFT | HPTE_TABLE | HPTE_P;
}

static always_inline pte_t pte_make_leaf(pfn_t pfn, u64 prot, bool user, bool device)
{
	assert(prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
	u64 rights = pte_right_bits(prot) ^ (HPTE_NOT_R | HPTE_NOT_W);
	return pfn << HPTE_SHIFT | HPTE_LEAF | HPTE_P | rights | (user ? HPTE_U : HPTE_A | HPTE_D) |
	       (device ? HPTE_DEVICE : 0);
}

// Leaves above level 0 have a bit that the others lack.
static always_inline pte_t pte_at_level(pte_t leaf, u32 level)
{
	return level ? leaf | HPTE_LARGE : leaf;
}

static always_inline u64 pte_prot_possible(u64 prot)
{
	return (prot & PROT_WRITE ? prot | PROT_READ : prot) & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

static always_inline pte_t pte_make_held(pfn_t pfn, u64 prot)
{
	return pfn << HPTE_SHIFT | HPTE_HELD | pte_right_bits(prot);
}

static always_inline pte_t pte_make_token(u64 token)
{
	return token << 10 | HPTE_TOKEN;
}

static always_inline pfn_t pte_pfn(pte_t e)
{
	return e >> HPTE_SHIFT;
}

static always_inline pte_t *pte_table(pte_t e)
{
	return arch_p2v(pte_pfn(e) << PAGE_SHIFT);
}

static always_inline u64 pte_token(pte_t e)
{
	return e >> 10;
}

static always_inline u64 pte_prot(pte_t e)
{
	if (e & HPTE_P)
		e ^= HPTE_NOT_R | HPTE_NOT_W;
	return (e & HPTE_X ? PROT_EXEC : 0) | (e & HPTE_NOT_R ? PROT_READ : 0) | (e & HPTE_NOT_W ? PROT_WRITE : 0);
}

static always_inline bool pte_is_device(pte_t e)
{
	return pte_is_leaf(e) && e & HPTE_DEVICE;
}

static always_inline bool pte_young(pte_t e)
{
	return e & HPTE_A;
}

static always_inline bool pte_dirty(pte_t e)
{
	return e & HPTE_D;
}

static always_inline pte_t pte_set_young(pte_t e)
{
	return e | HPTE_A;
}

static always_inline pte_t pte_set_dirty(pte_t e)
{
	return e | HPTE_A | HPTE_D;
}

static always_inline pte_t pte_clear_young(pte_t e)
{
	return e & ~HPTE_A;
}

static always_inline pte_t pte_clear_dirty(pte_t e)
{
	return e & ~HPTE_D;
}

static always_inline pte_t pte_set_prot(pte_t e, u64 prot)
{
	u64 rights = pte_right_bits(prot);
	if (e & HPTE_P) {
		assert(rights);
		rights ^= HPTE_NOT_R | HPTE_NOT_W;
	}
	return (e & ~HPTE_RIGHTS) | rights;
}

#endif
