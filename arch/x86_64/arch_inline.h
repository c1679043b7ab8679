// SPDX-License-Identifier: MIT
// x86_64: the inline half of arch/arch.h. Included at the end of arch/arch.h only.
#pragma once

struct page;

// ---- memory map (docs/internals.md): Linux's (Documentation/arch/x86/x86_64/mm.rst), which differs by level count.
// mmu.c sets the variables before anything else runs.
extern struct page *arch_mem_map;
extern u64 arch_direct_map;
#define ARCH_MEM_MAP     arch_mem_map
#define ARCH_DIRECT_MAP  arch_direct_map
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

// ---- mmu. There are no ASIDs: what a switch writes to CR3 drops all translations but the kernel's global ones.
static always_inline void arch_root_write(u64 root)
{
	asm volatile("mov %0, %%cr3" ::"r"(root) : "memory");
}

static always_inline bool arch_root_needs_fence(void)
{
	return false;
}

static always_inline void arch_root_switch(u64 root)
{
	arch_root_write(root);
}

// An address space that is not loaded has no translations: then this drops one of another, which is harmless.
static always_inline void arch_flush_page(vaddr_t va, u64 asid)
{
	(void)asid;
	asm volatile("invlpg (%0)" ::"r"(va) : "memory");
}

static always_inline void arch_flush_asid(u64 asid)
{
	(void)asid;
	u64 root;
	asm volatile("mov %%cr3, %0\n mov %0, %%cr3" : "=r"(root)::"memory");
}

// ---- I/O ports; width 1, 2 or 4
static always_inline u32 arch_port_in(u16 port, u32 width)
{
	u32 value = 0;
	if (width == 1)
		asm volatile("inb %w1, %b0" : "+a"(value) : "d"(port));
	else if (width == 2)
		asm volatile("inw %w1, %w0" : "+a"(value) : "d"(port));
	else
		asm volatile("inl %w1, %0" : "=a"(value) : "d"(port));
	return value;
}

static always_inline void arch_port_out(u16 port, u32 width, u32 value)
{
	if (width == 1)
		asm volatile("outb %b0, %w1" ::"a"(value), "d"(port));
	else if (width == 2)
		asm volatile("outw %w0, %w1" ::"a"(value), "d"(port));
	else
		asm volatile("outl %0, %w1" ::"a"(value), "d"(port));
}

// ---- context. The order is the order of pushing: TSS.rsp0 points behind the registers of the thread that runs, so the
// processor itself writes the last five there, and trap.S pushes the rest below them.
enum {
	X_USER, // FS base, and in bit 63 whether this thread owns the FP unit
	X_RDX,  // words 0 to 7 of a message
	X_R10,
	X_R8,
	X_R9,
	X_R14,
	X_R15,
	X_RBX,
	X_RBP,
	X_RAX,
	X_RDI,
	X_RSI,
	X_R12,
	X_R13,
	X_RCX,
	X_R11,
	X_ERROR,
	X_RIP,
	X_CS,
	X_RFLAGS,
	X_RSP,
	X_SS,
	X_COUNT,
};

struct arch_context {
	u64 x[X_COUNT];
	u8 fx[512]; // fxsave's image
} __attribute__((aligned(16)));
_Static_assert(X_COUNT % 2 == 0, "the processor aligns rsp0 to 16 bytes before it pushes");

#define USER_FP (1ul << 63)

// Logical registers of a system call (docs/internals.md).
enum {
	R_CAP = X_RDI,
	R_STATUS = X_RAX,
	R_LABEL = X_RSI,
	R_NR = X_RAX,
	R_FLOW = X_R12,
	R_BADGE = X_RDI,
	R_REPLY = X_R13,
};

// Registers that the fast path keeps fixed (files.mk: FASTPATH_FREE).
#define FASTPATH_SELF  "rbx"
#define FASTPATH_FLOW  "r12"
#define FASTPATH_REPLY "r13"
#define FASTPATH_COUNT "r15" // reply_map_recv: R_W5

