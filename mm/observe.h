// SPDX-License-Identifier: MIT
// The frame table for observers (aspace_observe): one subtree of tables, shared by all of them.
#pragma once

#include <lib/base/types.h>

// Build it, at boot, when the frame table is mapped in the kernel's tables. take() gives zeroed frames, which stay
// RESERVED.
void observe_init(paddr_t (*take)(void));
