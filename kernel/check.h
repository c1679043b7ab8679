// SPDX-License-Identifier: MIT
#pragma once

#include <lib/base/types.h>

extern u64 boot_cycles; // cycle counter when init started

// Walks all page tables, the frame table, the capability tables and the threads. Returns the number of violations, each
// logged in a line.
u64 self_check(void);
