// SPDX-License-Identifier: MIT
/*
 * The slab core: objects of one size, handed out and taken back. Pure: it gets its memory from a `struct slab_source`,
 * so the same code serves malloc, the slab server's clients and the host tests. One thread.
 *
 *	base                                            base + bytes
 *	| object 1 | object 2 | ... | object count | [states] |
 *
 * Each object has a state of two bytes: handed out, away, or to be had and then the number of the next one. Nothing
 * that is believed lies in the objects, so a program that writes to freed memory harms its own data and no list.
 *
 * The states of a slab, by the objects that are to be had (room):
 *
 *	source --get--> [partial list] --room == 0--> in no list
 *	                     ^  |                         |
 *	                     |  +--room == count--> cache->empty   (a second empty slab goes back to the source)
 *	                     +------------ free ----------+
 *
 * Some sources lend objects one by one: those to be had can go away to the source (slab_take) and come again
 * (slab_give), while the slab stays.
 *
 * Invariants: an object is handed out, to be had or away, as its state says; room counts those to be had, and they are
 * the list that begins at `free`; a slab is in the partial list iff 0 < room and it is not cache->empty.
 */
#include <lib/slab/slab.h>

// States behind the objects: none when they fit into the descriptor.
static u32 states_bytes(u32 count)
{
	return count <= SLAB_INLINE ? 0 : ALIGN_UP((count + 1) * (u32)sizeof(u16), (u32)sizeof(u64));
}

void slab_cache_init(struct slab_cache *cache, const char *name, size_t size, size_t bytes, struct slab_source *source)
{
	u32 count = bytes / size;

	while (count * size + states_bytes(count) > bytes)
		count--;
	*cache = (struct slab_cache){
		.name = name,
		.source = source,
		.size = size,
		.reciprocal = ~(u64)0 / size + 1,
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

// All objects are to be had, in their order. Four states at a time, the last ones perhaps beyond `count`.
static void states_fill(const struct slab_cache *cache, struct slab *slab)
{
	u64 *four = (u64 *)slab->state, next = 0x0004000300020001;

	for (u32 i = 0; i <= cache->count; i += 4, next += 0x0004000400040004)
		*four++ = next;
	slab->state[cache->count] = SLAB_NIL;
	slab->free = 1;
	slab->room = cache->count;
}

static struct slab *slab_grow(struct slab_cache *cache)
{
	struct slab *slab = cache->source->get(cache->source, cache);

	if (!slab || slab->room)
		return slab;
	slab->cache = cache;
	if (!slab->state)
		slab->state = cache->count <= SLAB_INLINE
				      ? slab->states
				      : (u16 *)(slab_base(slab) + cache->bytes - states_bytes(cache->count));
	states_fill(cache, slab);
	cache->slabs++;
	cache->held += cache->count;
	return slab;
}

// No slab has room: take the empty one, or a new one.
void *slab_alloc_refill(struct slab_cache *cache)
{
	struct slab *slab = cache->empty;

	if (slab)
		cache->empty = NULL;
	else
		slab = slab_grow(cache);
	if (!slab)
		return NULL;
	partial_push(cache, slab);
	return slab_pop(cache, slab);
}

void *slab_filled(struct slab_cache *cache, struct slab *slab, void *object)
{
	partial_remove(cache, slab);
	return object;
}

static void slab_leave(struct slab_cache *cache, struct slab *slab)
{
	cache->slabs--;
	cache->held -= cache->count;
	slab->room = 0;
	cache->source->put(cache->source, slab);
}

void slab_purge(struct slab_cache *cache)
{
	struct slab *slab = cache->empty;

	cache->empty = NULL;
	if (slab)
		slab_leave(cache, slab);
}

// The first object of a slab without room came back, or its last one: `room` is what it had before.
void slab_freed(struct slab *slab, u32 room)
{
	struct slab_cache *cache = slab->cache;

	if (!room)
		partial_push(cache, slab);
	if (room + 1 != cache->count)
		return;
	partial_remove(cache, slab);
	if (cache->empty)
		slab_leave(cache, slab);
	else
		cache->empty = slab;
}

void slab_free_wrong(const struct slab *slab, const void *object)
{
	const struct slab_cache *cache = slab->cache;
	u64 offset = (u64)object - slab_base(slab);

	if (offset / cache->size >= cache->count || offset % cache->size)
		slab_corrupt(cache, object, "wild free (not the start of an object)");
	slab_corrupt(cache, object, "double free (or never allocated)");
}

bool slab_in_use(const struct slab *slab, const void *object)
{
	u64 offset = (u64)object - slab_base(slab), index = offset / slab->cache->size;

	return index < slab->cache->count && offset % slab->cache->size == 0 && slab->state[index + 1] == SLAB_USED;
}

u32 slab_used(const struct slab *slab)
{
	u32 n = 0;

	for (u32 i = 1; i <= slab->cache->count; i++)
		n += slab->state[i] == SLAB_USED;
	return n;
}

u64 slab_cache_used(const struct slab_cache *cache)
{
	u64 n = cache->held - (cache->empty ? cache->count : 0);

	for (const struct slab *slab = cache->partial; slab; slab = slab->next)
		n -= slab->room;
	return n;
}

// ---- objects that go away and come again

void slab_take(struct slab *slab, u64 *map)
{
	struct slab_cache *cache = slab->cache;

	for (u32 i = 0; i < cache->count; i += 64)
		map[i / 64] = 0;
	partial_remove(cache, slab);
	cache->held -= slab->room;
	for (; slab->room; slab->room--) {
		u32 number = slab->free, bit = number - 1;

		map[bit / 64] |= (u64)1 << bit % 64;
		slab->free = slab->state[number];
		slab->state[number] = SLAB_AWAY;
	}
}

void slab_give(struct slab *slab, const u64 *map)
{
	struct slab_cache *cache = slab->cache;

	for (u32 i = cache->count; i-- > 0;) {
		if (!(map[i / 64] >> i % 64 & 1))
			continue;
		slab->state[i + 1] = (u16)slab->free;
		slab->free = i + 1;
		slab->room++;
		cache->held++;
	}
}
