// SPDX-License-Identifier: MIT
// What programs ask, what vm and the disk driver write into their rings, and how reclaim begins.
#include "reclaim.h"

#include <base/log.h>
#include <base/panic.h>
#include <base/string.h>

struct reclaim rc;

// ---- programs

err_t reclaim_op_swapon(struct request *rq, u64 unit, u64 priority, u64 *out_pages)
{
	(void)out_pages;
	return area_open(rq, unit, priority);
}

err_t reclaim_op_swapoff(struct request *rq, u64 unit)
{
	err_t err = area_close(rq, unit);

	work_quantum();
	return err;
}

err_t reclaim_op_area(struct request *rq, u64 index, u64 *out_unit, u64 *out_pages, u64 *out_used, u64 *out_priority,
		      u64 *out_bad, u64 *out_state)
{
	const struct area *a = &rc.state->area[index < AREAS ? index : 0];

	(void)rq;
	if (index >= AREAS)
		return -ERR_NOENT;
	*out_state = a->state;
	if (a->state == AREA_FREE)
		return 0;
	*out_unit = a->unit;
	*out_pages = a->usable;
	*out_used = area_used(a);
	*out_priority = (u64)(s64)a->priority;
	*out_bad = a->pages ? a->pages - 1 - a->usable : 0;
	return 0;
}

// An overflow that was not noticed yet, and one that is being mended, hide any number.
static u64 news_waiting(void)
{
	if (rc.rescan_left || __atomic_load_n(&rc.news.shared->overflow, __ATOMIC_RELAXED))
		return rc.frames.end - rc.frames.first;
	return ring_waiting(&rc.news);
}

static u64 gauge(u64 index)
{
	switch (index) {
	case RECLAIMSTAT_NR_INACTIVE:
		return rc.list[LRU_INACTIVE].count;
	case RECLAIMSTAT_NR_ACTIVE:
		return rc.list[LRU_ACTIVE].count;
	case RECLAIMSTAT_NR_WRITING:
		return rc.list[LRU_WRITING].count;
	case RECLAIMSTAT_NR_NEWS:
		return news_waiting();
	case RECLAIMSTAT_NR_SWAPCACHE:
		return rc.cached;
	case RECLAIMSTAT_FRAME_BYTES:
		return sizeof(struct lru);
	default:
		return rc.stats[index];
	}
}

err_t reclaim_op_stat(struct request *rq, u64 index, u64 *out_value)
{
	(void)rq;
	if (index > RECLAIMSTAT_NR_NEWS)
		return -ERR_INVAL;
	if (index == RECLAIMSTAT_POOL_LIMIT || index == RECLAIMSTAT_POOL_USED)
		(void)pool_room();
	*out_value = gauge(index);
	return 0;
}

err_t reclaim_op_marks(struct request *rq, u64 low, u64 high, u64 *out_min, u64 *out_low, u64 *out_high, u64 *out_free)
{
	(void)rq;
	if (low && (high <= low || low <= rc.min || high > rc.stats[RECLAIMSTAT_POOL_LIMIT] / 2))
		return -ERR_INVAL;
	if (low)
		marks_set(low, high);
	*out_min = rc.min;
	*out_low = rc.low;
	*out_high = rc.high;
	*out_free = pool_room();
	return 0;
}

err_t reclaim_op_policy(struct request *rq, u64 *out_name0, u64 *out_name1)
{
	u64 name[2] = { 0, 0 };
	u64 n = strlen(rc.policy->name);

	(void)rq;
	memcpy(name, rc.policy->name, n < sizeof(name) ? n : sizeof(name));
	*out_name0 = name[0];
	*out_name1 = name[1];
	return 0;
}

err_t reclaim_op_shrink(struct request *rq, u64 pages, u64 *out_done)
{
	*out_done = 0;
	if (!pages || !rc.lru)
		return 0;
	if (rc.shrink)
		return -ERR_AGAIN;
	rc.shrink_rq = *rq;
	rc.shrink = pages;
	rc.shrunk = 0;
	rc.fruitless = 0;
	work_quantum();
	return PARKED;
}

