// SPDX-License-Identifier: MIT
// What belongs to one hart. Guarded by the kernel lock, except `arch`, which only the hart's own trap entry uses.
#pragma once

#include <arch/arch.h>
#include <mm/tlb.h>

struct thread;
struct aspace;

#define HARTS 8

// `tlb.gate`: everything that makes a fast path ineligible, in one word, compared with the priority of the thread to
// run: bits 0-7 the best priority on the ready queue (0: none), higher bits rare conditions.
#define GATE_TRACE (1ul << 8)  // some trace group is on: the slow paths write events
#define GATE_FENCE (1ul << 9)  // this CPU's root register needs a fence with every write: only the slow path has it
#define GATE_SLICE (1ul << 10) // the time slice of slice_priority is over, and who had it waits for a server

struct hart {
	struct arch_hart arch; // first: some architectures find it by the hart's address alone
	struct thread *cur;    // runs here; NULL: idle
	u64 stack_top;
	struct tlb_hart tlb; // in the kernel or not, flushes owed, whose root is loaded
	u64 flow;            // last run of flow ids given to a thread
	u32 id;
	u64 stamp;           // cycle counter up to which processor time is accounted
	u64 entered;         // cycle counter at the last slow entry
	u64 idle;            // cycles waited for an interrupt, with nothing to do
	struct thread *next; // the most urgent thread that became READY in this entry (sched.c)
	u64 ready_map;       // bit p: ready[p] not empty
	struct thread *ready[PRIORITIES];
	struct thread *fp_owner;                    // whose registers are in the unit
	struct trace_event *trace_next, *trace_end; // room in the trace packet being filled (trace.c); equal: none
	u64 faults_spurious;                        // resolved by the walk
	u64 syscalls;                               // system calls that took a slow path
	u64 fault_calls[9]; // [n]: faults answered with n system calls of the pager (8: or more)
	u32 entered_nr;     // system call of the current slow entry
	u64 irq_off_max;    // most instructions in one entry, and the call that took them
	u32 irq_off_nr;
	u64 deadline_set;  // tick the timer is set to
	bool slice_on;     // a time slice is running
	bool timer_stale;  // the timer may have to be set to an earlier tick (timer_update)
	u8 slice_priority; // GATE_SLICE: no answer hands the processor over to a thread of this priority
	u64 slice_end;
};

extern struct hart harts[HARTS];
extern u32 hart_count;

// Highest bit of a map that is not 0. By halves: this instruction set has no count of leading zeroes.
static always_inline u32 highest_bit(u64 map)
{
	u32 bit = 0;
	for (u32 half = 32; half; half /= 2) {
		if (map >> (bit + half))
			bit += half;
	}
	return bit;
}

// One lock around the whole kernel, taken at the trap boundary.
extern u32 kernel_lock_word;

// The order matters to shootdowns (mm/tlb.h): a hart says that it is in the kernel before it waits for the lock.
static always_inline void kernel_lock(void)
{
	tlb_enter_kernel(&arch_hart()->tlb);
	arch_spin_lock(&kernel_lock_word);
}

static always_inline void kernel_unlock(void)
{
	tlb_exit_kernel(&arch_hart()->tlb);
	arch_spin_unlock(&kernel_lock_word);
}
