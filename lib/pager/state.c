// SPDX-License-Identifier: MIT
// State segment (state.h). One program at a time uses it and programs die whole, so program order, kept by compiler barriers, is enough.
#include <base/panic.h>
#include <pager/state.h>

#define compiler_barrier() __asm__ volatile("" ::: "memory")

static u64 log_checksum(const struct state_header *header, u32 words)
{
	u64 sum = words;

	for (u32 i = 0; i < words; i++)
		sum = (sum << 7 | sum >> 57) ^ header->log[i];
	return sum;
}

// Is the sealed log whole, and does every write stay inside the segment? Guards a successor against a predecessor that went wild.
static bool log_valid(const struct state_header *header)
{
	u32 i = 0;

	if (!header->words)
		return true;
	if (header->words > STATE_LOG_WORDS || header->log_sum != log_checksum(header, header->words))
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
	u32 i = 0;

	while (i < header->words) {
		u64 *dst = (u64 *)((char *)header + (header->log[i] >> 32));
		u32 words = (u32)header->log[i];

		for (u32 w = 0; w < words; w++)
			dst[w] = header->log[i + 1 + w];
		i += 1 + words;
	}
	compiler_barrier();
	header->words = 0;
	compiler_barrier();
}

enum state_found state_open(struct state *state, void *segment, u64 bytes, u32 version, u32 layout)
{
	struct state_header *header = segment;

	assert(bytes >= sizeof(*header) && bytes % sizeof(u64) == 0);
	state->header = header;
	state->staged = 0;
	if (header->magic == STATE_MAGIC && header->version == version && header->layout == layout && header->bytes == bytes &&
	    log_valid(header)) {
		header->starts++;
		state_apply(state);
		return STATE_KEPT;
	}
	header->magic = 0; /* until the header is whole */
	compiler_barrier();
	for (u64 i = 0; i < bytes / sizeof(u64); i++)
		((u64 *)segment)[i] = 0;
	header->version = version;
	header->layout = layout;
	header->bytes = bytes;
	header->starts = 1;
	compiler_barrier();
	header->magic = STATE_MAGIC;
	return STATE_FRESH;
}

void state_stage(struct state *state, void *dst, const void *src, u32 bytes)
{
	struct state_header *header = state->header;
	u64 offset = (char *)dst - (char *)header;
	u32 words = bytes / sizeof(u64);
	u64 *log = &header->log[state->staged];

	assert(state->staged + 1 + words <= STATE_LOG_WORDS);
	assert(bytes % sizeof(u64) == 0 && offset >= sizeof(*header) && offset + bytes <= header->bytes);
	*log++ = offset << 32 | words;
	for (u32 i = 0; i < words; i++)
		log[i] = ((const u64 *)src)[i];
	state->staged += 1 + words;
}

void state_seal(struct state *state)
{
	struct state_header *header = state->header;

	header->log_sum = log_checksum(header, state->staged);
	compiler_barrier();
	header->words = state->staged;
	compiler_barrier();
	state->staged = 0;
}

void state_commit(struct state *state)
{
	state_seal(state);
	state_apply(state);
}
