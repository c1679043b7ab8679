// SPDX-License-Identifier: MIT
// What loaders of executables and tests must know of the machine.
#pragma once

#include <lib/base/types.h>

#define ELF_MACHINE    62
#define MACHINE_RETURN 0x000000c3 // the code of a function that does nothing

// The thread pointer of a program whose thread-local storage lies in [start, end). Variant II: the block ends where fs
// points, and the word there holds its own address (program.ld puts it there).
static inline u64 thread_pointer(vaddr_t start, vaddr_t end)
{
	(void)start;
	return end;
}
