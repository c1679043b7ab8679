// SPDX-License-Identifier: MIT
/*
 * fork: the child gets the parent's records, its entries copy-on-write, its registers. The parent is blocked in this
 * very call, so its window stands still.
 *
 *	NEW: objects -> records and entries, VMA by VMA -> registers
 *	     (any failure: proc_discard, the parent gets the error)
 *	RUN + the parent's result (one commit) -> started
 */
#include "vm.h"

static err_t vma_copy(struct proc *child, struct proc *parent, u16 from)
{
	struct vma v = vmas[from];
	err_t err = 0;
	u16 i;

	v.owner = (u16)proc_slot(child);
	v.flags &= ~VMA_LOCKED;
	i = vma_add(child, &v, 0); /* they come in order */
	if (!i)
		return -ERR_NOMEM;
	/* Shared pages are in the shadow, where the child's faults find them. */
	if (v.kind == VMA_SHARED)
		shared_hold(&v);
	if (v.kind != VMA_SHARED && nodes[from].touched) {
		vma_touch(i); /* rmap knows the child before there is anything to find */
		err = entries_clone(child, v.start, parent, v.start, v.end - v.start, CLONE_COW);
	}
	/* Locks kept some apart. */
	(void)vma_merge(child, i);
	return err;
}

static err_t vmas_copy(struct proc *child, struct proc *parent)
{
	err_t err = vma_records_left(parent->vmas) ? 0 : -ERR_NOMEM;

	for (u16 i = parent->first; i && !err; i = nodes[i].next)
		err = vma_copy(child, parent, i);
	return err;
}

static err_t registers_copy(struct proc *child, struct proc *parent)
{
	cptr_t thread = proc_cap(proc_slot(child), CAP_THREAD);
	err_t err = sys_thread_regs(thread, REGS_COPY, proc_cap(proc_slot(parent), CAP_THREAD));

	/* The child's fork returns 0; the words that hold its pid there are those of the request, all zero. */
	return err ? err : sys_thread_regs(thread, REGS_RESULT, 0);
}

static err_t child_fill(struct proc *child, struct proc *parent)
{
	struct proc_record record = *proc_record(parent), *mine = proc_record(child);
	err_t err = life_create(child);

	if (!err)
		err = vmas_copy(child, parent);
	if (!err)
		err = registers_copy(child, parent);
	if (err)
		return err;
	record.pid = mine->pid;
	record.parent = proc_record(parent)->pid;
	record.orphan = false;
	record.attached = mine->attached; /* windows of others are not inherited */
	record.thread = mine->thread;
	record.state = mine->state;
	__builtin_memcpy(record.object, mine->object, sizeof(record.object));
	proc_stage(child, &record);
	record_commit();
	return 0;
}

// Run a complete NEW process. Its thread starts only after the commit: a successor never ends a process that has run.
static err_t child_start(struct proc *child)
{
	u32 slot = proc_slot(child);
	const u64 *name = (const u64 *)proc_record(child)->name;
	cptr_t thread = proc_cap(slot, CAP_THREAD);

	(void)sys_thread_ctl(thread, THREAD_NAME, name[0], name[1], 0, 0, NULL, NULL, NULL, NULL); /* only a name */
	proc_commit(child);
	return sys_thread_ctl(thread, THREAD_START, proc_cap(slot, CAP_ASPACE), proc_cap(slot, CAP_TABLE), 0, 0, NULL,
			      NULL, NULL, NULL);
}

err_t vm_op_fork(struct request *rq, u64 *out_pid)
{
	struct proc *parent = badge_proc(rq->badge), *child;
	struct result done;
	err_t err;

	if (result_find(rq, &done)) {
		*out_pid = done.word[0];
		return (err_t)done.status;
	}
	child = proc_alloc(parent);
	if (!child)
		return -ERR_AGAIN;
	err = child_fill(child, parent);
	if (err) {
		proc_discard(child);
		return err;
	}
	*out_pid = proc_record(child)->pid;
	stats[VMSTAT_FORKS]++;
	result_stage(rq, 0, *out_pid, 0);
	err = child_start(child);
	if (err)
		panic("fork: a complete child does not start: error %d", err);
	return 0;
}