// Index of message word i, which is argument i + 2.
static always_inline u32 r_word(u32 i)
{
	return X_RDX + i;
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
	return ctx->x[i == 0 ? R_CAP : i == 1 ? R_LABEL : r_word(i - 2)];
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
	return ctx->x[X_RIP];
}

static always_inline u64 ctx_sp(const struct arch_context *ctx)
{
	return ctx->x[X_RSP];
}

static always_inline void arch_fp_enable(struct arch_context *ctx, bool on)
{
	ctx->x[X_USER] = on ? ctx->x[X_USER] | USER_FP : ctx->x[X_USER] & ~USER_FP;
}

// ---- hart: GS points at its record in the kernel, and struct arch_hart is the first thing there
#define IST_STACKS 2

struct arch_tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 io_map; // behind the end: no port is the user's
} __attribute__((packed));

struct arch_hart {
	struct hart *self;
	u64 tmp;         // trap entry: the user's stack pointer while the thread is found
	u64 fp;          // USER_FP: the FP unit is on; 0: its first use traps
	u64 timer_tick;  // when the timer is to interrupt, ~0: never
	u64 irq_pending; // pins of the I/O APICs whose interrupts were taken and not claimed yet
	u32 pad;         // the TSS begins with half a word: its stack pointers are aligned
	struct arch_tss tss;
};

static always_inline struct hart *arch_hart(void)
{
	struct hart *hart;
	asm("mov %%gs:0, %0" : "=r"(hart));
	return hart;
}

// ---- time: the TSC
static always_inline u64 arch_time(void)
{
	u32 low, high;
	asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (u64)high << 32 | low;
}

static always_inline u64 arch_cycles(void)
{
	return arch_time();
}

static always_inline void arch_relax(void)
{
	asm volatile("pause" ::: "memory");
}

// An exchange with memory is ordered both ways: what was stored before it (the hart is in the kernel, mm/tlb.h) is seen
// before the lock is had.
static always_inline void arch_spin_lock(u32 *lock)
{
	u32 old;
	asm volatile("1:	mov	$1, %0\n"
		     "	xchg	%0, %1\n"
		     "	test	%0, %0\n"
		     "	jnz	1b\n"
		     : "=&r"(old), "+m"(*lock)::"memory", "cc");
}

// Stores are seen in order on this architecture.
static always_inline void arch_spin_unlock(u32 *lock)
{
	asm volatile("movl $0, %0" : "=m"(*lock)::"memory");
}

// ---- the end of a fast path: resume a thread that waits in a system call. All registers but the stack pointer carry a
// message, so there is nothing else to restore. SYSRET: rcx is canonical, because every context's rip lies in the user
// half (context.c), and the processor put it there otherwise. rcx is the context; rsp0, FS and the FP unit follow the
// thread (trap.S: user_state_load, which changes rdx, r8 - r11 only).
#define ARCH_RESUME_STATE \
	"lea %c[end](%%rcx), %%r11\n mov %%r11, %%gs:%c[rsp0]\n" \
	"mov (%%rcx), %%r11\n or %%gs:%c[fp], %%r11\n jz 1f\n call user_state_load\n1:\n"
#define ARCH_RESUME_USER \
	"mov %c[rsp](%%rcx), %%rsp\n mov %c[rflags](%%rcx), %%r11\n mov %c[rip](%%rcx), %%rcx\n swapgs\n sysretq\n"
#define ARCH_RESUME_OPERANDS \
	[end] "i"(X_COUNT * 8), [rsp0] "i"(offsetof(struct arch_hart, tss.rsp)), \
		[fp] "i"(offsetof(struct arch_hart, fp)), [rsp] "i"(X_RSP * 8), [rflags] "i"(X_RFLAGS * 8), \
		[rip] "i"(X_RIP * 8)

