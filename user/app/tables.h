// SPDX-License-Identifier: MIT
// What the page tables of all processes hold, as far as they are vm's, read through vm while programs run. Two looks at
// the same thing may differ; who finds a contradiction looks again.
#pragma once

#include "glass.h"

struct entry {
	u64 what;  // leaf, held: frame reference; token: swap slot
	u64 place; // address | index of the process in vm's table (0: the shadow of shared memory)
	u8 kind;   // ENTRY_*
	u8 flags;  // ENTRIES_*
};

struct entries {
	struct entry *list; // ordered by the low half of `what` (frame number, slot), then by place
	size_t count, room;
};

struct tables {
	struct entries pages, tokens;
	u32 processes;
};

#define PLACE_INDEX(place) ((place) % PAGE_SIZE)
#define PLACE_VA(place)    ((place) & ~(u64)(PAGE_SIZE - 1))

// Reads everything anew; memory of an earlier look is used again.
void tables_read(struct tables *t);
// The entry at a place, as it is now; false: there is none, or no such process.
bool tables_entry(u64 place, struct entry *out);
// Entries of the same frame or slot: [*from, end); *from becomes end. Returns how many.
size_t entries_group(const struct entries *e, size_t *from);
