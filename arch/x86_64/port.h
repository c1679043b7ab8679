// SPDX-License-Identifier: MIT
// What the files of this port share among themselves.
#pragma once

#include <arch/arch.h>
#include <arch/boot.h>
#include <pte.h>

// The record at GS, of which this port knows the beginning only.
static inline struct arch_hart *this_hart(void)
{
	return (struct arch_hart *)arch_hart();
}

// ---- machine.c: what the machine told us through PVH, as a device tree for kernel/boot/
#define IOAPICS     2
#define IOAPIC_PINS 24

struct x86_machine {
	const void *devtree;
	paddr_t ioapic[IOAPICS]; // 0: none
	u64 timer_hz;            // of the TSC
};
extern struct x86_machine x86_machine;

// Reads the start info at `start_info` (machine.c); stops with a line when it is not what it should be.
void machine_read(paddr_t start_info);
// The value of key= on the command line and its length; NULL: not there.
const char *machine_option(const char *key, u32 *len);

// ---- boot_tables.c
extern pte_t boot_root[2][512]; // roots of the early tables: four and five levels

// ---- mmu.c
void mmu_init(u32 levels);

// ---- smp.c: descriptor tables; before arch_hart_start exceptions end in boot_trap
extern bool hart_started;
void traps_init(void);
_Noreturn void boot_trap(u64 vector, u64 pc, u64 address);

// ---- timer.c, irq.c: the local APIC is the timer's and the interrupts'
#define VECTOR_IRQ0     32 // pin 0 of the first I/O APIC
#define VECTOR_TIMER    80
#define VECTOR_IPI      81
#define VECTOR_SPURIOUS 255
#define LAPIC_BASE      0xfee00000ul
#define LAPIC_EOI       0x0b0
#define LAPIC_SPURIOUS  0x0f0
#define LAPIC_ICR       0x300
#define LAPIC_ICR_HIGH  0x310
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_COUNT     0x380
#define LAPIC_CURRENT   0x390
#define LAPIC_DIVIDE    0x3e0

static inline u32 lapic_read(u32 offset)
{
	return *(volatile u32 *)arch_p2v(LAPIC_BASE + offset);
}

static inline void lapic_write(u32 offset, u32 value)
{
	*(volatile u32 *)arch_p2v(LAPIC_BASE + offset) = value;
}

void timer_init(void);
void timer_fired(void);
void irq_init(void);
void irq_taken(u64 vector); // on the way in: note what it was, tell the APIC

// ---- model-specific registers and control registers
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SFMASK         0xc0000084
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define CR0_TS             (1ul << 3)
#define CR4_PGE            (1ul << 7)
#define CR4_UMIP           (1ul << 11)
#define CR4_LA57           (1ul << 12)
#define CR4_SMEP           (1ul << 20)
#define CR4_SMAP           (1ul << 21)
#define CR4_OSFXSR         (1ul << 9)
#define CR4_OSXMMEXCPT     (1ul << 10)

#define control_read(reg) \
	({ \
		u64 control_value; \
		asm volatile("mov %%" #reg ", %0" : "=r"(control_value)::"memory"); \
		control_value; \
	})
#define control_write(reg, v) asm volatile("mov %0, %%" #reg ::"r"((u64)(v)) : "memory")

static inline void msr_write(u32 msr, u64 value)
{
	asm volatile("wrmsr" ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

// ---- kernel.ld
extern char image_start[], image_text_end[], image_rodata_end[], image_early_start[], image_early_end[];
extern char image_guard_start[], image_guard_end[], image_stack_top[], image_end[];
