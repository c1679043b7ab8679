// SPDX-License-Identifier: MIT
/*
 * mremap. Moving takes several steps, so it is written down as a result that says "moving to ..." before the first
 * entry moves; a redelivered request goes on there.
 *
 *	new range added + RESULT_MOVING (one commit) -> entries moved -> old range unmapped -> result done
 */
#include "vm.h"

#define MREMAP_MAYMOVE 1

static err_t move_finish(struct request *rq, struct proc *p, u64 start, u64 end, u64 to, u64 *out_addr)
{
	u64 n = end - start;
	err_t err;

	vma_touch(vma_find(p, to));
	err = entries_clone(p, to, p, start, n, CLONE_MOVE);

	if (err) {
		/* No memory for tables on the way: put back what went, which needs no more tables than it had. */
		if (entries_clone(p, start, p, to, n, CLONE_MOVE)) {
			proc_end(p, KILL_OOM);
			return PARKED;
		}
		return -ERR_NOMEM;
	}
	err = region_unmap(p, start, end);
	if (err)
		return err;
	result_stage(rq, 0, ADDRESS_OF(to), 0);
	record_commit();
	*out_addr = ADDRESS_OF(to);
	return 0;
}

static err_t move(struct request *rq, struct proc *p, const struct vma *old, u64 start, u64 end, u64 pages,
		  u64 *out_addr)
{
	u64 to = vma_gap(p, pages, LOW_START, PAGE_OF(MMAP_TOP));
	struct vma v = *old;
	err_t err;

	/* One record for the new range, one should the old one be cut in two. */
	if (!to || !vma_records_left(2) || p->vmas + 2 > VMAS_PER_PROC)
		return -ERR_NOMEM;
	v.start = to;
	v.end = to + pages;
	v.pgoff = vma_word1(old, start);
	result_stage(rq, RESULT_MOVING, ADDRESS_OF(to), 0);
	err = region_add(p, &v);
	if (err)
		return err;
	err = move_finish(rq, p, start, end, to, out_addr);
	if (err && err != PARKED) {
		(void)region_unmap(p, to, to + pages);
		result_forget(rq);
	}
	return err;
}

// May the mapping become longer than it is?
static bool may_grow(const struct vma *v, u64 start, u64 pages)
{
	switch (v->kind) {
	case VMA_ANON:
		return vma_word1(v, start) + pages < PGOFF_END;
	case VMA_FILE:
		return vma_word1(v, start) + pages <= vms->globals.archive_pages;
	default:
		return false; /* the shared range has the length it was made with */
	}
}

static err_t grow_in_place(struct proc *p, const struct vma *old, u64 end, u64 more)
{
	struct vma v = *old;

	if (old->end != end || more > window_end(old->start) - end || !vma_free_range(p, end, end + more))
		return -ERR_NOMEM;
	v.start = end;
	v.end = end + more;
	v.pgoff = vma_word1(old, end);
	return region_add(p, &v);
}

err_t vm_op_mremap(struct request *rq, u64 addr, u64 old, u64 new, u64 flags, u64 *out_addr)
{
	struct proc *p = badge_proc(rq->badge);
	struct result done;
	u64 start, end, pages;
	const struct vma *v;
	err_t err = region_check(addr, old, &start, &end);
	u16 i;

	if (err || !new || new > ADDRESS_OF(high_end) || flags & ~(u64)MREMAP_MAYMOVE)
		return -ERR_INVAL;
	if (result_find(rq, &done)) {
		*out_addr = done.word[0];
		return done.status == RESULT_MOVING ? move_finish(rq, p, start, end, PAGE_OF(done.word[0]), out_addr)
						    : (err_t)done.status;
	}
	pages = PAGE_OF(new + PAGE_SIZE - 1);
	i = vma_find(p, start);
	v = &vmas[i];
	if (!i || v->start > start || v->end < end)
		return -ERR_FAULT;
	*out_addr = addr;
	if (pages <= end - start)
		return pages == end - start ? 0 : region_unmap(p, start + pages, end);
	if (!may_grow(v, start, pages))
		return -ERR_INVAL;
	err = grow_in_place(p, v, end, pages - (end - start));
	if (err && flags & MREMAP_MAYMOVE)
		err = move(rq, p, v, start, end, pages, out_addr);
	return err;
}
