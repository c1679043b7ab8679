// SPDX-License-Identifier: MIT
// Objects of one size, cut from slabs: slab.c tells the whole story.
#pragma once

#include <lib/base/types.h>

struct slab_cache;

// One slab. The descriptor lies apart from the objects, so that a slab is full of objects and a wild store rarely meets
// it.
struct slab {
	struct slab *next, *prev; // in its cache's list of slabs that have room
	struct slab_cache *cache;
	char *base; // first object
	u64 *used;  // one bit per object: handed out. Points to used_inline when 64 bits are enough, else behind the
		    // objects
	u64 used_inline; //
	u16 inuse;       // objects handed out
	u16 fresh;       // objects from here on were never handed out: their pages may never have been touched
	u16 free;        // first returned object, SLAB_NIL: none. The link to the next one lies in the object
	u16 source;      // for the source's own use
};

// Where slabs come from and go to. get answers NULL when there is no memory; base and source are set, the rest is not
// looked at.
struct slab_source {
	struct slab *(*get)(struct slab_source *source, size_t bytes);
	void (*put)(struct slab_source *source, struct slab *slab);
};

struct slab_cache {
	const char *name;
	struct slab_source *source;
	struct slab *partial; // slabs with room, the one to use first in front
	struct slab
		*empty; // at most one slab without objects, kept so that a single object coming and going costs nothing
	u32 size;       // bytes of an object
	u32 reciprocal; // ceil(2^32 / size): division by multiplication, exact for every offset within a slab
	u32 bytes;      // bytes of a slab, a power of two, at most SLAB_BYTES_MAX
	u32 count;      // objects in a slab
	u64 slabs;      // slabs held
	u64 inuse;      // objects handed out
};

#define SLAB_NIL        0xffff
#define SLAB_BYTES_MAX  0x10000
#define SLAB_OBJECT_MIN 8

void slab_cache_init(struct slab_cache *cache, const char *name, size_t size, size_t bytes, struct slab_source *source);

// An object, its content undefined; NULL: the source has no memory.
void *slab_alloc(struct slab_cache *cache);

// Give an object back to its slab. Ends in slab_corrupt when `object` is not the start of an object that is in use.
void slab_free(struct slab *slab, void *object);

// The caller's program broke a cache (double free, wild free, write after free). Supplied by whoever links this
// library.
_Noreturn void slab_corrupt(const struct slab_cache *cache, const void *object, const char *what);
