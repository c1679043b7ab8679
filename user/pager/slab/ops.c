// SPDX-License-Identifier: MIT
// The operations of slab's protocol (lib/abi/56-slab.idl).
#include "slab.h"

#include <lib/base/string.h>

err_t slab_op_attach(struct request *rq, u64 aspace, u64 *out_frames, u64 *out_slabs)
{
	struct client_record *c = client_get(rq->badge);

	if (!c)
		return -ERR_SRCH;
	client_begin(c, aspace);
	*out_frames = client_quota();
	*out_slabs = share_slabs();
	return 0;
}

// Badges of servers have no pid in them; the manifest lets no server but vm call.
err_t slab_op_detach(struct request *rq, u64 badge)
{
	if (rq->badge >> 16)
		return -ERR_PERM;
	client_detach(badge);
	return 0;
}

static void cache_answer(u32 id, u64 *out_size, u64 *out_flags)
{
	*out_size = sls->cache[id].size | (u64)sls->cache[id].align << 32;
	*out_flags = sls->cache[id].flags;
}

err_t slab_op_cache_create(struct request *rq, u64 name0, u64 name1, u64 size, u64 align, u64 flags, u64 *out_cache,
			   u64 *out_size, u64 *out_flags)
{
	struct client_record *c = client_get(rq->badge);
	struct cache_record wanted = { .size = (u32)size, .align = (u32)align, .flags = (u32)flags };
	u64 name[2] = { name0, name1 };
	struct result done;
	u32 id;
	err_t err;

	if (!c)
		return -ERR_SRCH;
	if (size != wanted.size || align != wanted.align || flags != wanted.flags)
		return -ERR_INVAL;
	memcpy(wanted.name, name, sizeof(name));
	if (result_find(rq, &done)) {
		id = (u32)done.word;
	} else {
		err = cache_open(c, &wanted, rq, &id);
		if (err)
			return err;
	}
	*out_cache = id;
	cache_answer(id, out_size, out_flags);
	return 0;
}

err_t slab_op_cache_destroy(struct request *rq, u64 cache)
{
	struct client_record *c = client_get(rq->badge);
	struct result done;

	if (!c)
		return -ERR_SRCH;
	if (result_find(rq, &done))
		return 0;
	return cache < SLAB_CACHES ? cache_close(c, (u32)cache, rq) : -ERR_NOENT;
}

err_t slab_op_refill(struct request *rq, u64 cache, u64 *out_slab, u64 *out_map0, u64 *out_map1, u64 *out_map2,
		     u64 *out_map3, u64 *out_map4, u64 *out_map5, u64 *out_map6)
{
	struct client_record *c = client_get(rq->badge);
	u64 map[MAP_WORDS];
	struct result done;
	bool fresh;
	u32 index;
	err_t err;

	if (!c)
		return -ERR_SRCH;
	if (unlikely(result_find(rq, &done))) {
		*out_slab = done.word;
		for (u32 w = 0; w < MAP_WORDS; w++) /* those behind are of an earlier answer */
			map[w] = w < map_words(&sls->slab[(u32)done.word]) ? done.map[w] : 0;
	} else {
		if (!cache_usable(c, cache))
			return -ERR_NOENT;
		err = slab_refill(c, (u32)cache, rq, &index, &fresh, map);
		if (err)
			return err == -ERR_AGAIN ? wait_park(rq) : err;
		*out_slab = index | (fresh ? SLAB_NEW : 0);
	}
	*out_map0 = map[0];
	*out_map1 = map[1];
	*out_map2 = map[2];
	*out_map3 = map[3];
	*out_map4 = map[4];
	*out_map5 = map[5];
	*out_map6 = map[6];
	return 0;
}

err_t slab_op_flush(struct request *rq, u64 slab, u64 map0, u64 map1, u64 map2, u64 map3, u64 map4, u64 map5, u64 map6)
{
	struct client_record *c = client_get(rq->badge);
	const u64 map[MAP_WORDS] = { map0, map1, map2, map3, map4, map5, map6 };
	struct result done;

	if (!c)
		return -ERR_SRCH;
	if (unlikely(result_find(rq, &done)))
		return 0;
	return slab_flush(c, slab, rq, map);
}

