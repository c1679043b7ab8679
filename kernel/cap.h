// SPDX-License-Identifier: MIT
// Capabilities: 32-byte slots in the leaves of a table. The derivation tree is a preorder list with depths, which IPC
// never touches: the descendants of a slot are the entries that follow it while their depth is larger.
#pragma once

#include <mm/aspace.h>

struct cap {
	void *obj;
	u64 badge;  // endpoint: badge; address space: window + 1 it is restricted to, 0 none
	u32 rights; // one bit per (type, right); 0: empty slot
	u32 next;   // capability references: physical address >> 5, 0 none
	u32 prev;
	u16 depth;
	u8 type;
	u8 spare;
};
_Static_assert(sizeof(struct cap) == 32, "a leaf holds 128");

struct captable {
	struct object obj;
	u32 used;                     // slots in use
	u32 cursor;                   // captable_destroy_step goes on here
	struct cap *leaf[CAP_LEAVES]; // never NULL: absent ones point at cap_empty_leaf
};
_Static_assert(sizeof(struct captable) <= 512, "CAPTABLE slot");

extern struct cap cap_empty_leaf[CAP_PER_LEAF]; // all slots empty, read only
extern u64 caps_alive;

// The slot, whatever it holds; NULL when out of range or the leaf is absent (for writing).
struct cap *cap_slot(const struct captable *ct, u64 index);

// The one test of the fast path: in range, and one of these (type, right) bits.
static always_inline struct cap *cap_get(const struct captable *ct, u64 index, u32 rights)
{
	if (unlikely(index / CAP_MAX)) // a power of two: one shift
		return NULL;
	// Address arithmetic by hand: the compiler would add the header's size to the index first.
	const char *at = (const char *)ct + index / CAP_PER_LEAF * sizeof(ct->leaf[0]);
	struct cap *cap = *(struct cap *const *)(at + offsetof(struct captable, leaf)) + index % CAP_PER_LEAF;
	// One right, mostly: then the bit moves to the sign.
	bool one = __builtin_constant_p(rights) && __builtin_popcount(rights) == 1;
	bool has = one ? (s32)(cap->rights << (31 - __builtin_ctz(rights))) < 0 : (cap->rights & rights) != 0;
	return likely(has) ? cap : NULL;
}

// Why cap_get found none: BADCAP (empty, out of range), TYPE, PERM; or DYING.
err_t cap_refusal(const struct captable *ct, u64 index, u32 rights, u32 type_rights);

// The same, telling why not. DYING: the object is being taken apart.
static always_inline must_check err_t cap_find(const struct captable *ct, u64 index, u32 rights, u32 type_rights,
					       struct cap **cap)
{
	struct cap *c = *cap = cap_get(ct, index, rights);
	if (unlikely(!c || ((const struct object *)c->obj)->dying))
		return cap_refusal(ct, index, rights, type_rights);
	return 0;
}

void captable_init(struct captable *ct);
err_t captable_add_leaf(struct captable *ct, u32 index, struct cap *leaf) must_check;
err_t captable_destroy_step(struct captable *ct) must_check; // AGAIN

// Put the first capability of an object into an empty slot. Takes a reference.
void cap_insert(struct captable *ct, struct cap *slot, void *obj, u32 type, u32 rights, u64 badge);
// dst becomes a child of src with these rights (subset) and badge. Takes a reference. FULL when CAP_REFS_MAX references
// name the object: the bound of what one deletion has to walk.
#define CAP_REFS_MAX 2048
err_t cap_derive(struct captable *ct, struct cap *dst, struct cap *src, u32 rights, u64 badge) must_check;
void cap_move(struct captable *dct, struct cap *dst, struct captable *sct, struct cap *src);
// Empty the slot; destroys the object with its last reference, in steps (AGAIN: the slot still holds it).
err_t cap_delete(struct captable *ct, struct cap *slot) must_check;
err_t cap_revoke(struct cap *slot, u64 *done) must_check;

// object.c (kernel): reference counts of objects and their death.
void object_ref(void *obj);
err_t object_unref(void *obj) must_check; // AGAIN: destruction needs another step; the reference is still held
void object_drop(void *obj); // for references that cannot wait: the destruction is the graveyard's. NULL: nothing
