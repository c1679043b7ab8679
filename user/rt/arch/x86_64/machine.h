// SPDX-License-Identifier: MIT
// What the loaders of executables must know of the machine.
#pragma once

#include <lib/base/types.h>

#define ELF_MACHINE 62

// The thread pointer of a program whose thread-local storage lies in [start, end). Variant II: the block ends where fs
// points, and the word there holds its own address (program.ld puts it there).
static inline u64 thread_pointer(vaddr_t start, vaddr_t end)
{
	(void)start;
	return end;
}
