// SPDX-License-Identifier: MIT
/*
 * Slabs: handing out objects by the slab, taking them back by the bit, and giving slabs up. lists.c has the lists.
 *
 * Invariants: inuse is the number of bits in `used`; a slab's frames are mapped nowhere but at its address in its
 * owner.
 *
 * An empty slab stays its owner's, mapped, until there are more than a cushion of them or somebody needs the frames: a
 * batch that comes and goes costs two messages a slab and no fault.
 */
#include "slab.h"

#define SHRINK_STEP  4 // empty slabs given up at once: beyond the cushion,
#define RECLAIM_STEP 8 // and when frames are missing

// A record appears or goes, and what else is staged happens too.
static void slab_write(u32 i, const struct slab_record *to)
{
	struct slab_record *s = &sls->slab[i];

	if (s->owner)
		slab_unlist(i);
	else
		records_drop(i, i + 1);
	record_stage(s, to, SLAB_RECORD_BYTES);
	record_commit();
	if (s->owner)
		slab_list(i);
	else
		slab_gone(i);
}

// The objects that are handed out change to those in `next`, of which the words of the map count. Counters and lists
// follow; what else is staged happens too.
static void slab_change(u32 i, struct slab_record *next)
{
	struct slab_record *s = &sls->slab[i];
	struct cache *c = &caches[s->n.cache];
	u32 inuse = next->n.inuse;

	slab_leave(i);
	c->inuse += (s64)inuse - s->n.inuse;
	c->active += (inuse != 0) - (s->n.inuse != 0);
	record_stage(&s->n, &next->n, (u32)sizeof(s->n) + map_words(s) * (u32)sizeof(u64));
	record_commit();
	slab_enter(i);
}

// ---- giving up

// Its frames go back to the pool. False: the owner named a wrong address space. It keeps what it has, and is not asked
// again.
static bool slab_release(u32 i)
{
	const struct slab_record none = { 0 }, *s = &sls->slab[i];
	struct client_record *c = &sls->client[badge_slot(s->owner)];

	/* Of one that has ended nothing is mapped. */
	if (frames_return(s->frame, s->n.order, client_lives(s->owner) ? c->aspace : 0, slab_address(i))) {
		c->aspace = 0; /* one store */
		return false;
	}
	slab_write(i, &none);
	stats[SLABSTAT_SHRUNK]++;
	return true;
}

u64 slabs_shrink(u64 owner, u32 cache, u32 most)
{
	u64 before = stats[SLABSTAT_FRAMES];
	u32 newer;

	for (u32 i = slab_oldest(); i != NONE && most; i = newer) {
		const struct slab_record *s = &sls->slab[i];

		newer = slab_newer(i);
		if ((owner && s->owner != owner) || (cache && s->n.cache != cache))
			continue;
		if (sls->client[badge_slot(s->owner)].aspace && slab_release(i))
			most--;
		else
			slab_hold(i);
	}
	return before - stats[SLABSTAT_FRAMES];
}

u64 slabs_release(u64 owner)
{
	u64 before = stats[SLABSTAT_FRAMES];
	u32 next;

	for (u32 i = slab_first(owner); i != NONE; i = next) {
		next = sls->slab[i].node.own_next;
		(void)slab_release(i);
	}
	return before - stats[SLABSTAT_FRAMES];
}

bool slabs_held(u64 owner, u32 cache)
{
	for (u32 i = slab_first(owner); i != NONE; i = sls->slab[i].node.own_next)
		if (sls->slab[i].n.cache == cache)
			return true;
	return false;
}

void slabs_settle(void)
{
	if (likely(share_as_at_boot()))
		return;
	if (empty_frames() > share_cushion())
		slabs_shrink(0, 0, SHRINK_STEP);
	share_give_back(MIN(share_step(), stats[SLABSTAT_FRAMES]));
}

void slabs_relieve(void)
{
	stats[SLABSTAT_PRESSURE]++;
	while (share_grown() && slabs_shrink(0, 0, RECLAIM_STEP))
		share_give_back(0);
	share_give_back(0);
}

// ---- handing out

