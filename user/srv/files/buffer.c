// SPDX-License-Identifier: MIT
// The buffers shared with clients: FILES_BUFFER in the client, a view of it at BUFFERS_VA here.
//
// The frames are of this server's pool. Whoever needs a page first makes it: files when it is to read into it, or the
// client by a fault in its window. A client that dies may still map its frames for a moment; those that cannot be
// freed then are kept in `late` and tried again at the next death.
//
//	none --buffer_frame--> in the view (and, by a fault, in the client) --buffer_release--> free, or late
//	late --buffers_reap--> free
//
// All buffers together have `quota` pages. FIRST_PAGES of them are for first pages only, which hold paths and short
// reads and writes: who moves much at a time cannot keep others from moving anything. The other pages of a buffer are
// asked for (buffer_make), and the shorter they are the fewer one client gets.
#include "buffer.h"

#include "files.h"
#include "place.h"
#include "store.h"

#include <lib/base/log.h>

#define PAGES (FILES_BUFFER_SIZE / PAGE_SIZE)
#define LATE  256

#define FIRST_PAGES 24 // kept for the first pages of buffers; half of all at most
#define MORE_SHARE  4  // a client may have this part of the other pages that are left

static frame_t frames[CLIENTS][PAGES]; // 0: none
static frame_t late[LATE];
static u32 late_count;
static u64 quota, used;

void buffers_init(u64 pages)
{
	quota = pages;
}

static u64 more_left(void)
{
	u64 first = FIRST_PAGES < quota / 2 ? FIRST_PAGES : quota / 2;

	return quota > used + first ? quota - used - first : 0;
}

static vaddr_t view_va(u64 slot, u64 page)
{
	return BUFFERS_VA + slot * FILES_BUFFER_SIZE + page * PAGE_SIZE;
}

static void frame_release(frame_t frame)
{
	err_t err = sys_frame_free(SLOT_SELF_POOL, 0, frame, FREE_DISCARD, NULL);

	if (err != -ERR_BUSY) // free now, or freed by the unmap
		return;
	if (late_count < LATE)
		late[late_count++] = frame;
	else
		log_line("files: a page of a dead client is lost: too many are still mapped");
}

void buffers_reap(void)
{
	u32 n = late_count;

	late_count = 0;
	for (u32 i = 0; i < n; i++)
		frame_release(late[i]);
}

static frame_t frame_make(void)
{
	frame_t frame = 0;

	if (!sys_frame_alloc(SLOT_SELF_POOL, 0, 1, 0, NULL, &frame))
		return frame;
	buffers_reap();
	if (!sys_frame_alloc(SLOT_SELF_POOL, 0, 1, 0, NULL, &frame))
		return frame;
	if (store_shrink() && !sys_frame_alloc(SLOT_SELF_POOL, 0, 1, 0, NULL, &frame))
		return frame;
	return 0;
}

frame_t buffer_frame(u64 slot, u64 page)
{
	frame_t frame = frames[slot][page];
	err_t err;

	if (likely(frame))
		return frame;
	frame = !page || more_left() ? frame_make() : 0;
	if (!frame)
		return 0;
	err = sys_map(SLOT_SELF_ASPACE, view_va(slot, page), SLOT_SELF_POOL, frame, 1, PROT_READ | PROT_WRITE, 0, 0, 0,
		      NULL, NULL);
	if (err) {
		frame_release(frame);
		return 0;
	}
	used++;
	return frames[slot][page] = frame;
}

u64 buffer_make(u64 slot, u64 want)
{
	u64 share = more_left() / MORE_SHARE, pages = 0;

	for (; pages < PAGES && pages * PAGE_SIZE < want; pages++) {
		if (frames[slot][pages])
			continue;
		if ((pages && !share) || !buffer_frame(slot, pages))
			break;
		share -= pages != 0;
	}
	return pages * PAGE_SIZE;
}

u8 *buffer_at(const struct client *c, u64 where, u64 len)
{
	u64 slot = badge_slot(c->badge);

	if (where > FILES_BUFFER_SIZE || len > FILES_BUFFER_SIZE - where)
		return NULL;
	for (u64 page = where / PAGE_SIZE; page * PAGE_SIZE < where + len; page++)
		if (unlikely(!frames[slot][page]) && !buffer_frame(slot, page))
			return NULL;
	return (u8 *)view_va(slot, 0) + where;
}

void buffer_release(u64 slot)
{
	err_t err = 0;
	bool any = false;

	for (u64 page = 0; page < PAGES; page++)
		any |= frames[slot][page] != 0;
	if (!any)
		return;
	err = sys_unmap(SLOT_SELF_ASPACE, view_va(slot, 0), PAGES, SLOT_SELF_POOL, UNMAP_FREE, 0, NULL, NULL, NULL,
			NULL);
	if (err)
		panic("files: cannot unmap the buffer of slot %lu: error %d", slot, -err);
	for (u64 page = 0; page < PAGES; page++) {
		if (frames[slot][page]) {
			frame_release(frames[slot][page]);
			used--;
		}
		frames[slot][page] = 0;
	}
}
