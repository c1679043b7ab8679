// SPDX-License-Identifier: MIT
// Building the kernel's half of the page tables, once, at boot.
#pragma once

#include <kernel/boot/ranges.h>
#include <pte.h>

// Begin with an empty root; tables are taken out of `frames`. Returns the root's address.
paddr_t boot_map_start(struct ranges *frames);
// Map with the largest leaves that alignment allows, always below the root, so that a leaf that is split later is split
// for everyone.
void boot_map(vaddr_t va, paddr_t pa, u64 size, u64 prot, bool device);
// Map [va, limit) read-only to one page of zeroes. Tables that hold nothing else are shared, so that a hole costs a
// table for each level.
void boot_map_zeroes(vaddr_t va, vaddr_t limit);
// A zeroed frame, or `size` bytes of frames that are not cleared, taken for good.
paddr_t boot_frame(void);
paddr_t boot_frames(u64 size, u64 align);
