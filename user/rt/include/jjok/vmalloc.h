// SPDX-License-Identifier: MIT
/*
 * Areas of pages that follow each other in the address space and need not do so in memory (docs/vmalloc.md). They lie
 * in a window of their own, are present from the start, are never paged out, and end with the program: a child of fork
 * and the image that follows exec have none. Behind each area lies a guard page; touching it ends the program with a
 * line that names the area. The memory is the program's own: vmallocinfo, ps and the choice of the OOM killer count it.
 *
 * The names and their meaning are those of Linux' <linux/vmalloc.h>. Functions that return a pointer return NULL and
 * set errno: EINVAL (size 0), ERANGE (larger than the window), ENOSPC (no range of addresses is free), ENOMEM (no
 * memory; nothing stays allocated), ENFILE (no record left in the server), ENOSYS (this system has no vmalloc server).
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// An area of at least `size` bytes, page-aligned; from 2 MiB on with 2 MiB pages where there are free ones. Its content
// is undefined: zeroes, or what this program had in areas before.
void *vmalloc(size_t size);

// The same, all zeroes.
void *vzalloc(size_t size);

// The end of an area. NULL is allowed. An address that vmalloc or vzalloc did not return, or that was freed before, is
// a mistake of the program: it is told on stderr, errno becomes EINVAL, and nothing is freed.
void vfree(const void *addr);

// Most pages of one vm_map_ram.
#define VM_MAP_RAM_MAX 512

// `count` pages once more, one behind the other: pages[i] is the address of a page in an area of this program (of
// vmalloc or of vm_map_ram), any order, the same one several times if you like. They stay what they are; the memory
// goes when the last of its addresses is freed. Further errors: EINVAL (count 0), E2BIG (count above VM_MAP_RAM_MAX),
// EFAULT (not a page of an area).
void *vm_map_ram(void *const *pages, unsigned int count);

// The end of what vm_map_ram returned, with the same count; mistakes as vfree.
void vm_unmap_ram(const void *mem, unsigned int count);

// Unmap at once what was freed, and give back what was mapped ahead. Freed areas otherwise stay mapped for a while (128
// pages at most), so that many are unmapped together.
void vm_unmap_aliases(void);

// Does the address lie in the window of areas?
int is_vmalloc_addr(const void *addr);

#ifdef __cplusplus
}
#endif
