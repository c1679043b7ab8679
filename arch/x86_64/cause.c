// SPDX-License-Identifier: MIT
// From vectors (Intel SDM volume 3A, table 6-1) to the generic entries of kernel/trap.h, declared again here because
// arch/ does not include kernel/.
#include <lib/base/log.h>

#include "port.h"

struct thread;
_Noreturn void trap_interrupt(struct thread *t);
_Noreturn void trap_exception(struct thread *t, u32 exc, u64 value);
_Noreturn void trap_fp(struct thread *t);
_Noreturn void trap_user(struct thread *t, u64 vector, u64 error);
_Noreturn void trap_kernel(u64 vector, u64 address, u64 pc, u64 sp, u64 fp);
void trap_urgent(u64 vector, u64 pc);

#define VECTOR_NMI 2
#define VECTOR_NM  7 // device not available: the FP unit is off

_Noreturn void trap_user(struct thread *t, u64 vector, u64 error)
{
	static const u8 exceptions[20] = {
		[0] = EXC_ARITH,       [1] = EXC_BREAK,       [3] = EXC_BREAK,       [4] = EXC_ARITH,
		[5] = EXC_ARITH,       [6] = EXC_ILLEGAL,     [11] = EXC_PROTECTION, [10] = EXC_PROTECTION,
		[12] = EXC_PROTECTION, [13] = EXC_PROTECTION, [16] = EXC_ARITH,      [17] = EXC_ALIGN,
		[19] = EXC_ARITH,
	};
	if (vector >= VECTOR_IRQ0) {
		irq_taken(vector);
		trap_interrupt(t);
	}
	if (vector == VECTOR_NM)
		trap_fp(t);
	if (vector >= ARRAY_SIZE(exceptions) || !exceptions[vector])
		panic("unexpected trap from user mode: vector %lu error %lx", vector, error);
	trap_exception(t, exceptions[vector], error);
}

_Noreturn void trap_kernel(u64 vector, u64 address, u64 pc, u64 sp, u64 fp)
{
	(void)fp;
	if (!hart_started)
		boot_trap(vector, pc, address);
	panic("trap in the kernel: vector %lu address %lx pc %lx sp %lx", vector, address, pc, sp);
}

// An NMI has no source that we know: it is told and forgotten. The others are the end.
void trap_urgent(u64 vector, u64 pc)
{
	if (vector != VECTOR_NMI)
		panic(vector == 8 ? "double fault at %lx" : "machine check at %lx", pc);
	log_line("jjok: NMI at %lx", pc);
}
