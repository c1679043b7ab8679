// SPDX-License-Identifier: MIT
// Devices: a register range, an interrupt, and the pins that drivers hold for DMA. Made at boot, one for each node of
// the device tree.
#pragma once

#include <kernel/ipc.h>

struct device {
	struct object obj;
	paddr_t base;
	u64 size;
	u32 irq;
	u32 pins;       // frames pinned in its name
	u32 ports;      // base and size are I/O ports
	u32 number;     // 1 ..: its name in struct page
	pfn_t reset_at; // a reset goes on here
	u64 spare[2];
};
_Static_assert(sizeof(struct device) <= 64, "DEVICE slot");

// Pins of all devices: for the self-check.
extern u64 device_pins;

// Drop all its pins, in steps (AGAIN). The driver has stopped the device.
err_t device_reset(struct device *dev) must_check;
