// SPDX-License-Identifier: MIT
// TLB shootdown. The protocol stands in tlb.h; everything here runs under the kernel lock.
#include <mm/aspace.h>
#include <mm/tlb.h>

struct tlb_hart *tlb_hart[TLB_HARTS];
u32 tlb_harts;
u32 tlb_self;

// More pages than this: one flush of the whole address space is cheaper, here and for the program afterwards.
#define TLB_PAGES 16

// A spinning hart looks at what it waits for this often before it arms its timer again.
#define TLB_SPINS      64
#define TLB_SPIN_TICKS 1000

void tlb_hart_online(u32 index, struct tlb_hart *hart)
{
	assert(index == tlb_harts && index < TLB_HARTS);
	*hart = (struct tlb_hart){ .in_kernel = 1 };
	tlb_hart[index] = hart;
	tlb_harts = index + 1;
}

void tlb_settle(struct tlb_hart *me)
{
	if (me->owed == TLB_OWED_ASID)
		arch_flush_asid(me->owed_asid);
	else
		arch_flush_all();
	me->owed = TLB_OWED_NONE;
	me->gate &= ~TLB_GATE_OWED;
}

static void tlb_owe(struct tlb_hart *hart, enum tlb_owed what, u64 asid)
{
	hart->gate |= TLB_GATE_OWED;
	if (hart->owed == TLB_OWED_NONE) {
		hart->owed = what;
		hart->owed_asid = asid;
	} else if (what == TLB_OWED_ALL || hart->owed_asid != asid) {
		hart->owed = TLB_OWED_ALL;
	}
}

// Wait until the hart is in the kernel. Under -icount a hart that spins with no timer armed runs for ever and the other
// one never gets there: an armed timer ends its turn. (The kernel's timer code sets the right time again when that
// interrupt comes.)
static void tlb_wait(const struct tlb_hart *hart)
{
	for (u32 spins = 0; !__atomic_load_n(&hart->in_kernel, __ATOMIC_ACQUIRE); spins++) {
		if (spins % TLB_SPINS == 0)
			arch_timer_set(arch_time() + TLB_SPIN_TICKS);
		arch_relax();
	}
}

// Make the harts of `mask` owe a flush, and wait for those that run programs which could notice: in `as`, or, NULL, in
// any.
static void tlb_shootdown(u64 mask, enum tlb_owed what, u64 asid, const struct aspace *as)
{
	u64 running = 0;
	for (u32 i = 0; i < tlb_harts; i++) {
		struct tlb_hart *hart = tlb_hart[i];
		if (i == tlb_self || !(mask >> i & 1))
			continue;
		tlb_owe(hart, what, asid);
		if (!__atomic_load_n(&hart->in_kernel, __ATOMIC_RELAXED) && (!as || hart->as == as))
			running |= 1ul << i;
	}
	if (!running)
		return;
	// The changed entries must be visible before a hart that sees the IPI looks at its own state.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	arch_ipi(running);
	for (u32 i = 0; i < tlb_harts; i++) {
		if (running >> i & 1)
			tlb_wait(tlb_hart[i]);
	}
}

void tlb_flush_page(struct aspace *as, vaddr_t va)
{
	u64 self = 1ul << tlb_self;
	if (as->harts & self)
		arch_flush_page(va, as->asid);
	if (unlikely(as->harts & ~self))
		tlb_shootdown(as->harts, TLB_OWED_ASID, as->asid, as);
}

void tlb_flush_aspace(struct aspace *as)
{
	u64 self = 1ul << tlb_self;
	if (as->harts & self)
		arch_flush_asid(as->asid);
	if (unlikely(as->harts & ~self))
		tlb_shootdown(as->harts, TLB_OWED_ASID, as->asid, as);
}

// A page flush promises nothing about entries above the leaf, so taking out a table needs the big one.
void tlb_batch_flush_all(struct aspace *as, struct tlb_batch *batch)
{
	u64 pages = (batch->end - batch->start) / PAGE_SIZE;
	u64 self = 1ul << tlb_self;
	if (!as->harts)
		return;
	if (batch->tables || pages > TLB_PAGES || as->harts & ~self) {
		tlb_flush_aspace(as);
	} else {
		for (vaddr_t va = batch->start; va < batch->end; va += PAGE_SIZE)
			arch_flush_page(va, as->asid);
	}
	*batch = (struct tlb_batch){ 0 };
}

void tlb_flush_everything(void)
{
	arch_flush_all();
	tlb_shootdown(~0ul, TLB_OWED_ALL, 0, NULL);
}
