// SPDX-License-Identifier: MIT
/*
 * Transfers: up to CLUSTER consecutive slots to or from the disk.
 *
 *	free --transfer_new--> filled by its maker --transfer_start--> at the driver --transfers_done--> free
 *
 * The ring has room for all there are. Slots of a transfer are BUSY from start to end.
 */
#include "reclaim.h"

#include <base/log.h>
#include <base/panic.h>

#define INDEX_BITS 8
_Static_assert(TRANSFERS < 1 << INDEX_BITS, "an id is index + 1 and sequence");

struct transfer *transfer_new(u32 op, u32 slot)
{
	struct transfer *t = rc.transfer;

	if (!rc.transfers_free)
		return NULL;
	while (t->op)
		t++;
	t->flow = rc.flow;
	t->op = op;
	t->slot = slot;
	t->n = t->wanted = t->unit = 0;
	t->sequence++;
	rc.transfers_free--;
	rc.writes += op == BLOCK_WRITE;
	return t;
}

static u64 transfer_id(const struct transfer *t)
{
	return (u64)t->sequence << INDEX_BITS | (u64)(t - rc.transfer + 1);
}

void transfer_start(struct transfer *t)
{
	const struct area *a = t->slot ? slot_area(t->slot) : NULL;
	struct block_request request;

	assert((a || !t->slot) && t->n && t->n <= CLUSTER);
	request.flow = t->flow;
	request.id = transfer_id(t);
	request.op = t->op;
	request.unit = a ? a->unit : t->unit;
	request.frames = t->n;
	request.sector = a ? (u64)(t->slot - a->base) * BLOCK_SECTORS_PER_PAGE : 0;
	for (u32 i = 0; i < CLUSTER; i++)
		request.frame[i] = i < t->n ? t->frame[i] : 0;
	for (u32 i = 0; a && i < t->n; i++)
		slot_flags(t->slot + i, 0, SWAPSLOT_BUSY);
	/* It has room for every transfer, unless the driver wrote nonsense over its end. */
	if (!channel_put(&rc.disk, (const u64 *)&request))
		panic("reclaim: the disk driver's ring is broken");
}

void transfer_end(struct transfer *t)
{
	rc.writes -= t->op == BLOCK_WRITE;
	t->op = 0;
	rc.transfers_free++;
}

static void transfer_done(struct transfer *t, err_t err)
{
	rc.flow = t->flow;
	for (u32 i = 0; i < t->n && t->slot; i++)
		slot_flags(t->slot + i, SWAPSLOT_BUSY, 0);
	if (!t->slot)
		area_header_done(err);
	else if (t->op == BLOCK_READ)
		swapin_done(t, err);
	else
		swapout_done(t, err);
	transfer_end(t);
}

// An answer to no question is passed over: the driver may repeat itself when it starts again.
void transfers_done(void)
{
	struct block_done done;

	if (channel_overflowed(&rc.disk))
		log_line("reclaim: the disk driver lost answers"); /* cannot be: the ring has room for all */
	while (channel_take(&rc.disk, (u64 *)&done)) {
		u64 index = (done.id & ((1u << INDEX_BITS) - 1)) - 1;
		struct transfer *t = &rc.transfer[index < TRANSFERS ? index : 0];

		if (index < TRANSFERS && t->op && transfer_id(t) == done.id)
			transfer_done(t, (err_t)(s64)done.status);
	}
}
