// SPDX-License-Identifier: MIT
/*
 * When reclaim works, and how much at a time. A quantum looks at some frames and ends; requests are served between
 * quanta. It asks for the next one as long as something is wanted and the last one could do anything.
 *
 *	wanted: vm or slab waits for frames (want) | reads wait for a frame | a program asked (shrink)
 *		| background, from the low watermark up to the high one
 *
 * Nothing can be done any more when all lists have been gone through LOOKS times without a frame that went, nothing is
 * on its way to the disk, and slots that only cached a mapped page have been given up. Then who waits is told: vm
 * chooses a victim, slab refuses.
 */
#include "reclaim.h"

#include <base/log.h>

#define NEWS_STEP   256
#define RESCAN_STEP 512
#define LOOKS       6 // at a page that is used no more, before it goes: twice young, active, twice again

u64 pool_room(void)
{
	u64 limit = 0, usage = 0, children = 0;

	(void)sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_STAT, 0, 0, 0, &limit, &usage, NULL, &children);
	rc.stats[RECLAIMSTAT_POOL_LIMIT] = limit;
	rc.stats[RECLAIMSTAT_POOL_USED] = usage + children;
	return limit > usage + children ? limit - usage - children : 0;
}

void marks_set(u64 low, u64 high)
{
	err_t err;

	rc.low = low;
	rc.high = high;
	err = sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_MARKS, low, high, rc.min, NULL, NULL, NULL, NULL);
	if (!err)
		err = sys_pool_ctl(SLOT_CLIENT_POOL, POOLOP_NOTIFY, SLOT_SELF_NOTIFY, RECLAIM_NOTIFY_LOW,
				   RECLAIM_NOTIFY_HIGH, NULL, NULL, NULL, NULL);
	if (err)
		log_line("reclaim: the watermarks of user memory cannot be set: error %d", err);
}

// ---- frames that are new to the lists

static void frame_met(frame_t frame)
{
	const struct frame_view *view = frame_of(&rc.frames, frame);

	if (view && view->pool == rc.state->user_pool && view->state == FRAME_OWNED && list_of((u32)frame) == LRU_NONE)
		rc.policy->add((u32)frame, false);
}

void rescan_start(void)
{
	rc.rescan_left = (u32)(rc.frames.end - rc.frames.first);
}

static void news_take(void)
{
	u64 frame;

	if (ring_overflowed(&rc.news)) {
		rescan_start();
		rc.stats[RECLAIMSTAT_RESCANS]++;
	}
	rc.news_left = true;
	for (u32 i = 0; i < NEWS_STEP && rc.news_left; i++) {
		rc.news_left = ring_take(&rc.news, &frame);
		if (rc.news_left)
			frame_met(frame);
	}
}

// The ring has overflowed: who is who stands in the frame table. It goes round from where it is: so losses that come
// faster than it gets through leave no frame unread.
static void rescan_on(void)
{
	for (u32 n = RESCAN_STEP; n && rc.rescan_left; n--, rc.rescan_left--, rc.rescan++) {
		const struct frame_view *view;

		if (rc.rescan < rc.frames.first || rc.rescan >= rc.frames.end)
			rc.rescan = (u32)rc.frames.first;
		view = frame_at(&rc.frames, rc.rescan);
		/* Mapped with a name (the zero page has none), or in vm's hands, to be mapped soon. */
		if (view->state == FRAME_OWNED && (view->word0 || !view->mapcount))
			frame_met(frame_reference(&rc.frames, rc.rescan));
	}
}

// ---- what is wanted

static bool asked(void)
{
	return work_wanted() || rc.shrink || swapin_waiting() || rc.background;
}

static bool wanted(u64 room)
{
	return asked() && (work_wanted() || rc.shrink || swapin_waiting() || room <= rc.high);
}

static u64 listed(void)
{
	return rc.list[LRU_INACTIVE].count + rc.list[LRU_ACTIVE].count;
}

// Nothing but a program's shrink is wanted, and enough went for that.
static bool shrink_done(void)
{
	return rc.shrink && !work_wanted() && rc.shrunk >= rc.shrink;
}

static void shrink_answer(void)
{
	struct request rq = reclaim_reply_shrink(rc.shrink_rq.reply, 0, rc.shrunk);

	(void)ipc_reply(SLOT_SELF_ENDPOINT, &rq); /* STALE: the caller was killed */
	rc.shrink = 0;
}

// There are frames that no list has yet.
static bool unlisted(void)
{
	return rc.news_left || rc.rescan_left;
}

// The lists have been gone through in vain.
static bool exhausted(void)
{
	if (rc.fruitless <= LOOKS * listed() || rc.transfers_free < TRANSFERS || rc.cluster.n || unlisted() ||
	    rc.slots_read)
		return false;
	if (!rc.swept && !swap_free()) {
		rc.swept = true;
		rc.slots_read = 1;
		rc.fruitless = 0;
		return false;
	}
	return true;
}

