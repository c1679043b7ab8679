// SPDX-License-Identifier: MIT
// What the driver's core needs from its surroundings: the shell gives it the machine, the host test a machine of its
// own.
#pragma once

#include <lib/base/types.h>

// Registers of a unit; offsets as enum virtio_register.
u32 port_read(u32 unit, u32 reg);
void port_write(u32 unit, u32 reg, u32 value);

// A frame of a client for a unit's device: it stays where it is until unpinned. Errors: STALE, BUSY, DYING.
err_t port_pin(u32 unit, frame_t frame, paddr_t *paddr);
void port_unpin(u32 unit, frame_t frame);
// Frames of clients pinned for the unit's device now, as the kernel counts them.
u32 port_pins(u32 unit);
