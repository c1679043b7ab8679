// SPDX-License-Identifier: MIT
// Bits in arrays of 64-bit words, and single-word helpers.
#pragma once

#include <lib/base/types.h>

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)

static always_inline bool bitmap_test(const u64 *map, u64 bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static always_inline void bitmap_set(u64 *map, u64 bit)
{
	map[bit / 64] |= 1ul << (bit % 64);
}

static always_inline void bitmap_clear(u64 *map, u64 bit)
{
	map[bit / 64] &= ~(1ul << (bit % 64));
}

// The first bit at or after `from` that has this value; `bits` when there is none.
static inline u64 bitmap_find(const u64 *map, u64 bits, u64 from, bool value)
{
	u64 bit = from;
	while (bit < bits) {
		u64 word = (value ? map[bit / 64] : ~map[bit / 64]) >> (bit % 64);
		if (word) {
			bit += __builtin_ctzl(word);
			return bit < bits ? bit : bits;
		}
		bit = (bit / 64 + 1) * 64;
	}
	return bits;
}

static inline u64 bitmap_count(const u64 *map, u64 bits)
{
	u64 count = 0;
	for (u64 bit = bitmap_find(map, bits, 0, true); bit < bits; bit = bitmap_find(map, bits, bit + 1, true))
		count++;
	return count;
}
