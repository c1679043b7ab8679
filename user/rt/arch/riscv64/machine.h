// SPDX-License-Identifier: MIT
// What loaders of executables and tests must know of the machine.
#pragma once

#include <lib/base/types.h>

#define ELF_MACHINE    243
#define MACHINE_RETURN 0x00008067 // the code of a function that does nothing

// The thread pointer of a program whose thread-local storage lies in [start, end). Variant I: the register points at
// the block.
static inline u64 thread_pointer(vaddr_t start, vaddr_t end)
{
	(void)end;
	return start;
}
