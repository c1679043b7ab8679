// SPDX-License-Identifier: MIT
// Device interrupts: I/O APICs. Every pin is level-triggered: the kernel masks a line before it tells the APIC that the
// interrupt was taken, until its driver acknowledges, and an edge would be lost meanwhile.
//
//	masked --arch_irq_enable(on)--> open --line up--> taken (pending) --arch_irq_claim--> masked, then EOI
#include "port.h"

#define IOAPIC_SELECT   0x00
#define IOAPIC_WINDOW   0x10
#define REDIRECTION     0x10 // two registers a pin
#define REDIRECT_LEVEL  (1u << 15)
#define REDIRECT_MASKED (1u << 16)
#define PIC1_DATA       0x21
#define PIC2_DATA       0xa1
#define APIC_ENABLED    0x100

static void ioapic_write(u32 irq, u32 low)
{
	volatile u32 *ioapic = arch_p2v(x86_machine.ioapic[irq / IOAPIC_PINS]);
	u32 reg = REDIRECTION + 2 * (irq % IOAPIC_PINS);
	ioapic[IOAPIC_SELECT / 4] = reg + 1;
	ioapic[IOAPIC_WINDOW / 4] = 0; // to the first processor
	ioapic[IOAPIC_SELECT / 4] = reg;
	ioapic[IOAPIC_WINDOW / 4] = low;
}

static u32 redirection(u32 irq, bool on)
{
	return (VECTOR_IRQ0 + irq) | REDIRECT_LEVEL | (on ? 0 : REDIRECT_MASKED);
}

void irq_init(void)
{
	// The old interrupt controllers, where there are any, stay silent.
	arch_port_out(PIC1_DATA, 1, 0xff);
	arch_port_out(PIC2_DATA, 1, 0xff);
	lapic_write(LAPIC_SPURIOUS, APIC_ENABLED | VECTOR_SPURIOUS);
	for (u32 irq = 0; irq < arch_irq_max(); irq++)
		ioapic_write(irq, redirection(irq, false));
}

void irq_taken(u64 vector)
{
	if (vector >= VECTOR_IRQ0 && vector < VECTOR_TIMER) {
		this_hart()->irq_pending |= 1ul << (vector - VECTOR_IRQ0);
		return; // arch_irq_complete tells the APIC
	}
	if (vector == VECTOR_TIMER)
		timer_fired();
	lapic_write(LAPIC_EOI, 0);
}

u32 arch_irq_claim(void)
{
	u64 *pending = &this_hart()->irq_pending;
	if (*pending == 0)
		return 0;
	u32 irq = __builtin_ctzl(*pending);
	*pending &= *pending - 1;
	return irq;
}

void arch_irq_complete(u32 irq)
{
	(void)irq;
	lapic_write(LAPIC_EOI, 0);
}

void arch_irq_enable(u32 irq, bool on)
{
	assert(irq > 0 && irq <= arch_irq_max());
	ioapic_write(irq, redirection(irq, on));
}

// The highest number: pin 0 of the first one is no device's.
u32 arch_irq_max(void)
{
	return x86_machine.ioapic[1] != 0 ? 2 * IOAPIC_PINS - 1 : IOAPIC_PINS - 1;
}
