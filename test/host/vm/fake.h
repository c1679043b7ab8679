// SPDX-License-Identifier: MIT
// The kernel as vm sees it, in the simplest form that tells right from wrong: frames with content, pools, objects,
// entries.
#pragma once

#include "../../../user/pager/vm/vm.h"

#include <setjmp.h>

#define ARCHIVE_PAGES 64
#define FAKE_FRAMES   16384

void fake_boot(
	u64 user_frames); // a machine with this many frames of user memory and the archive, vm's capabilities in place
frame_t fake_archive_frame(void);

// What a user program could do at this address.
struct fake_entry {
	u32 kind; // ENTRY_*
	u32 prot;
	u32 pfn;
};
struct fake_entry fake_lookup(u32 slot, u64 page);
u64 *fake_content(u32 pfn);
frame_t fake_ref(u32 pfn);
bool fake_exclusive(u32 pfn);
extern bool fake_in_fault; // the caller waits for a fault, so a mapping may be its answer
err_t fake_reply_map(u32 slot, u64 addr, const struct map_reply *map);
void fault_arrived(void); // model.c: answers the fault that wait_arrived names

// The last START of a process' thread, and whether it may run.
struct fake_thread {
	bool alive, running; // running: not stopped, so it runs or waits in a call
	u32 starts;
	u64 pc, sp, tls;
	u32 copied_from; // pid-like tag of the parent, fork
	u64 tag;
};
struct fake_thread *fake_thread(u32 slot);

extern struct request fake_reply;         // the last ipc_reply
extern struct request fake_answer[PROCS]; // the last to each process
extern u32 fake_replies;
extern u64 fake_poweroffs;

// Trouble: the n-th call from now that can fail for want of memory does (0: never); the n-th call kills vm before or
// after it works.
extern u64 fake_nomem;
extern u64 fake_kill;
extern jmp_buf fake_killed;
extern u64 fake_calls;

// reclaim and rmap (fake_swap.c). Frames are evicted and brought back as they do it; a disk is an array of slots.
#define FAKE_SLOTS 2048
void fake_swap_boot(struct server_info *info, bool on);
extern u32 fake_meddling;  // before how many of 1000 system calls of vm reclaim does something of its own
extern u32 fake_io_errors; // how many of 1000 reads fail
extern u64 fake_evictions, fake_reads;
void fake_swap_meddle(void);
void fake_unpin(void);        // the device is done
void fake_swap_run(void);     // takes requests, answers some
void fake_swap_deliver(void); // its answers, and what vm told itself
void fake_swap_settle(void);  // until nothing is asked or emptied any more
u32 fake_unuse(u64 first, u64 end);
extern u64 fake_own_bits; // that vm set on its own notification
bool fake_evict_one(void);
u32 fake_drop(u32 want); // out of the swap cache
void fake_swap_recount(void);
u64 fake_swap_check(void); // counts == tokens
u64 fake_swap_used(void);  // slots that belong to somebody
const char *fake_token_wrong(u64 token);
struct fake_entry *fake_place(u64 aspace, u64 va, u32 pfn);

u64 fake_check(void);      // violations of the kernel's own invariants and of vm's, each printed
u64 fake_user_used(void);  // frames of the user pool, children's limits included
u64 fake_user_owned(void); // of them unmapped and not objects: must be the magazine
