// SPDX-License-Identifier: MIT
// kbench: the rows of the kernel alone. It runs without vm, files and console: what is measured is the kernel and two
// loops of a few instructions. Two threads of the same priority live in domains A and B; the main thread gives them
// their parts and waits.
#pragma once

#include <bench/samples.h>
#include <test/lab/lab.h>

// Slots of the tables of A and B.
enum {
	S_ENDPOINT = 1,            // A calls, B receives
	S_MINE,                    // own notification
	S_OTHER,                   // the other's
	S_DONE,                    // tells the main thread
	S_SENT,                    // A: a capability to send
	S_POOL,                    // B: the pool of prepared frames
	S_PAGER,                   // B: receives A's faults
	S_RECEIVED = CAP_PER_LEAF, // B: a leaf for capabilities that come
};

#define FAULT_VA   0x40000000ul // where A faults
#define SCRATCH_VA 0x50000000ul // where the main thread maps

extern struct samples samples;
extern struct lab_domain domain_a, domain_b;
extern struct lab_bench bench;
extern cptr_t done;

// Run two parts to A's end. Resets the samples.
void parts_run(void (*a)(void), void (*b)(void));
_Noreturn void part_end(void);
void row_print(const char *name, u64 value);
void row_print_tenths(const char *name, u64 tenths);

void rows_ipc(void);
void rows_memory(void);
void rows_evict(void);
void rows_trace(void);
