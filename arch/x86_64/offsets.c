// SPDX-License-Identifier: MIT
// Offsets that trap.S needs, taken from the structs themselves. The build turns each DEFINE into a line of
// gen/offsets.h.
#include <kernel/thread.h>

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %c0\"" ::"i"(value))
#define REGISTER(name)      DEFINE(CTX_##name, offsetof(struct arch_context, x[X_##name]))

void offsets(void)
{
	DEFINE(HART_TMP, offsetof(struct hart, arch.tmp));
	DEFINE(HART_FP, offsetof(struct hart, arch.fp));
	DEFINE(HART_RSP0, offsetof(struct hart, arch.tss.rsp));
	DEFINE(HART_CUR, offsetof(struct hart, cur));
	DEFINE(HART_STACK, offsetof(struct hart, stack_top));
	DEFINE(THREAD_CTX, offsetof(struct thread, ctx));
	DEFINE(CTX_END, offsetof(struct arch_context, x[X_COUNT]));
	REGISTER(RDX);
	REGISTER(R10);
	REGISTER(R8);
	REGISTER(R9);
	REGISTER(R14);
	REGISTER(R15);
	REGISTER(RBX);
	REGISTER(RBP);
	REGISTER(RAX);
	REGISTER(RDI);
	REGISTER(RSI);
	REGISTER(R12);
	REGISTER(R13);
	REGISTER(RCX);
	REGISTER(R11);
	REGISTER(ERROR);
	REGISTER(RIP);
	REGISTER(RFLAGS);
	REGISTER(RSP);
}
