// SPDX-License-Identifier: MIT
/*
 * Areas of the vmalloc server. The endpoint is not there until vm was asked for it, and a child of fork has none again:
 * a call that finds no endpoint asks, then goes on.
 *
 * The server does a bounded piece of work per request; what is left of a large area is asked for until it is done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jjok/vmalloc.h>

#include <abi/reclaim_client.h>
#include <abi/vmalloc_client.h>

#include "rt.h"

_Static_assert(VM_MAP_RAM_MAX == VMALLOC_RAM_PAGES, "one limit");

#define ATTEMPTS  3  // of an area whose server was replaced while it was filled, or that had no memory
#define ROOM_MORE 64 // pages that others may take meanwhile

static void **list;      // a page of an area, where vm_map_ram writes what it wants
static pid_t list_owner; // not the parent's, after fork

// A call said that there is no endpoint. false: there will be none.
static bool attached(err_t *err)
{
	if (*err != -ERR_BADCAP)
		return false;
	*err = vm_attach(SLOT_VM, ATTACH_VMALLOC, NULL);
	return !*err;
}

static void purge_all(void)
{
	u64 left = 1;

	while (left && !vmalloc_purge(SLOT_VMALLOC, &left))
		;
}

static err_t area_make(size_t size, u64 flags, u64 *addr)
{
	u64 left = 0;
	err_t err = vmalloc_alloc(SLOT_VMALLOC, size, flags, addr, &left);

	if (__builtin_expect(!err && !left, 1))
		return 0;
	if (attached(&err))
		err = vmalloc_alloc(SLOT_VMALLOC, size, flags, addr, &left);
	while (!err && left)
		err = vmalloc_fill(SLOT_VMALLOC, *addr, &left);
	return err;
}

// Servers never wait, so it is the program that waits until reclaim has brought other pages out of memory. false: there
// is no reclaim, or nothing more that could go.
static bool room_made(size_t size)
{
	u64 done = 0, limit = 0;

	purge_all();
	if (vm_stat(SLOT_VM, VMSTAT_POOL_LIMIT, &limit) || size / PAGE_SIZE >= limit)
		return false; /* it will never fit */
	return !reclaim_shrink(SLOT_RECLAIM, size / PAGE_SIZE + ROOM_MORE, &done) && done;
}

static void *area_get(size_t size, u64 flags)
{
	u64 addr = 0;
	err_t err = area_make(size, flags, &addr);

	for (u32 i = 1; (err == -ERR_NOENT || (err == -ERR_NOMEM && room_made(size))) && i < ATTEMPTS; i++)
		err = area_make(size, flags, &addr);
	if (!err)
		return (void *)addr;
	if (err == -ERR_NOMEM)
		purge_all(); /* of a large one, what it had so far */
	rt_fail(err);
	return NULL;
}

void *vmalloc(size_t size)
{
	return area_get(size, 0);
}

void *vzalloc(size_t size)
{
	return area_get(size, VMALLOC_ZERO);
}

static void mistake(const char *function, const void *addr)
{
	fflush(stdout);
	fprintf(stderr, "%s: %s(%p): no area of this program starts there\n", rt_name, function, addr);
	errno = EINVAL;
}

void vfree(const void *addr)
{
	u64 left;

	if (!addr)
		return;
	if (vmalloc_free(SLOT_VMALLOC, (u64)addr, &left))
		mistake("vfree", addr);
	else if (left)
		purge_all();
}

static bool list_page(void)
{
	if (list && list_owner == getpid())
		return true;
	list = vmalloc(PAGE_SIZE);
	list_owner = getpid();
	return list != NULL;
}

void *vm_map_ram(void *const *pages, unsigned int count)
{
	err_t err = count > VM_MAP_RAM_MAX ? -ERR_BIG : count ? 0 : -ERR_INVAL;
	u64 addr = 0;

	if (!err && !list_page())
		return NULL;
	if (!err) {
		memcpy(list, pages, count * sizeof(*list));
		err = vmalloc_map_ram(SLOT_VMALLOC, (u64)list, count, &addr);
	}
	if (!err)
		return (void *)addr;
	rt_fail(err);
	return NULL;
}

void vm_unmap_ram(const void *mem, unsigned int count)
{
	u64 left = 0;

	if (vmalloc_unmap_ram(SLOT_VMALLOC, (u64)mem, count, &left))
		mistake("vm_unmap_ram", mem);
	else if (left)
		purge_all();
}

void vm_unmap_aliases(void)
{
	purge_all();
}

int is_vmalloc_addr(const void *addr)
{
	return (u64)addr >= VMALLOC_START && (u64)addr < VMALLOC_END;
}
