// SPDX-License-Identifier: MIT
/*
 * A slab source over pages from the system: 1 MiB chunks, aligned to themselves, cut into 64 units of 16 KiB. Unit 0 is
 * the chunk's header with all slab descriptors; a slab is one unit or four (64 KiB, aligned). From a pointer to its
 * slab: mask, shift, one byte.
 *
 * A unit:	in a slab --put--> free, dirty (holds frames) --purge--> free, clean --get--> in a slab
 *
 * Small slabs grow from the bottom of a chunk and large ones from its top, dirty units first. More than ARENA_RESERVE
 * dirty units: all are purged, and chunks without a slab are unmapped but for one.
 *
 * Invariants: dirty is a subset of free; a chunk is in the list iff free is not 0; arena->dirty is the sum of the dirty
 * bits.
 */
#include <lib/slab/arena.h>

#define UNITS_ALL   (~(u64)1) // unit 0 is the header
#define GROUP_FIRST 0x1111111111111111

_Static_assert(sizeof(struct arena_chunk) <= ARENA_UNIT, "the header fits in a unit");

static void chunk_push(struct arena *arena, struct arena_chunk *chunk)
{
	chunk->prev = NULL;
	chunk->next = arena->chunks;
	if (chunk->next)
		chunk->next->prev = chunk;
	arena->chunks = chunk;
}

static void chunk_remove(struct arena *arena, struct arena_chunk *chunk)
{
	if (chunk->next)
		chunk->next->prev = chunk->prev;
	if (chunk->prev)
		chunk->prev->next = chunk->next;
	else
		arena->chunks = chunk->next;
}

// An aligned chunk: map twice as much and give back what hangs over.
static struct arena_chunk *chunk_new(struct arena *arena)
{
	const struct extent_os *os = arena->extents->os;
	char *area = os->map(2 * ARENA_CHUNK), *start;
	size_t before;

	if (!area)
		return NULL;
	before = -(uintptr_t)area & (ARENA_CHUNK - 1);
	start = area + before;
	if (before)
		os->unmap(area, before);
	os->unmap(start + ARENA_CHUNK, ARENA_CHUNK - before);
	if (!extent_insert(arena->extents, start, ARENA_CHUNK, EXTENT_CHUNK)) {
		os->unmap(start, ARENA_CHUNK);
		return NULL;
	}
	struct arena_chunk *chunk = (struct arena_chunk *)start;
	chunk->free = UNITS_ALL;
	arena->spare++;
	chunk_push(arena, chunk);
	return chunk;
}

// First units of the free slabs of 1 or 4 units.
static u64 starts(u64 free, u32 units)
{
	return units == 1 ? free : free & free >> 1 & free >> 2 & free >> 3 & GROUP_FIRST;
}

static u32 unit_choose(const struct arena_chunk *chunk, u32 units)
{
	u64 candidates = starts(chunk->free & chunk->dirty, units);

	if (!candidates)
		candidates = starts(chunk->free, units);
	return units == 1 ? (u32)__builtin_ctzll(candidates) : 63 - (u32)__builtin_clzll(candidates);
}

static struct slab *source_get(struct slab_source *source, const struct slab_cache *cache)
{
	struct arena *arena = (struct arena *)source;
	struct arena_chunk *chunk = arena->chunks;
	u32 units = cache->bytes / ARENA_UNIT, unit;
	u64 bits;

	while (chunk && !starts(chunk->free, units))
		chunk = chunk->next;
	if (!chunk)
		chunk = chunk_new(arena);
	if (!chunk)
		return NULL;
	unit = unit_choose(chunk, units);
	bits = (((u64)1 << units) - 1) << unit;
	if (chunk->free == UNITS_ALL)
		arena->spare--;
	arena->dirty -= __builtin_popcountll(chunk->dirty & bits);
	chunk->free &= ~bits;
	chunk->dirty &= ~bits;
	if (!chunk->free)
		chunk_remove(arena, chunk);
	for (u32 i = 0; i < units; i++)
		chunk->head[unit + i] = unit;
	slab_place(&chunk->slab[unit], cache, (u64)chunk + unit * ARENA_UNIT);
	chunk->slab[unit].source = units;
	chunk->slab[unit].state = NULL;
	chunk->slab[unit].room = 0;
	return &chunk->slab[unit];
}

static void source_put(struct slab_source *source, struct slab *slab)
{
	struct arena *arena = (struct arena *)source;
	struct arena_chunk *chunk = (struct arena_chunk *)((uintptr_t)slab & ~(uintptr_t)(ARENA_CHUNK - 1));
	u32 unit = slab - chunk->slab, units = slab->source;
	u64 bits = (((u64)1 << units) - 1) << unit;

	if (!chunk->free)
		chunk_push(arena, chunk);
	chunk->free |= bits;
	chunk->dirty |= bits;
	arena->dirty += units;
	if (chunk->free == UNITS_ALL)
		arena->spare++;
	if (arena->dirty > ARENA_RESERVE)
		arena_purge(arena);
}

static void chunk_purge(struct arena *arena, struct arena_chunk *chunk)
{
	arena->dirty -= __builtin_popcountll(chunk->dirty);
	while (chunk->dirty) {
		u32 first = __builtin_ctzll(chunk->dirty), run = 0;

		for (; first + run < ARENA_UNITS && chunk->dirty >> (first + run) & 1; run++)
			chunk->dirty &= ~((u64)1 << (first + run));
		arena->extents->os->purge((char *)chunk + first * ARENA_UNIT, (size_t)run * ARENA_UNIT);
	}
}

void arena_purge(struct arena *arena)
{
	struct arena_chunk *next;

	for (struct arena_chunk *chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		if (chunk->free != UNITS_ALL || arena->spare == 1) {
			chunk_purge(arena, chunk);
			continue;
		}
		arena->spare--;
		arena->dirty -= __builtin_popcountll(chunk->dirty);
		chunk_remove(arena, chunk);
		extent_remove(arena->extents, chunk);
		arena->extents->os->unmap(chunk, ARENA_CHUNK);
	}
}

void arena_init(struct arena *arena, struct extent_map *extents)
{
	*arena = (struct arena){ .source = { source_get, source_put }, .extents = extents };
}
