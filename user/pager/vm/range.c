// SPDX-License-Identifier: MIT
// The operations on ranges: mmap, munmap, mprotect, brk, madvise, mremap, mlock, limit.
#include "swap.h"

#define MMAP_ALL (MMAP_FIXED | MMAP_NOREPLACE | MMAP_SHARED | MMAP_FILE | MMAP_POPULATE | MMAP_STACK)
#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

// No CPU has write-only pages.
static u8 prot_normal(u64 prot)
{
	return (u8)(prot & PROT_WRITE ? prot | PROT_READ : prot);
}

// Is every page of the range mapped?
static bool region_covered(const struct proc *p, u64 start, u64 end)
{
	for (u16 i = vma_find(p, start); i && vmas[i].start <= start; i = nodes[i].next) {
		start = vmas[i].end;
		if (start >= end)
			return true;
	}
	return false;
}

// Where a new mapping goes: at addr where that is demanded or free, else the highest gap below MMAP_TOP: as in Linux a
// program sees pointers above it only when it asks for them.
static err_t mmap_place(struct proc *p, u64 addr, u64 pages, u64 flags, u64 *start)
{
	u64 end;
	err_t err;

	if (flags & (MMAP_FIXED | MMAP_NOREPLACE)) {
		err = region_check(addr, ADDRESS_OF(pages), start, &end);
		if (err)
			return err;
		if (flags & MMAP_NOREPLACE)
			return vma_free_range(p, *start, end) ? 0 : -ERR_EXIST;
		return region_unmap(p, *start, end);
	}
	if (addr && !region_check(addr & ~(u64)(PAGE_SIZE - 1), ADDRESS_OF(pages), start, &end) &&
	    vma_free_range(p, *start, end))
		return 0;
	*start = vma_gap(p, pages, LOW_START, PAGE_OF(MMAP_TOP));
	return *start ? 0 : -ERR_NOMEM;
}

static err_t mmap_file(struct vma *v, u64 pages, u64 image, u64 offset)
{
	u64 all = vms->globals.archive_pages, first = offset >> PAGE_SHIFT;

	if (offset % PAGE_SIZE || image >= all || first >= all - image || pages > all - image - first)
		return -ERR_INVAL;
	v->kind = VMA_FILE;
	v->object = (u32)image;
	v->pgoff = image + first;
	return 0;
}

// The VMA without its place.
static err_t mmap_kind(struct proc *p, struct vma *v, u64 pages, u64 prot, u64 flags, u64 image, u64 offset)
{
	v->owner = (u16)proc_slot(p);
	v->prot = prot_normal(prot);
	v->flags = flags & MMAP_STACK ? VMA_STACK : 0;
	v->kind = flags & MMAP_SHARED ? VMA_SHARED : VMA_ANON;
	v->object = proc_record(p)->pid;
	if (!(flags & MMAP_FILE))
		return 0;
	/* The archive is read-only: a shared mapping of it is a private one that is never written. */
	if (flags & MMAP_SHARED && prot & PROT_WRITE)
		return -ERR_ACCES;
	return mmap_file(v, pages, image, offset);
}

err_t vm_op_mmap(struct request *rq, u64 addr, u64 len, u64 prot, u64 flags, u64 image, u64 offset, u64 *out_addr)
{
	struct proc *p = badge_proc(rq->badge);
	struct vma v = { 0 };
	struct result done;
	u64 pages, start;
	err_t err;

	if (result_find(rq, &done)) {
		*out_addr = done.word[0];
		return (err_t)done.status;
	}
	if (!len || prot & ~(u64)PROT_ALL || flags & ~(u64)MMAP_ALL)
		return -ERR_INVAL;
	if (len > ADDRESS_OF(high_end))
		return -ERR_NOMEM;
	pages = PAGE_OF(len + PAGE_SIZE - 1);
	err = mmap_kind(p, &v, pages, prot, flags, image, offset);
	if (!err)
		err = mmap_place(p, addr, pages, flags, &start);
	if (err)
		return err;
	v.start = start;
	v.end = start + pages;
	if (v.kind == VMA_ANON)
		v.pgoff = start;
	if (v.kind == VMA_SHARED) {
		err = shared_create(&v);
		if (err)
			return err;
		shared_hold(&v);
	}
	result_stage(rq, 0, ADDRESS_OF(start), 0);
	err = region_add(p, &v);
	if (err) {
		if (v.kind == VMA_SHARED)
			shared_release(&v);
		return err;
	}
	if (flags & MMAP_POPULATE)
		(void)region_populate(p, v.start, v.end); /* what is missing is brought in by faults */
	*out_addr = ADDRESS_OF(start);
	return 0;
}

err_t vm_op_munmap(struct request *rq, u64 addr, u64 len)
{
	u64 start, end;
	err_t err = region_check(addr, len, &start, &end);

	return err ? err : region_unmap(badge_proc(rq->badge), start, end);
}

/*
 * Change attributes of all mapped pages of a range. Splits come first, so that a full table changes nothing; then every
 * VMA is wholly inside or outside.
 */
struct region_edit {
	bool protect;
	u8 prot;
	u16 set, clear;
};

static void entries_protect(struct proc *p, u64 start, u64 end, u64 prot)
{
	cptr_t as = proc_cap(proc_slot(p), CAP_ASPACE);

	while (start < end) {
		u64 done = 0;
		err_t err = sys_protect(as, ADDRESS_OF(start), end - start, prot, &done, NULL, NULL);

		if ((err && err != -ERR_AGAIN) || done > end - start || (!err && !done))
			panic("protect of page 0x%lx in slot %u: error %d", (unsigned long)start, proc_slot(p), err);
		start += done;
	}
}

