// SPDX-License-Identifier: MIT
// System calls on capabilities and object creation.
#include <kernel/object.h>
#include <kernel/syscall.h>

// The badge a copy carries: endpoints are minted once, address spaces are restricted once.
static err_t mint_badge(const struct cap *src, u64 badge, u64 *out)
{
	*out = src->badge;
	if (!badge || badge == src->badge)
		return 0;
	if (src->badge || (src->type != TYPE_ENDPOINT && src->type != TYPE_ASPACE))
		return -ERR_INVAL;
	if (src->type == TYPE_ASPACE && badge > WINDOWS)
		return -ERR_INVAL;
	*out = badge;
	return 0;
}

err_t sys_cap_copy(struct thread *self, struct cap *dcap, u64 dslot, struct cap *scap, u64 sslot, u64 rights, u64 badge,
		   u64 op)
{
	(void)self;
	struct captable *dct = dcap->obj, *sct = scap->obj;
	struct cap *src = cap_slot(sct, sslot), *dst = cap_slot(dct, dslot);
	if (!src || !src->rights)
		return -ERR_BADCAP;
	if (!dst || dst->rights)
		return -ERR_FULL;
	if (op == COPY_MOVE) {
		cap_move(dct, dst, sct, src);
		return 0;
	}
	u64 minted;
	err_t err = op == COPY_COPY ? mint_badge(src, badge, &minted) : -ERR_INVAL;
	if (err)
		return err;
	u32 keep = rights ? src->rights & rights : src->rights;
	return keep ? cap_derive(dct, dst, src, keep, minted) : -ERR_INVAL;
}

err_t sys_cap_delete(struct thread *self, struct cap *table, u64 index)
{
	(void)self;
	struct cap *slot = cap_slot(table->obj, index);
	if (!slot || !slot->rights)
		return -ERR_BADCAP;
	return cap_delete(table->obj, slot);
}

err_t sys_cap_revoke(struct thread *self, struct cap *table, u64 index, u64 *out)
{
	(void)self;
	struct cap *slot = cap_slot(table->obj, index);
	if (!slot || !slot->rights)
		return -ERR_BADCAP;
	return cap_revoke(slot, &out[0]);
}

err_t sys_cap_list(struct thread *self, struct cap *table, u64 first, u64 *out)
{
	const struct captable *ct = table->obj;
	u64 *list = self->argument, looked = 0;
	if (!list)
		return -ERR_INVAL;
	u64 i = MAX(first, 1ul), n = 0;
	for (; i < CAP_MAX && looked < BATCH && n < PAGE_SIZE / 24; i++, looked++) {
		const struct cap *slot = cap_slot(ct, i);
		if (!slot) {
			i |= CAP_PER_LEAF - 1;
			continue;
		}
		if (!slot->rights)
			continue;
		list[3 * n] = i | (u64)slot->type << 32 | (u64)slot->rights << 40;
		list[3 * n + 1] = object_id(slot->obj);
		list[3 * n + 2] = slot->badge;
		n++;
	}
	out[0] = n;
	out[1] = i < CAP_MAX ? i : 0;
	return 0;
}

static err_t create_leaf(struct pool *pool, frame_t frame, struct captable *ct, u64 index, void **obj)
{
	if (index >= CAP_LEAVES)
		return -ERR_INVAL;
	if (ct->leaf[index] != cap_empty_leaf)
		return -ERR_EXIST;
	err_t err = object_make(pool, frame, 0, TYPE_CAPLEAF, 0, NULL, obj);
	if (err)
		return err;
	objects_alive--; // counted with its table
	return captable_add_leaf(ct, index, *obj);
}

err_t sys_object_create(struct thread *self, struct cap *pool_cap, u64 frame, u64 slot, u64 type, struct cap *dst,
			u64 dst_slot, u64 arg, u64 *out)
{
	struct pool *pool = pool_cap->obj;
	void *obj;
	err_t err;
	if (type == TYPE_CAPLEAF) {
		err = create_leaf(pool, frame, dst->obj, dst_slot, &obj);
		out[0] = err ? 0 : object_id(obj);
		return err;
	}
	struct cap *to = cap_slot(dst->obj, dst_slot), *payer = pool_cap;
	if (!to || to->rights)
		return -ERR_FULL;
	if (type == TYPE_ASPACE && arg) {
		err = ARG_CAP(self, arg, POOL, ALLOC, &payer);
		if (err)
			return err;
	}
	err = object_make(pool, frame, slot, type, arg, payer->obj, &obj);
	if (err)
		return err;
	cap_insert(dst->obj, to, obj, type, object_rights(type), 0);
	out[0] = object_id(obj);
	return 0;
}
