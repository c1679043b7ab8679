// SPDX-License-Identifier: MIT
// The registers of a thread that does not run, and the FP unit's contents.
//
// Invariant: whatever is in a context may be returned to. rip lies in the user half (so it is canonical: SYSRET and
// IRET fault in the kernel otherwise), the selectors are the user's, the flags hold nothing of the system's but IF, the
// FS base is canonical, and fxrstor accepts the FP image.
#include "port.h"

#define FLAGS_USER   0x40dd5 // CF PF AF ZF SF TF DF OF AC
#define FLAGS_ALWAYS 0x202   // IF, and the bit that is always one
#define SELECTOR_CS  0x23
#define SELECTOR_SS  0x1b

#define FX_FCW         0  // u16
#define FX_MXCSR       24 // u32
#define FCW_DEFAULT    0x37f
#define MXCSR_DEFAULT  0x1f80
#define MXCSR_POSSIBLE 0xffff

#define CONTEXT_WORDS (19 + 64) // rip, 16 registers, rflags, FS base; fxsave's image

static const u8 exported[] = { X_RIP, X_RAX, X_RBX, X_RCX, X_RDX, X_RSI, X_RDI, X_RBP, X_RSP,
			       X_R8,  X_R9,  X_R10, X_R11, X_R12, X_R13, X_R14, X_R15, X_RFLAGS };

// fp.S
void fp_store(u8 *state);
void fp_load(const u8 *state);

// Where no address of the user half is meant, the last one: nothing is ever mapped executable there.
static u64 pc_possible(u64 pc)
{
	return pc < arch_user_end ? pc : arch_user_end - 1;
}

void arch_context_init(struct arch_context *ctx, vaddr_t pc, vaddr_t sp, u64 arg)
{
	u64 tls = ctx->x[X_USER] & ~USER_FP;
	__builtin_memset(ctx, 0, sizeof(*ctx));
	ctx->x[X_USER] = tls;
	ctx->x[X_RIP] = pc_possible(pc);
	ctx->x[X_CS] = SELECTOR_CS;
	ctx->x[X_RFLAGS] = FLAGS_ALWAYS;
	ctx->x[X_RSP] = sp;
	ctx->x[X_SS] = SELECTOR_SS;
	ctx->x[R_CAP] = arg;
	*(u16 *)(ctx->fx + FX_FCW) = FCW_DEFAULT;
	*(u32 *)(ctx->fx + FX_MXCSR) = MXCSR_DEFAULT;
}

// The copy starts with the unit off, whatever the source has: its FP state lies in memory.
void arch_context_copy(struct arch_context *dst, const struct arch_context *src)
{
	*dst = *src;
	arch_fp_enable(dst, false);
}

u64 arch_context_export(const struct arch_context *ctx, u64 *words)
{
	u64 n = 0;
	for (; n < ARRAY_SIZE(exported); n++)
		words[n] = ctx->x[exported[n]];
	words[n++] = ctx->x[X_USER] & ~USER_FP;
	__builtin_memcpy(words + n, ctx->fx, sizeof(ctx->fx));
	return CONTEXT_WORDS;
}

void arch_context_import(struct arch_context *ctx, const u64 *words)
{
	u64 n = 0;
	for (; n < ARRAY_SIZE(exported); n++)
		ctx->x[exported[n]] = words[n];
	ctx->x[X_RIP] = pc_possible(ctx->x[X_RIP]);
	ctx->x[X_RFLAGS] = (ctx->x[X_RFLAGS] & FLAGS_USER) | FLAGS_ALWAYS;
	arch_context_set_tls(ctx, words[n++]);
	__builtin_memcpy(ctx->fx, words + n, sizeof(ctx->fx));
	*(u32 *)(ctx->fx + FX_MXCSR) &= MXCSR_POSSIBLE;
}

void arch_context_set_tls(struct arch_context *ctx, u64 tls)
{
	ctx->x[X_USER] = (ctx->x[X_USER] & USER_FP) | (tls < arch_user_end ? tls : 0);
}

// The kernel runs with the unit as the interrupted thread had it, and leaves it so.
void arch_fp_save(struct arch_context *ctx)
{
	u64 before = control_read(cr0);
	asm volatile("clts" ::: "memory");
	fp_store(ctx->fx);
	control_write(cr0, before);
}

void arch_fp_restore(struct arch_context *ctx)
{
	u64 before = control_read(cr0);
	asm volatile("clts" ::: "memory");
	fp_load(ctx->fx);
	control_write(cr0, before);
}
