// SPDX-License-Identifier: MIT
// State segments: wired pages at STATE_VA of a server that outlive the program in it, and at VIEW_VA of the one server
// that sees them. They are of the server's own pool, and may grow: what that pool lacks it gets from user memory.
#include "init.h"

#include <abi/stubs.h>

#define REFS   ((const u64 *)ARGUMENT_VA)
#define TABLES 4 // page tables that some more pages may need: one of each level

// Frames in the argument page go to both. A page that the viewer did not get is unmapped again: both have the same.
static err_t pages_map(u32 i, u64 page, u64 n)
{
	const struct manifest *m = &init.manifest;
	cptr_t pool = server_slot(i, BLOCK_POOL), own = server_slot(i, BLOCK_ASPACE);
	err_t err = sys_map(own, STATE_VA + page * PAGE_SIZE, pool, REFS[0], n, PROT_READ | PROT_WRITE, 0, 0, 0, NULL,
			    NULL);

	for (u32 v = 0; v < m->servers && !err; v++) {
		u64 prot = m->server[v].view_write ? PROT_READ | PROT_WRITE : PROT_READ;

		if (m->server[v].view != i + 1)
			continue;
		err = sys_map(server_slot(v, BLOCK_ASPACE), VIEW_VA + page * PAGE_SIZE, pool, REFS[0], n, prot, 0, 0, 0,
			      NULL, NULL);
		if (err)
			(void)sys_unmap(own, STATE_VA + page * PAGE_SIZE, n, pool, UNMAP_FREE, 0, NULL, NULL, NULL,
					NULL);
	}
	return err;
}

// The limit of a pool, and how many frames it may still take.
static err_t pool_look(cptr_t pool, u64 *limit, u64 *room)
{
	u64 usage = 0, children = 0;
	err_t err = sys_pool_ctl(pool, POOLOP_STAT, 0, 0, 0, limit, &usage, NULL, &children);

	*room = err ? 0 : *limit - usage - children;
	return err;
}

static err_t pool_limit(cptr_t pool, u64 limit)
{
	return sys_pool_ctl(pool, POOLOP_LIMIT, limit, 0, 0, NULL, NULL, NULL, NULL);
}

// NOMEM: user memory has not so much either; nothing has changed.
static err_t pool_feed(u32 i, u64 pages)
{
	cptr_t pool = server_slot(i, BLOCK_POOL);
	u64 limit = 0, room = 0, user_limit = 0, user_room = 0, lack;
	err_t err = pool_look(pool, &limit, &room);

	pages += pages * sizeof(u64) / PAGE_SIZE + TABLES;
	if (err || room >= pages)
		return err;
	lack = pages - room;
	err = pool_look(SLOT_USER_POOL, &user_limit, &user_room);
	if (!err && user_room < lack)
		err = -ERR_NOMEM;
	if (!err)
		err = pool_limit(SLOT_USER_POOL, user_limit - lack);
	if (err)
		return err;
	err = pool_limit(pool, limit + lack);
	if (err)
		(void)pool_limit(SLOT_USER_POOL, user_limit);
	return err;
}

err_t state_grow(u32 i, u64 pages)
{
	u64 from = init.manifest.server[i].state_pages;
	err_t err = pages > from ? pool_feed(i, pages - from) : 0;

	return err ? err : state_give(i, from, pages);
}

err_t state_give(u32 i, u64 from, u64 to)
{
	struct manifest_server *s = &init.manifest.server[i];
	err_t err = 0;

	while (from < to && !err) {
		u64 n = to - from < BATCH_FILL ? to - from : BATCH_FILL;

		err = sys_frame_alloc(server_slot(i, BLOCK_POOL), 0, n, 0, &n, NULL);
		if (!err)
			err = pages_map(i, from, n);
		if (!err)
			from += n;
	}
	s->state_pages = (u32)from;
	return err;
}