static err_t region_change(struct proc *p, u64 start, u64 end, const struct region_edit *edit)
{
	u16 i = vma_find(p, start), last;

	if (!vma_records_left(2) || p->vmas + 2 > VMAS_PER_PROC)
		return -ERR_NOMEM;
	if (i && vmas[i].start < start)
		i = vma_split(p, i, start);
	last = vma_find(p, end - 1);
	if (last && vmas[last].start < end && vmas[last].end > end && !vma_split(p, last, end))
		return -ERR_NOMEM;
	while (i && vmas[i].start < end) {
		struct vma v = vmas[i];

		v.flags = (v.flags & ~(u64)edit->clear) | edit->set;
		if (edit->protect) {
			v.prot = edit->prot;
			if (nodes[i].touched)
				entries_protect(p, v.start, v.end, v.prot);
		}
		vma_change(p, i, &v);
		i = nodes[vma_merge(p, i)].next;
	}
	/* The one behind the range may fit now. */
	if (i)
		(void)vma_merge(p, i);
	return 0;
}

err_t vm_op_mprotect(struct request *rq, u64 addr, u64 len, u64 prot)
{
	struct proc *p = badge_proc(rq->badge);
	struct region_edit edit = { .protect = true, .prot = prot_normal(prot) };
	u64 start, end;
	err_t err = region_check(addr, len, &start, &end);

	if (err || prot & ~(u64)PROT_ALL)
		return -ERR_INVAL;
	if (!region_covered(p, start, end))
		return -ERR_NOMEM;
	return region_change(p, start, end, &edit);
}

err_t vm_op_brk(struct request *rq, u64 addr, u64 *out_addr)
{
	struct proc *p = badge_proc(rq->badge);
	struct proc_record record = *proc_record(p);
	u64 old = PAGE_OF(record.brk + PAGE_SIZE - 1), new = PAGE_OF(addr + PAGE_SIZE - 1);
	err_t err = 0;

	*out_addr = record.brk;
	if (!addr || addr == record.brk)
		return 0;
	if (addr < record.brk_start || addr > MMAP_TOP)
		return -ERR_NOMEM;
	record.brk = addr;
	if (new < old && (err = region_unmap(p, new, old)))
		return err;
	if (new > old && !vma_free_range(p, old, new))
		return -ERR_NOMEM;
	proc_stage(p, &record);
	if (new > old) {
		struct vma v = { .start = old,
				 .end = new,
				 .pgoff = old,
				 .object = record.pid,
				 .owner = (u16)proc_slot(p),
				 .kind = VMA_ANON,
				 .prot = PROT_READ | PROT_WRITE };

		err = region_add(p, &v);
		if (err)
			return err;
	} else {
		record_commit();
	}
	*out_addr = addr;
	return 0;
}

err_t vm_op_madvise(struct request *rq, u64 addr, u64 len, u64 advice)
{
	struct proc *p = badge_proc(rq->badge);
	struct region_edit edit = { .clear = VMA_RANDOM | VMA_SEQUENTIAL };
	u64 start, end;
	err_t err = region_check(addr, len, &start, &end);

	if (err)
		return err;
	switch (advice) {
	case MADV_RANDOM:
		edit.set = VMA_RANDOM;
		break;
	case MADV_SEQUENTIAL:
		edit.set = VMA_SEQUENTIAL;
		break;
	case MADV_NORMAL:
		break;
	case MADV_WILLNEED:
		err = region_populate(p, start, end);
		if (err == -ERR_AGAIN)
			err = 0; /* what is in swap comes when it is touched */
		return err ? err : region_covered(p, start, end) ? 0 : -ERR_NOMEM;
	case MADV_DONTNEED:
		/* Shared pages stay in the shadow and come back by a fault, as they must. */
		for (u16 i = vma_find(p, start); i && vmas[i].start < end; i = nodes[i].next) {
			const struct vma *v = &vmas[i];
			u64 from = v->start > start ? v->start : start, to = v->end < end ? v->end : end;

			if (nodes[i].touched)
				entries_unmap(p, from, to - from, UNMAP_FREE);
		}
		return region_covered(p, start, end) ? 0 : -ERR_NOMEM;
	default:
		return -ERR_INVAL;
	}
	err = region_change(p, start, end, &edit);
	return err ? err : region_covered(p, start, end) ? 0 : -ERR_NOMEM;
}

err_t vm_op_mlock(struct request *rq, u64 addr, u64 len, u64 on)
{
	struct proc *p = badge_proc(rq->badge);
	struct region_edit edit = { .set = on ? VMA_LOCKED : 0, .clear = VMA_LOCKED };
	u64 skew = addr % PAGE_SIZE;
	u64 start, end;
	err_t err = on > 1 ? -ERR_INVAL : region_check(addr - skew, len + skew, &start, &end);

	if (err)
		return err;
	if (!region_covered(p, start, end))
		return -ERR_NOMEM;
	err = region_change(p, start, end, &edit);
	if (!err && on)
		err = region_populate(p, start, end);
	return err || !on ? err : swap_bring_in(p, start, end);
}

void mlock_undo(const struct request *asked)
{
	struct region_edit edit = { .clear = VMA_LOCKED };
	u64 skew = asked->w[0] % PAGE_SIZE, start, end;

	if (asked->label == OP_VM_MLOCK && !region_check(asked->w[0] - skew, asked->w[1] + skew, &start, &end))
		(void)region_change(badge_proc(asked->badge), start, end, &edit);
}

err_t vm_op_limit(struct request *rq, u64 bytes)
{
	struct proc *p = badge_proc(rq->badge);
	struct proc_record record = *proc_record(p);

	if (!proc_slot(p))
		return -ERR_INVAL;
	record.limit = bytes;
	proc_stage(p, &record);
	record_commit();
	return 0;
}
