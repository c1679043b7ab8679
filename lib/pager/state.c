// SPDX-License-Identifier: MIT
// State segment (state.h): opening, sealing, applying.
#include <pager/state.h>

// Does every write of the sealed log stay inside the segment? Guards a successor against a predecessor that went wild.
static bool log_valid(const struct state_header *header)
{
	u32 i = 0;

	if (!header->words)
		return true;
	if (header->words > STATE_LOG_WORDS)
		return false;
	while (i < header->words) {
		u64 offset = header->log[i] >> 32;
		u64 words = (u32)header->log[i];

		if (!words || words > header->words - i - 1 || offset % sizeof(u64) || offset < sizeof(*header) ||
		    offset + words * sizeof(u64) > header->bytes)
			return false;
		i += 1 + words;
	}
	return true;
}

void state_apply(struct state *state)
{
	struct state_header *header = state->header;
	const u64 *log = header->log, *end = log + header->words;

	while (log < end) {
		u64 *dst = (u64 *)((char *)header + (*log >> 32));
		const u64 *next = log + 1 + (u32)*log;

		while (++log < next)
			*dst++ = *log;
	}
	state_barrier();
	header->words = 0;
	state_barrier();
}

enum state_found state_open(struct state *state, void *segment, u64 bytes, u32 version, u32 layout)
{
	return state_open_sized(state, segment, bytes, bytes, version, layout);
}

enum state_found state_open_sized(struct state *state, void *segment, u64 least, u64 room, u32 version, u32 layout)
{
	struct state_header *header = segment;

	assert(least >= sizeof(*header) && least <= room && room % sizeof(u64) == 0);
	state->header = header;
	state->staged = 0;
	if (header->magic == STATE_MAGIC && header->version == version && header->layout == layout &&
	    header->bytes >= least && header->bytes <= room && log_valid(header)) {
		header->starts++;
		state_apply(state);
		return STATE_KEPT;
	}
	header->magic = 0; /* until the header is whole */
	state_barrier();
	for (u64 i = 0; i < room / sizeof(u64); i++)
		((u64 *)segment)[i] = 0;
	header->version = version;
	header->layout = layout;
	header->bytes = room;
	header->starts = 1;
	state_barrier();
	header->magic = STATE_MAGIC;
	return STATE_FRESH;
}

void state_seal(struct state *state)
{
	state_barrier();
	state->header->words = state->staged;
	state_barrier();
	state->staged = 0;
}

void state_commit(struct state *state)
{
	state_seal(state);
	state_apply(state);
}
