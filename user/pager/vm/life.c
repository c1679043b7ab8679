// SPDX-License-Identifier: MIT
/*
 * A process as kernel objects: pool, capability table with one leaf, address space with its windows, thread,
 * notification. Making and unmaking run over the same list; unmaking skips what is not there, so it serves a half-made
 * process, an ended one, and one whose ending a predecessor began.
 *
 *	life_create: objects, windows, capabilities, priority; the thread has not started
 *	life_destroy: thread killed -> entries freed -> records dropped -> capabilities and objects deleted
 *	              -> pool empty, gone
 */
#include "vm.h"

#include <base/log.h>

static u64 leaves_made; // bit per leaf of vm's own table

// vm's own table grows with the processes it has.
err_t leaf_need(u32 slot)
{
	u64 leaf = proc_cap(slot, PROC_CAPS - 1) / CAP_PER_LEAF;
	frame_t frame;
	err_t err;

	if (leaves_made >> leaf & 1 || !leaf)
		return 0;
	err = magazine_refill(1);
	if (err)
		return err;
	frame = magazine_take();
	err = sys_object_create(SLOT_CLIENT_POOL, frame, 0, TYPE_CAPLEAF, SLOT_SELF_CAPTABLE, leaf, 0, NULL);
	if (err)
		magazine_return(frame);
	if (err == -ERR_FULL || err == -ERR_EXIST)
		err = 0; /* a predecessor made it */
	if (!err)
		leaves_made |= 1ul << leaf;
	return err;
}

static err_t mint(cptr_t table, u64 slot, cptr_t source, u64 rights, u64 badge)
{
	return sys_cap_copy(table, slot, SLOT_SELF_CAPTABLE, source, rights, badge, COPY_COPY);
}

// A manifest without paging has no such server.
static err_t mint_if_there(cptr_t table, u64 slot, cptr_t source, u64 badge)
{
	err_t err = mint(table, slot, source, RIGHT_ENDPOINT_CALL, badge);

	return err == -ERR_BADCAP ? 0 : err;
}

static err_t window_set(u32 slot, u64 index, u64 start, u64 end, cptr_t pager, u64 flags)
{
	return sys_aspace_ctl(proc_cap(slot, CAP_ASPACE), ASOP_WINDOW, index, start, end, pager, SLOT_CLIENT_POOL,
			      flags, NULL, NULL, NULL, NULL);
}

err_t windows_make(u32 slot, cptr_t pager, u64 flags)
{
	err_t err = window_set(slot, WINDOW_LOW, ADDRESS_OF(LOW_START), ADDRESS_OF(LOW_END), pager, flags);

	if (!err && high_end > HIGH_START)
		err = window_set(slot, WINDOW_HIGH, ADDRESS_OF(HIGH_START), ADDRESS_OF(high_end), pager, flags);
	return err;
}

void aspace_known(u32 slot, u64 id)
{
	if (rmap_share)
		rmap_share->aspace[slot] = (u32)id;
}

static err_t aspace_create(struct proc *p)
{
	u32 slot = proc_slot(p);
	u64 id;
	err_t err = object_make(p, OBJ_ASPACE, SLOT_SELF_CAPTABLE, proc_cap(slot, CAP_ASPACE), proc_cap(slot, CAP_POOL),
				&id);

	aspace_known(slot, err ? 0 : id);
	if (!err)
		err = mint(SLOT_SELF_CAPTABLE, proc_cap(slot, CAP_PAGER), SLOT_SELF_ENDPOINT, RIGHT_ENDPOINT_CALL,
			   p->badge);
	if (!err)
		err = mint(SLOT_SELF_CAPTABLE, proc_cap(slot, CAP_BUFFER), PEER_FILES, RIGHT_ENDPOINT_CALL, p->badge);
	if (!err)
		err = windows_make(slot, proc_cap(slot, CAP_PAGER), WIN_COW);
	/* files answers the faults in its buffer itself: no set-up message, nothing for fork to copy. */
	if (!err)
		err = window_set(slot, WINDOW_FILES, FILES_BUFFER, FILES_BUFFER + FILES_BUFFER_SIZE,
				 proc_cap(slot, CAP_BUFFER), 0);
	/* Programs may look at the frame table (the looking glasses do). */
	if (!err)
		err = sys_aspace_ctl(proc_cap(slot, CAP_ASPACE), ASOP_OBSERVE, SLOT_SYSTEM, 0, 0, 0, 0, 0, NULL, NULL,
				     NULL, NULL);
	return err;
}

