// SPDX-License-Identifier: MIT
/*
 * A state segment: wired memory at STATE_VA that outlives the program in it. What no kernel table remembers (mappings
 * of a process, say) is kept here as flat records without pointers; trees and lists over them are volatile and rebuilt
 * by a successor.
 *
 * One operation changes the segment in one step, whatever instruction it is killed at:
 *
 *	stage -> stage -> seal (one store: `words`) -> apply -> done (`words` = 0)
 *	   killed here: nothing happened   |   killed here: the successor applies it again
 *
 * Staged writes become visible only with state_commit. A write that is one aligned word needs no staging.
 */
#pragma once

#include <base/panic.h>
#include <base/types.h>

#define STATE_MAGIC     0x4554415453514f4aul /* "JOQSTATE" */
#define STATE_LOG_WORDS 124

struct state_header {
	u64 magic;
	u32 version;
	u32 layout; // checksum of the record sizes and counts: a successor built otherwise starts afresh
	u64 bytes;  // of the whole segment
	u64 starts; // programs that have opened it
	u32 words;  // sealed words of the log; 0: none. The commit store
	u32 spare;
	u64 log[STATE_LOG_WORDS]; // {offset << 32 | words, word ...} ...
};

struct state {
	struct state_header *header;
	u32 staged; // words of the log written and not sealed
};

enum state_found {
	STATE_FRESH, // no usable content: all zero after the header
	STATE_KEPT,  // a predecessor's records, its sealed operation applied
};

// Open the segment. What is there is kept only if magic, version, layout and size agree.
enum state_found state_open(struct state *state, void *segment, u64 bytes, u32 version, u32 layout);
// The same for a segment that grows and shrinks: `room` bytes are there, a predecessor used `least` or more of them.
enum state_found state_open_sized(struct state *state, void *segment, u64 least, u64 room, u32 version, u32 layout);
// So many bytes are used from now on; they are there, and those that come anew are zero.
static inline void state_resize(struct state *state, u64 bytes)
{
	state->header->bytes = bytes; /* one store */
}

// One program at a time uses a segment and programs die whole: program order is enough, and this keeps the compiler to
// it.
#define state_barrier() __asm__ volatile("" ::: "memory")

// Stage a copy of `bytes` (whole words, a constant) to `dst` inside the segment. The log's size is a matter of the
// operations' design.
static always_inline void state_stage(struct state *state, void *dst, const void *src, u32 bytes)
{
	u64 offset = (char *)dst - (char *)state->header;
	u64 *log = &state->header->log[state->staged];

	assert(bytes % sizeof(u64) == 0 && state->staged + 1 + bytes / sizeof(u64) <= STATE_LOG_WORDS);
	log[0] = offset << 32 | bytes / sizeof(u64);
	for (u32 i = 0; i < bytes / sizeof(u64); i++)
		log[1 + i] = ((const u64 *)src)[i];
	state->staged += 1 + bytes / sizeof(u64);
}

// Forget what is staged.
static inline void state_drop(struct state *state)
{
	state->staged = 0;
}

// The staged writes happen, all or none.
void state_commit(struct state *state);

// The two halves of a commit, for the tests that stop between them.
void state_seal(struct state *state);
void state_apply(struct state *state);
