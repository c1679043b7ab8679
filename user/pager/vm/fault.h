// SPDX-License-Identifier: MIT
/*
 * What a fault means. fault_plan decides and reserves; the shell sends the decision as the fault's reply.
 *
 *	EMPTY, ANON    write: zeroed frame (a run of them when the faults run on)   read: the zero page
 *	EMPTY, FILE    write: copy of the archive page                              read: the archive's pages around it
 *	EMPTY, SHARED  the shadow's frame
 *	present        read: the same frame again
 *	               write: ours alone: writable; the zero page: zeroed frame; else: copy
 *	no mapping, or one that forbids the access: the process ends, with a line that says why
 */
#pragma once

#include "vm.h"

enum fault_plan {
	FAULT_MAP,   // reply_map_recv what *map says
	FAULT_RETRY, // reply 0: the thread tries again
	FAULT_ENDED, // the process is gone, nobody waits
};

struct fault {
	u64 badge;
	u64 addr;
	u64 access; // ACCESS_*
	u64 old;    // kind | protection << 8 | exclusive << 16
	u64 what;
	u64 pc;
};

enum fault_plan fault_slow(const struct fault *fault, struct map_reply *map);
// The kernel refused the mapping: give back what was reserved, mend what can be mended. Returns RETRY or ENDED.
enum fault_plan fault_refused(u64 badge, u64 addr, const struct map_reply *map, err_t err);
// false: the process is gone. true: what was missing is there now, the thread tries again.
bool fault_exception(const struct request *rq);

/*
 * The common case, first write to an anonymous page, is decided here, without a call and without a write to the
 * segment: the VMA of the last fault again, a frame in the magazine, no sequential run. One write to the magazine's
 * level takes the frame.
 */
static always_inline enum fault_plan fault_plan(const struct request *rq, struct map_reply *map)
{
	struct proc *p = badge_proc(rq->badge);
	const struct vma *v = &vms->vma[p->hint];
	u64 page = PAGE_OF(rq->w[0]);

	stats[VMSTAT_FAULTS]++;
	if (likely(page - v->start < v->end - v->start && rq->w[1] == ACCESS_WRITE && (u8)rq->w[2] == ENTRY_EMPTY &&
		   v->kind == VMA_ANON && v->prot & PROT_WRITE && page != p->seq_next && magazine.top)) {
		nodes[p->hint].touched = true;
		p->seq_next = page + 1;
		p->seq_run = 1;
		p->rss++;
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
			       .pc = rq->w[5] };
	struct map_reply slow = { 0 };
	enum fault_plan plan = fault_slow(&fault, &slow);

	*map = slow;
	return plan;
}
