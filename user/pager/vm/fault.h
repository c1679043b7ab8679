// SPDX-License-Identifier: MIT
/*
 * What a fault means. fault_plan decides and reserves; the shell sends the decision as the fault's reply.
 *
 *	EMPTY, ANON    write: zeroed frame (a run of them when the faults run on)   read: the zero page
 *	EMPTY, FILE    write: copy of the archive page                              read: the archive's pages around it
 *	EMPTY, SHARED  the shadow's frame
 *	present        read: the same frame again
 *	               write: ours alone: writable; the zero page: zeroed frame; else: copy
 *	token          what is in swap (swap.c)
 *	no mapping, or one that forbids the access: the process ends, with a line that says why
 */
#pragma once

#include "vm.h"

enum fault_plan {
	FAULT_MAP,    // reply_map_recv what *map says
	FAULT_TOKEN,  // the same, and then the token that the fault found is gone
	FAULT_RETRY,  // reply 0: the thread tries again
	FAULT_PARKED, // it will be replied to later
	FAULT_ENDED,  // the process is gone, nobody waits
};

struct fault {
	u64 badge;
	u64 addr;
	u64 access; // ACCESS_*
	u64 old;    // kind | protection << 8 | exclusive << 16
	u64 what;
	u64 pc;
	u64 reply;
	u64 flow;
};

enum fault_plan fault_slow(const struct fault *fault, struct map_reply *map);
// The kernel refused the mapping: give back what was reserved, mend what can be mended. Returns RETRY, PARKED or ENDED.
enum fault_plan fault_refused(const struct fault *f, const struct map_reply *map, err_t err);
// `want` frames in the magazine, or some: MAP. Else what becomes of the fault.
enum fault_plan frame_need(struct proc *p, const struct fault *f, u32 want);
// true: what was missing is there now, the thread tries again. false: it is gone, or waits for memory.
bool fault_exception(const struct request *rq);

/*
 * The common case, first write to an anonymous page, is decided here, without a call and without a write to the
 * segment: the VMA of the last fault again, a frame in the magazine, no sequential run. One write to the magazine's
 * level takes the frame.
 */
static always_inline enum fault_plan fault_plan(const struct request *rq, struct map_reply *map)
{
	struct proc *p = badge_proc(rq->badge);
	const struct vma *v = &vmas[p->hint];
	u64 page = PAGE_OF(rq->w[0]);

	stats[VMSTAT_FAULTS]++;
	if (likely(page - v->start < v->end - v->start && rq->w[1] == ACCESS_WRITE && (u8)rq->w[2] == ENTRY_EMPTY &&
		   v->kind == VMA_ANON && v->prot & PROT_WRITE && page != p->seq_next && magazine.top &&
		   nodes[p->hint].touched)) {
		p->seq_next = page + 1;
		p->seq_run = 1;
		stats[VMSTAT_ANON]++;
		map->prot = v->prot | MAP_ZERO | MAP_IF_EMPTY | MAP_TOUCH;
		map->pool = SLOT_CLIENT_POOL;
		map->frame = vms->magazine[--magazine.top];
		map->source = 0;
		map->word0 = vma_word0(v);
		map->word1 = vma_word1(v, page);
		map->count = 0;
		return FAULT_MAP;
	}
	struct fault fault = { .badge = rq->badge,
			       .addr = rq->w[0],
			       .access = rq->w[1],
			       .old = rq->w[2],
			       .what = rq->w[3],
			       .pc = rq->w[5],
			       .reply = rq->reply,
			       .flow = rq->flow };
	struct map_reply slow = { 0 };
	enum fault_plan plan = fault_slow(&fault, &slow);

	*map = slow;
	return plan;
}