static always_inline _Noreturn void arch_fast_return(void *thread, u64 offset, u64 status, u64 label, u64 flow,
						     u64 badge, u64 reply)
{
	register u64 r_status asm("rax") = status;
	register u64 r_label asm("rsi") = label;
	register u64 r_flow asm("r12") = flow;
	register u64 r_badge asm("rdi") = badge;
	register u64 r_reply asm("r13") = reply;
	register void *r_ctx asm("rcx") = (char *)thread + offset;
	// The words lie in the context of the sender (FASTPATH_SELF), where trap.S has stored them.
	asm volatile(
		ARCH_RESUME_STATE
		"mov %c[words]+0(%%rbx), %%rdx\n mov %c[words]+8(%%rbx), %%r10\n mov %c[words]+16(%%rbx), %%r8\n"
		"mov %c[words]+24(%%rbx), %%r9\n mov %c[words]+32(%%rbx), %%r14\n mov %c[words]+40(%%rbx), %%r15\n"
		"mov %c[words]+56(%%rbx), %%rbp\n mov %c[words]+48(%%rbx), %%rbx\n" ARCH_RESUME_USER ::"r"(r_status),
		"r"(r_label), "r"(r_flow), "r"(r_badge), "r"(r_reply), "r"(r_ctx), [words] "i"(offset + X_RDX * 8),
		ARCH_RESUME_OPERANDS
		: "memory");
	__builtin_unreachable();
}

// The same for what the kernel has to say (a fault, bits): it brings its words along; the last two are 0. Words 0, 2
// and 3 travel in registers that user_state_load leaves alone.
static always_inline _Noreturn void arch_fast_deliver(struct arch_context *ctx, u64 status, u64 label, u64 flow,
						      u64 badge, u64 reply, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4,
						      u64 w5)
{
	register u64 r_label asm("rsi") = label;
	register u64 r_w0 asm("rax") = w0;
	register u64 r_w2 asm("rbx") = w2;
	register u64 r_w3 asm("rbp") = w3;
	register u64 r_w4 asm("r14") = w4;
	register u64 r_w5 asm("r15") = w5;
	register u64 r_flow asm("r12") = flow;
	register u64 r_badge asm("rdi") = badge;
	register u64 r_reply asm("r13") = reply;
	register struct arch_context *r_ctx asm("rcx") = ctx;
	ctx->x[X_R10] = w1;
	asm volatile(ARCH_RESUME_STATE
		     "mov %%rax, %%rdx\n mov %c[w1](%%rcx), %%r10\n mov %%rbx, %%r8\n mov %%rbp, %%r9\n"
		     "mov %[status], %%eax\n xor %%ebx, %%ebx\n xor %%ebp, %%ebp\n" ARCH_RESUME_USER ::"r"(r_label),
		     "r"(r_w0), "r"(r_w2), "r"(r_w3), "r"(r_w4), "r"(r_w5), "r"(r_flow), "r"(r_badge), "r"(r_reply),
		     "r"(r_ctx), [status] "i"(status), [w1] "i"(X_R10 * 8), ARCH_RESUME_OPERANDS
		     : "memory");
	__builtin_unreachable();
}

// The words of a request lie in the context of the caller from the entry on: it can be delivered again when its server
// was replaced.
static always_inline void arch_fast_save_words(u64 offset)
{
	(void)offset;
}

// The words of an answer go into the context of a thread that runs later; what an answer does not deliver is zero.
static always_inline void arch_fast_deliver_later(void *thread, u64 offset)
{
	const char *self;
	asm volatile("mov %%rbx, %0" : "=r"(self));
	struct arch_context *to = (void *)((char *)thread + offset);
	const struct arch_context *from = (const void *)(self + offset);
#pragma GCC unroll 8
	for (u32 i = 0; i < 8; i++)
		to->x[X_RDX + i] = from->x[X_RDX + i];
	to->x[X_RAX] = to->x[X_RDI] = to->x[X_R12] = to->x[X_R13] = 0;
}

// arch_return_to_user for the fast paths: a jump.
static always_inline _Noreturn void arch_fast_resume(struct arch_context *ctx)
{
	register struct arch_context *r_ctx asm("rdi") = ctx;
	asm volatile("jmp arch_return_to_user" ::"r"(r_ctx) : "memory");
	__builtin_unreachable();
}

// The fast paths have a stack here, so they may call.
static always_inline void arch_page_clear_fast(void *page)
{
	u64 count = 512;
	asm volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0ul) : "memory");
}

static always_inline void arch_page_copy_fast(void *to, const void *from)
{
	u64 count = 512;
	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count)::"memory");
}
