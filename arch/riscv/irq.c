// SPDX-License-Identifier: MIT
// Device interrupts: the PLIC, one supervisor context. A source is masked by priority 0, not by its enable bit: the
// PLIC ignores the completion of a source that is not enabled, and the kernel masks before it completes.
#include "port.h"

#define PLIC_PRIORITY       0x0
#define PLIC_ENABLE         0x2000
#define PLIC_ENABLE_STRIDE  0x80
#define PLIC_CONTEXT        0x200000
#define PLIC_CONTEXT_STRIDE 0x1000
#define PLIC_THRESHOLD      0x0
#define PLIC_CLAIM          0x4

static volatile u32 *plic_register(u64 offset)
{
	return arch_p2v(riscv_machine.plic + offset);
}

static volatile u32 *plic_context(u64 offset)
{
	return plic_register(PLIC_CONTEXT + (u64)riscv_machine.plic_context * PLIC_CONTEXT_STRIDE + offset);
}

void irq_init(void)
{
	for (u32 irq = 1; irq <= riscv_machine.plic_sources; irq++)
		*plic_register(PLIC_PRIORITY + irq * 4) = 0;
	for (u32 irq = 0; irq <= riscv_machine.plic_sources; irq += 32)
		*plic_register(PLIC_ENABLE + (u64)riscv_machine.plic_context * PLIC_ENABLE_STRIDE + irq / 32 * 4) = ~0u;
	*plic_context(PLIC_THRESHOLD) = 0;
}

u32 arch_irq_claim(void)
{
	return *plic_context(PLIC_CLAIM);
}

void arch_irq_complete(u32 irq)
{
	*plic_context(PLIC_CLAIM) = irq;
}

void arch_irq_enable(u32 irq, bool on)
{
	assert(irq > 0 && irq <= riscv_machine.plic_sources);
	*plic_register(PLIC_PRIORITY + irq * 4) = on;
}

u32 arch_irq_max(void)
{
	return riscv_machine.plic_sources;
}
