// SPDX-License-Identifier: MIT
// Harts. One runs; the firmware keeps the others parked until they are started.
#include "port.h"

#include "firmware.h"

#define SIE_ALL (1ul << 1 | 1ul << 5 | 1ul << 9) // software, timer, external

extern char trap_entry[];

// Firmware's ids by ours.
static u64 hart_firmware_id[64];

void arch_hart_start(struct hart *hart)
{
	arch_hart_register = hart;
	hart_firmware_id[0] = riscv_machine.boot_hart;
	csr_write(sscratch, 0);
	csr_write(stvec, trap_entry);
	csr_write(sie, SIE_ALL);
}

void arch_ipi(u64 hart_mask)
{
	for (; hart_mask != 0; hart_mask &= hart_mask - 1)
		sbi_call(SBI_IPI, SBI_IPI_SEND, 1, hart_firmware_id[__builtin_ctzl(hart_mask)]);
}

// wfi ends when an interrupt is pending, also with interrupts off: the caller then looks what it was.
void arch_idle(void)
{
	asm volatile("wfi" ::: "memory");
}
