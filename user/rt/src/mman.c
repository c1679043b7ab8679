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

// The file's bytes as a copy taken now, for files that do not lie in memory page by page.
static err_t file_copy(u64 addr, size_t len, int prot, u64 flags, int fd, off_t offset, u64 *out)
{
	err_t err = vm_mmap(SLOT_VM, addr, len, PROT_READ | PROT_WRITE, flags, 0, 0, out);

	if (err)
		return err;
	err = file_load((char *)*out, len, fd, offset);
	if (!err && prot != (PROT_READ | PROT_WRITE))
		err = vm_mprotect(SLOT_VM, *out, len, prot);
	if (err)
		vm_munmap(SLOT_VM, *out, len);
	return err;
}

// A file of the boot archive is mapped where it lies; behind its last page other files begin. What changes it later is
// not followed.
static err_t file_map(u64 addr, size_t len, int prot, int flags, int fd, off_t offset, u64 *out)
{
	u64 page, size, own = mmap_flags(flags & ~MAP_SHARED);

	if ((flags & MAP_SHARED && prot & PROT_WRITE) || offset < 0 || offset % PAGE_SIZE)
		return -ERR_INVAL;
	if (files_image_of(SLOT_FILES, fd, &page, &size, NULL))
		return file_copy(addr, len, prot, own, fd, offset, out);
	size = (size + PAGE_SIZE - 1) & ~(u64)(PAGE_SIZE - 1);
	if (size < (u64)offset || size - offset < len)
		return file_copy(addr, len, prot, own, fd, offset, out);
	return vm_mmap(SLOT_VM, addr, len, prot, own | MMAP_FILE, page, offset, out);
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

// MADV_FREE lets the content go at any time from now on; here that is now.
int madvise(void *addr, size_t len, int advice)
{
	if (advice == MADV_FREE)
		advice = MADV_DONTNEED;
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
