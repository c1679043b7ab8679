// SPDX-License-Identifier: MIT
/*
 * Servers that have areas (statement `areas NAME`, NAME being vmalloc): a window of their address space is that
 * server's, and so are faults in it. What it maps there comes from their own pool, which it cannot enlarge.
 *
 * The window is set while the server is made; the capabilities are lent by a call, so when vmalloc runs, and before
 * anybody who has areas does: the starter thread is more urgent than they are.
 */
#include "init.h"

#include <abi/stubs.h>

#define WINDOW_AREAS 1
#define WINDOW_ABOVE 2

static const struct manifest_peer *areas_peer(u32 i)
{
	const struct manifest_server *s = &init.manifest.server[i];

	for (u32 n = 0; n < s->peers; n++)
		if (s->peer[n].kind == PEER_AREAS)
			return &s->peer[n];
	return NULL;
}

static u64 areas_badge(u32 i)
{
	return VMALLOC_SERVER | server_badge(i);
}

static err_t window_set(u32 i, u64 index, vaddr_t start, vaddr_t end, cptr_t pager)
{
	return sys_aspace_ctl(server_slot(i, BLOCK_ASPACE), ASOP_WINDOW, index, start, end, pager,
			      server_slot(i, BLOCK_POOL), 0, NULL, NULL, NULL, NULL);
}

err_t areas_window(u32 i, vaddr_t user_end)
{
	const struct manifest_peer *peer = areas_peer(i);
	err_t err;

	if (!peer)
		return 0;
	err = sys_cap_copy(SLOT_SELF_CAPTABLE, server_slot(i, BLOCK_AREAS), SLOT_SELF_CAPTABLE,
			   server_slot(peer->server, BLOCK_ENDPOINT), RIGHT_ENDPOINT_CALL, areas_badge(i), COPY_COPY);
	if (!err)
		err = window_set(i, 0, USER_BASE, VMALLOC_START, server_slot(i, BLOCK_PAGER));
	if (!err)
		err = window_set(i, WINDOW_AREAS, VMALLOC_START, VMALLOC_END, server_slot(i, BLOCK_AREAS));
	if (!err && user_end > VMALLOC_END)
		err = window_set(i, WINDOW_ABOVE, VMALLOC_END, user_end, server_slot(i, BLOCK_PAGER));
	return err;
}

static err_t lend(cptr_t to, cptr_t source, u64 rights, u64 window, u64 label, u64 badge)
{
	struct request rq = {
		.label = label,
		.w = { badge, VMALLOC_START, VMALLOC_END },
		.caps = caps_pair(SLOT_LENT, CAP_NULL),
	};
	err_t err = sys_cap_copy(SLOT_SELF_CAPTABLE, SLOT_LENT, SLOT_SELF_CAPTABLE, source, rights, window, COPY_COPY);

	if (err)
		return err;
	err = ipc_call(to, &rq);
	(void)sys_cap_delete(SLOT_SELF_CAPTABLE, SLOT_LENT);
	return err ? err : (err_t)rq.label;
}

void areas_lend(void)
{
	for (u32 i = 0; i < init.manifest.servers; i++) {
		const struct manifest_peer *peer = areas_peer(i);
		cptr_t to = peer ? server_slot(peer->server, BLOCK_ENDPOINT) : CAP_NULL;

		if (!peer)
			continue;
		check_step(init.manifest.server[i].name, "cannot have areas",
			   lend(to, server_slot(i, BLOCK_ASPACE), RIGHT_ASPACE_MODIFY, WINDOW_AREAS + 1,
				OP_VMALLOC_ATTACH, areas_badge(i)),
			   "is that server vmalloc? See user/boot.manifest");
		check_step(init.manifest.server[i].name, "cannot pay for areas",
			   lend(to, server_slot(i, BLOCK_POOL), RIGHT_POOL_ALLOC | RIGHT_POOL_MAP, 0, OP_VMALLOC_FUND,
				areas_badge(i)),
			   "is that server vmalloc? See user/boot.manifest");
	}
}
