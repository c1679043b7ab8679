// SPDX-License-Identifier: MIT
// What vmalloc asks of the kernel: on the target the generated stubs; the host tests put a fake kernel in front of
// them.
#pragma once

#include <abi/stubs.h>
#include <abi/vmalloc_server.h>
#include <pager/server.h>

#define SLOT_RECEIVE SLOT_SERVER_FREE // where a capability that comes with a request lies
#define LIST_VIEW    SERVER_HEAP      // where vmalloc looks at one page of a client; it has no arena

// What vmalloc keeps per client, from one leaf of its table on.
enum client_cap {
	CAP_ASPACE, // restricted to the window
	CAP_POOL,
	CLIENT_CAPS,
};

static inline cptr_t client_cap(u32 index, enum client_cap which)
{
	return CAP_PER_LEAF + (u64)index * CLIENT_CAPS + which;
}