err_t slab_op_shrink(struct request *rq, u64 cache, u64 *out_frames)
{
	struct client_record *c = client_get(rq->badge);

	if (!c)
		return -ERR_SRCH;
	if (cache && !cache_usable(c, cache))
		return -ERR_NOENT;
	*out_frames = slabs_shrink(rq->badge, (u32)cache, SLAB_COUNT);
	slabs_settle();
	return 0;
}

// 0, INVAL: there can be no such cache, NOENT: there is none now.
static err_t cache_look(u64 id)
{
	if (!id || id >= SLAB_CACHES)
		return -ERR_INVAL;
	return sls->cache[id].size ? 0 : -ERR_NOENT;
}

err_t slab_op_cache_info(struct request *rq, u64 cache, u64 *out_name0, u64 *out_name1, u64 *out_size_flags,
			 u64 *out_shape, u64 *out_active_objs, u64 *out_num_objs, u64 *out_active_slabs,
			 u64 *out_num_slabs)
{
	err_t err = cache_look(cache);
	const struct cache *c;
	u64 name[2];

	(void)rq;
	if (err)
		return err;
	c = &caches[cache];
	memcpy(name, sls->cache[cache].name, sizeof(name));
	*out_name0 = name[0];
	*out_name1 = name[1];
	*out_size_flags = c->layout.stride | (u64)sls->cache[cache].flags << 32;
	*out_shape = c->layout.objects | c->layout.order << 16 | (u64)c->users << 32;
	*out_active_objs = c->inuse;
	*out_num_objs = c->objects;
	*out_active_slabs = c->active;
	*out_num_slabs = c->slabs;
	return 0;
}

err_t slab_op_cache_size(struct request *rq, u64 cache, u64 *out_size, u64 *out_flags)
{
	err_t err = cache_look(cache);

	(void)rq;
	if (!err)
		cache_answer((u32)cache, out_size, out_flags);
	return err;
}

static u32 first_free(const struct slab_record *s)
{
	u32 i = 0;

	while (i < s->n.objects && s->used[i / 64] >> i % 64 & 1)
		i++;
	return i;
}

err_t slab_op_slab_info(struct request *rq, u64 slab, u64 *out_owner, u64 *out_cache, u64 *out_frame, u64 *out_counts,
			u64 *out_freelist)
{
	const struct slab_record *s;

	(void)rq;
	if (slab >= SLAB_COUNT)
		return -ERR_INVAL;
	s = &sls->slab[slab < slab_table ? slab : 0];
	if (slab >= slab_table || !s->owner)
		return -ERR_NOENT;
	*out_owner = s->owner >> 16;
	*out_cache = s->n.cache;
	*out_frame = s->frame;
	*out_counts = s->n.inuse | (u64)s->n.objects << 16 | (u64)s->n.order << 32 |
		      (u64)(s->n.inuse == s->n.objects) << 40;
	*out_freelist = first_free(s);
	return 0;
}

static u64 caches_count(void)
{
	u64 n = 0;

	for (u32 id = 1; id < SLAB_CACHES; id++)
		n += sls->cache[id].size != 0;
	return n;
}

err_t slab_op_stat(struct request *rq, u64 index, u64 *out_value)
{
	(void)rq;
	if (index > SLABSTAT_WAITED)
		return -ERR_INVAL;
	switch (index) {
	case SLABSTAT_CACHES:
		*out_value = caches_count();
		break;
	case SLABSTAT_LIMIT:
		*out_value = share_limit();
		break;
	case SLABSTAT_MOST:
		*out_value = share_most();
		break;
	case SLABSTAT_GROWN:
		*out_value = share_grown();
		break;
	case SLABSTAT_TABLE:
		*out_value = slab_table;
		break;
	case SLABSTAT_CLIENTS:
		*out_value = clients_count();
		break;
	default:
		*out_value = stats[index];
	}
	return 0;
}
