// SPDX-License-Identifier: MIT
/*
 * kfuzz: a server that tests the kernel from where a server stands. It owns a pool, tables, address spaces; so random
 * system calls get deep.
 *
 * A round: the world is made in a pool of its own; a thread, the fuzzer, makes random calls with a table that holds the
 * world's capabilities and nothing else; then the world is taken apart, and the machine must have as many free frames,
 * objects and capabilities as before.
 *
 *	main (its own priority)   receives: the fuzzer's end (a breakpoint), a fault, or bits of the watch
 *	fuzzer                    random calls; it may block itself
 *	watch (lowest)            runs when the fuzzer is blocked, and says so; main then wakes the fuzzer from its wait
 *
 * The same seed gives the same calls.
 */
#pragma once

#include <test/lab/lab.h>

// Slots of the fuzzer's table.
enum {
	S_POOL = 1,
	S_SUBPOOL,
	S_TABLE,
	S_ASPACE_A,
	S_ASPACE_B,
	S_ENDPOINT_A,
	S_ENDPOINT_B,
	S_NOTIFY_A,
	S_NOTIFY_B,
	S_THREAD_A,
	S_THREAD_B,
	S_SYSTEM,
	S_DEVICE,
	S_POOL_MAP_ONLY,
	S_ASPACE_WINDOW, // address space A, restricted to window 0
	S_ENDPOINT_CALL, // endpoint A, to call only
	S_GIVEN,         // so many are given
};

#define WORLD_POOL    2500 // frames
#define WORLD_SUBPOOL 300
#define WINDOW_END    0x100000000ul
#define PINS          32

// The fuzzer's part, in its own domain.
struct fuzz {
	u64 seed, calls; // of this round
	u64 done[NR_SYSTEM + 1], failed[NR_SYSTEM + 1];
	u32 pins; // at most so many frames are pinned; a reset of the device drops them
};
extern struct fuzz fuzz;
extern u64 fuzz_argument[PAGE_SIZE / sizeof(u64)]; // the fuzzer's argument page is mapped over it

_Noreturn void fuzz_run(void);

struct world {
	struct lab_bench bench;
	cptr_t subpool, table, aspace[2], endpoint[2], notify[2], thread[2];
};
void world_make(struct world *w);
void world_unmake(struct world *w);

void inject_run(void);
void prot_run(void);
void orphans_run(u32 orphans, u64 (*now_ns)(void));

static inline u64 splitmix(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ul;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}
