// SPDX-License-Identifier: MIT
/*
 * Slabs: handing out objects by the slab, taking them back by the bit, and giving slabs up.
 *
 *	listed by {owner, cache}   partial ones; empty ones: what refill looks through
 *	listed by age              empty ones, the newest first: what shrinking takes from the other end
 *
 * Invariants: a slab is in the first list iff inuse < objects, in the second iff inuse == 0 as well; inuse is the
 * number of bits in `used`; a slab's frames are mapped nowhere but at its address in its owner.
 *
 * An empty slab stays its owner's, mapped, until somebody needs the frames: a batch that comes and goes costs two
 * messages a slab and no fault.
 */
#include "slab.h"

#include <lib/base/string.h>

#define HEADS        512 // lists of slabs with room
#define RECLAIM_STEP 8   // empty slabs given up when frames are missing

struct node nodes[SLAB_COUNT];
static u16 heads[HEADS];
static u16 newest, oldest;
static u32 free_from; // no record below is free

// ---- lists

// Empty and partial slabs are in lists of their own: a client with many empty ones costs no search.
static u16 *head_of(u64 owner, u32 cache, bool empty)
{
	return &heads[(owner * 31 + cache * 2 + (owner >> 16) * 7 + empty) % HEADS];
}

static void room_add(u32 i, const struct slab_record *s)
{
	u16 *head = head_of(s->owner, s->n.cache, !s->n.inuse);

	nodes[i].prev = NONE;
	nodes[i].next = *head;
	if (*head != NONE)
		nodes[*head].prev = (u16)i;
	*head = (u16)i;
}

static void room_remove(u32 i, const struct slab_record *s)
{
	struct node *n = &nodes[i];

	if (n->next != NONE)
		nodes[n->next].prev = n->prev;
	if (n->prev != NONE)
		nodes[n->prev].next = n->next;
	else
		*head_of(s->owner, s->n.cache, !s->n.inuse) = n->next;
}

static void age_add(u32 i)
{
	nodes[i].newer = NONE;
	nodes[i].older = newest;
	if (newest != NONE)
		nodes[newest].newer = (u16)i;
	else
		oldest = (u16)i;
	newest = (u16)i;
	stats[SLABSTAT_EMPTY]++;
}

static void age_remove(u32 i)
{
	struct node *n = &nodes[i];

	if (n->newer != NONE)
		nodes[n->newer].older = n->older;
	else
		newest = n->older;
	if (n->older != NONE)
		nodes[n->older].newer = n->newer;
	else
		oldest = n->newer;
	stats[SLABSTAT_EMPTY]--;
}

// Into the lists that its count asks for, out of those that it asked for.
static void lists_enter(u32 i, const struct slab_record *s)
{
	if (s->n.inuse < s->n.objects)
		room_add(i, s);
	if (!s->n.inuse)
		age_add(i);
}

static void lists_leave(u32 i, const struct slab_record *s)
{
	if (s->n.inuse < s->n.objects)
		room_remove(i, s);
	if (!s->n.inuse)
		age_remove(i);
}

static void count(const struct slab_record *s, s32 sign)
{
	struct cache *c = &caches[s->n.cache];

	c->slabs += sign;
	c->active += s->n.inuse ? sign : 0;
	c->objects += (s64)sign * s->n.objects;
	c->inuse += (s64)sign * s->n.inuse;
	client_frames[badge_slot(s->owner)] += sign * (s32)slab_frames(s);
	stats[SLABSTAT_SLABS] += sign;
	stats[SLABSTAT_FRAMES] += (s64)sign * slab_frames(s);
}

void slabs_reset(void)
{
	memset(heads, 0xff, sizeof(heads));
	memset(nodes, 0xff, sizeof(nodes));
	memset(client_frames, 0, sizeof(client_frames));
	memset(stats, 0, sizeof(stats));
	newest = oldest = NONE;
	free_from = 0;
}

void slab_list(u32 index)
{
	count(&sls->slab[index], 1);
	lists_enter(index, &sls->slab[index]);
}

// A record appears or goes, and what else is staged happens too.
static void slab_write(u32 i, const struct slab_record *to)
{
	struct slab_record *s = &sls->slab[i];

	if (s->owner) {
		lists_leave(i, s);
		count(s, -1);
	}
	record_stage(s, to, sizeof(*to));
	record_commit();
	if (s->owner)
		slab_list(i);
	else if (i < free_from)
		free_from = i;
}

