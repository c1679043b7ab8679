// SPDX-License-Identifier: MIT
// State segments: wired pages at STATE_VA of a server that outlive the program in it, and at VIEW_VA of the one server
// that sees them. They are of the server's own pool, and may grow and shrink: what that pool lacks it gets from user
// memory.
#include "init.h"

#include <abi/stubs.h>

#define REFS   ((const u64 *)ARGUMENT_VA)
#define TABLES 4 // page tables that some more pages may need: one of each level

static err_t pages_unmap(cptr_t aspace, u64 va, u64 n, cptr_t pool, u64 flags)
{
	err_t err = 0;

	for (u64 done = 0; n && (!err || err == -ERR_AGAIN); n -= done, va += done * PAGE_SIZE)
		err = sys_unmap(aspace, va, n, pool, flags, 0, &done, NULL, NULL, NULL);
	return n ? err : 0;
}

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

// Both lose pages [to, from), the viewer first: a frame is free when nobody maps it.
static err_t state_take(u32 i, u64 from, u64 to)
{
	struct manifest *m = &init.manifest;
	err_t err = 0;

	while (from > to && !err) {
		u64 n = from - to < BATCH_FILL ? from - to : BATCH_FILL, at = (from - n) * PAGE_SIZE;

		for (u32 v = 0; v < m->servers && !err; v++)
			if (m->server[v].view == i + 1)
				err = pages_unmap(server_slot(v, BLOCK_ASPACE), VIEW_VA + at, n, CAP_NULL, 0);
		if (!err)
			err = pages_unmap(server_slot(i, BLOCK_ASPACE), STATE_VA + at, n, server_slot(i, BLOCK_POOL),
					  UNMAP_FREE);
		if (!err)
			m->server[i].state_pages = (u32)(from -= n);
	}
	return err;
}

err_t state_size(u32 i, u64 pages)
{
	u64 from = init.manifest.server[i].state_pages;
	err_t err;

	if (pages < from)
		return state_take(i, from, pages);
	err = pages > from ? pool_feed(i, pages - from + (pages - from) * sizeof(u64) / PAGE_SIZE + TABLES) : 0;
	return err ? err : state_give(i, from, pages);
}
