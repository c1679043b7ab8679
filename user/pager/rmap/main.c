// SPDX-License-Identifier: MIT
// The shell of rmap: what it is shown and asked. Every call is answered at once.
#include <abi/rmap_server.h>

#include "rmap.h"

#include <base/log.h>
#include <base/string.h>
#include <pager/server.h>
#include <server/main.h>

static struct rmap rmap;
static struct frames frames;
static u64 *places_page; // shared with reclaim
static u64 lie_seed;     // 0: it says what it knows
static u64 node_bytes;

#define RMAP_FEW 3 // places that an answer has room for

// Nodes lie at SERVER_HEAP, in pages that come when they are needed.
static u8 node_page[(RMAP_VMAS * sizeof(struct rmap_node) + PAGE_SIZE - 1) / PAGE_SIZE];

static bool page_make(u64 page)
{
	u64 frame;

	if (sys_frame_alloc(SLOT_SELF_POOL, 0, 1, 0, NULL, &frame))
		return false;
	if (sys_map(SLOT_SELF_ASPACE, SERVER_HEAP + page * PAGE_SIZE, SLOT_SELF_POOL, frame, 1, PROT_READ | PROT_WRITE,
		    0, 0, 0, NULL, NULL)) {
		(void)sys_frame_free(SLOT_SELF_POOL, 0, frame, FREE_DISCARD, NULL);
		return false;
	}
	node_page[page] = 1;
	node_bytes += PAGE_SIZE;
	return true;
}

static bool node_memory(void *from, u64 bytes, bool make)
{
	u64 first = ((u64)from - SERVER_HEAP) / PAGE_SIZE, last = ((u64)from + bytes - 1 - SERVER_HEAP) / PAGE_SIZE;

	for (u64 page = first; page <= last; page++)
		if (!node_page[page] && (!make || !page_make(page)))
			return false;
	return true;
}

// ---- operations

static u32 answer_truly_or_not(struct place *list, u32 count)
{
	if (!lie_seed || count > RMAP_PLACES)
		return count;
	return rmap_lie(list, count, RMAP_PLACES, &lie_seed);
}

// The same of answers that show three of n.
static u32 few_lied_about(struct place list[3], u32 n)
{
	u32 shown = n < 3 ? n : 3;

	return lie_seed ? n - shown + rmap_lie(list, shown, 3, &lie_seed) : n;
}

err_t rmap_op_places(struct request *rq, u64 frame, u64 from, u64 *count, u64 *aspace0, u64 *va0, u64 *aspace1,
		     u64 *va1, u64 *aspace2, u64 *va2)
{
	static struct place list[RMAP_PLACES];
	u32 n;
	err_t err;

	/* Badges of servers are small; a program would learn nothing here but has no business to. */
	if (rq->badge >> 16)
		return -ERR_PERM;
	err = rmap_frame(&rmap, &frames, frame, from < RMAP_VMAS ? (u32)from : RMAP_VMAS, list, RMAP_PLACES, &n);
	if (err)
		return err;
	n = answer_truly_or_not(list, n);
	*count = n;
	if (n > RMAP_FEW && !places_page)
		return -ERR_BIG;
	for (u32 i = 0; n > RMAP_FEW && i < n && i < RMAP_PLACES; i++) {
		places_page[2 * i] = list[i].aspace;
		places_page[2 * i + 1] = list[i].va;
	}
	*aspace0 = list[0].aspace;
	*va0 = list[0].va;
	*aspace1 = list[1].aspace;
	*va1 = list[1].va;
	if (n == 1)
		*va1 = rmap_run(&rmap, aspace1);
	*aspace2 = list[2].aspace;
	*va2 = list[2].va;
	return 0;
}

