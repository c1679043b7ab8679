// SPDX-License-Identifier: MIT
// A row's samples and their median. Shared by the bench's server and its program.
#pragma once

#include <abi/abi.h>

#define WARMUP 16
#define RUNS   128

struct samples {
	u32 taken; // the first WARMUP of them are not kept
	u32 value[RUNS];
};

static inline void sample_add(struct samples *s, u64 cost)
{
	if (s->taken >= WARMUP && s->taken < WARMUP + RUNS)
		s->value[s->taken - WARMUP] = (u32)cost;
	s->taken++;
}

// Sorts them.
static inline u64 samples_median(struct samples *s)
{
	u32 n = s->taken - WARMUP;

	for (u32 i = 1; i < n; i++) {
		u32 v = s->value[i], k = i;

		for (; k && s->value[k - 1] > v; k--)
			s->value[k] = s->value[k - 1];
		s->value[k] = v;
	}
	return s->value[n / 2];
}
