// SPDX-License-Identifier: MIT
/*
 * The world around slab's core on the host: frames, processes, a state segment, messages, and sudden death of the
 * server at any step that can be told apart (a commit before and after its seal, a call to the kernel before and
 * after).
 */
#pragma once

#include <user/pager/slab/slab.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define check(cond) ((cond) ? (void)0 : world_fail(__FILE__, __LINE__, #cond))
_Noreturn void world_fail(const char *file, int line, const char *what);

extern u64 world_seed;
u64 rnd(u64 n);

void world_boot(const char *cmdline, u64 limit); // a new machine
void world_restart(void);                        // a successor on the same segment
u64 world_process(u32 slot);                     // a new process there; its badge
void world_end(u64 badge);                       // its death, as vm tells it

extern u64 world_frames;   // in use
extern u32 world_nomem;    // the n-th block from now is refused, 0 none
extern u32 world_kill;     // the server dies at the n-th step from now, 0 never
extern u64 world_unmapped; // a process whose window is empty just now
extern u32 world_kills;    // how often it did

// A request, redelivered to successors until one lives long enough to answer it.
err_t world_call(u64 badge, u64 label, u64 w[MSG_WORDS]);
void world_check(void); // the server's invariants, and frames against records