err_t reclaim_op_frame(struct request *rq, u64 pfn, u64 *out_list, u64 *out_slot, u64 *out_count)
{
	const struct frame_view *view;
	u64 slot;

	(void)rq;
	if (pfn < rc.frames.first || pfn >= rc.frames.end)
		return -ERR_INVAL;
	view = frame_at(&rc.frames, pfn);
	*out_list = rc.lru ? list_of((u32)pfn) : LRU_NONE;
	if (!(view->marks & FRAME_SWAPCACHE))
		return 0;
	slot = view->state == FRAME_EVICTING ? view->word0 : swap_word0_slot(view->word0);
	if (slot && slot < rc.share->slots) {
		*out_slot = slot;
		*out_count = slot_count((u32)slot);
	}
	return 0;
}

err_t reclaim_op_lists(struct request *rq, u64 pfn, u64 *out_lists0, u64 *out_lists1, u64 *out_lists2, u64 *out_lists3,
		       u64 *out_lists4, u64 *out_lists5, u64 *out_lists6, u64 *out_lists7)
{
	u64 *const out[RECLAIM_LISTS / 16] = { out_lists0, out_lists1, out_lists2, out_lists3,
					       out_lists4, out_lists5, out_lists6, out_lists7 };

	(void)rq;
	if (pfn >= rc.frames.end)
		return -ERR_INVAL;
	for (u32 i = 0; rc.lru && i < RECLAIM_LISTS; i++, pfn++)
		if (pfn >= rc.frames.first && pfn < rc.frames.end)
			*out[i / 16] |= (u64)list_of((u32)pfn) << i % 16 * 4;
	return 0;
}

err_t reclaim_op_slot(struct request *rq, u64 slot, u64 *out_slot, u64 *out_count, u64 *out_frame, u64 *out_flags)
{
	u32 s = slot < rc.share->slots ? (u32)slot : (u32)rc.share->slots, end = s + 4096;

	(void)rq;
	for (; s < rc.share->slots && s < end && !slot_word(s) && !slot_count(s);)
		s++;
	if (s >= rc.share->slots)
		return 0;
	*out_slot = s;
	*out_count = slot_count(s);
	*out_frame = slot_word(s) & SWAPSLOT_FRAME;
	*out_flags = slot_word(s) & ~SWAPSLOT_FRAME;
	return 0;
}

// ---- servers

static void vm_requests(void)
{
	struct swap_request request;

	/* vm knows what it could not put, and tries again. */
	rc.stats[RECLAIMSTAT_REQUESTS_LOST] += channel_overflowed(&rc.vm);
	while (channel_take(&rc.vm, (u64 *)&request)) {
		switch (request.what) {
		case SWAPREQ_PAGE:
			swapin_request((u32)request.slot, request.flow, false, request.arg & 1);
			break;
		case SWAPREQ_FRAMES:
			work_frames(ASKER_VM, request.arg, request.flow);
			break;
		case SWAPREQ_UNUSED:
			area_drained(request.arg);
			break;
		}
	}
}

static void slab_requests(void)
{
	struct swap_request request;

	while (channel_take(&rc.slab, (u64 *)&request))
		if (request.what == SWAPREQ_FRAMES)
			work_frames(ASKER_SLAB, request.arg, request.flow);
}

static void tell(void)
{
	if (rc.slab_there)
		channel_flush(&rc.slab);
	channel_flush(&rc.disk);
	channel_flush(&rc.vm);
}

