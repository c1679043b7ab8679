// SPDX-License-Identifier: MIT
// The shell of reclaim.
#include "reclaim.h"

#include <base/panic.h>
#include <server/main.h>

_Noreturn void server_main(const struct server_info *info)
{
	if (info->state_pages * PAGE_SIZE < SWAP_TABLE)
		panic("reclaim: its state segment must have %u pages at least (user/boot.manifest)",
		      (u32)(SWAP_TABLE / PAGE_SIZE));
	reclaim_open(info, (void *)STATE_VA);
	server_run(SLOT_SELF_ENDPOINT, SERVER_FRESH, reclaim_request, reclaim_notified);
}
