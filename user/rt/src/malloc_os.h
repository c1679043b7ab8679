// SPDX-License-Identifier: MIT
// What malloc needs from the system; malloc_os.c has it for Jjok, the host test for Linux.
#pragma once

#include <abi/abi_const.h>
#include <lib/slab/extent.h>

extern const struct extent_os malloc_os;

// Pages grow, shrink or move. NULL: no memory, nothing has changed.
void *malloc_os_resize(void *start, size_t old, size_t size);

// The program broke the heap: print a line with who, where and what, and abort.
_Noreturn void malloc_die(const char *who, const void *p, const char *what);
