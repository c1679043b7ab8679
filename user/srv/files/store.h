// SPDX-License-Identifier: MIT
#pragma once

#include <lib/base/types.h>

// quota: frames of the pool that RAM files and pipes may use.
void store_init(u64 quota);
// Zeroed memory that is never given back. NULL: no memory.
void *arena_make(u64 bytes);
// Give all unused pages back now. False: there were none.
bool store_shrink(void);
