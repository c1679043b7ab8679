// SPDX-License-Identifier: MIT
// Looking at processes: what ps, maps, vtop, caps and free ask. Nothing here changes anything.
#include "vm.h"

static u32 state_shown(const struct proc *p)
{
	u32 state = proc_record(p)->state;

	return state == PROC_RUN && p->wait_reply ? PROC_WAIT : state;
}

err_t vm_op_ps(struct request *rq, u64 index, u64 *out_pid, u64 *out_parent_group, u64 *out_state_rss, u64 *out_name0,
	       u64 *out_name1, u64 *out_cycles, u64 *out_next)
{
	const struct proc_record *record = &vms->proc[index % PROCS];
	const struct proc *p = &procs[index % PROCS];
	u64 next = index + 1;

	(void)rq;
	if (index >= PROCS)
		return -ERR_INVAL;
	while (next < PROCS && vms->proc[next].state == PROC_FREE)
		next++;
	*out_next = next < PROCS ? next : 0;
	if (!index || record->state == PROC_FREE)
		return 0;
	*out_pid = record->pid;
	*out_parent_group = record->parent | (u64)record->group << 32;
	*out_state_rss = state_shown(p) | rss_count(p) << 32;
	__builtin_memcpy(out_name0, record->name, 8);
	__builtin_memcpy(out_name1, record->name + 8, 8);
	if (record->state == PROC_RUN)
		(void)sys_thread_ctl(proc_cap(proc_slot(p), CAP_THREAD), THREAD_STAT, 0, 0, 0, 0, NULL, NULL, NULL,
				     out_cycles);
	return 0;
}

// Pages of a range that are in memory. The kernel lists so many at a time.
u64 entries_count(const struct proc *p, u64 start, u64 end)
{
	u64 present = 0;

	while (start < end) {
		u64 done = 0, entries = 0;
		err_t err = sys_scan(proc_cap(proc_slot(p), CAP_ASPACE), ADDRESS_OF(start), end - start, SCAN_LIST,
				     &done, &entries);

		for (u64 i = 0; i < entries; i++)
			present += (server_argument()[4 * i] & (PAGE_SIZE - 1)) != ENTRY_TOKEN;
		if (err || !done)
			break;
		start += done;
	}
	return present;
}

err_t vm_op_vma(struct request *rq, u64 pid, u64 addr, u64 *out_start, u64 *out_end, u64 *out_prot_flags,
		u64 *out_image, u64 *out_offset, u64 *out_rss)
{
	struct proc *p = proc_by_pid(pid);
	const struct vma *v;
	u64 flags = 0;
	u16 i;

	(void)rq;
	if (!p)
		return -ERR_SRCH;
	i = vma_find(p, PAGE_OF(addr));
	if (!i)
		return -ERR_NOENT;
	v = &vmas[i];
	if (v->kind == VMA_FILE) {
		flags |= MMAP_FILE;
		*out_image = v->object;
		*out_offset = ADDRESS_OF(v->pgoff - v->object);
	}
	if (v->kind == VMA_SHARED)
		flags |= MMAP_SHARED;
	if (v->flags & VMA_STACK)
		flags |= MMAP_STACK;
	*out_start = ADDRESS_OF(v->start);
	*out_end = ADDRESS_OF(v->end);
	*out_prot_flags = v->prot | flags << 32;
	*out_rss = entries_count(p, v->start, v->end);
	return 0;
}

err_t vm_op_walk(struct request *rq, u64 pid, u64 addr, u64 level, u64 *out_entry, u64 *out_where, u64 *out_kind,
		 u64 *out_what)
{
	struct proc *p = proc_by_pid(pid);

	(void)rq;
	if (!p || proc_record(p)->state != PROC_RUN)
		return -ERR_SRCH;
	return sys_system(SLOT_SYSTEM, SYS_WALK, proc_cap(proc_slot(p), CAP_ASPACE), addr, level, out_entry, out_where,
			  out_kind, out_what);
}

// Where the range ends that can be scanned at once: vm's windows are two. 0: there is no more.
static u64 scan_end(u64 *page)
{
	if (*page < LOW_START)
		*page = LOW_START;
	if (*page >= LOW_END && *page < HIGH_START)
		*page = HIGH_START;
	if (*page < LOW_END)
		return LOW_END;
	return *page < high_end ? high_end : 0;
}

// One entry of the kernel's list, as op entries shows it.
static u64 entry_shown(const struct proc *p, u64 entry)
{
	u64 page = PAGE_OF(entry);
	u16 i = vma_find(p, page);

	if (!i || vmas[i].start > page)
		return (entry & ~(u64)(PAGE_SIZE - 1)) | (entry & 7) | ENTRIES_STRAY;
	return (entry & ~(u64)(PAGE_SIZE - 1)) | (entry & 7) | (vmas[i].flags & VMA_LOCKED ? ENTRIES_LOCKED : 0);
}

