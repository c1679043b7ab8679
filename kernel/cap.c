// SPDX-License-Identifier: MIT
// Capability tables and the derivation tree.
//
// Invariants: rights != 0 <=> the slot is in use <=> it holds one reference of its object; used == slots in use of the
// table; the preorder lists: next/prev agree, depth grows by at most one from an element to the next. Absent leaves are
// the shared empty leaf, in which nothing is ever written.
#include <kernel/cap.h>
#include <kernel/hart.h>

// Work is counted in descendants looked at; a slot that goes is worth more.
#define WORK_STEP        256
#define WORK_SLOT        12
#define LEAF_STEP        8  // leaves given back by one step: each is cleared
#define LEAF_TABLE_SHIFT 32 // word1 of an object frame: type:8 slot size:16, free above

struct cap cap_empty_leaf[CAP_PER_LEAF];
u64 caps_alive;

static struct cap *cap_of(u32 ref)
{
	return ref ? arch_p2v((u64)ref << 5) : NULL;
}

static u32 ref_of(const struct cap *cap)
{
	return cap ? arch_v2p(cap) >> 5 : 0;
}

struct cap *cap_slot(const struct captable *ct, u64 index)
{
	if (index == CAP_NULL || index >= CAP_MAX)
		return NULL;
	struct cap *leaf = ct->leaf[index / CAP_PER_LEAF];
	return leaf == cap_empty_leaf ? NULL : &leaf[index % CAP_PER_LEAF];
}

err_t cap_refusal(const struct captable *ct, u64 index, u32 rights, u32 type_rights)
{
	const struct cap *c = cap_slot(ct, index);
	if (!c || !c->rights)
		return -ERR_BADCAP;
	if (!(c->rights & type_rights))
		return -ERR_TYPE;
	return c->rights & rights ? -ERR_DYING : -ERR_PERM;
}

void captable_init(struct captable *ct)
{
	for (u32 i = 0; i < CAP_LEAVES; i++)
		ct->leaf[i] = cap_empty_leaf;
}

err_t captable_add_leaf(struct captable *ct, u32 index, struct cap *leaf)
{
	if (index >= CAP_LEAVES)
		return -ERR_INVAL;
	if (ct->leaf[index] != cap_empty_leaf)
		return -ERR_EXIST;
	// struct page remembers the table (table_of).
	virt_to_page(leaf)->word1 |= (u64)object_id(ct) << LEAF_TABLE_SHIFT;
	ct->leaf[index] = leaf;
	return 0;
}

static void cap_fill(struct captable *ct, struct cap *slot, void *obj, u32 type, u32 rights, u64 badge)
{
	assert(!slot->rights && rights);
	slot->obj = obj;
	slot->type = type;
	slot->rights = rights;
	slot->badge = badge;
	ct->used++;
	caps_alive++;
}

static void cap_link_after(struct cap *slot, struct cap *prev)
{
	struct cap *next = cap_of(prev->next);
	slot->prev = ref_of(prev);
	slot->next = prev->next;
	prev->next = ref_of(slot);
	if (next)
		next->prev = ref_of(slot);
}

static void cap_clear(struct captable *ct, struct cap *slot)
{
	*slot = (struct cap){ 0 };
	ct->used--;
}

void cap_insert(struct captable *ct, struct cap *slot, void *obj, u32 type, u32 rights, u64 badge)
{
	cap_fill(ct, slot, obj, type, rights, badge);
	object_ref(obj);
}

err_t cap_derive(struct captable *ct, struct cap *dst, struct cap *src, u32 rights, u64 badge)
{
	assert(src->rights && !(rights & ~src->rights));
	// Deep chains are as many capabilities of one object, so this bounds the depth too.
	if (((struct object *)src->obj)->refs >= CAP_REFS_MAX)
		return -ERR_FULL;
	cap_fill(ct, dst, src->obj, src->type, rights, badge);
	dst->depth = src->depth + 1;
	cap_link_after(dst, src);
	object_ref(dst->obj);
	return 0;
}

void cap_move(struct captable *dct, struct cap *dst, struct captable *sct, struct cap *src)
{
	assert(!dst->rights && src->rights);
	*dst = *src;
	if (dst->prev)
		cap_of(dst->prev)->next = ref_of(dst);
	if (dst->next)
		cap_of(dst->next)->prev = ref_of(dst);
	dct->used++;
	cap_clear(sct, src);
}

// What was derived from the slot stays, as children of the slot's parent: one level up, or a sibling that stands before
// the slot would become their parent. CAP_REFS_MAX bounds the walk, which is added to *work.
static void promote_descendants(struct cap *slot, u32 *work)
{
	const u16 depth = slot->depth;
	u32 looked = 0;
	for (struct cap *c = cap_of(slot->next); c && c->depth > depth; c = cap_of(c->next)) {
		c->depth--;
		looked++;
	}
	*work += looked;
}

static err_t cap_remove(struct captable *ct, struct cap *slot, u32 *work)
{
	err_t err = object_unref(slot->obj);
	if (err)
		return err;
	promote_descendants(slot, work);
	if (slot->prev)
		cap_of(slot->prev)->next = slot->next;
	if (slot->next)
		cap_of(slot->next)->prev = slot->prev;
	cap_clear(ct, slot);
	caps_alive--;
	return 0;
}

err_t cap_delete(struct captable *ct, struct cap *slot)
{
	u32 work = 0;
	return cap_remove(ct, slot, &work);
}

static err_t leaves_put(struct captable *ct)
{
	for (u32 i = 0, put = 0; i < CAP_LEAVES; i++) {
		if (ct->leaf[i] == cap_empty_leaf)
			continue;
		if (put++ == LEAF_STEP)
			return -ERR_AGAIN;
		object_put(ct->leaf[i]);
		ct->leaf[i] = cap_empty_leaf;
	}
	return 0;
}

// Goes on where the last step stopped: nothing is put into a dying table.
err_t captable_destroy_step(struct captable *ct)
{
	for (u32 work = 0; ct->used; ct->cursor++) {
		struct cap *leaf = ct->leaf[ct->cursor / CAP_PER_LEAF];
		assert(ct->cursor < CAP_MAX);
		if (leaf == cap_empty_leaf) {
			ct->cursor |= CAP_PER_LEAF - 1;
			continue;
		}
		struct cap *slot = &leaf[ct->cursor % CAP_PER_LEAF];
		if (slot->rights) {
			err_t err = cap_remove(ct, slot, &work);
			if (err)
				return err;
			work += WORK_SLOT;
		}
		work++;
		if (work >= WORK_STEP) {
			ct->cursor++;
			return -ERR_AGAIN;
		}
	}
	return leaves_put(ct);
}

// The table a slot lies in.
static struct captable *table_of(struct cap *slot)
{
	return arch_p2v(virt_to_page(slot)->word1 >> LEAF_TABLE_SHIFT << 6);
}

err_t cap_revoke(struct cap *slot, u64 *done)
{
	u32 work = 0;
	for (*done = 0; work < WORK_STEP; ++*done, work += WORK_SLOT) {
		struct cap *next = cap_of(slot->next);
		if (!next || next->depth <= slot->depth)
			return 0;
		err_t err = cap_remove(table_of(next), next, &work);
		if (err)
			return err;
	}
	return -ERR_AGAIN;
}
