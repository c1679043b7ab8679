// SPDX-License-Identifier: MIT
// vmalloc as vm sees it: it keeps the capabilities that vm lends it for a process, maps some pages of the process' pool
// in the window at once, and does not unmap them when the process goes: that is vm's.
#include "fake_kernel.h"

#include <string.h>

#define PAGES 3

static struct cap lent[PROCS][2]; // address space, pool

static struct cap *lent_to(u64 badge, u32 which)
{
	return &lent[badge & (PROCS - 1)][which];
}

static void give_back(struct cap *c)
{
	struct object *o = c->object;

	if (!o)
		return;
	memset(c, 0, sizeof(*c));
	unref(o);
}

static err_t keep(u64 badge, u32 which, u64 slot, u32 type, u64 rights, u64 window)
{
	const struct cap *c = cap_at(&own_table.table, slot);

	if (!c || c->type != type || c->rights != rights || c->badge != window)
		return -ERR_INVAL;
	give_back(lent_to(badge, which));
	cap_set(lent_to(badge, which), c->object, c->badge, c->rights);
	return 0;
}

// Pages that nobody frees but vm.
static void pages_map(u64 badge)
{
	struct object *as = lent_to(badge, 0)->object, *pool = lent_to(badge, 1)->object;
	struct pool *p = &pool->pool;

	for (u64 i = 0; i < PAGES && free_top && p->parent->usage + p->parent->children < p->parent->limit; i++) {
		struct fake_entry *e = entry_at(&as->aspace, PAGE_OF(VMALLOC_START) + 2 * i, true);
		u32 pfn;

		if (!e || e->kind)
			continue;
		p->parent->children++;
		p->limit++;
		pfn = free_list[--free_top];
		views[pfn].state = FRAME_OWNED;
		frames[pfn].pool = p;
		views[pfn].mapcount = 1;
		p->usage++;
		*e = (struct fake_entry){ .kind = ENTRY_LEAF, .prot = PROT_READ | PROT_WRITE, .pfn = pfn };
		as->aspace.leaves++;
	}
}

err_t ipc_call(cptr_t endpoint, struct request *rq)
{
	u64 slot = (u32)rq->caps, badge = rq->w[0];
	err_t err = -ERR_NOSYS;

	call_begin();
	if (endpoint != PEER_VMALLOC_CALL)
		return -ERR_BADCAP;
	if (rq->label == OP_VMALLOC_ATTACH)
		err = keep(badge, 0, slot, TYPE_ASPACE, RIGHT_ASPACE_MODIFY, WINDOW_VMALLOC + 1);
	if (rq->label == OP_VMALLOC_FUND)
		err = keep(badge, 1, slot, TYPE_POOL, RIGHT_POOL_ALLOC | RIGHT_POOL_MAP | RIGHT_POOL_CONTROL, 0);
	if (rq->label == OP_VMALLOC_FUND && !err)
		pages_map(badge);
	rq->label = (u64)(s64)err;
	return call_end(0);
}

// It forgets, and keeps its capabilities: vm must not trust that they come back.
err_t vmalloc_detach(cptr_t ep, u64 badge)
{
	call_begin();
	return ep == PEER_VMALLOC_CALL && lent_to(badge, 0)->object ? call_end(0) : -ERR_NOENT;
}

// What a process had of slab is unmapped by now.
err_t slab_detach(cptr_t ep, u64 badge)
{
	call_begin();
	(void)badge;
	return ep == PEER_SLAB_CALL ? call_end(0) : -ERR_BADCAP;
}

err_t sys_cap_revoke(cptr_t table, u64 slot, u64 *done)
{
	const struct cap *c = cap_at(&own_table.table, slot);

	call_begin();
	*done = 0;
	if (table != SLOT_SELF_CAPTABLE || !c || !c->object)
		return -ERR_BADCAP;
	for (u32 i = 0; i < PROCS; i++)
		for (u32 which = 0; which < 2; which++)
			if (lent[i][which].object == c->object)
				give_back(&lent[i][which]);
	return call_end(0);
}
