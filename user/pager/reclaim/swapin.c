// SPDX-License-Identifier: MIT
/*
 * Pages that come back: vm asks for a slot, the slots around it that are also on the disk come along.
 *
 *	request --cached already: answer--> .
 *	        --being read: joins--> transfer
 *	        --else: pending--> frame and transfer there --> READ --> EVICTING frame, published --> answer
 */
#include "reclaim.h"

#include <base/panic.h>

#define STOCK_BATCH 16

void answer(u64 what, u64 slot, err_t status, u64 flow)
{
	struct swap_answer record = { .flow = flow, .what = what, .slot = slot, .status = (u64)(s64)status };

	rc.ahead.told += what == SWAPANS_PAGE && !status;
	if (!channel_put(&rc.vm, (const u64 *)&record))
		rc.stats[RECLAIMSTAT_ANSWERS_LOST]++; /* vm finds the overflow and retries everything */
}

void answer_slab(u64 what, u64 flow)
{
	struct swap_answer record = { .flow = flow, .what = what };

	if (rc.slab_there && !channel_put(&rc.slab, (const u64 *)&record))
		rc.stats[RECLAIMSTAT_ANSWERS_LOST]++;
}

// ---- frames in hand

bool stock_fill(u32 n, u64 flow)
{
	u64 done = 0;

	/* The device writes over them; what they held was this pool's. */
	if (rc.stocked >= n ||
	    sys_frame_alloc(SLOT_CLIENT_POOL, 0, STOCK_BATCH, ALLOC_NOZERO | ALLOC_LAZY | ALLOC_MOVABLE, &done, NULL))
		return rc.stocked;
	for (u64 i = 0; i < done; i++)
		rc.state->stock[rc.stocked++] = server_argument()[i];
	rc.read_flow = flow;
	return rc.stocked;
}
_Static_assert(CLUSTER - 1 + STOCK_BATCH <= STOCK, "filled when a whole read is not there");

static void frame_return(frame_t frame)
{
	if (rc.stocked < STOCK)
		rc.state->stock[rc.stocked++] = frame;
	else
		(void)sys_frame_free(SLOT_CLIENT_POOL, 0, frame, FREE_DISCARD, NULL);
}

// About the same number at rest, so that a quiet machine has the same amount of memory free; not quite, so that who
// reads page by page need not ask for a frame each time.
void stock_settle(void)
{
	u64 done = 0;

	if (rc.pending_count || !rc.lru || rc.transfers_free < TRANSFERS)
		return;
	while (rc.stocked > STOCK_REST)
		(void)sys_frame_free(SLOT_CLIENT_POOL, 0, rc.state->stock[--rc.stocked], FREE_DISCARD, NULL);
	if (stock_settled() || sys_frame_alloc(SLOT_CLIENT_POOL, 0, STOCK_REST - rc.stocked,
					       ALLOC_NOZERO | ALLOC_LAZY | ALLOC_MOVABLE, &done, NULL))
		return;
	for (u64 i = 0; i < done; i++)
		rc.state->stock[rc.stocked++] = server_argument()[i];
}

// ---- requests

static void pending_put(u32 slot, u64 flow, bool quiet, bool alone)
{
	if (rc.pending_count == PENDING) {
		if (!quiet)
			answer(SWAPANS_PAGE, slot, -ERR_AGAIN, flow);
		return;
	}
	rc.pending[(rc.pending_first + rc.pending_count++) % PENDING] =
		(struct pending){ .flow = flow, .slot = slot, .quiet = quiet, .alone = alone };
}

bool swapin_waiting(void)
{
	return rc.pending_count && !rc.stocked;
}

static bool slot_readable(u32 slot)
{
	const u32 mask = SWAPSLOT_USED | SWAPSLOT_ON_DISK | SWAPSLOT_FAILED | SWAPSLOT_BUSY | SWAPSLOT_FRAME;

	return (slot_word(slot) & mask) == (SWAPSLOT_USED | SWAPSLOT_ON_DISK) && slot_count(slot);
}

// What a request can be told at once. True: it was; false: it has to be read.
static bool answered(const struct pending *p)
{
	u32 word = slot_word(p->slot);
	bool lost = word & SWAPSLOT_FAILED || !(word & SWAPSLOT_USED);
	/* Count 0: the token was replaced meanwhile, as the fault will see. */
	err_t err = word & SWAPSLOT_FRAME ? 0 : lost && slot_count(p->slot) ? -ERR_IO : -ERR_AGAIN;

	if (p->quiet && slot_area(p->slot)->state != AREA_DRAINING)
		return true; /* swapoff was called off */
	if (slot_readable(p->slot) || (word & SWAPSLOT_BUSY && !(word & SWAPSLOT_FRAME)))
		return false;
	if (!p->quiet)
		answer(SWAPANS_PAGE, p->slot, err, p->flow);
	return true;
}

