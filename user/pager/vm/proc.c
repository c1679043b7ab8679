// SPDX-License-Identifier: MIT
/*
 * The process table: pids, parents, groups, ends, waits.
 *
 *	FREE --proc_alloc--> NEW --proc_commit--> RUN --proc_end--> EXIT --life_destroy--> ZOMBIE --reaped--> FREE
 *	                      +--proc_discard--> FREE
 *
 * Invariants: a slot that is not FREE has a pid nobody else has; liveness page: pid[slot] is the pid while the process
 * is NEW or RUN, else 0; an orphan is shown as a child of the first process, which does not wait for it: it leaves no
 * zombie; a parked wait (wait_reply) has a child to wait for.
 */
#include "vm.h"

#include <base/log.h>

static struct liveness *liveness(void)
{
	return (struct liveness *)LIVENESS_VA;
}

const char *proc_name(const struct proc *p)
{
	return (const char *)proc_record(p)->name;
}

struct proc *proc_by_pid(u64 pid)
{
	for (u32 slot = 1; slot < PROCS && pid; slot++)
		if (vms->proc[slot].pid == pid && vms->proc[slot].state != PROC_FREE)
			return &procs[slot];
	return NULL;
}

static void state_set(struct proc *p, u32 state, u32 status)
{
	struct proc_record record = *proc_record(p);

	record.state = state;
	record.status = status;
	proc_stage(p, &record);
	record_commit();
}

static void record_clear(struct proc *p)
{
	struct proc_record none = { 0 };

	proc_stage(p, &none);
	record_commit();
	p->badge = 0;
}

// Slots from the end are the first process' alone (and init's, which makes it).
static u32 slot_find(const struct proc *parent)
{
	u32 own = proc_slot(parent), end = own && own != vms->globals.first ? PROCS - PROCS_RESERVED : PROCS;

	for (u32 slot = 1; slot < end; slot++)
		if (vms->proc[slot].state == PROC_FREE)
			return slot;
	return 0;
}

struct proc *proc_alloc(const struct proc *parent)
{
	struct vm_globals globals = vms->globals;
	struct proc_record record = { .state = PROC_NEW };
	struct result none = { 0 }; /* call numbers of the slot's last thread mean nothing for this one */
	u32 slot = slot_find(parent);

	if (!slot)
		return NULL;
	do {
		record.pid = globals.next_pid;
		globals.next_pid = globals.next_pid < PID_MAX ? globals.next_pid + 1 : 2;
	} while (proc_by_pid(record.pid));
	record.group = record.pid;
	proc_stage(&procs[slot], &record);
	record_stage(&vms->result[slot], &none, sizeof(none));
	record_stage(&vms->globals, &globals, sizeof(globals));
	record_commit();
	procs[slot] = (struct proc){ .badge = slot | (u64)record.pid << 16 };
	/* Its first request may reach files before vm does anything else. */
	liveness()->pid[slot] = record.pid;
	return &procs[slot];
}

void proc_discard(struct proc *p)
{
	liveness()->pid[proc_slot(p)] = 0;
	life_destroy(p);
	record_clear(p);
}

void proc_commit(struct proc *p)
{
	state_set(p, PROC_RUN, 0);
	stats[VMSTAT_PROCS]++;
}

// Does this parked or new wait mean this child?
static bool wait_matches(const struct proc *parent, s64 pid, const struct proc_record *child)
{
	if (child->parent != proc_record(parent)->pid || child->orphan)
		return false;
	if (pid > 0)
		return child->pid == (u64)pid;
	if (pid == 0)
		return child->group == proc_record(parent)->group;
	return pid == -1 || child->group == 0 - (u64)pid;
}

static void wait_answer(struct proc *parent, struct proc *child)
{
	const struct proc_record *record = proc_record(child);
	const struct request asked = { .badge = parent->badge, .reply = parent->wait_reply };
	struct request reply = vm_reply_wait(asked.reply, 0, record->pid, record->status);

	parent->wait_reply = 0;
	result_stage(&asked, 0, record->pid, record->status); /* commits with the child's end */
	record_clear(child);
	(void)ipc_reply(SLOT_SELF_ENDPOINT, &reply); /* STALE: the parent was killed from outside */
}

