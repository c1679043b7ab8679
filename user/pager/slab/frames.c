// SPDX-License-Identifier: MIT
/*
 * Frames of slabs: blocks of the server's own pool, mapped into their owner by the answers to its faults.
 *
 * Taking pages from a client that may sleep needs neither its help nor a capability to its address space: evict takes a
 * frame out of the place it was given to, and the kernel checks that this is the only one. What an entry holds
 * afterwards is a token that nobody asks about: the slab is gone, so a fault there is refused.
 */
#include "slab.h"

#include <base/log.h>

#define TOKEN 1 // any number that is one

err_t frames_take(u32 order, frame_t *first)
{
	/* LAZY: zeroed by the map that shows them. */
	return sys_frame_alloc(SLOT_SELF_POOL, order, 1, ALLOC_LAZY, NULL, first);
}

// Out of the client, mapped or not.
static err_t frame_evict(frame_t frame, u64 aspace, u64 va)
{
	u64 *place = server_argument();
	err_t err = -ERR_EXIST;

	place[0] = aspace;
	place[1] = va;
	if (aspace)
		err = sys_evict(SLOT_SELF_POOL, frame, TOKEN, 1, 0, NULL);
	return err ? sys_evict(SLOT_SELF_POOL, frame, TOKEN, 0, 0, NULL) : 0;
}

static void frame_restore(frame_t frame)
{
	err_t err = sys_evict(SLOT_SELF_POOL, frame, TOKEN, 0, EVICT_CANCEL, NULL);

	if (!err)
		err = sys_frame_mark(SLOT_SELF_POOL, frame, MARK_SWAPCACHE_CLEAR, 0, 0, NULL, NULL, NULL, NULL);
	if (err)
		log_line("slab: frame 0x%lx cannot be put back: error %d", (unsigned long)frame, -err);
}

err_t frames_return(frame_t first, u32 order, u64 aspace, u64 va)
{
	u64 n = 1ul << order, *list = server_argument();

	for (u64 i = 0; i < n; i++) {
		if (!frame_evict(first + i, aspace, va + i * PAGE_SIZE))
			continue;
		while (i--)
			frame_restore(first + i);
		return -ERR_BUSY;
	}
	for (u64 left = n, done = 0; left; left -= done) {
		err_t err;

		for (u64 i = 0; i < left; i++)
			list[i] = first + i;
		err = sys_frame_free(SLOT_SELF_POOL, left, 0, FREE_DISCARD, &done);
		if (err)
			panic("slab: frame 0x%lx cannot be freed: error %d", (unsigned long)(first + left - 1), -err);
	}
	return 0;
}

bool frames_known(frame_t first)
{
	return !sys_frame_mark(SLOT_SELF_POOL, first, MARK_STAT, 0, 0, NULL, NULL, NULL, NULL);
}

static bool is_recorded(frame_t frame)
{
	for (u32 i = 0; i < slab_table; i++) {
		const struct slab_record *s = &sls->slab[i];

		if (s->owner && frame >= s->frame && frame - s->frame < slab_frames(s))
			return true;
	}
	return false;
}

// The block that a predecessor took just before it was killed lies in the argument page still. Comes before anything
// that writes there.
void frames_recover(void)
{
	frame_t first = server_argument()[0];
	u64 counts = 0;

	for (u64 i = 0; i < 1ul << SLAB_ORDER_MAX; i++)
		if (!is_recorded(first + i) &&
		    !sys_frame_mark(SLOT_SELF_POOL, first + i, MARK_STAT, 0, 0, NULL, &counts, NULL, NULL) && !counts)
			(void)sys_frame_free(SLOT_SELF_POOL, 0, first + i, FREE_DISCARD, NULL);
}
