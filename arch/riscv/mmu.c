// SPDX-License-Identifier: MIT
// Paging: the mode, the root register, ASIDs.
#include "port.h"

#define ASID_BITS_ALL ((u64)SATP_ASID_MASK << SATP_ASID_SHIFT)

u32 arch_levels;
vaddr_t arch_user_end;
static u32 asid_bits;
static paddr_t kernel_root;

// ASID bits that the CPU lacks read back as 0.
static u32 asid_probe(void)
{
	u64 satp = csr_read(satp);
	csr_write(satp, satp | ASID_BITS_ALL);
	u64 found = (csr_read(satp) & ASID_BITS_ALL) >> SATP_ASID_SHIFT;
	csr_write(satp, satp);
	arch_flush_all();
	return __builtin_popcountl(found);
}

void mmu_init(u32 levels)
{
	arch_levels = levels;
	arch_user_end = 1ul << (PAGE_SHIFT + 9 * levels - 1);
	asid_bits = asid_probe();
}

u64 arch_root_value(paddr_t table, u64 asid)
{
	return satp_value(table, arch_levels) | asid << SATP_ASID_SHIFT;
}

u32 arch_asid_bits(void)
{
	return asid_bits;
}

void arch_flush_all(void)
{
	asm volatile("sfence.vma" ::: "memory");
}

paddr_t arch_kernel_root(void)
{
	return kernel_root;
}

void arch_kernel_root_install(paddr_t root)
{
	kernel_root = root;
	csr_write(satp, arch_root_value(root, 0));
	arch_flush_all();
}
