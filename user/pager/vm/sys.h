// SPDX-License-Identifier: MIT
/*
 * Everything that vm asks of the kernel and of other servers. On the target these are the generated stubs; the host
 * tests put a fake kernel with the same functions in front of them in the include path. The core calls nothing else.
 */
#pragma once

#include <abi/init_client.h>
#include <abi/stubs.h>
#include <abi/vm_server.h>
#include <abi/slab_client.h>
#include <abi/vmalloc_client.h>
#include <pager/server.h>

// Capabilities that the manifest gives vm, in its order.
enum peer {
	PEER_FILES = SLOT_PEER0, // files' endpoint, to be minted per process
	PEER_CONSOLE,            // console's, likewise
	PEER_FILES_NOTIFY,       // their notifications: NOTIFY_DEATH
	PEER_CONSOLE_NOTIFY,
	PEER_INIT, // to power off when the first process ends
	PEER_SLAB, // slab's endpoint, to be minted for those who attach
	PEER_SLAB_CALL,
	PEER_SLAB_NOTIFY,
	PEER_VMALLOC,      // vmalloc's endpoint, to be minted for those who attach
	PEER_VMALLOC_CALL, // the same with vm's own badge: who comes and goes
	PEER_VMALLOC_NOTIFY,
	PEER_RMAP, // rmap's and reclaim's endpoints, to be minted per process: statistics and administration
	PEER_RECLAIM,
	PEER_RECLAIM_NOTIFY,
	PEER_RMAP_CALL, // rmap with vm's own badge: where a page is mapped
};

// What vm keeps per process in its own table, from SLOT_SERVER_FREE on. The block of slot 0 holds the shadow's
// (shared.c).
enum proc_cap {
	CAP_POOL,  // pays for its page tables
	CAP_TABLE, // its capability table
	CAP_ASPACE,
	CAP_THREAD,
	CAP_PAGER,  // vm's endpoint with the process as badge: pager of window 0, and what the process finds in SLOT_VM
	CAP_BUFFER, // files' endpoint with that badge: pager of window 1, and SLOT_FILES
	CAP_SLAB,   // slab's, likewise, of a process that attached to it
	CAP_VMALLOC,
	PROC_CAPS = 8,
};

#define CAP_PASSED CAP_BUFFER // of block 0: a capability on its way to another server

static inline cptr_t proc_cap(u32 slot, enum proc_cap which)
{
	return SLOT_SERVER_FREE + (u64)slot * PROC_CAPS + which;
}
