// SPDX-License-Identifier: MIT
// What the driver's core needs from its surroundings: the shell gives it the machine, the host test a machine of its
// own.
#pragma once

#include <lib/base/types.h>

// Registers of a unit; offsets as enum virtio_register.
u32 port_read(u32 unit, u32 reg);
void port_write(u32 unit, u32 reg, u32 value);

// Frames of a client for a unit's device: they stay where they are until unpinned; n at most BLOCK_SEGMENTS. Errors:
// STALE, BUSY, DYING, and the first *done are pinned. Unpinning begins with the last one: whoever is killed in between
// leaves pins on the first ones.
err_t port_pin(u32 unit, const frame_t *frame, u32 n, paddr_t *paddr, u32 *done);
void port_unpin(u32 unit, const frame_t *frame, u32 n);
// Frames of clients pinned for the unit's device now, as the kernel counts them.
u32 port_pins(u32 unit);
