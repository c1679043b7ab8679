// SPDX-License-Identifier: MIT
// What slab asks of other servers. The host tests put fakes with the same functions in front of these.
#pragma once

#include <abi/init_client.h>
#include <abi/slab_server.h>
#include <pager/server.h>

// Capabilities that the manifest gives slab, in its order.
enum peer {
	PEER_INIT = SLOT_PEER0,
};