static err_t table_fill(struct proc *p)
{
	u32 slot = proc_slot(p);
	cptr_t table = proc_cap(slot, CAP_TABLE);
	u64 id;
	err_t err = object_make(p, OBJ_NOTIFY, table, SLOT_NOTIFY, 0, &id);

	if (!err)
		err = mint(table, SLOT_VM, proc_cap(slot, CAP_PAGER), 0, 0);
	if (!err)
		err = mint(table, SLOT_FILES, proc_cap(slot, CAP_BUFFER), 0, 0);
	if (!err)
		err = mint(table, SLOT_CONSOLE, PEER_CONSOLE, RIGHT_ENDPOINT_CALL, p->badge);
	if (!err)
		err = mint_if_there(table, SLOT_RMAP, PEER_RMAP, p->badge);
	if (!err)
		err = mint_if_there(table, SLOT_RECLAIM, PEER_RECLAIM, p->badge);
	if (!err)
		err = mint(table, SLOT_SYSTEM, SLOT_SYSTEM, RIGHT_SYSTEM_EVENT | RIGHT_SYSTEM_OBSERVE, 0);
	return err;
}

static err_t thread_create(struct proc *p)
{
	cptr_t thread = proc_cap(proc_slot(p), CAP_THREAD);
	u64 id = 0;
	err_t err = object_make(p, OBJ_THREAD, SLOT_SELF_CAPTABLE, thread, 0, &id);

	proc_record(p)->thread = (u32)id;
	return err ? err : sys_thread_ctl(thread, THREAD_PRIO, PRIO_PROGRAM, 0, 0, 0, NULL, NULL, NULL, NULL);
}

err_t life_create(struct proc *p)
{
	u32 slot = proc_slot(p);
	cptr_t table = proc_cap(slot, CAP_TABLE);
	u64 id;
	err_t err = leaf_need(slot);

	if (!err)
		err = object_make(p, OBJ_POOL, SLOT_SELF_CAPTABLE, proc_cap(slot, CAP_POOL), TABLE_FRAMES, &id);
	if (!err)
		err = object_make(p, OBJ_TABLE, SLOT_SELF_CAPTABLE, table, 0, &id);
	if (!err)
		err = object_make(p, OBJ_LEAF, table, 0, 0, &id);
	if (!err)
		err = aspace_create(p);
	if (!err)
		err = table_fill(p);
	if (!err)
		err = thread_create(p);
	return err;
}

// More frames for a process' tables, out of the pool of all. NOMEM: there is not one.
err_t pool_grow(struct proc *p)
{
	static const u32 steps[] = { TABLE_FRAMES, 1 };
	cptr_t pool = proc_cap(proc_slot(p), CAP_POOL);
	u64 limit = 0;
	err_t err;

	if (!proc_slot(p)) {
		memory_short = true;
		return -ERR_NOMEM; /* the shadow's tables are charged to the pool of all */
	}
	/* vmalloc changes it too. */
	err = sys_pool_ctl(pool, POOLOP_STAT, 0, 0, 0, &limit, NULL, NULL, NULL);
	for (u32 i = 0; i < sizeof(steps) / sizeof(steps[0]) && (!i || err); i++)
		err = sys_pool_ctl(pool, POOLOP_LIMIT, limit + steps[i], 0, 0, NULL, NULL, NULL, NULL);
	memory_short |= err != 0;
	return err;
}

// Large objects die in steps. What is not there is fine: this may be the second attempt.
void cap_drop(cptr_t slot)
{
	err_t err;

	do {
		err = sys_cap_delete(SLOT_SELF_CAPTABLE, slot);
	} while (err == -ERR_AGAIN);
	if (err && err != -ERR_BADCAP)
		log_line("vm: capability %lu cannot be deleted: error %d", (unsigned long)slot, err);
}

static void pool_drop(u32 slot)
{
	cptr_t pool = proc_cap(slot, CAP_POOL);
	u64 left;

	/* At once when it is empty, as it is here; a sweep of all frames otherwise. */
	while (sys_pool_destroy(pool, &left) == -ERR_AGAIN)
		;
	cap_drop(pool);
}

// Entries of all mappings, then files' buffer, whose frames are files' to free once they are unmapped.
static void window_empty(struct proc *p)
{
	for (u16 i = p->first; i; i = nodes[i].next)
		if (nodes[i].touched)
			entries_unmap(p, vmas[i].start, vmas[i].end - vmas[i].start, UNMAP_FREE);
	entries_unmap(p, PAGE_OF(FILES_BUFFER), FILES_BUFFER_SIZE / PAGE_SIZE, 0);
	attach_empty(p);
}

void life_destroy(struct proc *p)
{
	static const u8 order[] = { CAP_THREAD, CAP_TABLE, CAP_ASPACE, CAP_PAGER, CAP_BUFFER };
	u32 slot = proc_slot(p);
	u64 id;

	(void)sys_thread_ctl(proc_cap(slot, CAP_THREAD), THREAD_KILL, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
	/* The address space may be missing, or gone already. */
	if (!sys_aspace_ctl(proc_cap(slot, CAP_ASPACE), ASOP_STAT, 0, 0, 0, 0, 0, 0, &id, NULL, NULL, NULL))
		window_empty(p);
	vma_drop_all(p);
	aspace_known(slot, 0);
	for (u32 i = 0; i < sizeof(order); i++)
		cap_drop(proc_cap(slot, order[i]));
	attach_drop(p);
	pool_drop(slot);
	for (u32 kind = 0; kind < OBJ_KINDS; kind++)
		object_release(p, kind);
}