void reclaim_notified(u64 bits)
{
	if (bits & RECLAIM_NOTIFY_LOW)
		rc.low_flow = rc.read_flow; /* the kernel tells at once, so it was this read or somebody else */
	rc.read_flow = 0;
	if (bits & RECLAIM_NOTIFY_AGAIN)
		rc.kicked = false;
	if (bits & NOTIFY_DEATH)
		area_request_drop_dead();
	if (bits & RECLAIM_NOTIFY_LOW && rc.low) {
		rc.background = true;
		rc.fruitless = 0;
		rc.stats[RECLAIMSTAT_PAGEOUTRUN]++;
		if (rc.slab_there)
			(void)ipc_notify(rc.slab.notify, NOTIFY_PRESSURE);
	}
	if (bits & rc.vm.in_bits)
		vm_requests();
	if (rc.slab_there && bits & rc.slab.in_bits)
		slab_requests();
	if (bits & rc.disk.in_bits)
		transfers_done();
	work_quantum();
	tell();
}

void reclaim_request(struct request *rq)
{
	reclaim_dispatch(rq);
	tell();
}

// ---- start

static void share_fill(void)
{
	rc.share = swap_part(rc.state, SWAP_SHARE);
	rc.slot = swap_part(rc.state, SWAP_TABLE);
	ring_attach_consumer(&rc.news, swap_part(rc.state, SWAP_NEWS), SWAP_RING_RECORDS, 1);
	ring_attach_consumer(&rc.emptied, swap_part(rc.state, SWAP_EMPTIED), SWAP_RING_RECORDS, 1);
	rc.stats[RECLAIMSTAT_TABLE_BYTES] = (rc.share->slots * sizeof(struct swap_slot) + PAGE_SIZE - 1) & -PAGE_SIZE;
	rc.share->starts++;
	__atomic_store_n(&rc.share->magic, SWAP_MAGIC, __ATOMIC_RELEASE);
}

static void frames_open(void)
{
	u64 table = 0, first = 0, count = 0;
	err_t err = sys_aspace_ctl(SLOT_SELF_ASPACE, ASOP_OBSERVE, SLOT_SYSTEM, 0, 0, 0, 0, 0, &table, &first, &count,
				   NULL);

	if (err)
		panic("reclaim: `grants system observe` is missing in the manifest (error %d)", err);
	rc.frames = (struct frames){ .table = (const void *)table, .first = first, .end = first + count };
	if (rc.frames.end > SWAPSLOT_FRAME)
		panic("reclaim: frame numbers have more than 28 bits");
}

void reclaim_open(const struct server_info *info, void *segment)
{
	enum state_found found;

	memset(&rc, 0, sizeof(rc));
	rc.state = segment;
	rc.policy = &policy_two;
	rc.transfers_free = TRANSFERS;
	/* The first part only: the table behind it grows, and is zero where nobody has written. */
	found = state_open(&rc.segment, segment, SWAP_TABLE, 1, sizeof(struct area) * AREAS);
	share_fill();
	frames_open();
	if (!channel_open(&rc.vm, info, "vm", sizeof(struct swap_answer) / 8, sizeof(struct swap_request) / 8) ||
	    !channel_open(&rc.disk, info, "blk", sizeof(struct block_request) / 8, sizeof(struct block_done) / 8))
		panic("reclaim: `ring vm` or `ring blk` is missing in the manifest");
	rc.slab_there = channel_open(&rc.slab, info, "slab", sizeof(struct swap_answer) / 8,
				     sizeof(struct swap_request) / 8);
	if (server_word(info, "rings=tiny"))
		ring_limit(&rc.vm.out, CHANNEL_TINY);
	for (u32 i = 0; i < info->rings; i++)
		if (!strcmp((const char *)info->ring[i].peer, "rmap"))
			rc.places = (const u64 *)info->ring[i].in;
	if (!rc.places)
		panic("reclaim: `ring rmap` is missing in the manifest");
	/* Answers to a predecessor's transfers are still to come: no id of theirs is used again. */
	for (u32 i = 0; i < TRANSFERS; i++)
		rc.transfer[i].sequence = (u32)rc.share->starts << 20;
	if (found != STATE_KEPT)
		return;
	recover();
	answer_slab(SWAPANS_FRAMES, 0); /* what it asked the predecessor for it asks again */
	tell();
}
