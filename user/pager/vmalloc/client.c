// SPDX-License-Identifier: MIT
/*
 * Clients: a window and a pool each, as capabilities in this server's own table.
 *
 *	none --attach: address space--> begun --fund: pool--> serves --detach, or attached anew--> none
 *
 * vm attaches a process when it first asks for areas, and detaches it when it execs or ends; it takes the capabilities
 * back and frees the pages itself, so nothing depends on this server then.
 */
#include "vmalloc.h"

#include <base/log.h>

#define STATE_VERSION 1

struct vmalloc_state *vms;
struct client clients[CLIENTS];
u64 stats[VMALLOCSTAT_SPANS_MAX + 1];
u64 serving;

static struct state segment;
static u64 leaves_made; // bit per leaf of the own table

// ---- badges

struct client *client_at(u64 badge)
{
	u64 slot = badge_slot(badge);

	if (badge >> 16)
		return slot < PROCS ? &clients[slot] : NULL;
	slot = badge - VMALLOC_SERVER;
	return slot < CLIENTS - PROCS ? &clients[PROCS + slot] : NULL;
}

struct client *client_find(u64 badge)
{
	struct client *c = client_at(badge);

	return c && c->badge == badge && c->funded ? c : NULL;
}

// ---- capabilities

// The own table grows with the clients it has.
static err_t leaf_need(u32 index)
{
	u64 leaf = client_cap(index, CLIENT_CAPS - 1) / CAP_PER_LEAF, frame;
	err_t err;

	if (leaves_made >> leaf & 1)
		return 0;
	err = sys_frame_alloc(SLOT_SELF_POOL, 0, 1, 0, NULL, &frame);
	if (err)
		return err;
	err = sys_object_create(SLOT_SELF_POOL, frame, 0, TYPE_CAPLEAF, SLOT_SELF_CAPTABLE, leaf, 0, NULL);
	if (err)
		(void)sys_frame_free(SLOT_SELF_POOL, 0, frame, FREE_DISCARD, NULL);
	if (err == -ERR_FULL || err == -ERR_EXIST)
		err = 0; /* a predecessor made it */
	if (!err)
		leaves_made |= 1ul << leaf;
	return err;
}

static void cap_drop(cptr_t slot)
{
	while (sys_cap_delete(SLOT_SELF_CAPTABLE, slot) == -ERR_AGAIN)
		;
}

// What came with the request goes where the client keeps it.
static err_t cap_keep(u32 index, enum client_cap which)
{
	err_t err = leaf_need(index);

	if (err)
		return err;
	cap_drop(client_cap(index, which));
	err = sys_cap_copy(SLOT_SELF_CAPTABLE, client_cap(index, which), SLOT_SELF_CAPTABLE, SLOT_RECEIVE, 0, 0,
			   COPY_MOVE);
	return err == -ERR_NOMEM ? err : err ? -ERR_INVAL : 0;
}

// ---- begin and end

// Volatile side and records; the pages are gone, or somebody else's to free.
static void client_drop(struct client *c)
{
	struct client_record none = { 0 };

	for (struct rb_node *node = rb_first(&c->tree); node; node = rb_next(node))
		stats[VMALLOCSTAT_LARGE] -= rb_entry(node, struct span, rb)->large;
	span_drop_all(c);
	for (u32 which = 0; which < CLIENT_CAPS; which++)
		cap_drop(client_cap(client_index(c), which));
	*client_record(c) = none;
	*c = (struct client){ 0 };
}

static err_t client_begin(struct client *c, u64 badge)
{
	const struct client_record *r = client_record(c);
	err_t err;

	*c = (struct client){ .batch = 1 };
	err = span_first(c, r->start, r->end - r->start);
	if (!err)
		c->badge = badge;
	return err;
}

err_t client_attach(u64 badge, u64 start, u64 end)
{
	struct client *c = client_at(badge);
	err_t err;

	if (!c || start % PAGE_SIZE || end % PAGE_SIZE || start >= end || end >> PAGE_SHIFT >> 32)
		return -ERR_INVAL;
	if (c->badge)
		client_drop(c);
	err = cap_keep(client_index(c), CAP_ASPACE);
	if (err)
		return err;
	client_record(c)->start = PAGE_OF(start);
	client_record(c)->end = PAGE_OF(end);
	err = client_begin(c, badge);
	if (err) {
		cap_drop(client_cap(client_index(c), CAP_ASPACE));
		return -ERR_NOMEM;
	}
	state_barrier();
	client_record(c)->badge = badge;
	return 0;
}

