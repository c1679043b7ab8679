// SPDX-License-Identifier: MIT
// vm's half of paging: what a token in a page table means (swap.c), and what has to wait for reclaim (wait.c). The
// protocol, and who may do what when: docs/pagers.md.
#pragma once

#include "fault.h"

#include <pager/channel.h>
#include <pager/frames.h>
#include <pager/swap.h>

#define SCAN_ENTRIES (PAGE_SIZE / 32) // most that one scan lists

extern struct swap swap;
extern struct frames frame_table;
extern struct channel reclaim;

// The peers and the memory shared with them, as far as the manifest has them.
void swap_open(const struct server_info *info);

// Is there a reclaim that can bring pages and frames?
static inline bool swap_there(void)
{
	return swap.share && __atomic_load_n(&swap.share->magic, __ATOMIC_ACQUIRE) == SWAP_MAGIC;
}

// Does the frame lie in the swap cache too? Then the kernel maps it read-only.
static inline bool frame_cached(frame_t frame)
{
	const struct frame_view *view = frame_of(&frame_table, frame);

	return view && view->marks & FRAME_SWAPCACHE;
}

// {token, address} pairs in the argument page: so many entries came to be, or went.
void tokens_get(u64 n);
void tokens_put(u64 n);
void token_put(u64 slot);
void token_replaced(u64 slot); // by the mapping of a plan FAULT_TOKEN
void token_kept(void);         // that mapping was refused
void tokens_tell(void);        // reclaim, of slots that nobody has any more

// A fault on a token of private memory.
enum fault_plan swap_fault(struct proc *p, const struct vma *v, u64 page, const struct fault *f, struct map_reply *map);
// The same when the page has come for which it waited. RETRY: the fault is to be taken again.
enum fault_plan swap_arrived(const struct fault *f, struct map_reply *map);
// Take a frame that is mapped out of the swap cache, so that it may be written. false: its slot is needed elsewhere, or
// it is on its way out again.
bool swap_leave(frame_t frame);
// Map the frame of the swap cache over the token `slot` at a page, read-only. EXIST, STALE: reclaim was faster.
err_t token_resolve(struct proc *p, const struct vma *v, u64 page, u64 slot, frame_t frame);
// Resolve tokens of a range that have a frame. AGAIN: page_missing is the slot of one that has none.
err_t swap_bring_in(struct proc *p, u64 start, u64 end) must_check;
u64 swap_held(const struct proc *p); // tokens of a process: it is asked when memory is out

// swapoff: all tokens of the slots that swap_share names.
void unuse_begin(void);
void unuse_lost(void);  // an answer may have been lost: was it the one that begins a walk?
void unuse_go_on(void); // one quantum

// The fault is parked, and answered when reclaim has brought the page. false: its ring is full; try again.
// alone: nothing is read ahead with it.
bool wait_page(struct proc *p, const struct fault *f, u64 slot, bool alone) must_check;
// The same until there are frames. false: there is nobody to wait for.
bool wait_memory(struct proc *p, const struct fault *f, u32 want) must_check;
// A call that is done again from the start when there are frames, or the page of a slot. false: it cannot wait.
bool wait_call(const struct request *rq, u32 slot) must_check;
void wait_answers(void);
// A fault whose page has come, still to be answered (swap_arrived); false: none. To be asked after wait_answers.
bool wait_arrived(struct fault *f) must_check;
// An entry of a process that may wait has changed: the fault is to be taken again, for what is there now.
void wait_entry_changed(const struct proc *p);
