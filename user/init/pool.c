// SPDX-License-Identifier: MIT
// Pools of servers that change size, at the expense of user memory or in its favour. A server has no CONTROL over its
// own pool: what it may become stands in the manifest (`grow`), and is looked at here.
//
//	as the manifest says at boot <= limit <= that + grow percent of what user memory had at boot
#include "init.h"

#include <abi/stubs.h>

#define KEEP 64 // of user memory a KEEPth stays free: what is wired never takes the last of it

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

// From one pool to another: both or neither. NOMEM: there is less room in `from`.
static err_t limit_move(cptr_t from, u64 from_limit, cptr_t to, u64 to_limit, u64 pages)
{
	err_t err = pool_limit(from, from_limit - pages);

	if (err)
		return err;
	err = pool_limit(to, to_limit + pages);
	if (err)
		(void)pool_limit(from, from_limit);
	return err;
}

err_t pool_feed(u32 i, u64 pages)
{
	cptr_t pool = server_slot(i, BLOCK_POOL);
	u64 limit = 0, room = 0, user_limit = 0, user_room = 0;
	err_t err = pool_look(pool, &limit, &room);

	if (err || room >= pages)
		return err;
	err = pool_look(SLOT_USER_POOL, &user_limit, &user_room);
	if (!err && user_room < pages - room)
		err = -ERR_NOMEM;
	return err ? err : limit_move(SLOT_USER_POOL, user_limit, pool, limit, pages - room);
}

u64 pool_most(u32 i)
{
	return init.pool_base[i] + init.user_pages * init.manifest.server[i].grow_percent / 100;
}

err_t pool_size(u32 i, u64 pages, u64 *limit, u64 *wanted)
{
	cptr_t pool = server_slot(i, BLOCK_POOL);
	u64 room = 0, user_limit = 0, user_room = 0;
	err_t err = pool_look(pool, limit, &room);

	if (!err)
		err = pool_look(SLOT_USER_POOL, &user_limit, &user_room);
	if (err || !pages)
		return err;
	if (pages > pool_most(i))
		return -ERR_NOSPC;
	if (pages < init.pool_base[i])
		pages = init.pool_base[i];
	if (pages > *limit && user_room < pages - *limit + user_limit / KEEP) {
		*wanted = pages - *limit + user_limit / KEEP;
		return -ERR_NOMEM;
	}
	if (pages > *limit)
		err = limit_move(SLOT_USER_POOL, user_limit, pool, *limit, pages - *limit);
	else if (pages < *limit)
		err = limit_move(pool, *limit, SLOT_USER_POOL, user_limit, *limit - pages);
	if (!err)
		*limit = pages;
	return err;
}
