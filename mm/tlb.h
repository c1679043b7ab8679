// SPDX-License-Identifier: MIT
// The shootdown protocol, seen from the trap boundary and from the page-table operations.
//
//	              tlb_enter_kernel (before the kernel lock is taken)
//	USER (0) ----------------------------------------------------------> KERNEL (in_kernel 1)
//	    ^                                                                      |
//	    +---------- tlb_exit_kernel (last thing under the lock) ---------------+   does the flushes that are owed
//
// The kernel uses no user translation, so a hart in the kernel may keep stale ones until it leaves: it is only told
// that it owes a flush. A hart in user mode in the same address space is sent an IPI and waited for: until it is in the
// kernel, which is as good as a flush. `owed` and the way from 1 to 0 of `in_kernel` change under the kernel lock only;
// that is why leaving needs no fence.
#pragma once

#include <arch/arch.h>

struct aspace;

#define TLB_HARTS 8

// Part of each hart's record.
struct tlb_hart {
	u64 gate; // the kernel's reasons against leaving by a fast path (kernel/hart.h); TLB_GATE_OWED is ours:
		  // something is owed
	u32 in_kernel;
	u32 owed;      // enum tlb_owed
	u64 owed_asid; // TLB_OWED_ASID: whose
	struct aspace
		*as; // whose root is loaded; NULL: the kernel's. Written by whoever switches roots, under the lock
};

enum tlb_owed { TLB_OWED_NONE, TLB_OWED_ASID, TLB_OWED_ALL };

#define TLB_GATE_OWED (1ul << 63)

extern struct tlb_hart *tlb_hart[TLB_HARTS]; // NULL: not online
extern u32 tlb_harts;                        // harts online: indices 0 .. tlb_harts - 1
extern u32 tlb_self; // index of the hart that holds the kernel lock (stays 0 on a machine with one)

// A hart joins, in the kernel, without translations. Indices are given in order.
void tlb_hart_online(u32 index, struct tlb_hart *hart);
// Do what is owed: from tlb_exit_kernel.
void tlb_settle(struct tlb_hart *me);
// Every hart drops everything, the kernel's translations too, before it next runs a user program (or, for this one,
// now).
void tlb_flush_everything(void);

static always_inline void tlb_enter_kernel(struct tlb_hart *me)
{
	*(volatile u32 *)&me->in_kernel = 1; // ordered by the lock that is taken next
}

static always_inline void tlb_exit_kernel(struct tlb_hart *me)
{
	if (unlikely(me->owed))
		tlb_settle(me);
	*(volatile u32 *)&me->in_kernel = 0; // ordered by the lock that is given back next
}

// What an operation on a range must flush before it returns.
struct tlb_batch {
	vaddr_t start, end; // end 0: nothing
	bool tables;        // a table was taken out: its translations too
};

static always_inline void tlb_batch_add(struct tlb_batch *batch, vaddr_t start, vaddr_t end)
{
	if (!batch->end || start < batch->start)
		batch->start = start;
	if (end > batch->end)
		batch->end = end;
}

void tlb_batch_flush_all(struct aspace *as, struct tlb_batch *batch);
static always_inline void tlb_batch_flush(struct aspace *as, struct tlb_batch *batch)
{
	if (batch->end || batch->tables)
		tlb_batch_flush_all(as, batch);
}
