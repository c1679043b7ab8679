// SPDX-License-Identifier: MIT
// The early page tables: the kernel image and the direct map, writable and executable as they come, until boot_memory
// has better ones. Filled at physical addresses with paging off: the addresses of symbols are physical here, computed
// relative to the program counter.
//
// The kernel's addresses are the same in all modes, since Sv39's kernel half is the topmost part of Sv48's and Sv57's.
// So the Sv39 root is a table of Sv48, and the Sv48 root a table of Sv57: three roots serve three modes, and one write
// to satp changes the mode.
#include "port.h"

#define EARLY       __attribute__((section(".bss.early"), aligned(PAGE_SIZE)))
#define GIGABYTE    (1ul << 30)
#define LARGE       (1ul << 21)
#define IMAGE_LARGE 4 // kernel.ld asserts that the image fits
#define ALL         (PROT_READ | PROT_WRITE | PROT_EXEC)

EARLY pte_t boot_root[3][512];
static EARLY pte_t image_table[512];

u64 boot_tables(void)
{
	for (u32 i = 0; i < IMAGE_LARGE; i++)
		image_table[i] = pte_make_leaf(((paddr_t)image_start + i * LARGE) >> PAGE_SHIFT, ALL, false, false);
	boot_root[0][pte_index(ARCH_KERNEL_BASE, 2)] = pte_make_table((paddr_t)image_table >> PAGE_SHIFT);
	for (u64 i = 0; ARCH_DIRECT_MAP + i * GIGABYTE < ARCH_KERNEL_BASE; i++)
		boot_root[0][pte_index(ARCH_DIRECT_MAP, 2) + i] = pte_make_leaf(i * GIGABYTE >> PAGE_SHIFT, ALL, false,
										false);
	for (u32 i = 1; i < 3; i++)
		boot_root[i][511] = pte_make_table((paddr_t)boot_root[i - 1] >> PAGE_SHIFT);
	return satp_value((paddr_t)boot_root[0], 3);
}
