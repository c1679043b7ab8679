// SPDX-License-Identifier: MIT
/*
 * Pager servers that a process has only when it asks: their window and their endpoint. So those who do not ask pay
 * nothing, neither at fork nor at their end.
 *
 *	without --attach: noted in the record, then made--> with --end: attach_empty, attach_drop--> without
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
	bool maps; // it maps frames of the process' own pool there (vmalloc)
} servers[] = {
	[ATTACH_SLAB] = { PEER_SLAB, SLOT_SLAB, CAP_SLAB, WINDOW_SLAB, SLAB_WINDOW,
			  SLAB_WINDOW + (u64)SLAB_COUNT *SLAB_STRIDE },
	[ATTACH_VMALLOC] = { PEER_VMALLOC, SLOT_VMALLOC, CAP_VMALLOC, WINDOW_VMALLOC, VMALLOC_START, VMALLOC_END,
			     true },
};
#define SERVERS (sizeof(servers) / sizeof(servers[0]))

static err_t mint(cptr_t table, u64 slot, cptr_t source, u64 badge)
{
	err_t err = sys_cap_copy(table, slot, SLOT_SELF_CAPTABLE, source, RIGHT_ENDPOINT_CALL, badge, COPY_COPY);

	return err == -ERR_FULL ? 0 : err; /* it is there already */
}

// One capability for vmalloc, with a word about whose it is.
static err_t cap_lend(cptr_t source, u64 rights, u64 window, struct request *rq)
{
	cptr_t passed = proc_cap(0, CAP_PASSED);
	err_t err;

	cap_drop(passed);
	err = sys_cap_copy(SLOT_SELF_CAPTABLE, passed, SLOT_SELF_CAPTABLE, source, rights, window, COPY_COPY);
	if (err)
		return err;
	rq->caps = caps_pair(passed, CAP_NULL);
	err = ipc_call(PEER_VMALLOC_CALL, rq);
	cap_drop(passed); /* its copy becomes a child of `source` */
	return err ? err : (err_t)rq->label;
}

// The right to map in this one window, and the pool that pays: what is mapped there is counted as the process', and
// revoking takes it all back.
static err_t window_lend(struct proc *p, const struct pager_server *s)
{
	u32 slot = proc_slot(p);
	struct request begin = { .label = OP_VMALLOC_ATTACH, .w = { p->badge, s->start, s->end } };
	struct request fund = { .label = OP_VMALLOC_FUND, .w = { p->badge } };
	err_t err = cap_lend(proc_cap(slot, CAP_ASPACE), RIGHT_ASPACE_MODIFY, s->window + 1, &begin);

	return err ? err
		   : cap_lend(proc_cap(slot, CAP_POOL), RIGHT_POOL_ALLOC | RIGHT_POOL_MAP | RIGHT_POOL_CONTROL, 0,
			      &fund);
}

static void revoke(cptr_t slot)
{
	u64 done;

	while (sys_cap_revoke(SLOT_SELF_CAPTABLE, slot, &done) == -ERR_AGAIN)
		;
}

// vmalloc forgets the process; then, whatever it has done, its rights and the pages go.
static void window_return(struct proc *p, const struct pager_server *s)
{
	u32 slot = proc_slot(p);

	(void)vmalloc_detach(PEER_VMALLOC_CALL, p->badge); /* NOENT: it had not begun. DEAD: see below */
	revoke(proc_cap(slot, CAP_ASPACE));
	revoke(proc_cap(slot, CAP_POOL));
	for (u64 va = s->start, done = 0; va < s->end; va += done * PAGE_SIZE) {
		err_t err = sys_unmap(proc_cap(slot, CAP_ASPACE), va, (s->end - va) / PAGE_SIZE,
				      proc_cap(slot, CAP_POOL), UNMAP_FREE, 0, &done, NULL, NULL, NULL);

		if ((err && err != -ERR_AGAIN) || (!err && !done))
			panic("unmap of the areas of slot %u: error %d", slot, err);
	}
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
	if (!err && s->maps)
		err = window_lend(p, s);
	return err ? err : mint(proc_cap(slot, CAP_TABLE), s->slot, cap, 0);
}

// The last thing that is made tells that all is.
static bool given(const struct proc *p, const struct pager_server *s)
{
	u64 count = 0;

	return !sys_cap_list(proc_cap(proc_slot(p), CAP_TABLE), s->slot, &count, NULL) && count &&
	       (u32)server_argument()[0] == s->slot;
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
	err_t err = 0;

	if (which >= SERVERS)
		return -ERR_INVAL;
	if (!(before >> which & 1))
		attached_set(p, (u16)(before | 1u << which));
	if (!given(p, &servers[which]))
		err = server_give(p, &servers[which]);
	if (err) /* what was made goes with the process */
		return err;
	*out_aspace = aspace_id(p);
	return 0;
}

// The process ends: its view of the servers' pages goes. The pages are the servers'.
void attach_empty(struct proc *p)
{
	for (u32 i = 0; i < SERVERS; i++) {
		const struct pager_server *s = &servers[i];

		if (!(proc_record(p)->attached >> i & 1))
			continue;
		if (s->maps)
			window_return(p, s);
		else
			entries_unmap(p, PAGE_OF(s->start), (s->end - s->start) / PAGE_SIZE, 0);
	}
}

void attach_drop(struct proc *p)
{
	for (u32 i = 0; i < SERVERS; i++)
		if (proc_record(p)->attached >> i & 1)
			cap_drop(proc_cap(proc_slot(p), servers[i].cap));
}

// What these servers gave belongs to an image: the next one begins without.
void attach_exec(struct proc *p)
{
	u32 slot = proc_slot(p);

	for (u32 i = 0; i < SERVERS; i++) {
		const struct pager_server *s = &servers[i];

		if (!(proc_record(p)->attached >> i & 1))
			continue;
		if (s->maps) {
			window_return(p, s);
		} else {
			entries_unmap(p, PAGE_OF(s->start), (s->end - s->start) / PAGE_SIZE, 0);
			(void)slab_detach(PEER_SLAB_CALL, p->badge);
		}
		(void)sys_aspace_ctl(proc_cap(slot, CAP_ASPACE), ASOP_WINDOW, s->window, 0, 0, 0, 0, 0, NULL, NULL,
				     NULL, NULL);
		(void)sys_cap_delete(proc_cap(slot, CAP_TABLE), s->slot);
		cap_drop(proc_cap(slot, s->cap));
		attached_set(p, (u16)(proc_record(p)->attached & ~(1u << i)));
	}
}

u64 attach_entries(const struct proc *p)
{
	u64 n = 0;

	for (u32 i = 0; i < SERVERS; i++)
		if (proc_record(p)->attached >> i & 1)
			n += entries_count(p, PAGE_OF(servers[i].start), PAGE_OF(servers[i].end));
	return n;
}

// All that its own pool pays for, page tables included, and what servers pay for that is its alone (slabs).
u64 attach_pages(const struct proc *p)
{
	u64 used = 0;

	if (!proc_record(p)->attached)
		return 0;
	(void)sys_pool_ctl(proc_cap(proc_slot(p), CAP_POOL), POOLOP_STAT, 0, 0, 0, NULL, &used, NULL, NULL);
	for (u32 i = 0; i < SERVERS; i++)
		if (proc_record(p)->attached >> i & 1 && !servers[i].maps)
			used += entries_count(p, PAGE_OF(servers[i].start), PAGE_OF(servers[i].end));
	return used;
}