// NULL: init (pid 0), which waits for none of its children.
static struct proc *parent_of(const struct proc *p)
{
	return proc_by_pid(proc_record(p)->parent);
}

// Nobody asks for the status of an orphan: it will end without a trace, and those that have ended already go now.
static void orphans_adopt(const struct proc *gone)
{
	u32 pid = proc_record(gone)->pid;

	for (u32 slot = 1; slot < PROCS; slot++) {
		struct proc_record record = vms->proc[slot];

		if (record.state == PROC_FREE || record.parent != pid || &procs[slot] == gone)
			continue;
		if (record.state == PROC_ZOMBIE) {
			record_clear(&procs[slot]);
			continue;
		}
		record.parent = vms->proc[vms->globals.first].pid;
		record.orphan = true;
		proc_stage(&procs[slot], &record);
		record_commit();
	}
}

static void power_off(u32 status)
{
	u32 code = status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
	err_t err = init_poweroff(PEER_INIT, code);

	log_line("vm: the first process has ended, but init does not power off: error %d", err);
}

// From EXIT on; also for what a predecessor left half-ended.
static void proc_bury(struct proc *p)
{
	struct proc *parent;
	u32 status = proc_record(p)->status;
	bool attached = proc_record(p)->attached;

	liveness()->pid[proc_slot(p)] = 0;
	wait_drop(p);
	life_destroy(p);
	(void)ipc_notify(PEER_FILES_NOTIFY, NOTIFY_DEATH);
	(void)ipc_notify(PEER_CONSOLE_NOTIFY, NOTIFY_DEATH);
	if (attached)
		(void)ipc_notify(PEER_SLAB_NOTIFY, NOTIFY_DEATH);
	p->wait_reply = 0;
	if (proc_slot(p) == vms->globals.first) {
		power_off(status);
		return;
	}
	orphans_adopt(p);
	state_set(p, PROC_ZOMBIE, status);
	parent = parent_of(p);
	if (proc_record(p)->orphan || !parent || proc_record(parent)->state != PROC_RUN)
		record_clear(p);
	else if (parent->wait_reply && wait_matches(parent, parent->wait_pid, proc_record(p)))
		wait_answer(parent, p);
}

void proc_end(struct proc *p, u32 status)
{
	assert(proc_slot(p) && proc_record(p)->state == PROC_RUN);
	state_set(p, PROC_EXIT, status);
	stats[VMSTAT_EXITS]++;
	stats[VMSTAT_PROCS]--;
	proc_bury(p);
}

// A half-made process has never run; a half-ended one is ended.
void proc_recover(void)
{
	stats[VMSTAT_PROCS] = 0;
	for (u32 slot = 1; slot < PROCS; slot++) {
		struct proc *p = &procs[slot];
		const struct proc_record *record = proc_record(p);

		if (record->state == PROC_NEW) {
			tokens_unsure = true; /* the last ones that clone copied may not be counted */
			proc_discard(p);
			tokens_unsure = false;
		} else if (record->state == PROC_EXIT) {
			proc_bury(p);
		}
		if (record->state != PROC_RUN)
			continue;
		stats[VMSTAT_PROCS]++;
		exec_recover(p);
	}
}

static bool running(u32 slot)
{
	return vms->proc[slot].state == PROC_RUN;
}

static void foreground_set(u32 group, bool interrupted)
{
	struct vm_globals globals = vms->globals;

	globals.foreground = group;
	globals.interrupted = interrupted;
	record_stage(&vms->globals, &globals, sizeof(globals));
	record_commit();
}

// The foreground group ends. One that a shell is still forking does not exist yet, or is empty just now: then the
// interrupt is kept until there is one.
void proc_interrupt(void)
{
	u32 group = vms->globals.foreground;
	bool found = false;

	for (u32 slot = 1; slot < PROCS && group; slot++) {
		if (!running(slot) || vms->proc[slot].group != group || slot == vms->globals.first)
			continue;
		proc_end(&procs[slot], KILL_INT);
		found = true;
	}
	foreground_set(group, !found);
}

err_t vm_op_exit(struct request *rq, u64 status)
{
	struct proc *p = badge_proc(rq->badge);

	proc_end(p, (u32)status & 0xffff);
	return PARKED; /* nobody is left to answer */
}

