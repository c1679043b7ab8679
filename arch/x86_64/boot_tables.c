// SPDX-License-Identifier: MIT
// The early page tables: the kernel image, the direct map, and the low addresses that head.S runs at when it turns
// paging on; writable and executable as they come, until boot_memory has better ones. The linker fills them: the
// image's physical place is fixed.
//
// The low half of the root of four levels serves as the upper table of five: both roots lead to the same tables.
#include "port.h"

#define EARLY    __attribute__((section(".data.early"), aligned(PAGE_SIZE)))
#define TABLE(t) ((u64)(t)-ARCH_KERNEL_BASE + (PTE_P | PTE_W | PTE_A | PTE_TABLE))
#define LEAF     (PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS)
#define LARGE(i) ((u64)(i) << 21 | LEAF)
#define HUGE1(i) ((u64)(i) << 30 | LEAF)
#define HUGE8(i) \
	HUGE1(i), HUGE1(i + 1), HUGE1(i + 2), HUGE1(i + 3), HUGE1(i + 4), HUGE1(i + 5), HUGE1(i + 6), HUGE1(i + 7)
#define HUGE64(i) \
	HUGE8(i), HUGE8(i + 8), HUGE8(i + 16), HUGE8(i + 24), HUGE8(i + 32), HUGE8(i + 40), HUGE8(i + 48), HUGE8(i + 56)

// 512 GiB in leaves of 1 GiB: the low addresses, and the direct map.
static EARLY pte_t direct_table[512] = {
	HUGE64(0), HUGE64(64), HUGE64(128), HUGE64(192), HUGE64(256), HUGE64(320), HUGE64(384), HUGE64(448),
};

// The image: 8 MiB from physical address 0 on (kernel.ld asserts that it fits).
static EARLY pte_t image_table[512] = { LARGE(0), LARGE(1), LARGE(2), LARGE(3) };
static EARLY pte_t kernel_table[512] = { [510] = TABLE(image_table) };

// With five levels: the direct map begins at the start of a table of level 3, with four at its entry 273.
static EARLY pte_t direct_top[512] = { [0] = TABLE(direct_table) };

EARLY pte_t boot_root[2][512] = {
	{ [0] = TABLE(direct_table), [273] = TABLE(direct_table), [511] = TABLE(kernel_table) },
	{ [0] = TABLE(boot_root[0]), [273] = TABLE(direct_top), [511] = TABLE(boot_root[0]) },
};