// Room for so many more frames in the client's share and in all slabs: user memory makes it, or empty slabs. NOSPC: the
// client's share; NOMEM: all of it; AGAIN: user memory is short.
static err_t room_make(const struct client_record *c, u32 frames)
{
	u32 slot = (u32)badge_slot(c->badge);
	err_t err;

	if (client_frames[slot] + frames > client_quota())
		slabs_shrink(c->badge, 0, RECLAIM_STEP);
	if (client_frames[slot] + frames > client_quota())
		return -ERR_NOSPC;
	if (record_free() == NONE) {
		err = table_grow();
		if (err && !slabs_shrink(0, 0, RECLAIM_STEP))
			return err;
	}
	if (share_room(frames))
		return 0;
	err = share_grow(frames);
	if (err)
		slabs_shrink(0, 0, RECLAIM_STEP);
	return share_room(frames) ? 0 : err;
}

// An empty one, in the lists.
static err_t slab_make(const struct client_record *c, u32 cache, u32 *index)
{
	const struct slab_layout *layout = &caches[cache].layout;
	frame_t frame;
	err_t err = room_make(c, 1u << layout->order);

	if (err)
		return err;
	err = frames_take(layout->order, &frame);
	if (err && slabs_shrink(0, 0, RECLAIM_STEP))
		err = frames_take(layout->order, &frame);
	if (err)
		return err;
	*index = record_free();
	slab_write(*index, &(struct slab_record){ .owner = c->badge,
						  .frame = frame,
						  .n = { .cache = (u16)cache,
							 .objects = (u16)layout->objects,
							 .order = (u8)layout->order,
							 .fresh = true } });
	return 0;
}

// Every object there is in word w of a slab's map.
static u64 map_all(const struct slab_record *s, u32 w)
{
	u32 left = s->n.objects - 64 * w;

	return left >= 64 ? ~0ul : (1ul << left) - 1;
}

err_t slab_refill(struct client_record *c, u32 cache, const struct request *rq, u32 *index, bool *fresh,
		  u64 map[MAP_WORDS])
{
	const struct slab_record *s;
	struct slab_record next;
	u32 words;

	*index = slab_with_room(c->badge, cache);
	if (*index == NONE) {
		err_t err = slab_make(c, cache, index);

		if (err)
			return err;
	}
	s = &sls->slab[*index];
	*fresh = s->n.fresh;
	next.n = s->n;
	next.n.inuse = s->n.objects;
	next.n.fresh = false;
	words = map_words(s);
	for (u32 w = 0; w < words; w++) {
		next.used[w] = map_all(s, w);
		map[w] = next.used[w] & ~s->used[w];
	}
	for (u32 w = words; w < MAP_WORDS; w++)
		map[w] = 0;
	result_stage(rq, *index | (*fresh ? SLAB_NEW : 0), map, words);
	slab_change(*index, &next);
	stats[SLABSTAT_REFILLS]++;
	return 0;
}

// ---- taking back

static u32 bits_count(u64 w)
{
	u32 n = 0;

	for (; w; w &= w - 1)
		n++;
	return n;
}

err_t slab_flush(struct client_record *c, u64 index, const struct request *rq, const u64 map[MAP_WORDS])
{
	const struct slab_record *s = &sls->slab[index < slab_table ? index : 0];
	struct slab_record next;
	u32 n = 0;

	if (index >= slab_table || s->owner != c->badge)
		return -ERR_NOENT;
	for (u32 w = 0; w < MAP_WORDS; w++) {
		if (map[w] & ~s->used[w]) {
			stats[SLABSTAT_REFUSED]++;
			return -ERR_INVAL;
		}
		next.used[w] = s->used[w] & ~map[w];
		n += map[w] == ~0ul ? 64 : bits_count(map[w]);
	}
	next.n = s->n;
	next.n.inuse = (u16)(s->n.inuse - n);
	result_stage(rq, 0, NULL, 0);
	slab_change((u32)index, &next);
	stats[SLABSTAT_FLUSHES]++;
	if (!next.n.inuse)
		slabs_settle();
	return 0;
}

// ---- faults

bool slab_fault(u64 badge, u64 addr, u32 *index)
{
	u64 i = (addr - SLAB_WINDOW) / SLAB_STRIDE;
	const struct slab_record *s;

	if (addr < SLAB_WINDOW || i >= slab_table)
		return false;
	s = &sls->slab[i];
	if (s->owner != badge || addr - slab_address((u32)i) >= (u64)slab_frames(s) * PAGE_SIZE)
		return false;
	*index = (u32)i;
	return true;
}
