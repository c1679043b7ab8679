// SPDX-License-Identifier: MIT
// The machine, as the device tree describes it, and the kernel command line that came with it.
#pragma once

#include <abi/abi.h>
#include <kernel/boot/ranges.h>

// Filled by boot_devtree.
struct boot_machine {
	struct ranges ram;
	struct ranges reserved; // by the firmware, for itself
	struct range archive;   // the initrd, page-aligned; empty: none
	char cmdline[1024];
	u32 harts;
	u32 devices;
	struct boot_device device[BOOT_DEVICES]; // those that a driver in user mode can have
};
extern struct boot_machine boot_machine;

// Words of the command line are key=value; key alone is key=1. The first word with the key counts.
// Copies the value; false: the key is not there, or its value is longer than size - 1.
bool cmdline_get(const char *key, char *value, u64 size);
// A number with an optional K, M or G; `otherwise` when the key is not there, and, with a line on the console, when its
// value is no number.
u64 cmdline_number(const char *key, u64 otherwise);
