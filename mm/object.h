// SPDX-License-Identifier: MIT
// Kernel objects live in slots of object frames: one type and slot size per frame, slot bitmap in struct page, slots
// chosen by the creator.
#pragma once

#include <mm/page.h>

struct pool;

// First field of every object.
struct object {
	u32 refs; // capabilities and kernel references that name it; the slot is freed when it drops to 0
	u8 type;  // TYPE_*
	u8 dying; // being torn down in steps
	u16 step; // how far the death of one that dies in steps has come; 0: not begun
};

// Object id: physical address >> 6. Unique while the object lives.
static always_inline u32 object_id(const void *object)
{
	return arch_v2p(object) >> 6;
}

// Take slot `slot` of object frame `frame` of `pool` for `type` (slot size `size`, a divisor of PAGE_SIZE). An OWNED,
// unmapped, unpinned frame becomes OBJECT first (zeroed). Returns the zeroed slot with its header set (refs 0). Errors:
// STALE (reference, pool), EXIST (slot taken), INVAL (frame of another type, slot out of range), BUSY (mapped or
// pinned), DYING.
err_t object_take(struct pool *pool, frame_t frame, u32 slot, u32 type, u32 size, void **object) must_check;
// Give a slot back (zeroed); the frame becomes OWNED again with its last slot.
void object_put(void *object);
// The object with this id if it is alive and of this type, else NULL. For reply words: an id may be any 32-bit number.
void *object_find(u32 id, u32 type);
