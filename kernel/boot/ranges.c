// SPDX-License-Identifier: MIT
#include "ranges.h"

#include <lib/base/panic.h>

static void insert(struct ranges *set, u32 at, struct range range)
{
	if (set->count == RANGES)
		panic("more than %u ranges of physical memory", RANGES);
	for (u32 i = set->count++; i > at; i--)
		set->range[i] = set->range[i - 1];
	set->range[at] = range;
}

static void erase(struct ranges *set, u32 at)
{
	set->count--;
	for (u32 i = at; i < set->count; i++)
		set->range[i] = set->range[i + 1];
}

void ranges_add(struct ranges *set, paddr_t base, paddr_t limit)
{
	if (base >= limit)
		return;
	u32 i = 0;
	while (i < set->count && set->range[i].limit < base)
		i++;
	// Swallow all that overlap or touch.
	while (i < set->count && set->range[i].base <= limit) {
		base = set->range[i].base < base ? set->range[i].base : base;
		limit = set->range[i].limit > limit ? set->range[i].limit : limit;
		erase(set, i);
	}
	insert(set, i, (struct range){ base, limit });
}

void ranges_remove(struct ranges *set, paddr_t base, paddr_t limit)
{
	for (u32 i = 0; i < set->count; i++) {
		struct range r = set->range[i];
		if (base >= limit || r.limit <= base || r.base >= limit)
			continue;
		erase(set, i--);
		if (limit < r.limit)
			insert(set, i + 1, (struct range){ limit, r.limit });
		if (r.base < base)
			insert(set, ++i, (struct range){ r.base, base });
	}
}

bool ranges_take(struct ranges *set, u64 size, u64 align, paddr_t *base)
{
	for (u32 i = 0; i < set->count; i++) {
		paddr_t start = (set->range[i].base + align - 1) & -align;
		if (start < set->range[i].base || start >= set->range[i].limit || set->range[i].limit - start < size)
			continue;
		ranges_remove(set, start, start + size);
		*base = start;
		return true;
	}
	return false;
}

u64 ranges_size(const struct ranges *set)
{
	u64 size = 0;
	for (u32 i = 0; i < set->count; i++)
		size += set->range[i].limit - set->range[i].base;
	return size;
}
