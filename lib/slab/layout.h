// SPDX-License-Identifier: MIT
/*
 * Where things lie in an object and in a slab of the slab server: the same answer for the server, which cuts slabs, and
 * for its clients, who use them.
 *
 *	one object, `stride` bytes, with everything that SLAB_* can ask for (after mm/slub.c of Linux):
 *
 *	| red zone | object: size bytes | red zone | link | last alloc | last free | pad |
 *	           ^ offset             ^ tail     ^ link  ^ track
 *
 * The link to the next free object lies in the object itself when a free object need not keep its content.
 */
#pragma once

#include <abi/abi.h>
#include <lib/base/types.h>

#define SLAB_ORDER_MAX 3
#define SLAB_CHECKS    (SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER)
#define SLAB_FLAGS     (SLAB_CHECKS | SLAB_CTOR | SLAB_NO_MERGE)
#define SLAB_ALIGN_MIN 8u

// Who had an object last.
struct slab_track {
	u64 caller; // return address
	u64 time;   // ticks
	u64 pid;
};

struct slab_layout {
	u32 stride; // bytes from object to object
	u32 offset; // of the object in them
	u32 tail;   // end of the red zone behind the object
	u32 link;   // of the link
	u32 track;  // of two struct slab_track, when the flags ask for them
	u32 order;  // a slab has PAGE_SIZE << order bytes
	u32 objects;
};

// False: size, alignment or flags are out of range. An alignment of 0 means the least.
bool slab_layout(u64 size, u64 align, u64 flags, struct slab_layout *out) must_check;

// Caches of kmalloc: sizes by class, and the class for a size of 1 .. SLAB_SIZE_MAX.
extern const u16 kmalloc_size[KMALLOC_CLASSES];
u32 kmalloc_class(u64 size);
u32 kmalloc_align(u32 size); // largest power of two that divides the size, at most a page
