// SPDX-License-Identifier: MIT
/*
 * A channel: two rings (ring.h), one in each direction, in memory that init maps in two servers, and the notification
 * of each (statement `ring PEER N pages` of user/boot.manifest, record server_ring). Neither side ever waits.
 *
 *	struct channel disk;
 *	channel_open(&disk, info, "blk", 4, 4);       // my records have 4 words, theirs 4
 *	if (!channel_put(&disk, record)) ...          // full: the peer will see OVERFLOW and rescan
 *	channel_flush(&disk);                         // one notification for all that was put since the last
 *	while (channel_take(&disk, record)) ...       // when bits & disk.in_bits
 *
 * The memory starts zeroed, which is an empty ring, so neither side has to be first; a server that starts again
 * finds its positions in it.
 */
#pragma once

#include <abi/abi.h>
#include <pager/ring.h>

#define CHANNEL_TINY 2 // records of the rings between vm and reclaim with `rings=tiny` on the command line, for tests

struct channel {
	struct ring out;
	struct ring in;
	cptr_t notify; // the peer's notification
	u64 out_bits;  // to be set there
	u64 in_bits;   // bits of this server's notification that mean this channel
	bool told;     // nothing was put since the last notification
	u64 flow;      // of the last record put
};

// Records of `words` that fit in the memory of one direction, a power of two.
static inline u32 channel_records(u32 pages, u32 words)
{
	u32 records = 1;

	while (ring_bytes(2 * records, words) <= (size_t)pages * PAGE_SIZE)
		records *= 2;
	return records;
}

// The rings shared with `peer`, whose records have out_words (own) and in_words (the peer's). false: the manifest has
// none, or its pages are too few for one record.
bool channel_open(struct channel *ch, const struct server_info *info, const char *peer, u32 out_words,
		  u32 in_words) must_check;
// The same for an end of rings that is known: a server that serves whoever shares rings with it.
bool channel_attach(struct channel *ch, const struct server_ring *end, u32 out_words, u32 in_words) must_check;
// Tells the peer, if anything was put since it was last told.
void channel_flush(struct channel *ch);

// false: full; the record is lost and the peer finds OVERFLOW. A record begins with its flow, and so the peer works for
// it when it is told.
static inline bool must_check channel_put(struct channel *ch, const u64 *record)
{
	ch->told = false;
	ch->flow = record[0];
	return ring_put(&ch->out, record);
}

// Records that can be put before the ring is full, as far as is known now.
static inline u32 channel_room(const struct channel *ch)
{
	return ring_room(&ch->out);
}

static inline bool must_check channel_take(struct channel *ch, u64 *record)
{
	return ring_take(&ch->in, record);
}

// Once per loss: the peer had to drop records.
static inline bool must_check channel_overflowed(struct channel *ch)
{
	return ring_overflowed(&ch->in);
}
