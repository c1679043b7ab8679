// SPDX-License-Identifier: MIT
/*
 * The slab core: objects of one size, handed out and taken back. Pure: it gets its memory from a `struct slab_source`,
 * so the same code serves malloc, servers and the host tests. One thread.
 *
 * A slab:
 *
 *	base                                            base + bytes
 *	| object 0 | object 1 | ... | object count-1 | [used bitmap] |
 *	             \__ returned objects are linked by index: `free`
 *	                         \__ from `fresh` on: never handed out, so never touched
 *
 * Its states, by the number of objects handed out:
 *
 *	source --get--> [partial list] --inuse == count--> full, in no list
 *	                     ^  |                             |
 *	                     |  +--inuse == 0--> cache->empty |  (a second empty slab goes back to the source)
 *	                     +--------------- free -----------+
 *
 * Invariants: bit i of `used` is set iff object i is handed out; inuse is the number of bits; every index in the free
 * list is below `fresh` and its bit is clear; a slab is in the partial list iff 0 < inuse < count. The bitmap is the
 * truth. A link read from a free object was writable by the program, so it is checked before it is believed.
 */
#include <lib/slab/slab.h>

static bool bit_test(const u64 *bits, u32 i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void bit_flip(u64 *bits, u32 i)
{
	bits[i / 64] ^= (u64)1 << (i % 64);
}

static u32 bitmap_bytes(u32 count)
{
	return count <= 64 ? 0 : (count + 63) / 64 * 8;
}

void slab_cache_init(struct slab_cache *cache, const char *name, size_t size, size_t bytes, struct slab_source *source)
{
	u32 count = bytes / size;

	while (count * size + bitmap_bytes(count) > bytes)
		count--;
	*cache = (struct slab_cache){
		.name = name,
		.source = source,
		.size = size,
		.reciprocal = (((u64)1 << 32) + size - 1) / size,
		.bytes = bytes,
		.count = count,
	};
}

static void partial_push(struct slab_cache *cache, struct slab *slab)
{
	slab->prev = NULL;
	slab->next = cache->partial;
	if (slab->next)
		slab->next->prev = slab;
	cache->partial = slab;
}

static void partial_remove(struct slab_cache *cache, struct slab *slab)
{
	if (slab->next)
		slab->next->prev = slab->prev;
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		cache->partial = slab->next;
}

static struct slab *slab_grow(struct slab_cache *cache)
{
	struct slab *slab = cache->source->get(cache->source, cache->bytes);
	u32 bitmap = bitmap_bytes(cache->count);

	if (!slab)
		return NULL;
	slab->cache = cache;
	slab->inuse = 0;
	slab->fresh = 0;
	slab->free = SLAB_NIL;
	slab->used_inline = 0;
	slab->used = &slab->used_inline;
	if (bitmap) {
		slab->used = (u64 *)(slab->base + cache->bytes - bitmap);
		for (u32 i = 0; i < bitmap / 8; i++)
			slab->used[i] = 0;
	}
	cache->slabs++;
	return slab;
}

// No slab has room: take the empty one, or a new one.
static struct slab *partial_refill(struct slab_cache *cache)
{
	struct slab *slab = cache->empty;

	if (slab)
		cache->empty = NULL;
	else
		slab = slab_grow(cache);
	if (slab)
		partial_push(cache, slab);
	return slab;
}

static u32 take_returned(struct slab_cache *cache, struct slab *slab)
{
	u32 index = slab->free;
	char *object = slab->base + index * cache->size;
	u16 next = *(u16 *)object;

	if (next != SLAB_NIL && (next >= slab->fresh || next == index || bit_test(slab->used, next)))
		slab_corrupt(cache, object, "written to after it was freed");
	slab->free = next;
	return index;
}

void *slab_alloc(struct slab_cache *cache)
{
	struct slab *slab = cache->partial;
	u32 index;

	if (!slab) {
		slab = partial_refill(cache);
		if (!slab)
			return NULL;
	}
	index = slab->free != SLAB_NIL ? take_returned(cache, slab) : slab->fresh++;
	bit_flip(slab->used, index);
	cache->inuse++;
	if (++slab->inuse == cache->count)
		partial_remove(cache, slab);
	return slab->base + index * cache->size;
}

static void slab_emptied(struct slab_cache *cache, struct slab *slab)
{
	partial_remove(cache, slab);
	if (!cache->empty) {
		cache->empty = slab;
		return;
	}
	cache->slabs--;
	cache->source->put(cache->source, slab);
}

void slab_free(struct slab *slab, void *object)
{
	struct slab_cache *cache = slab->cache;
	u64 offset = (char *)object - slab->base;
	u32 index = offset * cache->reciprocal >> 32;

	if (offset >= cache->bytes || index >= slab->fresh || index * cache->size != offset)
		slab_corrupt(cache, object, "wild free (not the start of an object)");
	if (!bit_test(slab->used, index))
		slab_corrupt(cache, object, "double free");
	bit_flip(slab->used, index);
	*(u16 *)object = slab->free;
	slab->free = index;
	cache->inuse--;
	if (slab->inuse-- == cache->count)
		partial_push(cache, slab);
	if (slab->inuse == 0)
		slab_emptied(cache, slab);
}
