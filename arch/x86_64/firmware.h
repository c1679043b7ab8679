// SPDX-License-Identifier: MIT
// What the loader passes at start: PVH (Xen's include/public/arch-x86/hvm/start_info.h, version 1).
#pragma once

#include <lib/base/types.h>

#define PVH_MAGIC      0x336ec578
#define PVH_MEMORY_RAM 1

struct pvh_start_info {
	u32 magic;
	u32 version;
	u32 flags;
	u32 modules;
	paddr_t module; // struct pvh_module[modules]
	paddr_t cmdline;
	paddr_t rsdp;
	paddr_t memory; // struct pvh_memory[memories]; version 1
	u32 memories;
	u32 reserved;
};

struct pvh_module {
	paddr_t base;
	u64 size;
	paddr_t cmdline;
	u64 reserved;
};

struct pvh_memory {
	paddr_t base;
	u64 size;
	u32 type;
	u32 reserved;
};
