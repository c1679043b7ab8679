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

#define WORLD_SLABS 8192 // slab numbers are below

void world_boot(const char *cmdline,
		u64 limit);  // a new machine: frames there may be in slabs, an eighth of them at once
void world_restart(void);    // a successor on the same segment
u64 world_process(u32 slot); // a new process there; its badge
void world_end(u64 badge);   // its death, as vm tells it

extern u64 world_frames;    // in use
extern u32 world_nomem;     // the n-th block from now is refused, 0 none
extern u32 world_kill;      // the server dies at the n-th step from now, 0 never
extern u64 world_user;      // frames that user memory has free
extern bool world_reclaim;  // is there one? Then it frees some when it is asked, or says that it cannot
extern u32 world_parked;    // how often a refill waited
extern u32 world_replies;   // parked requests that were answered
void world_unaccount(void); // world_user was set: so much there is
void world_memory(void);    // user memory grows or shrinks, as programs like it
u64 world_reply(void);      // a reply word
extern u64 world_unmapped;  // a process whose window is empty just now
extern u32 world_kills;     // how often it did

// A request, redelivered to successors until one lives long enough to answer it.
err_t world_call(u64 badge, u64 label, u64 w[MSG_WORDS]);
void world_check_empty(void);     // and that everything is back
void world_answer(bool progress); // reclaim, which was asked, answers
void world_check(void);           // the server's invariants, and frames against records
