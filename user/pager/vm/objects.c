// SPDX-License-Identifier: MIT
/*
 * Slots of kernel objects. The kernel keeps objects in frames donated by their creator, one kind to a frame; which slot
 * is free is ours to know. The truth is in the process records (place of each object) and in the list of object frames;
 * the bitmaps are volatile.
 *
 *	frame: none --magazine--> listed, empty <--object_make, object_release--> in use
 *	                          listed, empty and one too many --> freed
 *
 * A slot whose object outlives its capability here (someone else holds one, or the kernel has yet to bury it) answers
 * EXIST and is passed over until slots of its kind run out.
 */
#include "vm.h"

#define SPARE_FRAMES 2 // empty frames kept per kind

static u64 used[OBJECT_FRAMES];
static u64 passed[OBJECT_FRAMES]; // in `used` only because they answered EXIST
static u16 hint[OBJ_KINDS];
static u16 empties[OBJ_KINDS];

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

static bool frame_has_room(u32 i, u32 kind)
{
	return vms->object[i].frame && vms->object[i].kind == kind && used[i] != kind_mask(kind);
}

static void frame_list(u32 i, frame_t frame, u32 kind)
{
	struct object_frame entry = { .frame = frame, .kind = kind };

	record_stage(&vms->object[i], &entry, sizeof(entry));
	record_commit();
	used[i] = passed[i] = 0;
}

// Slots that were passed over may be free by now.
static void passed_retry(u32 kind)
{
	for (u32 i = 0; i < OBJECT_FRAMES; i++) {
		if (!passed[i] || vms->object[i].kind != kind)
			continue;
		used[i] &= ~passed[i];
		passed[i] = 0;
		empties[kind] += !used[i];
	}
}

// An object frame of this kind with a free slot, or -ERR_NOMEM.
static s32 frame_with_room(u32 kind)
{
	if (frame_has_room(hint[kind], kind))
		return hint[kind];
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		if (frame_has_room(i, kind))
			return (s32)i;
	for (u32 i = 0; i < OBJECT_FRAMES; i++) {
		if (vms->object[i].frame)
			continue;
		if (magazine_refill(1))
			return -ERR_NOMEM;
		passed_retry(kind);
		frame_list(i, magazine_take(), kind);
		empties[kind]++;
		return (s32)i;
	}
	return -ERR_NOMEM;
}

err_t object_make(struct proc *p, u32 kind, cptr_t table, u64 slot, u64 arg, u64 *id)
{
	for (;;) {
		s32 i = frame_with_room(kind);
		u32 place;
		err_t err;

		if (i < 0)
			return i;
		hint[kind] = (u16)i;
		place = (u32)__builtin_ctzl(~used[i]);
		err = sys_object_create(SLOT_CLIENT_POOL, vms->object[i].frame, place, kinds[kind].type, table, slot,
					arg, id);
		if (err == -ERR_STALE) {
			/* A predecessor freed the frame and was killed before it could say so. */
			frame_list((u32)i, 0, 0);
			empties[kind]--;
			continue;
		}
		/* A pool takes its limit from the pool of all. */
		memory_short |= err == -ERR_NOMEM;
		if (err && err != -ERR_EXIST)
			return err;
		if (!used[i])
			empties[kind]--;
		used[i] |= 1ul << place;
		if (err) {
			passed[i] |= 1ul << place;
			continue;
		}
		/* One aligned store; the process is NEW, and a NEW one is torn down after a crash. */
		proc_record(p)->object[kind] = (u16)((u32)i * PLACE_SLOTS + place + 1);
		return 0;
	}
}

// The slot may be used again. Its object is gone: its last capability was deleted.
void object_release(struct proc *p, u32 kind)
{
	u16 *place = &proc_record(p)->object[kind];
	u32 i;

	if (!*place)
		return;
	i = (*place - 1u) / PLACE_SLOTS;
	used[i] &= ~(1ul << (*place - 1u) % PLACE_SLOTS);
	*place = 0;
	hint[kind] = (u16)i;
	if (used[i])
		return;
	if (empties[kind] < SPARE_FRAMES ||
	    sys_frame_free(SLOT_CLIENT_POOL, 0, vms->object[i].frame, FREE_DISCARD, NULL))
		empties[kind]++; /* kept; also when the kernel still uses it (STALE: not OWNED again) */
	else
		frame_list(i, 0, 0);
}

void object_recover(void)
{
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		used[i] = passed[i] = 0;
	for (u32 slot = 0; slot < PROCS; slot++) {
		for (u32 kind = 0; kind < OBJ_KINDS; kind++) {
			u16 place = vms->proc[slot].object[kind];

			if (place)
				used[(place - 1u) / PLACE_SLOTS] |= 1ul << (place - 1u) % PLACE_SLOTS;
		}
	}
	for (u32 kind = 0; kind < OBJ_KINDS; kind++) {
		hint[kind] = 0;
		empties[kind] = 0;
	}
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		if (vms->object[i].frame && !used[i])
			empties[vms->object[i].kind]++;
}

u64 object_frames(void)
{
	u64 n = 0;

	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		n += vms->object[i].frame != 0;
	return n;
}