err_t rmap_op_few(struct request *rq, u64 frame, u64 from, u64 *count, u64 *aspace0, u64 *va0, u64 *aspace1, u64 *va1,
		  u64 *aspace2, u64 *va2)
{
	struct place list[3] = { 0 };
	u32 n;
	err_t err;

	if (rq->badge >> 16)
		return -ERR_PERM;
	err = rmap_frame(&rmap, &frames, frame, from < RMAP_VMAS ? (u32)from : RMAP_VMAS, list, 3, &n);
	if (err)
		return err;
	*count = few_lied_about(list, n);
	*aspace0 = list[0].aspace;
	*va0 = list[0].va;
	*aspace1 = list[1].aspace;
	*va1 = list[1].va;
	*aspace2 = list[2].aspace;
	*va2 = list[2].va;
	return 0;
}

static u64 look_place(const struct place *p)
{
	return p->va | p->owner;
}

err_t rmap_op_look(struct request *rq, u64 pfn, u64 from, u64 *count, u64 *place0, u64 *place1, u64 *place2)
{
	struct place list[3] = { 0 };
	u32 n;
	err_t err;

	(void)rq;
	if (pfn < frames.first || pfn >= frames.end || from > RMAP_VMAS)
		return -ERR_INVAL;
	err = rmap_frame(&rmap, &frames, frame_reference(&frames, pfn), (u32)from, list, 3, &n);
	if (err)
		return err == -ERR_STALE ? -ERR_NOENT : err;
	*count = few_lied_about(list, n) + from;
	*place0 = look_place(&list[0]);
	*place1 = look_place(&list[1]);
	*place2 = look_place(&list[2]);
	return 0;
}

err_t rmap_op_stat(struct request *rq, u64 index, u64 *value)
{
	(void)rq;
	if (index > RMAPSTAT_NODE_BYTES)
		return -ERR_INVAL;
	*value = index == RMAPSTAT_NODE_BYTES ? node_bytes : rmap.stats[index];
	return 0;
}

err_t rmap_op_choice(struct request *rq, u64 *name0, u64 *name1)
{
	u64 name[2] = { 0, 0 };

	(void)rq;
	memcpy(name, RMAP_KIND, sizeof(RMAP_KIND) - 1);
	*name0 = name[0];
	*name1 = name[1];
	return 0;
}
_Static_assert(sizeof(RMAP_KIND) - 1 <= 16, "two words");

// ---- start

static const struct server_ring *ring_of(const struct server_info *info, const char *peer)
{
	for (u32 i = 0; i < info->rings; i++)
		if (!strcmp((const char *)info->ring[i].peer, peer))
			return &info->ring[i];
	return NULL;
}

// vm fills its page before it makes the first process, and rmap runs before vm: so this is looked at until it is there.
static void records_look(struct rmap_share *share)
{
	if (rmap.records || !share || !__atomic_load_n(&share->ready, __ATOMIC_ACQUIRE))
		return;
	rmap.records = (const struct vma *)(VIEW_VA + share->vmas);
}

static void serve(struct request *rq)
{
	records_look(rmap.share);
	rmap_dispatch(rq);
}

static void notified(u64 bits)
{
	(void)bits; /* nobody needs to tell rmap anything: it looks when it is asked */
}

_Noreturn void server_main(const struct server_info *info)
{
	const struct server_ring *vm = ring_of(info, "vm"), *reclaim = ring_of(info, "reclaim");
	u64 table, first, count;
	err_t err = sys_aspace_ctl(SLOT_SELF_ASPACE, ASOP_OBSERVE, SLOT_SYSTEM, 0, 0, 0, 0, 0, &table, &first, &count,
				   NULL);

	if (err || !vm || !info->view_pages)
		panic("rmap: needs `grants system observe`, `ring vm` and `view vm read` in the manifest (error %d)",
		      err);
	frames = (struct frames){ .table = (const void *)table, .first = first, .end = first + count };
	places_page = reclaim ? (u64 *)reclaim->out : NULL;
	if (server_word(info, "rmap=lie")) {
		lie_seed = 0x9e3779b97f4a7c15ul;
		log_line("rmap: lies on purpose (rmap=lie)");
	}
	rmap_open(&rmap, NULL, (struct rmap_share *)vm->in, (struct rmap_node *)SERVER_HEAP, node_memory);
	server_run(SLOT_SELF_ENDPOINT, SERVER_FRESH, serve, notified);
}