err_t vm_op_entries(struct request *rq, u64 index, u64 addr, u64 *out_next, u64 *out_entry0, u64 *out_what0,
		    u64 *out_entry1, u64 *out_what1, u64 *out_entry2, u64 *out_what2)
{
	const struct proc *p = &procs[index % PROCS];
	u64 *out[][2] = { { out_entry0, out_what0 }, { out_entry1, out_what1 }, { out_entry2, out_what2 } };
	u64 page = PAGE_OF(addr), end = scan_end(&page), done = 0, entries = 0, n;

	(void)rq;
	if (index >= PROCS || addr % PAGE_SIZE)
		return -ERR_INVAL;
	if (index ? vms->proc[index].state != PROC_RUN : !vms->proc[0].object[OBJ_ASPACE])
		return -ERR_SRCH;
	if (!end)
		return 0;
	if (sys_scan(proc_cap((u32)index, CAP_ASPACE), ADDRESS_OF(page), end - page, SCAN_LIST, &done, &entries) ||
	    !done)
		return -ERR_INVAL;
	n = entries < 3 ? entries : 3;
	for (u64 i = 0; i < n; i++) {
		*out[i][0] = entry_shown(p, server_argument()[4 * i]);
		*out[i][1] = server_argument()[4 * i + 2];
	}
	page = entries > 3 ? PAGE_OF(server_argument()[4 * 3]) : page + done;
	*out_next = (scan_end(&page) ? ADDRESS_OF(page) : 0) | n;
	return 0;
}

err_t vm_op_caps(struct request *rq, u64 pid, u64 slot, u64 *out_slot, u64 *out_type_rights, u64 *out_object,
		 u64 *out_badge)
{
	struct proc *p = proc_by_pid(pid);
	const u64 *entry = server_argument();
	u64 count = 0;
	err_t err;

	(void)rq;
	if (!p || proc_record(p)->state != PROC_RUN)
		return -ERR_SRCH;
	err = sys_cap_list(proc_cap(proc_slot(p), CAP_TABLE), slot, &count, NULL);
	if (err || !count)
		return -ERR_NOENT;
	*out_slot = (u32)entry[0];
	*out_type_rights = (entry[0] >> 32 & 0xff) | (entry[0] >> 40) << 32;
	*out_object = entry[1];
	*out_badge = entry[2];
	return 0;
}

static u64 tables_used(void)
{
	u64 n = object_frames();

	for (u32 slot = 1; slot < PROCS; slot++) {
		u64 used = 0;

		if (vms->proc[slot].state == PROC_RUN &&
		    !sys_pool_ctl(proc_cap(slot, CAP_POOL), POOLOP_STAT, 0, 0, 0, NULL, &used, NULL, NULL))
			n += used;
	}
	return n;
}

err_t vm_op_stat(struct request *rq, u64 index, u64 *out_value)
{
	(void)rq;
	*out_value = index < VMSTAT_COUNT ? stats[index] : 0;
	switch (index) {
	case VMSTAT_VMAS:
		for (u32 slot = 1; slot < PROCS; slot++)
			*out_value += procs[slot].vmas;
		return 0;
	case VMSTAT_POOL_LIMIT:
		return sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_STAT, 0, 0, 0, out_value, NULL, NULL, NULL);
	case VMSTAT_POOL_USED:
		return sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_STAT, 0, 0, 0, NULL, out_value, NULL, NULL);
	case VMSTAT_POOL_TABLES:
		*out_value = tables_used();
		return 0;
	case VMSTAT_ARCHIVE:
		*out_value = vms->globals.archive_pages;
		return 0;
	case VMSTAT_ARCHIVE_PFN:
		*out_value = (u32)vms->globals.archive;
		return 0;
	case VMSTAT_POOL_CHILDREN:
		return sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_STAT, 0, 0, 0, NULL, NULL, NULL, out_value);
	default:
		return index < VMSTAT_COUNT ? 0 : -ERR_INVAL;
	}
}

// Servers are init's; programs have no way to it but this one.
err_t vm_op_server(struct request *rq, u64 index, u64 *out_name0, u64 *out_name1, u64 *out_priority_state,
		   u64 *out_cycles, u64 *out_limit, u64 *out_used)
{
	(void)rq;
	return init_server(PEER_INIT, index, out_name0, out_name1, out_priority_state, out_cycles, out_limit, out_used);
}

// The kernel counts: it sees every system call between a fault and its reply.
err_t vm_op_fault_histogram(struct request *rq, u64 calls, u64 *out_faults)
{
	(void)rq;
	if (calls < 1 || calls > 8)
		return -ERR_INVAL;
	return sys_system(SLOT_SYSTEM, SYS_STAT, SYSSTAT_FAULT_SYSCALLS + calls, 0, 0, out_faults, NULL, NULL, NULL);
}
