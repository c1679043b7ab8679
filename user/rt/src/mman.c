// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rt.h"

static u64 mmap_flags(int flags)
{
	u64 out = flags & MAP_SHARED ? MMAP_SHARED : 0;

	out |= flags & MAP_FIXED ? MMAP_FIXED : 0;
	out |= flags & MAP_FIXED_NOREPLACE ? MMAP_NOREPLACE : 0;
	out |= flags & MAP_POPULATE ? MMAP_POPULATE : 0;
	out |= flags & MAP_GROWSDOWN ? MMAP_STACK : 0;
	return out;
}

// The file's bytes from `offset` on, into fresh pages. What lies behind the end of the file stays zero.
static err_t file_load(char *to, size_t len, int fd, off_t offset)
{
	while (len) {
		ssize_t done = pread(fd, to, len, offset);

		if (done < 0)
			return -ERR_ACCES;
		if (done == 0)
			return 0;
		to += done;
		len -= done;
		offset += done;
	}
	return 0;
}

// A private file mapping is a copy taken now: files in this system change only by write, and private mappings do not follow that.
static err_t file_map(u64 addr, size_t len, int prot, int flags, int fd, off_t offset, u64 *out)
{
	err_t err;

	if ((flags & MAP_SHARED && prot & PROT_WRITE) || offset % PAGE_SIZE)
		return -ERR_INVAL;
	err = vm_mmap(SLOT_VM, addr, len, PROT_READ | PROT_WRITE, mmap_flags(flags & ~MAP_SHARED), 0, 0, out);
	if (err)
		return err;
	err = file_load((char *)*out, len, fd, offset);
	if (!err && prot != (PROT_READ | PROT_WRITE))
		err = vm_mprotect(SLOT_VM, *out, len, prot);
	if (err)
		vm_munmap(SLOT_VM, *out, len);
	return err;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	u64 out;
	err_t err;

	if (!(flags & MAP_SHARED) == !(flags & MAP_PRIVATE))
		err = -ERR_INVAL;
	else if (flags & MAP_ANONYMOUS)
		err = vm_mmap(SLOT_VM, (u64)addr, len, prot, mmap_flags(flags), 0, 0, &out);
	else
		err = file_map((u64)addr, len, prot, flags, fd, offset, &out);
	if (!err)
		return (void *)out;
	rt_fail(err);
	return MAP_FAILED;
}

int munmap(void *addr, size_t len)
{
	return rt_result(vm_munmap(SLOT_VM, (u64)addr, len));
}

int mprotect(void *addr, size_t len, int prot)
{
	return rt_result(vm_mprotect(SLOT_VM, (u64)addr, len, prot));
}

void *mremap(void *addr, size_t old_len, size_t new_len, int flags, ...)
{
	u64 out;
	err_t err = vm_mremap(SLOT_VM, (u64)addr, old_len, new_len, flags & MREMAP_MAYMOVE, &out);

	if (!err)
		return (void *)out;
	rt_fail(err);
	return MAP_FAILED;
}

int madvise(void *addr, size_t len, int advice)
{
	return rt_result(vm_madvise(SLOT_VM, (u64)addr, len, advice));
}

// Shared mappings are memory only: there is nothing to write back.
int msync(void *addr, size_t len, int flags)
{
	(void)len;
	return (u64)addr % PAGE_SIZE || flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ? rt_fail(-ERR_INVAL) : 0;
}

int mlock(const void *addr, size_t len)
{
	return rt_result(vm_mlock(SLOT_VM, (u64)addr, len, 1));
}

int munlock(const void *addr, size_t len)
{
	return rt_result(vm_mlock(SLOT_VM, (u64)addr, len, 0));
}

int brk(void *end)
{
	u64 now;
	err_t err = vm_brk(SLOT_VM, (u64)end, &now);

	if (!err && now != (u64)end)
		err = -ERR_NOMEM;
	return rt_result(err);
}

void *sbrk(ptrdiff_t delta)
{
	u64 now;
	err_t err = vm_brk(SLOT_VM, 0, &now);

	if (!err && delta)
		err = brk((void *)(now + delta)) ? -ERR_NOMEM : 0;
	if (!err)
		return (void *)now;
	rt_fail(err);
	return (void *)-1;
}
