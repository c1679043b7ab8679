// SPDX-License-Identifier: MIT
/*
 * rmap's answers beside the page tables. An answer is a hint: it may name places that do not map the frame (a VMA that
 * contains the page's name, whose page is another one by now). It must name every place that does, and none twice, and
 * none where nothing is mapped at all.
 */
#pragma once

#include "tables.h"

struct audit {
	u64 frames;                // of user memory, that page tables name
	u64 places;                // that map them
	u64 named;                 // of these, by rmap
	u64 hints;                 // places named that do not map the frame
	u64 locked;                // places that rmap names not, since mlock keeps them
	u64 nameless;              // frames nobody has given a name: the zero page
	u64 again;                 // frames that changed between two looks, and were looked at again
	u64 unsure;                // frames that changed each time
	u64 missing, wrong, twice; // places: what must not be
	u64 stray;                 // entries in no mapping
};

// Prints a line for each of the first differences.
void audit_run(const struct tables *t, struct audit *a);
static inline u64 audit_bad(const struct audit *a)
{
	return a->missing + a->wrong + a->twice + a->stray;
}