err_t client_fund(u64 badge)
{
	struct client *c = client_at(badge);
	err_t err;

	if (!c || !c->badge || c->badge != badge)
		return -ERR_NOENT;
	err = cap_keep(client_index(c), CAP_POOL);
	c->funded = !err;
	return err;
}

err_t client_detach(u64 badge)
{
	struct client *c = client_at(badge);

	if (!c || !c->badge || c->badge != badge)
		return -ERR_NOENT;
	client_drop(c);
	return 0;
}

// ---- once only

void result_note(struct client *c, u64 answer)
{
	struct client_record *r = client_record(c);

	r->answer = answer;
	r->reply = serving;
	state_barrier();
}

bool result_done(const struct client *c, u64 *answer)
{
	const struct client_record *r = client_record(c);

	*answer = r->answer;
	return r->reply == serving && serving;
}

// ---- the start

static bool record_valid(const struct span_record *r)
{
	u32 index = (u16)(r->head >> 32), slots = (u8)(r->head >> 48), kind = (u8)(r->head >> 56);
	const struct client_record *c;

	if (!(u32)r->head || index >= CLIENTS || (kind != SPAN_AREA && kind != SPAN_RAM) || !r->area)
		return false; /* one without areas is not needed either */
	c = &vms->client[index];
	if (slots != (r->area <= SMALL ? SLOTS : 1) || (slots < 32 && (u32)r->head >> slots))
		return false;
	return c->badge && r->start >= c->start && r->start < c->end &&
	       (u64)slots * ((u64)r->area + 1) <= c->end - r->start;
}

// Whatever is mapped outside of areas in use goes: nobody knows what it was.
static void client_sweep(struct client *c)
{
	u32 at = client_record(c)->start;

	rb_for_each(node, &c->tree) {
		struct span *s = rb_entry(node, struct span, rb);

		if (s->kind == SPAN_FREE)
			continue;
		for (u32 slot = 0; slot < s->slots; slot++) {
			if (!(span_busy(s) >> slot & 1))
				continue;
			if (slot_page(s, slot) > at)
				pages_unmap(c, at, slot_page(s, slot) - at);
			at = slot_page(s, slot) + s->area;
		}
	}
	pages_unmap(c, at, client_record(c)->end - at);
}

static void spans_recover(void)
{
	for (u32 i = 1; i < SPANS; i++) {
		const struct span_record *r = &vms->span[i];
		struct client *c = &clients[(u16)(r->head >> 32) % CLIENTS];
		struct span *s = &spans[i];

		if (!r->head)
			continue;
		if (!c->badge || span_place(c, i)) {
			log_line("vmalloc: dropped a damaged record %u", i);
			vms->span[i].head = 0;
			continue;
		}
		s->mapped = s->slots == 1 ? s->area : 0;
		area_settle(c, s);
	}
}

enum state_found clients_open(void *memory)
{
	enum state_found found = state_open(&segment, memory, sizeof(struct vmalloc_state), STATE_VERSION,
					    (u32)sizeof(struct vmalloc_state) ^ SPANS << 12 ^ CLIENTS);

	vms = memory;
	for (u32 i = 0; i <= VMALLOCSTAT_SPANS_MAX; i++)
		stats[i] = 0;
	for (u32 i = 1; i < SPANS; i++)
		if (!record_valid(&vms->span[i]))
			vms->span[i].head = 0;
	span_pool_reset();
	for (u32 i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];
		u64 badge = vms->client[i].badge;

		*c = (struct client){ 0 };
		/* A process that ended meanwhile: vm has freed its pages. */
		if (badge && client_at(badge) == c && (i >= PROCS || badge_alive(badge)) && !client_begin(c, badge))
			c->funded = true;
		else
			vms->client[i].badge = 0;
	}
	spans_recover();
	for (u32 i = 0; i < CLIENTS; i++)
		if (clients[i].badge)
			client_sweep(&clients[i]);
	if (found == STATE_KEPT)
		log_line("vmalloc: start %lu: %lu areas go on", (unsigned long)vms->header.starts,
			 (unsigned long)vmalloc_count(VMALLOCSTAT_AREAS));
	return found;
}
