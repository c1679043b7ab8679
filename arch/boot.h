// SPDX-License-Identifier: MIT
// The contract at boot, beside arch.h: what the arch code found out before kernel_main, and what kernel/boot/ asks of
// it.
#pragma once

#include <lib/base/types.h>

struct hart;

struct arch_segment {
	const char *name;
	vaddr_t va;
	paddr_t pa;
	u64 size;
	u64 prot;
};

#define ARCH_SEGMENTS  5
#define ARCH_REGISTERS 4

struct arch_boot {
	const void *devtree; // flattened device tree, readable through the direct map until boot_memory
	u64 cycles;          // cycle counter at entry from the firmware
	u64 direct_map;      // bytes of physical memory that the direct map can reach
	u64 stack_top;       // the stack kernel_main runs on: the first hart's
	const char *mode;    // "sv39": as mode= on the command line
	// The kernel image, page-aligned: each part is mapped with its own protection, gaps stay unmapped.
	struct arch_segment segment[ARCH_SEGMENTS];
	u32 segments;
	// Part of the image that nobody needs once the real tables are in use.
	paddr_t early, early_end;
	// Device registers that the arch code reaches through the direct map.
	struct arch_segment registers[ARCH_REGISTERS];
	u32 register_ranges;
};

// kernel/main.c: called on the boot stack, with early tables that map all physical memory at the direct map, interrupts
// off.
_Noreturn void kernel_main(const struct arch_boot *boot);

// Use these tables as the kernel's from now on; the early ones are not touched again.
void arch_kernel_root_install(paddr_t root);
// From now on traps go to the kernel's entry and this hart is `hart`.
void arch_hart_start(struct hart *hart);
