// SPDX-License-Identifier: MIT
/*
 * Which address ranges belong to an allocator: a hash table from start address to {size, kind}, open addressing, linear
 * probing. It answers "is this pointer ours" exactly, without reading the memory the pointer names.
 */
#pragma once

#include <lib/base/types.h>

enum extent_kind {
	EXTENT_NONE,
	EXTENT_CHUNK, // cut into slabs
	EXTENT_LARGE, // one allocation
};

struct extent {
	u64 start;     // 0: free entry
	u64 size_kind; // bytes (a multiple of the page size) | kind
};

// Memory in pages from the system.
struct extent_os {
	void *(*map)(size_t bytes); // zeroed; NULL: none left
	void (*unmap)(void *start, size_t bytes);
	void (*purge)(void *start, size_t bytes); // the content is not needed: give the frames back, keep the range
};

#define EXTENT_FIRST 64

struct extent_map {
	const struct extent_os *os;
	struct extent *entry;
	u64 mask;                          // entries - 1
	u64 count;                         // entries in use, at most half
	struct extent first[EXTENT_FIRST]; // enough for small programs
};

#define EXTENT_KIND_MASK ((u64)4095)

void extent_map_init(struct extent_map *map, const struct extent_os *os);

// false: no memory for a larger table.
bool extent_insert(struct extent_map *map, const void *start, size_t bytes, enum extent_kind kind);
void extent_remove(struct extent_map *map, const void *start);

static inline u64 extent_hash(u64 start)
{
	return (start >> 12) * 0x9e3779b97f4a7c15 >> 40;
}

static inline struct extent *extent_find(struct extent_map *map, const void *start)
{
	u64 i = extent_hash((uintptr_t)start) & map->mask;

	for (; map->entry[i].start; i = (i + 1) & map->mask)
		if (map->entry[i].start == (uintptr_t)start)
			return &map->entry[i];
	return NULL;
}

static inline enum extent_kind extent_kind(const struct extent *extent)
{
	return extent->size_kind & EXTENT_KIND_MASK;
}

static inline size_t extent_size(const struct extent *extent)
{
	return extent->size_kind & ~EXTENT_KIND_MASK;
}
