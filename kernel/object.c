// SPDX-License-Identifier: MIT
// Kernel objects above mm/: making them by type, and their death with the last reference.
//
// A reference is a capability or a kernel pointer that must not dangle: thread -> table, address space; window ->
// pager, pool; address space, pool -> pool that pays; pool -> notification.
//
//	alive --last reference dropped by a call--> dying (steps while the call's reference is held: AGAIN, call again)
//--> slot free
//	      --last reference dropped by a death--> dead (on the graveyard, refs is the link) --graveyard_step--> slot
// free 	                                              (a pool in use: stuck, until the next death or argument
// page that goes) A death that would cause another death buries it instead of recursing: tables in tables in tables
// cannot overflow the kernel's stack.
#include <kernel/cap.h>
#include <kernel/device.h>
#include <kernel/ipc.h>
#include <kernel/object.h>
#include <kernel/trap.h>

u64 objects_alive;

void object_ref(void *obj)
{
	struct object *o = obj;
	assert(o->refs != ~0u);
	o->refs++;
}

u32 graveyard;                // object id of the first dead one, 0 none
static u32 graveyard_last;    // and of the last one
static u32 stuck, stuck_last; // dead pools whose frames others still use, linked like the graveyard
static bool burying;          // a death is under way: what dies of it is buried

static struct object *dead_object(u32 id)
{
	return arch_p2v((paddr_t)id << 6);
}

static void bury(struct object *o)
{
	if (!graveyard)
		graveyard_last = object_id(o);
	o->dying = true;
	o->refs = graveyard;
	graveyard = object_id(o);
}

// A list of dead objects goes behind the others.
static void bury_last(u32 first, u32 last)
{
	if (graveyard)
		dead_object(graveyard_last)->refs = first;
	else
		graveyard = first;
	graveyard_last = last;
}

static void stick(struct object *o)
{
	if (!stuck)
		stuck_last = object_id(o);
	o->refs = stuck;
	stuck = object_id(o);
}

void graveyard_wake(void)
{
	if (stuck)
		bury_last(stuck, stuck_last);
	stuck = 0;
}

void object_drop(void *obj)
{
	struct object *o = obj;
	if (o && --o->refs == 0)
		bury(o);
}

static void drop(void *field)
{
	void **at = field, *obj = *at;
	*at = NULL;
	object_drop(obj);
}

static err_t destroy_thread(struct thread *t)
{
	// The running thread cannot take itself apart; its pager does.
	if (t->state == THREAD_RUNNING)
		return -ERR_BUSY;
	t->obj.dying = true;
	err_t err = thread_destroy_step(t);
	if (err)
		return err;
	drop(&t->captable);
	drop(&t->aspace);
	return 0;
}

static err_t destroy_aspace(struct aspace *as)
{
	as->obj.dying = true;
	err_t err = as->table ? aspace_destroy_step(as) : 0;
	if (err)
		return err;
	as->table = NULL;
	for (u32 i = 0; i < WINDOWS; i++) {
		drop(&as->window[i].pager);
		drop(&as->window[i].fallback);
		drop(&as->window[i].pool);
	}
	drop(&as->pool);
	return 0;
}

static err_t destroy_pool(struct pool *pool)
{
	u64 left;
	err_t err = pool->id ? pool_destroy_step(pool, &left) : 0;
	if (err)
		return err;
	drop(&pool->notify);
	drop(&pool->parent);
	return 0;
}

static err_t object_destroy(struct object *o)
{
	switch (o->type) {
	case TYPE_POOL:
		return destroy_pool((struct pool *)o);
	case TYPE_CAPTABLE:
		o->dying = true;
		return captable_destroy_step((struct captable *)o);
	case TYPE_ASPACE:
		return destroy_aspace((struct aspace *)o);
	case TYPE_THREAD:
		return destroy_thread((struct thread *)o);
	case TYPE_ENDPOINT:
		o->dying = true;
		return endpoint_destroy_step((struct endpoint *)o);
	case TYPE_NOTIFICATION:
		o->dying = true;
		irq_unbind((struct notification *)o);
		return notification_destroy_step((struct notification *)o);
	case TYPE_DEVICE:
		o->dying = true;
		return device_reset((struct device *)o);
	}
	return 0;
}

static err_t object_end(struct object *o)
{
	burying = true;
	err_t err = object_destroy(o);
	burying = false;
	if (err)
		return err;
	trace(EVENT_OBJECT_FREE, object_id(o), o->type, 0);
	objects_alive--;
	object_put(o);
	graveyard_wake();
	return 0;
}

err_t object_unref(void *obj)
{
	struct object *o = obj;
	assert(o->refs);
	if (o->refs > 1) {
		o->refs--;
		return 0;
	}
	if (!burying)
		return object_end(o);
	bury(o);
	return 0;
}

bool graveyard_step(void)
{
	struct object *o = dead_object(graveyard);
	graveyard = o->refs;
	err_t err = object_end(o);
	if (!err)
		return true;
	// A pool that is swept and not empty waits until something lets go of its frames: to sweep it at every exit
	// would slow down everybody.
	if (err == -ERR_BUSY && o->type == TYPE_POOL) {
		stick(o);
		return true;
	}
	// Not finished (or a running thread): behind the others, so that one that waits for another cannot hold it up.
	o->refs = 0;
	bury_last(object_id(o), object_id(o));
	return err == -ERR_AGAIN;
}

static const struct {
	u16 size;
	u32 rights;
} kinds[] = {
	[TYPE_POOL] = { 256, RIGHTS_POOL },        [TYPE_CAPTABLE] = { 512, RIGHTS_CAPTABLE },
	[TYPE_ASPACE] = { 1024, RIGHTS_ASPACE },   [TYPE_THREAD] = { 1024, RIGHTS_THREAD },
	[TYPE_ENDPOINT] = { 64, RIGHTS_ENDPOINT }, [TYPE_NOTIFICATION] = { 64, RIGHTS_NOTIFICATION },
	[TYPE_CAPLEAF] = { PAGE_SIZE, 0 },
};

static err_t object_init(void *obj, u32 type, struct pool *pool, u64 arg, struct pool *payer)
{
	err_t err = 0;
	switch (type) {
	case TYPE_POOL:
		err = pool_init(obj, pool, arg);
		if (!err)
			object_ref(pool);
		return err;
	case TYPE_ASPACE:
		err = aspace_init(obj, payer);
		if (!err)
			object_ref(payer);
		return err;
	case TYPE_CAPTABLE:
		captable_init(obj);
		return 0;
	case TYPE_THREAD:
		thread_init(obj);
		return 0;
	}
	return 0;
}

err_t object_make(struct pool *pool, frame_t frame, u64 slot, u64 type, u64 arg, struct pool *payer, void **out)
{
	if (type >= ARRAY_SIZE(kinds) || !kinds[type].size || slot >= PAGE_SIZE / kinds[type].size)
		return -ERR_INVAL;
	void *obj;
	err_t err = object_take(pool, frame, slot, type, kinds[type].size, &obj);
	if (err)
		return err;
	err = object_init(obj, type, pool, arg, payer);
	if (err) {
		object_put(obj);
		return err;
	}
	objects_alive++;
	trace(EVENT_OBJECT, object_id(obj), type, (u32)frame);
	*out = obj;
	return 0;
}

u32 object_rights(u32 type)
{
	return kinds[type].rights;
}
