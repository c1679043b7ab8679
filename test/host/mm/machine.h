// SPDX-License-Identifier: MIT
// A tiny machine for tests of mm/: RAM, a frame table, one zone, fake harts that translate through fake TLBs.
// Single-threaded and deterministic: what runs at the same time on a real machine is interleaved here, at the points
// where the kernel calls the arch.
#pragma once

#include <mm/aspace.h>

#define MACHINE_HARTS 2
#define MACHINE_BASE  0x80000ul // first pfn of RAM

// Everything afresh: `frames` frames of RAM, all in zone[0], page tables of `levels` levels. The caller makes a root
// pool.
void machine_boot(u64 frames, u32 levels);

// Log lines of the kernel are shown, unless a test provokes them.
void machine_expect_log(bool on);

// The generator behind everything random; a test prints its seed.
extern u64 rnd_state;
u64 rnd(u64 n);

// ---- fake harts. All are in user mode, but for the one that is between machine_enter and machine_leave: it has the
// kernel lock. machine_boot leaves hart 0 in the kernel.
void machine_enter(u32 hart);
void machine_leave(void);
// Called in the middle of kernel operations, where other harts' programs may do something (machine_access); NULL: they
// do nothing.
extern void (*machine_between)(void);
// Whether the hart runs a program now.
bool machine_in_user(u32 hart);

// From the kernel: the hart that runs it goes to this address space (NULL: the kernel's root).
void machine_switch(struct aspace *as);
struct aspace *machine_aspace(u32 hart);
// A load or store of the program on the hart (in user mode) at va: through its TLB, or a walk that fills it and sets A
// and D. NULL: page fault. Else where the page lies in RAM.
u64 *machine_access(u32 hart, vaddr_t va, bool write);
// Every cached translation that is not going to be flushed must be what a walk would find now, rights and D included;
// panics otherwise.
void machine_check_tlbs(void);
// What the TLBs hold, as a number (for hashing states).
u64 machine_tlb_hash(void);
