// SPDX-License-Identifier: MIT
// The host tests' architecture: the inline half of arch/arch.h. Memory is a region of the test process, harts are fakes
// whose TLBs test/host/mm/machine.c models (or a test's own, behind the same host_* names).
#pragma once

struct page;

// ---- memory map
extern struct page *host_mem_map; // indexed by pfn
extern void *host_ram;            // what physical address 0 would be
#define ARCH_MEM_MAP    host_mem_map
#define ARCH_LEVELS_MAX 5
extern u32 arch_levels;
extern vaddr_t arch_user_end;

static always_inline void *arch_p2v(paddr_t pa)
{
	return (void *)((u64)host_ram + pa);
}

static always_inline paddr_t arch_v2p(const void *p)
{
	return (u64)p - (u64)host_ram;
}

// ---- mmu: on the hart that runs (the calling thread's)
void host_root_switch(u64 root);
void host_flush_page(vaddr_t va, u64 asid);
void host_flush_asid(u64 asid);

static always_inline void arch_root_switch(u64 root)
{
	host_root_switch(root);
}

static always_inline void arch_root_write(u64 root)
{
	host_root_switch(root);
}

static always_inline void arch_flush_page(vaddr_t va, u64 asid)
{
	host_flush_page(va, asid);
}

static always_inline void arch_flush_asid(u64 asid)
{
	host_flush_asid(asid);
}

// ---- context: what kernel structures need to compile
struct arch_context {
	u64 x[32];
};

enum { R_STATUS = 0, R_CAP = 0, R_LABEL = 1, R_NR = 10, R_FLOW = 11, R_BADGE = 12, R_REPLY = 13 };

static always_inline u64 ctx_arg(const struct arch_context *ctx, u32 i)
{
	return ctx->x[i];
}

static always_inline void ctx_set_status(struct arch_context *ctx, s64 status)
{
	ctx->x[R_STATUS] = status;
}

static always_inline void ctx_set_result(struct arch_context *ctx, u32 i, u64 v)
{
	ctx->x[i + 1] = v;
}

static always_inline u64 ctx_reg(const struct arch_context *ctx, u32 r)
{
	return ctx->x[r];
}

static always_inline void ctx_set_reg(struct arch_context *ctx, u32 r, u64 v)
{
	ctx->x[r] = v;
}

// ---- hart, time
struct arch_hart {
	u64 unused;
};

struct hart *host_hart(void);
u64 host_time(void); // grows at each call

static always_inline struct hart *arch_hart(void)
{
	return host_hart();
}

static always_inline u64 arch_time(void)
{
	return host_time();
}

static always_inline u64 arch_cycles(void)
{
	return host_time();
}

void host_relax(void); // lets other threads run

static always_inline void arch_relax(void)
{
	host_relax();
}

static always_inline void arch_spin_lock(u32 *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQ_REL))
		arch_relax();
}

static always_inline void arch_spin_unlock(u32 *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}
