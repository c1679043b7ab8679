// SPDX-License-Identifier: MIT
/*
 * Prepared frames: faults take from here, one system call in 32 fills it.
 *
 *	vms->magazine[0 .. top)  ours and unmapped;  [top ..)  taken, or never filled
 *
 * The list lies in the segment, its fill level does not: taking a frame writes no state. A successor asks the frame
 * table which of the listed frames are still unmapped (a reference that went stale is nobody's). Frames are given back
 * in the reverse order of taking, so that one on its way is not written over.
 */
#include "swap.h"

struct magazine magazine;

frame_t magazine_take(void)
{
	assert(magazine.top);
	return vms->magazine[--magazine.top];
}

void magazine_return(frame_t frame)
{
	assert(magazine.top < MAGAZINE);
	vms->magazine[magazine.top++] = frame;
}

// Fill up so that at least `want` frames are there, or as many as there are. NOMEM: not a single one.
err_t magazine_refill(u32 want)
{
	u64 done = 0;
	err_t err;

	if (magazine.top >= want)
		return 0;
	assert(want <= MAGAZINE - MAGAZINE_REFILL + 1);
	/* LAZY: the frame is zeroed by the map that shows it, or overwritten by a copy; never both. */
	err = sys_frame_alloc(SLOT_CLIENT_POOL, 0, MAGAZINE_REFILL, ALLOC_LAZY | ALLOC_MOVABLE, &done, NULL);
	if (err) {
		memory_short = true;
		return magazine.top ? 0 : err;
	}
	oom_spared = 0;
	if (swap.share)
		(void)ring_put_run(&swap.news, server_argument(), (u32)done); /* overflow: reclaim looks for itself */
	stats[VMSTAT_MAGAZINE]++;
	for (u32 i = 0; i < done; i++)
		vms->magazine[magazine.top++] = server_argument()[i];
	return 0;
}

// A frame that went on to hold kernel objects is still listed here when nothing came after it.
static bool is_object_frame(frame_t frame)
{
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		if (vms->object[i].frame == frame)
			return true;
	return false;
}

static bool is_kept(frame_t frame)
{
	for (u32 i = 0; i < magazine.top; i++)
		if (vms->magazine[i] == frame)
			return true;
	return false;
}

// The pool's, not mapped, and not because reclaim has taken it out of where it was.
bool frame_unused(frame_t frame)
{
	u64 counts = 0;

	return !sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_STAT, 0, 0, NULL, &counts, NULL, NULL) && !counts &&
	       !frame_cached(frame);
}

// A reference that may be a prepared frame of a predecessor: keep it if it is unused and nobody else's.
static void frame_adopt(frame_t frame)
{
	if (!frame || is_kept(frame) || is_object_frame(frame) || !frame_unused(frame))
		return;
	if (magazine.top < MAGAZINE)
		magazine_return(frame);
	else
		(void)sys_frame_free(SLOT_CLIENT_POOL, 0, frame, FREE_DISCARD, NULL);
}

/*
 * The listed frames, and those of a refill that was cut off before they were listed: their references lie in the
 * argument page still. Comes before anything that writes there.
 */
void magazine_recover(void)
{
	frame_t listed[MAGAZINE];

	__builtin_memcpy(listed, vms->magazine, sizeof(listed));
	magazine.top = 0;
	for (u32 i = 0; i < MAGAZINE; i++)
		frame_adopt(listed[i]);
	for (u32 i = 0; i < MAGAZINE_REFILL; i++)
		frame_adopt(server_argument()[i]);
	for (u32 i = magazine.top; i < MAGAZINE; i++)
		vms->magazine[i] = 0;
}
