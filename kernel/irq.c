// SPDX-License-Identifier: MIT
// Interrupts become bits of a driver's notification. The line stays masked from delivery until the driver acknowledges,
// so a device that shouts cannot starve the machine.
#include <kernel/device.h>
#include <kernel/trap.h>

#define IRQS 128

static struct irq_line {
	struct notification *notification; // holds no reference: irq_unbind runs when the notification dies
	u64 bits;
} lines[IRQS];

err_t irq_bind(u32 irq, struct notification *n, u64 bits)
{
	if (!irq || irq >= IRQS || irq > arch_irq_max())
		return -ERR_INVAL;
	if (lines[irq].notification && n && lines[irq].notification != n)
		return -ERR_BUSY;
	lines[irq] = (struct irq_line){ n, bits };
	arch_irq_enable(irq, n);
	return 0;
}

void irq_unbind(struct notification *n)
{
	for (u32 irq = 0; irq < IRQS; irq++) {
		if (lines[irq].notification != n)
			continue;
		arch_irq_enable(irq, false);
		lines[irq] = (struct irq_line){ 0 };
	}
}

err_t irq_ack(u32 irq)
{
	if (!irq || irq >= IRQS || !lines[irq].notification)
		return -ERR_INVAL;
	arch_irq_enable(irq, true);
	return 0;
}

static void irq_deliver(u32 irq)
{
	struct irq_line *line = irq < IRQS ? &lines[irq] : NULL;
	struct notification *n = line ? line->notification : NULL;
	struct thread *t = n ? (n->waiters ? n->waiters : n->endpoint ? n->endpoint->receivers : NULL) : NULL;
	trace(EVENT_IRQ, irq, t ? object_id(t) : 0, 0);
	arch_irq_enable(irq, false);
	arch_irq_complete(irq);
	if (n)
		notification_signal(n, line->bits);
	if (t)
		t->flow = 0; // whoever was interrupted has nothing to do with it
}

void irq_service(void)
{
	timer_interrupt();
	for (u32 irq = arch_irq_claim(); irq; irq = arch_irq_claim())
		irq_deliver(irq);
}