err_t vm_op_wait(struct request *rq, u64 pid, u64 flags, u64 *out_pid, u64 *out_status)
{
	struct proc *p = badge_proc(rq->badge);
	struct result done;
	bool any = false;

	if (result_find(rq, &done)) {
		*out_pid = done.word[0];
		*out_status = done.word[1];
		return (err_t)done.status;
	}
	for (u32 slot = 1; slot < PROCS; slot++) {
		const struct proc_record *child = &vms->proc[slot];
		struct proc_record none = { 0 };

		if (child->state == PROC_FREE || !wait_matches(p, (s64)pid, child))
			continue;
		any = true;
		if (child->state != PROC_ZOMBIE)
			continue;
		*out_pid = child->pid;
		*out_status = child->status;
		result_stage(rq, 0, *out_pid, *out_status);
		proc_stage(&procs[slot], &none);
		record_commit();
		procs[slot].badge = 0;
		return 0;
	}
	if (!any)
		return -ERR_CHILD;
	if (flags & WAITF_NOHANG)
		return 0;
	p->wait_reply = rq->reply;
	p->wait_pid = (s64)pid;
	return PARKED;
}

static err_t kill_group(const struct proc *self, u32 group, u32 sig)
{
	bool found = false, suicide = false;

	for (u32 slot = 1; slot < PROCS; slot++) {
		if (!running(slot) || vms->proc[slot].group != group)
			continue;
		found = true;
		if (slot == proc_slot(self))
			suicide = true;
		else if (sig && slot != vms->globals.first)
			proc_end(&procs[slot], sig);
	}
	if (!suicide || !sig)
		return found ? 0 : -ERR_SRCH;
	proc_end(&procs[proc_slot(self)], sig);
	return PARKED;
}

err_t vm_op_kill(struct request *rq, u64 pid, u64 sig)
{
	struct proc *self = badge_proc(rq->badge), *p;
	s64 target = (s64)pid;
	struct result done;

	if (result_find(rq, &done))
		return (err_t)done.status;
	if (sig > 127 || target == -1 || target < -(s64)PID_MAX)
		return -ERR_INVAL;
	if (target <= 0)
		return kill_group(self, target ? (u32)-target : proc_record(self)->group, (u32)sig);
	p = proc_by_pid(pid);
	if (!p)
		return -ERR_SRCH;
	if (!sig || proc_record(p)->state != PROC_RUN)
		return 0;
	/* The machine's life hangs on the first process: only it may end itself. */
	if (proc_slot(p) == vms->globals.first && p != self && proc_slot(self))
		return -ERR_PERM;
	/* Commits with the end: an orphan leaves no trace by which a successor could tell that it was killed. */
	result_stage(rq, 0, 0, 0);
	proc_end(p, (u32)sig);
	return p == self ? PARKED : 0;
}

err_t vm_op_getpid(struct request *rq, u64 *out_pid, u64 *out_parent, u64 *out_group)
{
	const struct proc_record *record = proc_record(badge_proc(rq->badge));

	*out_pid = record->pid;
	*out_parent = record->parent;
	*out_group = record->group;
	return 0;
}

err_t vm_op_setgroup(struct request *rq, u64 pid, u64 group)
{
	struct proc *self = badge_proc(rq->badge), *p = pid ? proc_by_pid(pid) : self;
	struct proc_record record;

	if (!p || proc_record(p)->state != PROC_RUN)
		return -ERR_SRCH;
	if (p != self && proc_record(p)->parent != proc_record(self)->pid)
		return -ERR_SRCH; /* neither the caller nor a child of it */
	if (group > PID_MAX)
		return -ERR_INVAL;
	record = *proc_record(p);
	record.group = group ? (u32)group : record.pid;
	proc_stage(p, &record);
	record_commit();
	return 0;
}

err_t vm_op_foreground(struct request *rq, u64 group, u64 *out_interrupted)
{
	bool kept = vms->globals.interrupted;

	if (group > PID_MAX)
		return -ERR_INVAL;
	foreground_set((u32)group, kept && group);
	*out_interrupted = kept && !group;
	if (kept && group)
		proc_interrupt();
	return badge_slot(rq->badge) && !running((u32)badge_slot(rq->badge)) ? PARKED : 0;
}
