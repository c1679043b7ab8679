// SPDX-License-Identifier: MIT
/*
 * Pager servers that a process has only when it asks: their window and their endpoint. So those who do not ask pay
 * nothing, neither at fork nor at their end.
 *
 *	without --attach: noted in the record, then made--> with --end of the process: attach_empty, attach_drop-->
 *without
 *
 * Making is idempotent, so a second attach, or one that a predecessor began, ends in the same state. The server learns
 * of the process by its first request or fault, and of its end by NOTIFY_DEATH.
 */
#include "vm.h"

static const struct pager_server {
	cptr_t endpoint; // without badge
	cptr_t slot;     // where the process finds its own
	enum proc_cap cap;
	u32 window;
	u64 start, end;
} servers[] = {
	[ATTACH_SLAB] = { PEER_SLAB, SLOT_SLAB, CAP_SLAB, WINDOW_SLAB, SLAB_WINDOW,
			  SLAB_WINDOW + (u64)SLAB_COUNT *SLAB_STRIDE },
};
#define SERVERS (sizeof(servers) / sizeof(servers[0]))

static err_t mint(cptr_t table, u64 slot, cptr_t source, u64 badge)
{
	err_t err = sys_cap_copy(table, slot, SLOT_SELF_CAPTABLE, source, RIGHT_ENDPOINT_CALL, badge, COPY_COPY);

	return err == -ERR_FULL ? 0 : err; /* it is there already */
}

static err_t server_give(struct proc *p, const struct pager_server *s)
{
	u32 slot = proc_slot(p);
	cptr_t cap = proc_cap(slot, s->cap);
	err_t err = mint(SLOT_SELF_CAPTABLE, cap, s->endpoint, p->badge);

	if (err == -ERR_BADCAP)
		return -ERR_NOSYS; /* the manifest names no such server */
	if (!err)
		err = sys_aspace_ctl(proc_cap(slot, CAP_ASPACE), ASOP_WINDOW, s->window, s->start, s->end, cap,
				     SLOT_CLIENT_POOL, 0, NULL, NULL, NULL, NULL);
	return err ? err : mint(proc_cap(slot, CAP_TABLE), s->slot, cap, 0);
}

static void attached_set(struct proc *p, u16 attached)
{
	struct proc_record record = *proc_record(p);

	record.attached = attached;
	proc_stage(p, &record);
	record_commit();
}

// An object id is its physical address in units of 64 bytes.
static u64 aspace_id(const struct proc *p)
{
	u32 place = proc_record(p)->object[OBJ_ASPACE] - 1u;
	u64 pfn = (u32)vms->object[place / PLACE_SLOTS].frame;

	return (pfn * PAGE_SIZE + place % PLACE_SLOTS * OBJECT_SIZE_ASPACE) / 64;
}

err_t vm_op_attach(struct request *rq, u64 which, u64 *out_aspace)
{
	struct proc *p = badge_proc(rq->badge);
	u16 before = proc_record(p)->attached;
	err_t err;

	if (which >= SERVERS)
		return -ERR_INVAL;
	if (!(before >> which & 1))
		attached_set(p, (u16)(before | 1u << which));
	err = server_give(p, &servers[which]);
	if (err) /* what was made goes with the process */
		return err;
	*out_aspace = aspace_id(p);
	return 0;
}

// The process ends: its view of the servers' pages goes. The pages are the servers'.
void attach_empty(struct proc *p)
{
	for (u32 i = 0; i < SERVERS; i++)
		if (proc_record(p)->attached >> i & 1)
			entries_unmap(p, PAGE_OF(servers[i].start), (servers[i].end - servers[i].start) / PAGE_SIZE, 0);
}

void attach_drop(struct proc *p)
{
	for (u32 i = 0; i < SERVERS; i++)
		if (proc_record(p)->attached >> i & 1)
			cap_drop(proc_cap(proc_slot(p), servers[i].cap));
}
