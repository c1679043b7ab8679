// SPDX-License-Identifier: MIT
// Offsets that trap.S needs, taken from the structs themselves. The build turns each DEFINE into a line of
// gen/offsets.h.
#include <kernel/thread.h>

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %0\"" ::"i"(value))

void offsets(void)
{
	DEFINE(HART_CUR, offsetof(struct hart, cur));
	DEFINE(HART_TMP, offsetof(struct hart, arch.tmp));
	DEFINE(HART_STACK, offsetof(struct hart, stack_top));
	DEFINE(THREAD_CTX, offsetof(struct thread, ctx));
	DEFINE(CTX_PC, offsetof(struct arch_context, x[0]));
	DEFINE(CTX_RA, offsetof(struct arch_context, x[X_RA]));
	DEFINE(CTX_SP, offsetof(struct arch_context, x[X_SP]));
	DEFINE(CTX_GP, offsetof(struct arch_context, x[X_GP]));
	DEFINE(CTX_TP, offsetof(struct arch_context, x[X_TP]));
	DEFINE(CTX_T0, offsetof(struct arch_context, x[X_T0]));
	DEFINE(CTX_S0, offsetof(struct arch_context, x[X_S0]));
	DEFINE(CTX_S1, offsetof(struct arch_context, x[X_S1]));
	DEFINE(CTX_A0, offsetof(struct arch_context, x[X_A0]));
	DEFINE(CTX_S2, offsetof(struct arch_context, x[X_S2]));
	DEFINE(CTX_T3, offsetof(struct arch_context, x[X_T3]));
	DEFINE(CTX_STATUS, offsetof(struct arch_context, status));
}
