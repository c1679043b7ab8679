// SPDX-License-Identifier: MIT
// The machine whose programs the fake archive holds.
#pragma once

#include <lib/base/types.h>

#define ELF_MACHINE 243

static inline u64 thread_pointer(vaddr_t start, vaddr_t end)
{
	return start ^ end << 32; // shows both
}
