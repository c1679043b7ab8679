// SPDX-License-Identifier: MIT
// RISC-V: the inline half of arch/arch.h. Included at the end of arch/arch.h only.
#pragma once

struct page;

// ---- memory map (docs/internals.md). The same constants in all three modes: Sv39 addresses are canonical in Sv48 and
// Sv57 too.
#define ARCH_MEM_MAP     ((struct page *)0xffffffc000000000)
#define ARCH_DIRECT_MAP  0xffffffd000000000
#define ARCH_KERNEL_BASE 0xffffffff80000000
#define ARCH_LEVELS_MAX  5
extern u32 arch_levels;
extern vaddr_t arch_user_end;

static always_inline void *arch_p2v(paddr_t pa)
{
	return (void *)(pa + ARCH_DIRECT_MAP);
}

static always_inline paddr_t arch_v2p(const void *p)
{
	return (paddr_t)p - ARCH_DIRECT_MAP;
}

#define csr_read(csr) \
	({ \
		u64 csr_value; \
		asm volatile("csrr %0, " #csr : "=r"(csr_value)::"memory"); \
		csr_value; \
	})
#define csr_write(csr, v) asm volatile("csrw " #csr ", %0" ::"rK"(v) : "memory")
#define csr_set(csr, v)   asm volatile("csrs " #csr ", %0" ::"rK"(v) : "memory")
#define csr_clear(csr, v) asm volatile("csrc " #csr ", %0" ::"rK"(v) : "memory")

#define SSTATUS_SIE      (1ul << 1)
#define SSTATUS_SPIE     (1ul << 5)
#define SSTATUS_SPP      (1ul << 8)
#define SSTATUS_FS       (3ul << 13)
#define SSTATUS_FS_CLEAN (2ul << 13)
#define SATP_ASID_SHIFT  44
#define SATP_ASID_MASK   0xffff

// ---- mmu
// Entries carry their ASID, so a switch needs no fence while ASIDs are not shared; with 0 ASID bits all share one.
static always_inline void arch_root_write(u64 root)
{
	csr_write(satp, root);
}

static always_inline bool arch_root_needs_fence(void)
{
	return arch_asid_bits() == 0;
}

static always_inline void arch_root_switch(u64 root)
{
	arch_root_write(root);
	if (arch_root_needs_fence())
		asm volatile("sfence.vma" ::: "memory");
}

static always_inline void arch_flush_page(vaddr_t va, u64 asid)
{
	asm volatile("sfence.vma %0, %1" ::"r"(va), "r"(asid) : "memory");
}

static always_inline void arch_flush_asid(u64 asid)
{
	asm volatile("sfence.vma zero, %0" ::"r"(asid) : "memory");
}

// ---- I/O ports: there are none
static always_inline u32 arch_port_in(u16 port, u32 width)
{
	(void)port, (void)width;
	return ~0u;
}

static always_inline void arch_port_out(u16 port, u32 width, u32 value)
{
	(void)port, (void)width, (void)value;
}

// ---- context. x[0] holds the program counter. trap.S knows the offsets through offsets.h, generated from offsets.c.
struct arch_context {
	u64 x[32];
	u64 f[32];
	u64 fcsr;
	u64 status; // sstatus to return with: SPIE, and FS when this thread owns the unit
};

enum {
	X_RA = 1,
	X_SP = 2,
	X_GP = 3,
	X_TP = 4,
	X_T0 = 5,
	X_T1 = 6,
	X_T2 = 7,
	X_S0 = 8,
	X_S1 = 9,
	X_A0 = 10,
	X_A1 = 11,
	X_A2 = 12,
	X_A7 = 17,
	X_S2 = 18,
	X_T3 = 28,
	X_T4 = 29,
	X_T5 = 30,
	X_T6 = 31,
};

// Logical registers of a system call (docs/internals.md).
enum {
	R_CAP = X_A0,
	R_STATUS = X_A0,
	R_LABEL = X_A1,
	R_NR = X_A7,
	R_FLOW = X_T3,
	R_BADGE = X_T4,
	R_REPLY = X_T5,
};

// Registers that the fast path keeps fixed (files.mk: FASTPATH_CFLAGS).
#define FASTPATH_SELF  "s0"
#define FASTPATH_FLOW  "t3"
#define FASTPATH_REPLY "t5"
#define FASTPATH_COUNT "t0" // reply_map_recv: R_W5

// Index of message word i, which is argument i + 2.
static always_inline u32 r_word(u32 i)
{
	return i < 5 ? X_A2 + i : X_T0 + (i - 5);
}

static always_inline u64 ctx_reg(const struct arch_context *ctx, u32 r)
{
	return ctx->x[r];
}

static always_inline void ctx_set_reg(struct arch_context *ctx, u32 r, u64 v)
{
	ctx->x[r] = v;
}

static always_inline u64 ctx_arg(const struct arch_context *ctx, u32 i)
{
	return ctx->x[i < 2 ? X_A0 + i : r_word(i - 2)];
}

static always_inline void ctx_set_status(struct arch_context *ctx, s64 status)
{
	ctx->x[R_STATUS] = status;
}

static always_inline void ctx_set_result(struct arch_context *ctx, u32 i, u64 v)
{
	ctx->x[i == 0 ? R_LABEL : r_word(i - 1)] = v;
}

static always_inline u64 ctx_pc(const struct arch_context *ctx)
{
	return ctx->x[0];
}

static always_inline u64 ctx_sp(const struct arch_context *ctx)
{
	return ctx->x[X_SP];
}

static always_inline void arch_fp_enable(struct arch_context *ctx, bool on)
{
	ctx->status = on ? ctx->status | SSTATUS_FS_CLEAN : ctx->status & ~SSTATUS_FS;
}

// Whether the unit was on when the current trap was taken.
static always_inline bool arch_fp_on(void)
{
	return csr_read(sstatus) & SSTATUS_FS;
}

// ---- hart, time
struct arch_hart {
	u64 tmp; // trap entry: one register while the thread is found
};

register struct hart *arch_hart_register asm("tp");

static always_inline struct hart *arch_hart(void)
{
	return arch_hart_register;
}

static always_inline u64 arch_time(void)
{
	return csr_read(time);
}

static always_inline u64 arch_cycles(void)
{
	return csr_read(cycle);
}

static always_inline void arch_relax(void)
{
	asm volatile("nop" ::: "memory");
}

// The swap is ordered both ways: what was stored before it (the hart is in the kernel, mm/tlb.h) is seen before the
// lock is had.
static always_inline void arch_spin_lock(u32 *lock)
{
	u32 old;
	asm volatile("1:	li	%0, 1\n"
		     "	amoswap.w.aqrl	%0, %0, (%1)\n"
		     "	bnez	%0, 1b\n"
		     : "=&r"(old)
		     : "r"(lock)
		     : "memory");
}

static always_inline void arch_spin_unlock(u32 *lock)
{
	asm volatile("amoswap.w.rl zero, zero, (%0)" ::"r"(lock) : "memory");
}

// ---- the end of a fast path: resume a thread that waits in a system call. The message words lie in their registers
// already (they never moved) and are not touched here; what is not delivered is zeroed. Callee-saved registers come
// from the context. The FP unit goes off: its owner takes one cheap trap if it uses it again. The context lies `offset`
// bytes into the thread (t6). a7 leaves with a constant in it, t6 with zero.
#define ARCH_RESTORE_SAVED \
	"li a7, %[fs]\n csrc sstatus, a7\n" \
	"ld ra, %[off]+0(t6)\n csrw sepc, ra\n" \
	"ld ra, %[off]+8(t6)\n ld sp, %[off]+16(t6)\n ld gp, %[off]+24(t6)\n" \
	"csrw sscratch, tp\n ld tp, %[off]+32(t6)\n" \
	"ld s0, %[off]+64(t6)\n ld s1, %[off]+72(t6)\n ld s2, %[off]+144(t6)\n ld s3, %[off]+152(t6)\n" \
	"ld s4, %[off]+160(t6)\n ld s5, %[off]+168(t6)\n ld s6, %[off]+176(t6)\n ld s7, %[off]+184(t6)\n" \
	"ld s8, %[off]+192(t6)\n ld s9, %[off]+200(t6)\n ld s10, %[off]+208(t6)\n ld s11, %[off]+216(t6)\n" \
	"li t6, 0\n sret\n"

static always_inline _Noreturn void arch_fast_return(void *thread, u64 offset, u64 status, u64 label, u64 flow,
						     u64 badge, u64 reply)
{
	register u64 r_status asm("a0") = status;
	register u64 r_label asm("a1") = label;
	register u64 r_flow asm("t3") = flow;
	register u64 r_badge asm("t4") = badge;
	register u64 r_reply asm("t5") = reply;
	register void *r_thread asm("t6") = thread;
	asm volatile(ARCH_RESTORE_SAVED ::"r"(r_status), "r"(r_label), "r"(r_flow), "r"(r_badge), "r"(r_reply),
		     "r"(r_thread), [off] "i"(offset), [fs] "i"(SSTATUS_FS)
		     : "memory");
	__builtin_unreachable();
}

// The same for what the kernel has to say (a fault, bits): it brings its words along; the last two are 0.
static always_inline _Noreturn void arch_fast_deliver(struct arch_context *ctx, u64 status, u64 label, u64 flow,
						      u64 badge, u64 reply, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4,
						      u64 w5)
{
	register u64 r_label asm("a1") = label;
	register u64 r_w0 asm("a2") = w0;
	register u64 r_w1 asm("a3") = w1;
	register u64 r_w2 asm("a4") = w2;
	register u64 r_w3 asm("a5") = w3;
	register u64 r_w4 asm("a6") = w4;
	register u64 r_w5 asm("t0") = w5;
	register u64 r_flow asm("t3") = flow;
	register u64 r_badge asm("t4") = badge;
	register u64 r_reply asm("t5") = reply;
	register struct arch_context *r_ctx asm("t6") = ctx;
	asm volatile("li a0, %[status]\n li t1, 0\n li t2, 0\n" ARCH_RESTORE_SAVED ::"r"(r_label), "r"(r_w0), "r"(r_w1),
		     "r"(r_w2), "r"(r_w3), "r"(r_w4), "r"(r_w5), "r"(r_flow), "r"(r_badge), "r"(r_reply),
		     "r"(r_ctx), [status] "i"(status), [off] "i"(0), [fs] "i"(SSTATUS_FS)
		     : "memory");
	__builtin_unreachable();
}

// The words of a request stay in the context of the caller (FASTPATH_SELF) too, so that it can be delivered again when
// its server was replaced.
static always_inline void arch_fast_save_words(u64 offset)
{
	asm volatile(
		"sd a2, %0+96(s0)\n sd a3, %0+104(s0)\n sd a4, %0+112(s0)\n sd a5, %0+120(s0)\n sd a6, %0+128(s0)\n"
		"sd t0, %0+40(s0)\n sd t1, %0+48(s0)\n sd t2, %0+56(s0)\n" ::"i"(offset)
		: "memory");
}

// The words of an answer go into the context of a thread that runs later; what an answer does not deliver is zero.
static always_inline void arch_fast_deliver_later(void *thread, u64 offset)
{
	asm volatile(
		"sd a2, %1+96(%0)\n sd a3, %1+104(%0)\n sd a4, %1+112(%0)\n sd a5, %1+120(%0)\n sd a6, %1+128(%0)\n"
		"sd t0, %1+40(%0)\n sd t1, %1+48(%0)\n sd t2, %1+56(%0)\n"
		"sd zero, %1+80(%0)\n sd zero, %1+136(%0)\n"
		"sd zero, %1+224(%0)\n sd zero, %1+232(%0)\n sd zero, %1+240(%0)\n" ::"r"(thread),
		"i"(offset)
		: "memory");
}

// arch_return_to_user for callers without a stack frame: a jump.
static always_inline _Noreturn void arch_fast_resume(struct arch_context *ctx)
{
	register struct arch_context *r_ctx asm("a0") = ctx;
	asm volatile("tail arch_return_to_user" ::"r"(r_ctx) : "memory");
	__builtin_unreachable();
}

// arch_page_clear for callers without a stack frame: page.S promises to change a0, a1 and ra only.
static always_inline void arch_page_clear_fast(void *page)
{
	register void *r_page asm("a0") = page;
	u64 saved_ra;
	asm volatile("mv %1, ra\n call arch_page_clear\n mv ra, %1" : "+r"(r_page), "=&r"(saved_ra)::"a1", "memory");
}

// arch_page_copy likewise: page.S promises to change a0 - a7, t0 - t2 and ra only. t0, which a fast path keeps fixed
// (R_W5), is given back.
static always_inline void arch_page_copy_fast(void *to, const void *from)
{
	register void *r_to asm("a0") = to;
	register const void *r_from asm("a1") = from;
	u64 saved_ra, saved_t0;
	asm volatile("mv %2, ra\n mv %3, t0\n call arch_page_copy\n mv ra, %2\n mv t0, %3"
		     : "+r"(r_to), "+r"(r_from), "=&r"(saved_ra), "=&r"(saved_t0)::"a2", "a3", "a4", "a5", "a6", "a7",
		       "t1", "t2", "memory");
}
