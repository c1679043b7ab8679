// SPDX-License-Identifier: MIT
// From RISC-V causes (Privileged Architecture 20211203, table 4.2) to the generic entries of kernel/trap.h, declared
// again here because arch/ does not include kernel/.
#include <arch/arch.h>
#include <lib/base/panic.h>

struct thread;
_Noreturn void trap_interrupt(struct thread *t);
_Noreturn void trap_exception(struct thread *t, u32 exc, u64 value);
_Noreturn void trap_fp(struct thread *t);
_Noreturn void trap_user(struct thread *t, u64 cause, u64 value);
_Noreturn void trap_kernel(u64 cause, u64 value, u64 pc, u64 sp, u64 fp);

#define CAUSE_INTERRUPT (1ul << 63)

_Noreturn void trap_user(struct thread *t, u64 cause, u64 value)
{
	static const u8 exceptions[16] = {
		[0] = EXC_ALIGN, [1] = EXC_ACCESS, [2] = EXC_ILLEGAL, [3] = EXC_BREAK,
		[4] = EXC_ALIGN, [5] = EXC_ACCESS, [6] = EXC_ALIGN,   [7] = EXC_ACCESS,
	};
	if (cause & CAUSE_INTERRUPT)
		trap_interrupt(t);
	if (cause == 2 && !arch_fp_on())
		trap_fp(t); // if it was not an FP instruction it traps again with the unit on
	if (cause >= ARRAY_SIZE(exceptions) || !exceptions[cause])
		panic("unexpected trap from user mode: cause %lu value %lx", cause, value);
	trap_exception(t, exceptions[cause], value);
}

_Noreturn void trap_kernel(u64 cause, u64 value, u64 pc, u64 sp, u64 fp)
{
	(void)fp;
	panic("trap in the kernel: cause %lx address %lx pc %lx sp %lx", cause, value, pc, sp);
}
