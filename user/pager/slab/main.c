// SPDX-License-Identifier: MIT
// The shell of slab: it receives requests, answers the faults of the clients' windows, and hears of deaths and of want
// of frames.
#include "slab.h"

#include <base/log.h>
#include <pager/channel.h>
#include <server/main.h>

static struct channel reclaim;
static bool reclaim_there;

bool client_lives(u64 badge)
{
	return badge >> 16 && badge_alive(badge);
}

// A page of a slab was touched: the answer maps the whole slab, whose frames follow each other.
static void fault_answer(const struct request *rq, u32 index, struct map_reply *map)
{
	const struct slab_record *s = &sls->slab[index];
	u64 *pair = server_argument(), at = rq->w[0] / PAGE_SIZE - slab_address(index) / PAGE_SIZE;
	u64 write = rq->w[1] == ACCESS_WRITE ? MAP_TOUCH : 0;

	*map = (struct map_reply){ .prot = PROT_READ | PROT_WRITE | write,
				   .pool = SLOT_SELF_POOL,
				   .frame = s->frame + at,
				   .word0 = SLAB_MAPPING | index,
				   .word1 = at,
				   .count = slab_frames(s) };
	for (u64 i = 0; i < map->count; i++) {
		pair[2 * i] = s->frame + i;
		pair[2 * i + 1] = i - at;
	}
}

// Answers the fault and receives the next request. What is not the client's is refused, and its process hears of it.
static __attribute__((noinline)) err_t fault_reply_recv(struct request *rq)
{
	struct map_reply map;
	u32 index;
	err_t err = -ERR_FAULT;

	if (rq->label == OP_PAGER_FAULT && rq->w[1] <= ACCESS_WRITE && slab_fault(rq->badge, rq->w[0], &index)) {
		stats[SLABSTAT_FAULTS]++;
		fault_answer(rq, index, &map);
		err = ipc_reply_map_recv(SLOT_SELF_ENDPOINT, &map, rq);
		if (err >= 0)
			return err;
	}
	/* NOMEM: the client's own pool has no page table for it; vm enlarges that. */
	reply_set_status(rq, err == -ERR_NOMEM ? err : -ERR_FAULT);
	return ipc_reply_recv(SLOT_SELF_ENDPOINT, rq);
}

// ---- user memory

bool frames_ask(u64 frames, u64 flow)
{
	struct swap_request record = { .flow = flow, .what = SWAPREQ_FRAMES, .arg = frames };

	if (!reclaim_there || !channel_put(&reclaim, (const u64 *)&record))
		return false;
	channel_flush(&reclaim);
	return true;
}

static void reclaim_answers(void)
{
	bool lost = channel_overflowed(&reclaim), progress = lost, told = lost;
	struct swap_answer answer;

	while (channel_take(&reclaim, (u64 *)&answer)) {
		told = true;
		progress |= answer.what == SWAPANS_FRAMES;
	}
	if (told)
		wait_answered(progress);
}

static void notified(u64 bits)
{
	if (bits & NOTIFY_DEATH)
		clients_reap();
	if (bits & NOTIFY_PRESSURE)
		slabs_relieve();
	if (reclaim_there && bits & reclaim.in_bits)
		reclaim_answers();
}

static void redelivered(struct request *rq)
{
	if (request_protocol(rq) == PROTO_PAGER)
		reply_set_status(rq, 0); /* it is simply taken again */
	else
		slab_dispatch(rq);
}

static _Noreturn void serve(void)
{
	struct request rq = { 0 };
	err_t err = ipc_recv(SLOT_SELF_ENDPOINT, 0, 0, &rq);

	for (;;) {
		if (likely(!err)) {
			if (request_protocol(&rq) == PROTO_PAGER) {
				err = fault_reply_recv(&rq);
				continue;
			}
			slab_dispatch(&rq);
		} else if (err > 0) {
			notified(rq.w[0]);
			rq.reply = 0;
		} else if (err == -ERR_STALE) {
			rq.reply = 0; /* the client was killed */
		} else {
			panic("slab: receive failed with error %d", -err);
		}
		err = ipc_reply_recv(SLOT_SELF_ENDPOINT, &rq);
	}
}

_Noreturn void server_main(const struct server_info *info)
{
	enum state_found found;

	if (info->magic != SERVER_INFO_MAGIC || info->state_pages * PAGE_SIZE < sizeof(struct slab_state))
		panic("slab: the state segment has %lu pages, %lu are needed (user/boot.manifest)",
		      (unsigned long)info->state_pages,
		      (unsigned long)((sizeof(struct slab_state) + PAGE_SIZE - 1) / PAGE_SIZE));
	if (!share_open(info->pool_pages, info->pool_most, info->state_pages))
		panic("slab: its pool of %lu pages is too small: see user/boot.manifest",
		      (unsigned long)info->pool_pages);
	reclaim_there = channel_open(&reclaim, info, "reclaim", sizeof(struct swap_request) / sizeof(u64),
				     sizeof(struct swap_answer) / sizeof(u64));
	found = record_open((void *)STATE_VA, info->state_pages * PAGE_SIZE);
	frames_recover();
	record_rebuild();
	wait_reset();
	caches_make((const char *)info->cmdline);
	if (found == STATE_KEPT) {
		share_read();
		server_redeliver(SLOT_SELF_ENDPOINT, redelivered);
	}
	clients_reap();
	serve();
}
