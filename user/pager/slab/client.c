// SPDX-License-Identifier: MIT
/*
 * Processes that use slab. A record comes with the first request of a living process and goes with its death, and with
 * it everything it had: slabs, caches.
 *
 *	none --client_get--> known --attach--> known, with an address space, and nothing else
 *	  ^------------- death, detach <------------'
 */
#include "slab.h"

#include <base/log.h>

static void client_write(struct client_record *c, u64 badge, u64 aspace)
{
	struct client_record record = { .badge = badge, .aspace = aspace };

	/* The result is that of the request under way: what it said of an earlier one is no use to this process. */
	record_stage(c, &record, sizeof(record));
	record_commit();
}

// Everything goes; what cannot (the owner lives and named a wrong address space) stays its own.
static void client_empty(struct client_record *c)
{
	slabs_release(c->badge);
	for (u32 id = 1; id < SLAB_CACHES; id++)
		if (c->caches[id / 64] >> id % 64 & 1)
			(void)cache_close(c, id, NULL);
	slabs_settle();
}

static void client_end(struct client_record *c)
{
	client_empty(c);
	if (client_frames[c - sls->client]) {
		log_line("slab: %u frames of dead process %lu are still mapped; they go when they are not",
			 client_frames[c - sls->client], (unsigned long)(c->badge >> 16));
		return;
	}
	client_write(c, 0, 0);
}

struct client_record *client_get(u64 badge)
{
	u64 slot = badge_slot(badge);
	struct client_record *c = &sls->client[slot & (CLIENTS - 1)];

	if (slot >= CLIENTS)
		return NULL;
	if (likely(c->badge == badge))
		return c;
	if (!client_lives(badge))
		return NULL;
	if (c->badge)
		client_end(c);
	if (c->badge)
		return NULL;
	client_write(c, badge, 0);
	return c;
}

void client_begin(struct client_record *c, u64 aspace)
{
	client_empty(c);
	record_stage(&c->aspace, &aspace, sizeof(aspace));
	record_commit();
}

void client_detach(u64 badge)
{
	struct client_record *c = &sls->client[badge_slot(badge) & (CLIENTS - 1)];

	if (c->badge == badge && badge)
		client_end(c);
}

void clients_reap(void)
{
	for (u32 slot = 0; slot < CLIENTS; slot++) {
		struct client_record *c = &sls->client[slot];

		if (c->badge && !client_lives(c->badge))
			client_end(c);
	}
}

u32 clients_count(void)
{
	u32 n = 0;

	for (u32 slot = 0; slot < CLIENTS; slot++)
		n += sls->client[slot].badge != 0;
	return n;
}