// The objects that are handed out change to those in `next`, of which the words of the map count. Counters and lists
// follow; what else is staged happens too.
static void slab_change(u32 i, struct slab_record *next)
{
	struct slab_record *s = &sls->slab[i];
	struct cache *c = &caches[s->n.cache];
	u32 inuse = next->n.inuse;

	lists_leave(i, s);
	c->inuse += (s64)inuse - s->n.inuse;
	c->active += (inuse != 0) - (s->n.inuse != 0);
	record_stage(&s->n, &next->n, (u32)sizeof(s->n) + map_words(s) * (u32)sizeof(u64));
	record_commit();
	lists_enter(i, s);
}

// ---- giving up

// Its frames go back to the pool. False: the owner named a wrong address space. It keeps what it has, and is not asked
// again.
static bool slab_release(u32 i)
{
	const struct slab_record none = { 0 }, *s = &sls->slab[i];
	struct client_record *c = &sls->client[badge_slot(s->owner)];

	if (frames_return(s->frame, s->n.order, c->aspace, slab_address(i))) {
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
	u16 newer;

	for (u16 i = oldest; i != NONE && most; i = newer) {
		const struct slab_record *s = &sls->slab[i];

		newer = nodes[i].newer;
		if ((owner && s->owner != owner) || (cache && s->n.cache != cache) ||
		    !sls->client[badge_slot(s->owner)].aspace)
			continue;
		most -= slab_release(i);
	}
	return before - stats[SLABSTAT_FRAMES];
}

u64 slabs_release(u64 owner)
{
	u64 before = stats[SLABSTAT_FRAMES];

	for (u32 i = 0; i < SLAB_COUNT && client_frames[badge_slot(owner)]; i++)
		if (sls->slab[i].owner == owner)
			slab_release(i);
	return before - stats[SLABSTAT_FRAMES];
}

bool slabs_held(u64 owner, u32 cache)
{
	for (u32 i = 0; i < SLAB_COUNT; i++)
		if (sls->slab[i].owner == owner && sls->slab[i].n.cache == cache)
			return true;
	return false;
}

// ---- handing out

static u16 slab_find(u64 owner, u32 cache, bool empty)
{
	u16 i = *head_of(owner, cache, empty);

	for (; i != NONE; i = nodes[i].next) {
		const struct slab_record *s = &sls->slab[i];

		if (likely(s->owner == owner && s->n.cache == cache && !s->n.inuse == empty))
			break;
	}
	return i;
}

// A slab of the client's with room: a partial one, or else an empty one. NONE: there is none.
static u16 slab_with_room(u64 owner, u32 cache)
{
	u16 partial = slab_find(owner, cache, false);

	return partial != NONE ? partial : slab_find(owner, cache, true);
}

static u32 record_free(void)
{
	while (free_from < SLAB_COUNT && sls->slab[free_from].owner)
		free_from++;
	return free_from;
}

// Room for so many more frames in the client's share and in all slabs; empty slabs make it. 0, NOSPC, NOMEM.
static err_t room_make(const struct client_record *c, u32 frames)
{
	u32 slot = (u32)badge_slot(c->badge);

	if (client_frames[slot] + frames > client_quota())
		slabs_shrink(c->badge, 0, RECLAIM_STEP);
	if (client_frames[slot] + frames > client_quota())
		return -ERR_NOSPC;
	if (stats[SLABSTAT_FRAMES] + frames > frames_limit || record_free() == SLAB_COUNT)
		slabs_shrink(0, 0, RECLAIM_STEP);
	if (stats[SLABSTAT_FRAMES] + frames > frames_limit || record_free() == SLAB_COUNT)
		return -ERR_NOMEM;
	return 0;
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
	const struct slab_record *s = &sls->slab[index % SLAB_COUNT];
	struct slab_record next;
	u32 n = 0;

	if (index >= SLAB_COUNT || s->owner != c->badge)
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
	return 0;
}

// ---- faults

bool slab_fault(u64 badge, u64 addr, u32 *index)
{
	u64 i = (addr - SLAB_WINDOW) / SLAB_STRIDE;
	const struct slab_record *s;

	if (addr < SLAB_WINDOW || i >= SLAB_COUNT)
		return false;
	s = &sls->slab[i];
	if (s->owner != badge || addr - slab_address((u32)i) >= (u64)slab_frames(s) * PAGE_SIZE)
		return false;
	*index = (u32)i;
	return true;
}
