// SPDX-License-Identifier: MIT
// Out of memory: somebody has to go. Servers have pools of their own and are never asked; the first process goes only
// when it is alone.
#include "swap.h"

#include <base/log.h>

static struct proc *victim(void)
{
	struct proc *first = &procs[vms->globals.first], *worst = NULL;
	u64 most = 0, held;

	for (u32 slot = 1; slot < PROCS; slot++) {
		struct proc *p = &procs[slot];

		if (vms->proc[slot].state != PROC_RUN || p == first)
			continue;
		/* Of equals the younger goes: the older has got further. */
		held = rss_count(p) + swap_held(p) + attach_pages(p);
		if (!worst || held > most || (held == most && vms->proc[slot].pid > proc_record(worst)->pid)) {
			worst = p;
			most = held;
		}
	}
	return worst ? worst : first;
}

u32 oom_spared;

/*
 * End the process with the most pages in memory. false: that was `for_whom`, so its request is answered by nobody. A
 * caller tries again after true; that comes to an end, because every round but the first few ends a process.
 *
 * While the pool has room a refusal is something passing (an injected one, memory on its way back): nobody dies of the
 * first few.
 */
bool oom_kill(const struct proc *for_whom)
{
	u64 limit = 0, usage = 0, children = 0, before;
	struct proc *p;

	(void)sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_STAT, 0, 0, 0, &limit, &usage, NULL, &children);
	before = usage + children;
	/* These two are more urgent: what they keep for later has come back when this returns. */
	(void)ipc_notify(PEER_VMALLOC_NOTIFY, VMALLOC_NOTIFY_PRESSURE);
	(void)ipc_notify(PEER_SLAB_NOTIFY, NOTIFY_PRESSURE);
	(void)objects_shrink();
	(void)sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_STAT, 0, 0, 0, &limit, &usage, NULL, &children);
	if (usage + children < before)
		return true;
	if (limit > usage + children && oom_spared < OOM_SPARED_MAX) {
		oom_spared++;
		return true;
	}
	p = victim();
	if (!proc_slot(p))
		panic("the user pool is empty and there is no process to end");
	log_line(
		"vm: out of memory: pool user has used %lu of %lu pages; killed %s (pid %u), which held %lu and %lu in "
		"swap; give more with MEM= or SWAP=",
		(unsigned long)(usage + children), (unsigned long)limit, proc_name(p), proc_record(p)->pid,
		(unsigned long)(rss_count(p) + attach_pages(p)), (unsigned long)swap_held(p));
	stats[VMSTAT_OOM_KILLS]++;
	proc_end(p, KILL_OOM);
	return p != for_whom;
}
