// SPDX-License-Identifier: MIT
// The registers of a thread that does not run, and the FP unit's contents.
#include "port.h"

#define SSTATUS_UXL_64 (2ul << 32)
#define CONTEXT_WORDS  65 // pc, x1 .. x31, f0 .. f31, fcsr

// fp.S: 32 registers and fcsr, in this order.
void fp_store(u64 *state);
void fp_load(const u64 *state);
_Static_assert(offsetof(struct arch_context, f) == 32 * 8, "export and import copy x, f and fcsr in one run");
_Static_assert(offsetof(struct arch_context, fcsr) == 64 * 8, "fp.S");

void arch_context_init(struct arch_context *ctx, vaddr_t pc, vaddr_t sp, u64 arg)
{
	u64 tls = ctx->x[X_TP];
	*ctx = (struct arch_context){ .status = SSTATUS_SPIE | SSTATUS_UXL_64 };
	ctx->x[X_TP] = tls;
	ctx->x[0] = pc;
	ctx->x[X_SP] = sp;
	ctx->x[X_A0] = arg;
}

// The copy starts with the unit off, whatever the source has: its FP state lies in memory.
void arch_context_copy(struct arch_context *dst, const struct arch_context *src)
{
	*dst = *src;
	arch_fp_enable(dst, false);
}

u64 arch_context_export(const struct arch_context *ctx, u64 *words)
{
	__builtin_memcpy(words, ctx, CONTEXT_WORDS * sizeof(*words));
	return CONTEXT_WORDS;
}

void arch_context_import(struct arch_context *ctx, const u64 *words)
{
	__builtin_memcpy(ctx, words, CONTEXT_WORDS * sizeof(*words));
}

void arch_context_set_tls(struct arch_context *ctx, u64 tls)
{
	ctx->x[X_TP] = tls;
}

// The kernel runs with the unit as the interrupted thread had it, and leaves it so.
void arch_fp_save(struct arch_context *ctx)
{
	u64 before = csr_read(sstatus);
	csr_set(sstatus, SSTATUS_FS);
	fp_store(ctx->f);
	csr_write(sstatus, before);
}

void arch_fp_restore(struct arch_context *ctx)
{
	u64 before = csr_read(sstatus);
	csr_set(sstatus, SSTATUS_FS);
	fp_load(ctx->f);
	csr_write(sstatus, before);
}