// The read that brings the slot already, if there is one.
static bool joined(const struct pending *p)
{
	if (!(slot_word(p->slot) & SWAPSLOT_BUSY))
		return false;
	for (u32 i = 0; i < TRANSFERS; i++) {
		struct transfer *t = &rc.transfer[i];

		if (t->op != BLOCK_READ || p->slot - t->slot >= t->n)
			continue;
		if (!p->quiet)
			t->wanted |= 1u << (p->slot - t->slot);
		return true;
	}
	return false;
}

// How many slots a read brings: more the more of what came unasked was used since the last one. Who goes through memory
// in order gets whole clusters soon; who jumps about gets what he asks for and pays for nothing else (the rule of
// Linux, mm/swap_state.c, swapin_nr_pages).
static u32 ahead_pages(u32 slot)
{
	u64 found = rc.share->found, used = found - rc.ahead.found;
	u32 pages = 1;

	used = used > rc.ahead.told ? used - rc.ahead.told : 0;
	if (used || slot - rc.ahead.slot + 1 <= 2)
		while (pages < used + 2 && pages < CLUSTER)
			pages *= 2;
	return pages < rc.ahead.pages / 2 ? rc.ahead.pages / 2 : pages;
}

static void ahead_note(u32 slot, u32 pages)
{
	rc.ahead.found = rc.share->found;
	rc.ahead.told = 0;
	rc.ahead.slot = slot;
	rc.ahead.pages = pages;
}

// One read for the slot and its neighbours in the aligned block, as far as there are frames in hand.
static void read_start(const struct pending *p, struct transfer *t, u32 pages)
{
	u32 block = p->slot & ~(pages - 1), from = p->slot, end = p->slot + 1;

	while (end < block + pages && end - from < rc.stocked && slot_readable(end))
		end++;
	while (from > block && end - from < rc.stocked && slot_readable(from - 1))
		from--;
	t->slot = from;
	t->n = end - from;
	t->flow = p->flow;
	t->wanted = p->quiet ? 0 : 1u << (p->slot - from);
	for (u32 i = 0; i < t->n; i++)
		t->frame[i] = rc.state->stock[--rc.stocked];
	transfer_start(t);
	rc.stats[RECLAIMSTAT_NR_READING] += t->n;
	rc.stats[RECLAIMSTAT_SWAP_RA] += t->n - 1;
}

void swapin_run(void)
{
	while (rc.pending_count) {
		struct pending p = rc.pending[rc.pending_first];
		struct transfer *t;

		if (!answered(&p) && !joined(&p)) {
			u32 pages = p.alone ? 1 : p.quiet ? CLUSTER : ahead_pages(p.slot);

			if (!rc.transfers_free || !stock_fill(pages, p.flow))
				return;
			if (!p.alone && !p.quiet)
				ahead_note(p.slot, pages);
			t = transfer_new(BLOCK_READ, p.slot);
			read_start(&p, t, pages);
		}
		rc.pending_first = (rc.pending_first + 1) % PENDING;
		rc.pending_count--;
	}
}

void swapin_request(u32 slot, u64 flow, bool quiet, bool alone)
{
	if (!slot || slot >= rc.share->slots)
		answer(SWAPANS_PAGE, slot, -ERR_IO, flow);
	else
		pending_put(slot, flow, quiet, alone);
}

// ---- pages that have come

// The frame is the slot's from now on: EVICTING, in no place. That also says so in the frame table.
static err_t page_arrived(u32 slot, frame_t frame, bool ahead)
{
	u32 pfn = (u32)frame;
	err_t err;

	if (!slot_count(slot))
		return -ERR_AGAIN;
	err = sys_evict(SLOT_CLIENT_POOL, frame, slot, 0, 0, NULL);
	if (err)
		return err;
	slot_set(slot, slot_word(slot) | pfn);
	rc.policy->add(pfn, true);
	lru_of(pfn)->ahead = ahead & 1;
	rc.stats[RECLAIMSTAT_PSWPIN]++;
	return 0;
}

static void slot_failed(u32 slot)
{
	slot_flags(slot, 0, SWAPSLOT_FAILED);
	rc.stats[RECLAIMSTAT_READ_ERRORS]++;
}

void swapin_done(struct transfer *t, err_t err)
{
	rc.read_flow = t->flow; /* stock_settle may take others for its frames */
	rc.stats[RECLAIMSTAT_NR_READING] -= t->n;
	for (u32 i = 0; i < t->n; i++) {
		u32 slot = t->slot + i;
		bool wanted = t->wanted >> i & 1;
		err_t one = err ? err : page_arrived(slot, t->frame[i], !wanted);

		if (one)
			frame_return(t->frame[i]);
		if (err && t->n > 1) {
			/* Which of them is bad shows when each is read alone. One that was given up meanwhile is not
			 * read. */
			(void)slot_settle(slot);
			pending_put(slot, t->flow, !wanted, true);
			continue;
		}
		if (err && slot_count(slot))
			slot_failed(slot);
		(void)slot_settle(slot);
		if (wanted)
			answer(SWAPANS_PAGE, slot, err ? -ERR_IO : one, t->flow);
	}
}
