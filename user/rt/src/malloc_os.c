// SPDX-License-Identifier: MIT
// malloc's pages: anonymous memory of vm.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "malloc_os.h"
#include "rt.h"

static void *os_map(size_t bytes)
{
	u64 addr;

	return vm_mmap(SLOT_VM, 0, bytes, PROT_READ | PROT_WRITE, 0, 0, 0, &addr) ? NULL : (void *)addr;
}

// Cannot fail for a range that vm gave out, but for want of a VMA record: then the range stays mapped, which costs
// memory and breaks nothing.
static void os_unmap(void *start, size_t bytes)
{
	vm_munmap(SLOT_VM, (u64)start, bytes);
}

static void os_purge(void *start, size_t bytes)
{
	vm_madvise(SLOT_VM, (u64)start, bytes, MADV_DONTNEED);
}

const struct extent_os malloc_os = { os_map, os_unmap, os_purge };

void *malloc_os_resize(void *start, size_t old, size_t size)
{
	u64 addr;

	return vm_mremap(SLOT_VM, (u64)start, old, size, 1, &addr) ? NULL : (void *)addr;
}

// Not through stdio, which may itself be what is broken.
_Noreturn void malloc_die(const char *who, const void *p, const char *what)
{
	char line[160];
	int len = snprintf(line, sizeof(line), "%s: %p: %s; the program ends here\n", who, p, what);

	write(STDERR_FILENO, line, len < (int)sizeof(line) ? len : (int)sizeof(line) - 1);
	abort();
}
