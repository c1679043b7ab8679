// SPDX-License-Identifier: MIT
/*
 * The state segment: opening it, and making the volatile side again from it.
 *
 *	FRESH -> slot 0 is made (init), pids start at 1
 *	KEPT  -> the sealed operation was applied by state_open; VMAs whose check or owner is wrong are dropped; trees
 *	         and counters rebuilt; half-made and half-ended processes are ended (proc_recover), prepared frames
 *	         looked up (magazine_recover)
 */
#include "vm.h"

#include <base/log.h>

#define STATE_VERSION 3

struct state vm_segment;
struct vm_state *vms;
struct vma *vmas;
struct proc procs[PROCS];
u64 stats[VMSTAT_COUNT];

static u32 layout_sum(void)
{
	return (u32)sizeof(struct vm_state) ^ (u32)sizeof(struct vma) << 20 ^ (u32)sizeof(struct proc_record) << 10 ^
	       PROCS;
}

enum state_found record_open(void *segment)
{
	enum state_found found = state_open(&vm_segment, segment, sizeof(struct vm_state), STATE_VERSION, layout_sum());

	vms = segment;
	vmas = vms->vma;
	if (found == STATE_FRESH) {
		struct proc_record init = { .state = PROC_RUN, .name = "init" };
		struct vm_globals globals = { .next_pid = 1, .next_object = 1 };

		record_stage(&vms->proc[0], &init, sizeof(init));
		record_stage(&vms->globals, &globals, sizeof(globals));
		record_commit();
	}
	return found;
}

static bool vma_valid(const struct vma *v)
{
	return v->kind <= VMA_SHARED && v->start >= LOW_START && v->start < v->end && v->end <= window_end(v->start) &&
	       v->owner < PROCS && vms->proc[v->owner].state != PROC_FREE && v->check == vma_sum(v);
}

void record_rebuild(void)
{
	for (u32 slot = 0; slot < PROCS; slot++) {
		const struct proc_record *record = &vms->proc[slot];

		procs[slot] = (struct proc){ .badge = slot | (u64)record->pid << 16 };
	}
	vma_pool_reset();
	for (u32 i = 1; i < VMAS; i++) {
		struct vma *v = &vmas[i];

		if (v->kind == VMA_FREE)
			continue;
		if (!vma_valid(v)) {
			log_line("vm: dropped a damaged mapping record %u", i);
			*v = (struct vma){ 0 };
			continue;
		}
		vma_link(&procs[v->owner], (u16)i, vma_find(&procs[v->owner], v->start));
		nodes[i].touched = true; /* nobody knows */
	}
}

void proc_stage(const struct proc *p, const struct proc_record *record)
{
	record_stage(proc_record(p), record, sizeof(*record));
}

bool result_find(const struct request *rq, struct result *result)
{
	*result = vms->result[badge_slot(rq->badge) & (PROCS - 1)];
	return result->reply == rq->reply && rq->reply;
}

void result_forget(const struct request *rq)
{
	struct result none = { 0 };

	record_stage(&vms->result[badge_slot(rq->badge) & (PROCS - 1)], &none, sizeof(none));
	record_commit();
}

void result_stage(const struct request *rq, s64 status, u64 word0, u64 word1)
{
	struct result result = { .reply = rq->reply, .status = status, .word = { word0, word1 } };

	record_stage(&vms->result[badge_slot(rq->badge) & (PROCS - 1)], &result, sizeof(result));
}
