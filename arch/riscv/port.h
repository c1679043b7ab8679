// SPDX-License-Identifier: MIT
// What the files of this port share among themselves.
#pragma once

#include <arch/arch.h>
#include <arch/boot.h>
#include <pte.h>

// ---- machine.c: what this port reads from the device tree for its own use
struct riscv_machine {
	u64 timer_hz;
	paddr_t plic; // interrupt controller
	u64 plic_size;
	u32 plic_sources;
	u32 plic_context; // supervisor context of the boot hart
	paddr_t test;     // sifive_test, which powers off with a status; 0: none
	u64 test_size;
	u32 boot_hart; // the firmware's id of the hart that runs
};
extern struct riscv_machine riscv_machine;

// Stops with a line when the tree lacks what the port cannot do without.
void machine_read(const void *fdt, u64 boot_hart);
// The value of key= on the command line and its length; NULL: not there.
const char *machine_option(const void *fdt, const char *key, u32 *len);

// ---- boot_tables.c
extern pte_t boot_root[3][512]; // roots of the early tables: Sv39, Sv48, Sv57
u64 boot_tables(void);          // fills them, paging off; returns the value for satp

// ---- mmu.c
void mmu_init(u32 levels);
// satp's mode is 8 for Sv39, 9 for Sv48, 10 for Sv57.
static inline u64 satp_value(paddr_t root, u32 levels)
{
	return (u64)(levels + 5) << 60 | root >> PAGE_SHIFT;
}

// ---- timer.c, irq.c
void timer_init(void);
void irq_init(void);

// ---- kernel.ld
extern char image_start[], image_text_end[], image_rodata_end[], image_early_start[], image_early_end[];
extern char image_guard_start[], image_guard_end[], image_stack_top[], image_end[];
