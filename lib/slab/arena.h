// SPDX-License-Identifier: MIT
// Slabs cut from 1 MiB chunks: arena.c tells the whole story.
#pragma once

#include <lib/slab/extent.h>
#include <lib/slab/slab.h>

#define ARENA_CHUNK   0x100000 // bytes, aligned to itself
#define ARENA_UNIT    0x4000
#define ARENA_UNITS   (ARENA_CHUNK / ARENA_UNIT)
#define ARENA_RESERVE 32 // units that may be free and still hold frames

struct arena_chunk {
	struct arena_chunk *next, *prev; // of the chunks with free units
	u64 free;                        // one bit per unit
	u64 dirty;                       // of the free units: those that still hold frames
	u8 head[ARENA_UNITS];            // first unit of the slab a unit belongs to
	struct slab slab[ARENA_UNITS];   // descriptor of the slab that starts at a unit
};

struct arena {
	struct slab_source source; // first: a source is its arena
	struct extent_map *extents;
	struct arena_chunk *chunks; // those with free units
	u32 dirty;                  // free units that hold frames, in all chunks
	u32 spare;                  // chunks without a slab
};

void arena_init(struct arena *arena, struct extent_map *extents);

// Give all free units back to the system.
void arena_purge(struct arena *arena);

// The slab that `p` lies in, p's chunk being one of the arena's; NULL: p is in no slab.
static inline struct slab *arena_slab(const void *p)
{
	struct arena_chunk *chunk = (struct arena_chunk *)((uintptr_t)p & ~(uintptr_t)(ARENA_CHUNK - 1));
	u32 unit = ((uintptr_t)p & (ARENA_CHUNK - 1)) / ARENA_UNIT;

	return unit == 0 || chunk->free >> unit & 1 ? NULL : &chunk->slab[chunk->head[unit]];
}
