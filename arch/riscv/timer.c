// SPDX-License-Identifier: MIT
// The one-shot timer: by its own register where the CPU has Sstc and the firmware lets us use it, else by a call to the
// firmware.
#include "port.h"

#include "firmware.h"

#define CSR_STIMECMP "0x14d" // older assemblers do not know its name
#define SIP_STIP     (1ul << 5)

static bool timer_direct;

// The device tree promises Sstc also where the firmware keeps it closed: only the attempt tells. An illegal instruction
// continues at 1.
static bool stimecmp_works(void)
{
	bool works;
	asm volatile("la	t0, 1f\n"
		     "csrrw	t0, stvec, t0\n"
		     "li	%0, 0\n"
		     "csrw	" CSR_STIMECMP ", %1\n"
		     "li	%0, 1\n"
		     ".balign	4\n"
		     "1:\n"
		     "csrw	stvec, t0\n"
		     : "=&r"(works)
		     : "r"(~0ul)
		     : "t0", "memory");
	return works;
}

void timer_init(void)
{
	timer_direct = stimecmp_works();
	arch_timer_set(~0ul);
}

u64 arch_timer_hz(void)
{
	return riscv_machine.timer_hz;
}

// QEMU 7.2 raises it from another thread, so also after the comparator was moved on, and then never lowers it.
void arch_timer_early(u64 tick)
{
	if (csr_read(sip) & SIP_STIP)
		arch_timer_set(tick);
}

void arch_timer_set(u64 tick)
{
	if (timer_direct)
		asm volatile("csrw " CSR_STIMECMP ", %0" ::"r"(tick) : "memory");
	else
		sbi_call(SBI_TIME, SBI_TIME_SET, tick, 0);
}
