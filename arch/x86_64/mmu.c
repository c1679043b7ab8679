// SPDX-License-Identifier: MIT
// Paging: the level count, where things lie, the root register.
#include "port.h"

// Linux's layouts (Documentation/arch/x86/x86_64/mm.rst): the direct map has 64 TB with four levels, 32 PB with five.
#define DIRECT_MAP_4 0xffff888000000000
#define DIRECT_MAP_5 0xff11000000000000
#define MEM_MAP_4    0xffffea0000000000
#define MEM_MAP_5    0xffd4000000000000

u32 arch_levels;
vaddr_t arch_user_end;
struct page *arch_mem_map;
u64 arch_direct_map;
static paddr_t kernel_root;

void mmu_init(u32 levels)
{
	arch_levels = levels;
	arch_user_end = 1ul << (PAGE_SHIFT + 9 * levels - 1);
	arch_direct_map = levels == 5 ? DIRECT_MAP_5 : DIRECT_MAP_4;
	arch_mem_map = (struct page *)(levels == 5 ? MEM_MAP_5 : MEM_MAP_4);
}

u64 arch_root_value(paddr_t table, u64 asid)
{
	(void)asid;
	return table;
}

// Address-space identifiers (PCID) are not used.
u32 arch_asid_bits(void)
{
	return 0;
}

// Global translations too: they go when CR4.PGE changes.
void arch_flush_all(void)
{
	u64 cr4 = control_read(cr4);
	control_write(cr4, cr4 & ~CR4_PGE);
	control_write(cr4, cr4);
}

paddr_t arch_kernel_root(void)
{
	return kernel_root;
}

void arch_kernel_root_install(paddr_t root)
{
	kernel_root = root;
	control_write(cr3, root);
	arch_flush_all();
}
