// SPDX-License-Identifier: MIT
// Objects of one size, cut from slabs: slab.c tells the whole story.
#pragma once

#include <lib/base/types.h>

#define SLAB_BYTES_MAX  0x10000
#define SLAB_OBJECT_MIN 8
#define SLAB_SIZE_LIMIT 0x4000 // largest object
#define SLAB_INLINE     35     // objects whose states lie in the descriptor

// The state of an object: these, or the number of the next object that is to be had. Objects are numbered from 1, so
// state[0] is unused.
#define SLAB_USED 0      // handed out
#define SLAB_AWAY 0xfffe // at the source
#define SLAB_NIL  0xffff // to be had, the last in the list

struct slab_cache;

// One slab. The descriptor lies apart from the objects, so that a slab is full of objects and a wild store rarely meets
// it.
struct slab {
	struct slab *next, *prev; // in its cache's list of slabs that have room
	struct slab_cache *cache;
	u64 origin; // address of object n, less n * size
	u16 *state; // by object number: in the descriptor, behind the objects, or where the source has room for it
	u32 free;   // first object that is to be had
	u32 source; // for the source's own use; and it keeps gcc from merging the stores to free and room
	u32 room;   // objects that are to be had
	_Alignas(u64) u16 states[SLAB_INLINE + 1];
};
_Static_assert(sizeof(struct slab) == 128, "indexed by a shift");

/*
 * Where slabs come from and go to. get answers NULL when there is no memory. It sets source, base by
 * slab_place, and state (NULL: let the cache find a place); or it answers a slab of this very cache that has objects
 * again (slab_give), which it shows by room not being 0.
 */
struct slab_source {
	struct slab *(*get)(struct slab_source *source, const struct slab_cache *cache);
	void (*put)(struct slab_source *source, struct slab *slab);
};

struct slab_cache {
	const char *name;
	struct slab_source *source;
	struct slab *partial; // slabs with room, the one to use first in front
	struct slab
		*empty; // at most one slab without objects, kept so that a single object coming and going costs nothing
	u64 reciprocal; // ceil(2^64 / size): division by multiplication
	u32 size;       // bytes of an object
	u32 count;      // objects in a slab
	u32 bytes;      // bytes of a slab, a power of two, at most SLAB_BYTES_MAX
	u64 slabs;      // slabs held
	u64 held;       // objects handed out or to be had: those that are not away
};

void slab_cache_init(struct slab_cache *cache, const char *name, size_t size, size_t bytes, struct slab_source *source);

// Where the slab's bytes are, for its source.
static inline void slab_place(struct slab *slab, const struct slab_cache *cache, u64 base)
{
	slab->origin = base - cache->size;
}

static inline u64 slab_base(const struct slab *slab)
{
	return slab->origin + slab->cache->size;
}

// The one empty slab that a cache keeps goes back to its source.
void slab_purge(struct slab_cache *cache);

/*
 * For sources that take single objects back and give them again. slab_take: all objects of a slab in the partial list
 * that are to be had go away; the map gets a bit for each, object 1 first. slab_give: those named, which were away, are
 * to be had again; the slab is in no list, as no slab of its cache has room when the source is asked.
 */
void slab_take(struct slab *slab, u64 *map);
void slab_give(struct slab *slab, const u64 *map);

// Objects that are handed out: of a slab, of a cache.
u32 slab_used(const struct slab *slab);
u64 slab_cache_used(const struct slab_cache *cache);

// Is this the start of an object that is handed out? `object` lies in the slab.
bool slab_in_use(const struct slab *slab, const void *object);

// The caller's program broke a cache (double free, wild free). Supplied by whoever links this library.
_Noreturn void slab_corrupt(const struct slab_cache *cache, const void *object, const char *what);

// ---- the hot paths, and what they leave to slab.c

void *slab_alloc_refill(struct slab_cache *cache);
void *slab_filled(struct slab_cache *cache, struct slab *slab, void *object);
void slab_freed(struct slab *slab, u32 room);
void slab_free_wrong(const struct slab *slab, const void *object); // does not return, but may be jumped to

static always_inline void *slab_pop(struct slab_cache *cache, struct slab *slab)
{
	u64 number = slab->free;
	u16 *state = &slab->state[number];
	void *object = (void *)(slab->origin + number * cache->size);

	slab->free = *state;
	*state = SLAB_USED;
	if (unlikely(!--slab->room))
		return slab_filled(cache, slab, object);
	return object;
}

// An object, its content undefined; NULL: the source has no memory.
static always_inline void *slab_alloc(struct slab_cache *cache)
{
	struct slab *slab = cache->partial;

	return likely(slab) ? slab_pop(cache, slab) : slab_alloc_refill(cache);
}

/*
 * Give an object back to its slab, in whose bytes it must lie. Ends in slab_corrupt when it is not the start of an
 * object that is handed out. The division: with R = (2^64 + e) / size, e < size, an offset of n objects and r bytes
 * gives the product n * 2^64 + n * e + r * R. n * e is less than SLAB_BYTES_MAX, and that is less than R; so the low
 * half is less than R just when r is 0.
 */
static always_inline void slab_free(struct slab *slab, const void *object)
{
	const struct slab_cache *cache = slab->cache;
	unsigned __int128 product = (unsigned __int128)((u64)object - slab->origin) * cache->reciprocal;
	u64 number = product >> 64;
	u32 room = slab->room;

	if (unlikely((u64)product >= cache->reciprocal || number > cache->count || slab->state[number] != SLAB_USED)) {
		slab_free_wrong(slab, object);
		return;
	}
	slab->state[number] = (u16)slab->free;
	slab->free = (u32)number;
	slab->room = room + 1;
	if (unlikely(!room || room + 1 == cache->count))
		slab_freed(slab, room);
}
