// SPDX-License-Identifier: MIT
/*
 * The state segment: opening it, and making the volatile side again from it.
 *
 *	FRESH -> caches_make fills in those of kmalloc
 *	KEPT  -> the sealed operation was applied by state_open; slabs whose frames are gone (a predecessor freed them
 *	         and was killed before it could say so) are dropped; lists and counters rebuilt
 */
#include "slab.h"

#include <base/log.h>

#define STATE_VERSION 2

struct state slab_segment;
struct slab_state *sls;
u32 slab_table;
struct cache caches[SLAB_CACHES];
u32 client_frames[CLIENTS];
u64 stats[SLABSTAT_WAITED + 1];

static void table_measure(u64 bytes)
{
	u64 records = (bytes - sizeof(struct slab_state)) / sizeof(struct slab_record);

	slab_table = records < SLAB_COUNT ? (u32)records : SLAB_COUNT;
}

enum state_found record_open(void *segment, u64 bytes)
{
	u32 layout = (u32)sizeof(struct slab_state) ^ (u32)sizeof(struct slab_record) << 20 ^ SLAB_COUNT;
	enum state_found found;

	sls = segment;
	found = state_open_sized(&slab_segment, segment, sizeof(struct slab_state), bytes, STATE_VERSION, layout);
	record_resize(bytes);
	return found;
}

void record_resize(u64 bytes)
{
	state_resize(&slab_segment, bytes);
	table_measure(bytes);
}

static u32 bits_count(const u64 map[MAP_WORDS])
{
	u32 n = 0;

	for (u32 i = 0; i < MAP_WORDS; i++)
		for (u64 w = map[i]; w; w &= w - 1)
			n++;
	return n;
}

static bool slab_valid(const struct slab_record *s)
{
	return s->n.cache && s->n.cache < SLAB_CACHES && sls->cache[s->n.cache].size &&
	       badge_slot(s->owner) < CLIENTS && column_known(s->owner, s->n.cache) && s->n.order <= SLAB_ORDER_MAX &&
	       s->n.objects == caches[s->n.cache].layout.objects && bits_count(s->used) == s->n.inuse &&
	       s->n.inuse <= s->n.objects && frames_known(s->frame);
}

void record_rebuild(void)
{
	lists_reset();
	for (u32 id = 1; id < SLAB_CACHES; id++)
		cache_layout_set(id);
	for (u32 slot = 0; slot < CLIENTS; slot++)
		for (u32 id = 1; id < SLAB_CACHES && sls->client[slot].badge; id++)
			if (sls->client[slot].caches[id / 64] >> id % 64 & 1) {
				caches[id].users++;
				column_take(sls->client[slot].badge, id);
			}
	for (u32 i = slab_table; i--;) {
		struct slab_record *s = &sls->slab[i];

		if (!s->owner) {
			records_add(i, i + 1);
			continue;
		}
		if (slab_valid(s)) {
			slab_list(i);
			continue;
		}
		log_line("slab: dropped the record of slab %u: its frames are gone, or it is damaged", i);
		s->owner = 0;
		records_add(i, i + 1);
	}
}

u64 record_check(void)
{
	u64 wrong = 0, objects[SLAB_CACHES] = { 0 }, inuse[SLAB_CACHES] = { 0 }, frames = 0;
	u32 users[SLAB_CACHES] = { 0 };

	for (u32 i = 0; i < slab_table; i++) {
		const struct slab_record *s = &sls->slab[i];

		if (!s->owner)
			continue;
		wrong += i >= records_end();
		wrong += !slab_valid(s);
		objects[s->n.cache] += s->n.objects;
		inuse[s->n.cache] += s->n.inuse;
		frames += slab_frames(s);
	}
	for (u32 slot = 0; slot < CLIENTS; slot++)
		for (u32 id = 1; id < SLAB_CACHES && sls->client[slot].badge; id++)
			users[id] += sls->client[slot].caches[id / 64] >> id % 64 & 1;
	for (u32 id = 1; id < SLAB_CACHES; id++) {
		const struct cache_record *c = &sls->cache[id];

		wrong += objects[id] != caches[id].objects || inuse[id] != caches[id].inuse;
		wrong += users[id] != caches[id].users || (!c->size && (users[id] || objects[id]));
		wrong += c->size && !c->builtin && !users[id];
	}
	return wrong + (frames != stats[SLABSTAT_FRAMES]) + (frames > share_limit());
}

bool result_find(const struct request *rq, struct result *result)
{
	*result = sls->client[rq->badge & (CLIENTS - 1)].result;
	return result->reply == rq->reply && rq->reply;
}

void result_stage(const struct request *rq, u64 word, const u64 *map, u32 words)
{
	struct result result = { .reply = rq->reply, .word = word };

	for (u32 w = 0; w < words; w++)
		result.map[w] = map[w];
	record_stage(&sls->client[rq->badge & (CLIENTS - 1)].result, &result,
		     (u32)offsetof(struct result, map) + words * (u32)sizeof(u64));
}
