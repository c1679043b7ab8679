// SPDX-License-Identifier: MIT
/*
 * Slots of kernel objects: caches of one slab a frame, whose truth is the kernel's. It keeps objects in frames donated
 * by their creator, one kind to a frame, and has a bit for each slot in struct page; which slot is free is seen there.
 * The process records say which objects are whose, the list which frames are donated. docs/slab.md says why the frames
 * are vm's and not the slab server's.
 *
 *	frame: none --magazine--> listed, empty <--object_make, the object's end--> in use
 *	                          listed, empty and one too many, or memory is short --> freed
 *
 * An object may outlive its capability here (somebody else holds one, or the kernel has yet to bury it): its slot is
 * taken as long as it lives.
 */
#include "swap.h"

#define SPARE_FRAMES 2 // empty frames kept per kind

static u16 hint[OBJ_KINDS];
static u16 spares[OBJ_KINDS]; // empty frames; those that the kernel emptied later are not counted

static const struct kind {
	u32 type;
	u32 slots; // in a frame
} kinds[OBJ_KINDS] = {
	[OBJ_POOL] = { TYPE_POOL, PAGE_SIZE / OBJECT_SIZE_POOL },
	[OBJ_TABLE] = { TYPE_CAPTABLE, PAGE_SIZE / OBJECT_SIZE_CAPTABLE },
	[OBJ_LEAF] = { TYPE_CAPLEAF, PAGE_SIZE / OBJECT_SIZE_CAPLEAF },
	[OBJ_ASPACE] = { TYPE_ASPACE, PAGE_SIZE / OBJECT_SIZE_ASPACE },
	[OBJ_THREAD] = { TYPE_THREAD, PAGE_SIZE / OBJECT_SIZE_THREAD },
	[OBJ_NOTIFY] = { TYPE_NOTIFICATION, PAGE_SIZE / OBJECT_SIZE_NOTIFICATION },
};

static u64 kind_mask(u32 kind)
{
	u32 slots = kinds[kind].slots;

	return slots == PLACE_SLOTS ? ~0ul : (1ul << slots) - 1;
}

// The slots that are taken. STALE frames, which a predecessor freed, look empty: object_create finds out.
static u64 slots_taken(u32 i)
{
	const struct frame_view *view = frame_of(&frame_table, vms->object[i].frame);

	return view && view->state == FRAME_OBJECT ? *(const volatile u64 *)&view->word0 : 0;
}

static bool frame_has_room(u32 i, u32 kind, u64 *taken)
{
	if (!vms->object[i].frame || vms->object[i].kind != kind)
		return false;
	*taken = slots_taken(i);
	return *taken != kind_mask(kind);
}

static void frame_list(u32 i, frame_t frame, u32 kind)
{
	struct object_frame entry = { .frame = frame, .kind = kind };

	record_stage(&vms->object[i], &entry, sizeof(entry));
	record_commit();
}

// An object frame of this kind with a free slot, and which are taken; or -ERR_NOMEM.
static s32 frame_with_room(u32 kind, u64 *taken)
{
	if (frame_has_room(hint[kind], kind, taken))
		return hint[kind];
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		if (frame_has_room(i, kind, taken))
			return (s32)i;
	for (u32 i = 0; i < OBJECT_FRAMES; i++) {
		if (vms->object[i].frame)
			continue;
		if (magazine_refill(1))
			return -ERR_NOMEM;
		frame_list(i, magazine_take(), kind);
		spares[kind]++;
		*taken = 0;
		return (s32)i;
	}
	return -ERR_NOMEM;
}

err_t object_make(struct proc *p, u32 kind, cptr_t table, u64 slot, u64 arg, u64 *id)
{
	for (;;) {
		u64 taken;
		s32 i = frame_with_room(kind, &taken);
		u32 place;
		err_t err;

		if (i < 0)
			return i;
		hint[kind] = (u16)i;
		place = (u32)__builtin_ctzl(~taken);
		err = sys_object_create(SLOT_CLIENT_POOL, vms->object[i].frame, place, kinds[kind].type, table, slot,
					arg, id);
		/* A pool takes its limit from the pool of all, which may have no room just now. */
		memory_short |= err == -ERR_NOMEM;
		if (err && err != -ERR_STALE)
			return err;
		if (!taken && spares[kind])
			spares[kind]--;
		if (err) {
			/* A predecessor freed the frame and was killed before it could say so. */
			frame_list((u32)i, 0, 0);
			continue;
		}
		/* One aligned store; the process is NEW, and a NEW one is torn down after a crash. */
		proc_record(p)->object[kind] = (u16)((u32)i * PLACE_SLOTS + place + 1);
		return 0;
	}
}

// A frame with nothing in it is given back.
static bool frame_release(u32 i)
{
	if (sys_frame_free(SLOT_CLIENT_POOL, 0, vms->object[i].frame, FREE_DISCARD, NULL))
		return false;
	frame_list(i, 0, 0);
	return true;
}

// The process has it no more: its last capability here was deleted.
void object_release(struct proc *p, u32 kind)
{
	u16 *place = &proc_record(p)->object[kind];
	u32 i;

	if (!*place)
		return;
	i = (*place - 1u) / PLACE_SLOTS;
	*place = 0;
	hint[kind] = (u16)i;
	if (slots_taken(i))
		return;
	if (spares[kind] < SPARE_FRAMES || !frame_release(i))
		spares[kind]++;
}

u32 objects_shrink(void)
{
	u32 n = 0;

	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		if (vms->object[i].frame && !slots_taken(i))
			n += frame_release(i);
	for (u32 kind = 0; kind < OBJ_KINDS; kind++)
		spares[kind] = 0;
	return n;
}

void object_recover(void)
{
	for (u32 kind = 0; kind < OBJ_KINDS; kind++) {
		hint[kind] = 0;
		spares[kind] = 0;
	}
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		if (vms->object[i].frame && !slots_taken(i))
			spares[vms->object[i].kind]++;
}

u64 object_frames(void)
{
	u64 n = 0;

	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		n += vms->object[i].frame != 0;
	return n;
}
