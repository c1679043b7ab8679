// SPDX-License-Identifier: MIT
#include <lib/slab/extent.h>

void extent_map_init(struct extent_map *map, const struct extent_os *os)
{
	*map = (struct extent_map){ .os = os, .mask = EXTENT_FIRST - 1 };
	map->entry = map->first;
}

static void entry_put(struct extent *entry, u64 mask, struct extent extent)
{
	u64 i = extent_hash(extent.start) & mask;

	while (entry[i].start)
		i = (i + 1) & mask;
	entry[i] = extent;
}

static bool map_grow(struct extent_map *map)
{
	u64 entries = map->mask + 1;
	struct extent *old = map->entry, *larger = map->os->map(2 * entries * sizeof(*larger));

	if (!larger)
		return false;
	for (u64 i = 0; i < entries; i++)
		if (old[i].start)
			entry_put(larger, 2 * entries - 1, old[i]);
	map->entry = larger;
	map->mask = 2 * entries - 1;
	if (old != map->first)
		map->os->unmap(old, entries * sizeof(*old));
	return true;
}

bool extent_insert(struct extent_map *map, const void *start, size_t bytes, enum extent_kind kind)
{
	if (2 * (map->count + 1) > map->mask + 1 && !map_grow(map))
		return false;
	entry_put(map->entry, map->mask, (struct extent){ (uintptr_t)start, bytes | kind });
	map->count++;
	return true;
}

// Close the gap: every entry up to the next free one moves back if the gap lies between its home and itself.
void extent_remove(struct extent_map *map, const void *start)
{
	struct extent *entry = map->entry;
	u64 mask = map->mask, gap = extent_find(map, start) - entry;

	for (u64 i = (gap + 1) & mask; entry[i].start; i = (i + 1) & mask) {
		u64 home = extent_hash(entry[i].start) & mask;

		if (((i - home) & mask) >= ((i - gap) & mask)) {
			entry[gap] = entry[i];
			gap = i;
		}
	}
	entry[gap].start = 0;
	map->count--;
}
