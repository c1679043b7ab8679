// SPDX-License-Identifier: MIT
// The channels through which clients ask (lib/abi/56-block.idl), and the disks between them.
#pragma once

#include "disk.h"

#include <abi/abi.h>

// The channel of client `i`, in the order of server_info; disks_begin first. What a predecessor took or answered and
// did not live to note in the rings is put right. false: its memory is too small.
bool client_open(struct disks *d, u32 i, const struct server_ring *end) must_check;
// Everything that can go on goes on: records into the table, the table's ios to the devices, answers to clients.
void clients_serve(struct disks *d);
