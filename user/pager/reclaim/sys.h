// SPDX-License-Identifier: MIT
// Everything that reclaim asks of the kernel and of other servers. On the target these are the generated stubs; the
// host tests put a fake kernel with the same functions in front of them in the include path.
#pragma once

#include <abi/block_client.h>
#include <abi/init_client.h>
#include <abi/reclaim_server.h>
#include <abi/rmap_client.h>
#include <abi/stubs.h>
#include <pager/channel.h>
#include <pager/server.h>

// Capabilities that the manifest gives reclaim, in its order.
enum peer {
	PEER_RMAP = SLOT_PEER0,
	PEER_BLOCK,
	PEER_INIT,
};