static void want_answer(enum asker who, u64 what)
{
	struct want *w = &rc.want[who];

	w->frames = 0;
	if (who == ASKER_VM)
		answer(what, 0, 0, w->flow);
	else
		answer_slab(what, w->flow);
}

static void give_up(void)
{
	rc.background = false;
	rc.fruitless = 0;
	rc.swept = false;
	if (area_drain_stop())
		return;
	if (rc.shrink)
		shrink_answer();
	if (rc.want[ASKER_SLAB].frames)
		want_answer(ASKER_SLAB, SWAPANS_NO_PROGRESS);
	if (!rc.want[ASKER_VM].frames && !swapin_waiting())
		return;
	rc.stats[RECLAIMSTAT_NO_PROGRESS]++;
	if (!rc.want[ASKER_VM].frames)
		rc.want[ASKER_VM].flow = rc.pending[rc.pending_first].flow;
	want_answer(ASKER_VM, SWAPANS_NO_PROGRESS);
	/* What waits for a frame asks again, when somebody has gone. */
	for (; swapin_waiting(); rc.pending_first = (rc.pending_first + 1) % PENDING, rc.pending_count--) {
		const struct pending *p = &rc.pending[rc.pending_first];

		if (!p->quiet)
			answer(SWAPANS_PAGE, p->slot, -ERR_AGAIN, p->flow);
	}
}

// Who wants frames waits until so many are free, or so many went: what others took meanwhile must not keep it waiting
// for ever, since everybody who waits for memory waits for this answer.
static bool had(const struct want *w, u64 room)
{
	return room >= w->frames + rc.min || (w->went >= w->frames && room > rc.min);
}

static void satisfied(u64 room)
{
	for (u32 i = 0; work_wanted() && i < ASKERS; i++)
		if (rc.want[i].frames && had(&rc.want[i], room))
			want_answer(i, SWAPANS_FRAMES);
	if (rc.shrink && rc.shrunk >= rc.shrink && !rc.writes && !rc.cluster.n)
		shrink_answer();
	if (room > rc.high)
		rc.background = false;
}

static bool disk_takes(void)
{
	return rc.writes < WRITES_MAX && rc.transfers_free > CLUSTER;
}

// Frames leave as long as the disk takes them. False: there is nothing to do until it answers. Lists that were gone
// through twice in vain look no better before that.
static bool work_some(void)
{
	u32 budget = QUANTUM, went = 0;

	while (budget && disk_takes()) {
		u32 pfn = rc.policy->next(&budget);

		if (!pfn)
			break;
		if (looked.places ? page_out() : cached_out())
			went++;
		else
			rc.policy->keep(pfn);
	}
	return disk_takes() && (went || unlisted() || rc.fruitless <= 2 * listed() || rc.transfers_free == TRANSFERS);
}

static void work_again(void)
{
	if (rc.kicked)
		return;
	rc.kicked = true;
	(void)ipc_notify(SLOT_SELF_NOTIFY, RECLAIM_NOTIFY_AGAIN);
}

void work_frames(enum asker who, u64 n, u64 flow)
{
	struct want *w = &rc.want[who];

	rc.stats[RECLAIMSTAT_ALLOCSTALL]++;
	w->went = w->frames ? w->went : 0;
	w->frames = n > w->frames ? n : w->frames;
	w->flow = flow;
}

static u64 work_flow(void)
{
	for (u32 i = 0; work_wanted() && i < ASKERS; i++)
		if (rc.want[i].frames)
			return rc.want[i].flow;
	return swapin_waiting() ? rc.pending[rc.pending_first].flow : rc.low_flow;
}

void work_quantum(void)
{
	bool more, goes_on;
	u64 room;

	if (!ring_quiet(&rc.emptied))
		slots_emptied();
	more = rc.slots_read && slots_read_on();
	swapin_run();
	if (!rc.lru) {
		if (work_wanted())
			give_up();
		return;
	}
	rc.flow = work_flow();
	room = asked() ? pool_room() : 0; /* a system call: not for each page that comes in */
	/* Of low the kernel tells once: after a time in which nothing could be done there is no other sign. */
	if (asked() && room < rc.low)
		rc.background = true;
	satisfied(room);
	if (wanted(room) && !shrink_done()) {
		news_take();
		rescan_on();
		rc.stats[RECLAIMSTAT_QUANTA]++;
		goes_on = work_some();
		rc.low_flow = 0;
		swapin_run();
		room = pool_room();
		satisfied(room);
		if (exhausted())
			give_up();
		more |= goes_on && wanted(room) && !shrink_done();
	}
	/* What was collected need not wait for more that will not come. */
	if (rc.cluster.n && (!more || rc.fruitless > QUANTUM))
		cluster_flush();
	if (unlikely(rc.state->area[rc.area_index].state == AREA_DRAINING))
		area_drain();
	if (!stock_settled())
		stock_settle();
	if (more)
		work_again();
}
