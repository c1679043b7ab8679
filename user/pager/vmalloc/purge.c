// SPDX-License-Identifier: MIT
/*
 * Lazy purge: what was freed is unmapped together, when a client has LAZY_MAX pages of it, when memory or addresses run
 * short, or when it asks. The kernel flushes with the unmap, so it is the unmap that is put off, never the flush; until
 * then the addresses are LAZY and given to nobody.
 */
#include "vmalloc.h"

// LAZY slots of a shared span: neighbours go in one call; EMPTY ones between them cost nothing.
static u32 purge_slots(struct client *c, struct span *s)
{
	u32 dirty = s->dirty, keep = span_busy(s) | s->ready, pages = 0;

	while (dirty) {
		u32 first = (u32)__builtin_ctz(dirty), last = first, slot;

		for (slot = first; slot < s->slots && !(keep >> slot & 1); slot++)
			if (dirty >> slot & 1)
				last = slot;
		pages_unmap(c, slot_page(s, first), slot_page(s, last) + s->area - slot_page(s, first));
		for (slot = first; slot <= last; slot++)
			pages += dirty >> slot & 1 ? s->area : 0;
		dirty &= last == 31 ? 0 : ~0u << (last + 1);
	}
	s->dirty = 0;
	return pages;
}

// A span of one slot, step by step; steps do not cut 2 MiB leaves. 0: it is done.
static u32 purge_part(struct client *c, struct span *s)
{
	u32 n = s->mapped - s->purged;

	n = n < VMALLOC_STEP ? n : VMALLOC_STEP;
	pages_unmap(c, s->start + s->purged, n);
	s->purged += n;
	if (s->purged < s->mapped)
		return n;
	stats[VMALLOCSTAT_LARGE] -= s->large;
	s->dirty = s->mapped = s->purged = s->large = 0;
	return n;
}

_Static_assert(VMALLOC_STEP % LARGE_PAGES == 0, "steps from an aligned start do not cut leaves");

u32 purge(struct client *c, u32 budget)
{
	u32 total = 0;

	while (c->dirty && total < budget) {
		struct span *s = &spans[c->dirty];
		u32 n = s->slots == 1 ? purge_part(c, s) : purge_slots(c, s);

		total += n;
		c->lazy -= n;
		if (s->dirty)
			continue;
		c->dirty = s->dirty_next;
		s->dirty_listed = false;
		area_settle(c, s);
	}
	if (total) {
		stats[VMALLOCSTAT_PURGES]++;
		stats[VMALLOCSTAT_PURGED] += total;
		(void)pages_trim(c, SLACK, SLACK / 2);
	}
	return c->lazy;
}

void prepared_drop(struct client *c)
{
	c->batch = 1;
	for (u32 area = 1; area <= SMALL && c->prepared; area++) {
		for (u16 i = c->room[0][area], next; i; i = next) {
			struct span *s = &spans[i];
			u32 ready = s->ready, pages = (u32)__builtin_popcount(ready) * s->area;

			next = s->next;
			if (!ready)
				continue;
			s->ready = 0;
			c->prepared -= pages;
			area_dirty(c, s, ready, pages);
			area_settle(c, s);
		}
	}
}

// What the client keeps for later goes; true: something went.
static bool relieve_one(struct client *c)
{
	u32 before = c->lazy + c->prepared;

	if (!before)
		return false;
	prepared_drop(c);
	return purge(c, VMALLOC_STEP) < before;
}

bool relieve_all(void)
{
	bool any = false;

	for (u32 i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		if (!c->funded)
			continue;
		(void)relieve_one(c);
		any |= pages_trim(c, 0, 0) != 0;
	}
	return any;
}

// Addresses can come from the client's own spans only, memory from everybody's.
bool relieve(struct client *c, err_t why)
{
	return relieve_one(c) || (why == -ERR_NOMEM && relieve_all());
}
