// SPDX-License-Identifier: MIT
// Harts, and the tables through which a processor finds its segments, its trap entries and its stacks. One runs; the
// others wait for a start that nobody sends.
#include "port.h"

#define SELECTOR_KERNEL 0x08 // code, then data
#define SELECTOR_USER   0x10 // SYSRET adds 8 for the stack's and 16 for the code's selector
#define SELECTOR_TSS    0x28
#define RING_3          3
#define VECTORS         256
#define STUB_BYTES      16
#define STUBS           (VECTOR_IPI + 1)
#define GATE_INTERRUPT  0x8e00 // present, ring 0, interrupts off
#define VECTOR_DEBUG    1
#define VECTOR_BREAK    3

// Flags that a system call clears: TF, IF, DF, IOPL, NT, AC.
#define SYSCALL_CLEARS 0x47700
#define EFER_ENABLE    (1ul << 0 | 1ul << 8 | 1ul << 10 | 1ul << 11) // SCE, LME, LMA, NXE

struct table_register {
	u16 limit;
	u64 base;
} __attribute__((packed));

extern char trap_stubs[], trap_syscall_entry[], trap_spurious[], panic_stack_top[];

bool hart_started;

static struct gate_words {
	u64 low, high;
} idt[VECTORS];

// Null; kernel code and data; user data and code; the TSS, in two.
static u64 gdt[7] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff };

// Debug exceptions end at once; the rest of what has a stack of its own ends the machine (or is an NMI): those share
// one.
static u64 debug_stack[128] __attribute__((aligned(16)));

static void gate_set(u32 vector, const char *entry, u32 ist, u32 ring)
{
	u64 at = (u64)entry;
	u64 type = GATE_INTERRUPT | ring << 13;
	idt[vector].low = (at & 0xffff) | SELECTOR_KERNEL << 16 | (ist | type) << 32 | (at >> 16 & 0xffff) << 48;
	idt[vector].high = at >> 32;
}

static void idt_fill(void)
{
	static const u8 ist[] = { [VECTOR_DEBUG] = 1, [2] = 2, [8] = 2, [18] = 2 };
	for (u32 i = 0; i < STUBS; i++)
		gate_set(i, trap_stubs + i * STUB_BYTES, i < sizeof(ist) ? ist[i] : 0, i == VECTOR_BREAK ? RING_3 : 0);
	for (u32 i = STUBS; i < VECTORS; i++)
		gate_set(i, trap_spurious, 0, 0);
}

void traps_init(void)
{
	struct table_register gdtr = { sizeof(gdt) - 1, (u64)gdt }, idtr = { sizeof(idt) - 1, (u64)idt };
	idt_fill();
	asm volatile("lgdt %0\n"
		     "pushq %1\n leaq 1f(%%rip), %%rax\n pushq %%rax\n lretq\n1:\n"
		     "mov %w2, %%ds\n mov %w2, %%es\n mov %w2, %%ss\n"
		     "xor %%eax, %%eax\n mov %%eax, %%fs\n mov %%eax, %%gs\n"
		     "lidt %3" ::"m"(gdtr),
		     "i"(SELECTOR_KERNEL), "r"(SELECTOR_KERNEL + 8), "m"(idtr)
		     : "rax", "memory");
}

static void tss_load(struct arch_tss *tss)
{
	u64 base = (u64)tss, limit = sizeof(*tss) - 1;
	*tss = (struct arch_tss){ .io_map = sizeof(*tss) };
	tss->ist[0] = (u64)(debug_stack + sizeof(debug_stack) / sizeof(debug_stack[0]));
	tss->ist[1] = (u64)panic_stack_top;
	gdt[5] = limit | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
	gdt[6] = base >> 32;
	asm volatile("ltr %w0" ::"r"(SELECTOR_TSS));
}

void arch_hart_start(struct hart *hart)
{
	struct arch_hart *mine = (struct arch_hart *)hart;
	mine->self = hart;
	mine->timer_tick = ~0ul;
	tss_load(&mine->tss);
	msr_write(MSR_GS_BASE, (u64)hart);
	msr_write(MSR_KERNEL_GS_BASE, 0);
	msr_write(MSR_EFER, EFER_ENABLE);
	msr_write(MSR_STAR, (u64)(SELECTOR_USER | RING_3) << 48 | (u64)SELECTOR_KERNEL << 32);
	msr_write(MSR_LSTAR, (u64)trap_syscall_entry);
	msr_write(MSR_SFMASK, SYSCALL_CLEARS);
	control_write(cr0, control_read(cr0) | CR0_TS);
	hart_started = true;
}

// Not needed while one hart runs; by the local APIC's number, which is the hart's own.
void arch_ipi(u64 hart_mask)
{
	for (; hart_mask != 0; hart_mask &= hart_mask - 1) {
		lapic_write(LAPIC_ICR_HIGH, (u32)__builtin_ctzl(hart_mask) << 24);
		lapic_write(LAPIC_ICR, VECTOR_IPI);
	}
}

// STI takes effect behind the instruction that follows it, so nothing is missed between the two. What ended the wait is
// noted by irq_taken.
void arch_idle(void)
{
	asm volatile("sti\n hlt\n cli" ::: "memory");
}
