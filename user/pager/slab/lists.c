// SPDX-License-Identifier: MIT
/*
 * The lists that slabs are in, and counters. All volatile; links lie with the records (struct node).
 *
 *	by {owner, cache}   partial ones, and apart from them empty ones: what refill looks through
 *	by owner            all that it has: what goes at its end
 *	by age              empty ones: what shrinking takes, the oldest first
 *	free                records without a slab: the next slab takes the first
 *
 * Invariants: a slab is in a list of the first kind iff inuse < objects, by age iff inuse == 0 and it was not held.
 *
 * A client has caches of its own in SLAB_CLIENT_CACHES columns, in any order, besides one for each of kmalloc's. So
 * each {owner, cache} has heads of its own, and no client's many slabs cost another one a search.
 */
#include "slab.h"

#include <lib/base/string.h>

#define UNLISTED 0xfffffffe // newer: not in the list by age

struct heads {
	u32 partial, empty;
};

static struct heads heads[CLIENTS][COLUMNS];
static u8 columns[CLIENTS][SLAB_CLIENT_CACHES]; // caches, 0 none
static u32 own[CLIENTS];
static u32 newest, oldest;
static u32 free_first, end;
static u64 age_frames;

static struct node *node_of(u32 i)
{
	return &sls->slab[i].node;
}

// ---- columns

static u32 column_of(u64 owner, u32 cache)
{
	const u8 *column = columns[badge_slot(owner)];
	u32 i = 0;

	if (likely(cache <= KMALLOC_CLASSES))
		return cache - 1;
	while (i < SLAB_CLIENT_CACHES && column[i] != cache)
		i++;
	return KMALLOC_CLASSES + i;
}

bool column_known(u64 owner, u32 cache)
{
	return column_of(owner, cache) < COLUMNS;
}

void column_take(u64 owner, u32 cache)
{
	u8 *column = columns[badge_slot(owner)];
	u32 i = 0;

	if (cache <= KMALLOC_CLASSES)
		return;
	while (i < SLAB_CLIENT_CACHES && column[i])
		i++;
	assert(i < SLAB_CLIENT_CACHES); /* the client has no more caches than that */
	column[i] = (u8)cache;
}

void column_drop(u64 owner, u32 cache)
{
	if (cache > KMALLOC_CLASSES)
		columns[badge_slot(owner)][column_of(owner, cache) - KMALLOC_CLASSES] = 0;
}

// ---- free records

void records_add(u32 from, u32 to)
{
	while (to-- > from) {
		struct node *n = node_of(to);

		n->prev = NONE;
		n->next = free_first;
		if (free_first != NONE)
			node_of(free_first)->prev = to;
		free_first = to;
	}
}

void records_drop(u32 from, u32 to)
{
	for (; from < to; from++) {
		const struct node *n = node_of(from);

		if (n->next != NONE)
			node_of(n->next)->prev = n->prev;
		if (n->prev != NONE)
			node_of(n->prev)->next = n->next;
		else
			free_first = n->next;
	}
}

u32 record_free(void)
{
	return free_first;
}

u32 records_end(void)
{
	return end;
}

// ---- slabs with room

static u32 *head_of(const struct slab_record *s)
{
	struct heads *h = &heads[badge_slot(s->owner)][column_of(s->owner, s->n.cache)];

	return s->n.inuse ? &h->partial : &h->empty;
}

static void room_add(u32 i, struct slab_record *s)
{
	u32 *head = head_of(s);

	s->node.prev = NONE;
	s->node.next = *head;
	if (*head != NONE)
		node_of(*head)->prev = i;
	*head = i;
}

static void room_remove(const struct slab_record *s)
{
	const struct node *n = &s->node;

	if (n->next != NONE)
		node_of(n->next)->prev = n->prev;
	if (n->prev != NONE)
		node_of(n->prev)->next = n->next;
	else
		*head_of(s) = n->next;
}

u32 slab_with_room(u64 owner, u32 cache)
{
	const struct heads *h = &heads[badge_slot(owner)][column_of(owner, cache)];

	return h->partial != NONE ? h->partial : h->empty;
}

// ---- empty slabs by age

static void age_add(u32 i)
{
	struct node *n = node_of(i);

	n->newer = NONE;
	n->older = newest;
	if (newest != NONE)
		node_of(newest)->newer = i;
	else
		oldest = i;
	newest = i;
	stats[SLABSTAT_EMPTY]++;
	age_frames += slab_frames(&sls->slab[i]);
}

static void age_unlink(u32 i)
{
	struct node *n = node_of(i);

	if (n->newer != NONE)
		node_of(n->newer)->older = n->older;
	else
		newest = n->older;
	if (n->older != NONE)
		node_of(n->older)->newer = n->newer;
	else
		oldest = n->newer;
	age_frames -= slab_frames(&sls->slab[i]);
}

static void age_remove(u32 i)
{
	if (node_of(i)->newer != UNLISTED)
		age_unlink(i);
	stats[SLABSTAT_EMPTY]--;
}

void slab_hold(u32 i)
{
	age_unlink(i);
	node_of(i)->newer = UNLISTED;
}

u32 slab_oldest(void)
{
	return oldest;
}

u32 slab_newer(u32 i)
{
	return node_of(i)->newer;
}

u64 empty_frames(void)
{
	return age_frames;
}

// ---- all of them

static void own_add(u32 i, struct slab_record *s)
{
	u32 *head = &own[badge_slot(s->owner)];

	s->node.own_prev = NONE;
	s->node.own_next = *head;
	if (*head != NONE)
		node_of(*head)->own_prev = i;
	*head = i;
}

static void own_remove(const struct slab_record *s)
{
	const struct node *n = &s->node;

	if (n->own_next != NONE)
		node_of(n->own_next)->own_prev = n->own_prev;
	if (n->own_prev != NONE)
		node_of(n->own_prev)->own_next = n->own_next;
	else
		own[badge_slot(s->owner)] = n->own_next;
}

u32 slab_first(u64 owner)
{
	return own[badge_slot(owner)];
}

void slab_enter(u32 i)
{
	struct slab_record *s = &sls->slab[i];

	if (s->n.inuse < s->n.objects)
		room_add(i, s);
	if (!s->n.inuse)
		age_add(i);
}

void slab_leave(u32 i)
{
	const struct slab_record *s = &sls->slab[i];

	if (s->n.inuse < s->n.objects)
		room_remove(s);
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

void slab_list(u32 i)
{
	count(&sls->slab[i], 1);
	own_add(i, &sls->slab[i]);
	slab_enter(i);
	if (i >= end)
		end = i + 1;
}

void slab_unlist(u32 i)
{
	slab_leave(i);
	own_remove(&sls->slab[i]);
	count(&sls->slab[i], -1);
}

void slab_gone(u32 i)
{
	records_add(i, i + 1);
	while (end && !sls->slab[end - 1].owner)
		end--;
}

void lists_reset(void)
{
	memset(heads, 0xff, sizeof(heads));
	memset(own, 0xff, sizeof(own));
	memset(columns, 0, sizeof(columns));
	memset(client_frames, 0, sizeof(client_frames));
	memset(stats, 0, sizeof(stats));
	newest = oldest = free_first = NONE;
	end = 0;
	age_frames = 0;
}
