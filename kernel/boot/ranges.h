// SPDX-License-Identifier: MIT
// Sets of physical addresses as sorted, disjoint ranges that do not touch.
#pragma once

#include <abi/abi.h>
#include <lib/base/types.h>

#define RANGES 32

struct range {
	paddr_t base, limit;
};

struct ranges {
	u32 count;
	struct range range[RANGES];
};

// Panic when the set needs more than RANGES ranges: the machine is stranger than anything this was written for.
void ranges_add(struct ranges *set, paddr_t base, paddr_t limit);
void ranges_remove(struct ranges *set, paddr_t base, paddr_t limit);
// Takes `size` bytes out of the set, at the lowest place that is aligned; false: there is none.
bool ranges_take(struct ranges *set, u64 size, u64 align, paddr_t *base);
u64 ranges_size(const struct ranges *set);
