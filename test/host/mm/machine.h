// SPDX-License-Identifier: MIT
// A tiny machine for tests of mm/: RAM, a frame table, one zone, fake harts that translate through fake TLBs.
#pragma once

#include <mm/aspace.h>

#define MACHINE_HARTS 2

// Everything afresh: `frames` frames of RAM, all in zone[0], page tables of `levels` levels. The caller makes a root pool.
void machine_boot(u64 frames, u32 levels);

// Log lines of the kernel are shown, unless a test provokes them.
void machine_expect_log(bool on);

// The generator behind everything random; a test prints its seed.
extern u64 rnd_state;
u64 rnd(u64 n);

// ---- fake harts. One runs kernel code (it has the lock); all others are in user mode unless told otherwise.

// The hart runs a program in this address space from now on (NULL: none).
void machine_switch(u32 hart, struct aspace *as);
// A load or store of the hart's program at va: through its TLB, or a walk that fills the TLB and sets A and D. NULL: it faults.
// Else the address of the page in RAM.
u64 *machine_access(u32 hart, vaddr_t va, bool write);
// Every cached translation must be what a walk would find now, rights included; panics otherwise.
void machine_check_tlbs(void);
// What the TLBs hold, as a number (for hashing states).
u64 machine_tlb_hash(void);
