// SPDX-License-Identifier: MIT
// System calls on pools and frames: argument checks and lists; the rules are in mm/frame.c.
#include <kernel/device.h>
#include <kernel/ipc.h>
#include <kernel/object.h>
#include <kernel/syscall.h>
#include <mm/frame.h>

u64 device_pins;

// Frames of one call, so that interrupts are off for less than 20,000 instructions: a free may merge through all
// orders.
#define FREE_STEP 32
#define MOVE_STEP 96

static err_t set_notify(struct thread *self, struct pool *pool, u64 notification, u64 low, u64 high)
{
	struct cap *n = NULL;
	err_t err = notification ? ARG_CAP(self, notification, NOTIFICATION, NOTIFY, &n) : 0;
	if (err)
		return err;
	if (n && pool->dying)
		return -ERR_DYING;
	void *old = pool->notify;
	if (n)
		object_ref(n->obj);
	pool_set_notify(pool, n ? n->obj : NULL, low, high);
	object_drop(old);
	return 0;
}

static void pool_stat(const struct pool *pool, u64 *out)
{
	out[0] = pool->limit;
	out[1] = pool->usage;
	for (u32 i = 0; i < zones; i++)
		out[2] += zone[i].free_frames;
	out[3] = pool->children;
}

err_t sys_pool_ctl(struct thread *self, struct cap *cap, u64 op, u64 a, u64 b, u64 c, u64 *out)
{
	struct pool *pool = cap->obj;
	switch (op) {
	case POOLOP_STAT:
		pool_stat(pool, out);
		return 0;
	case POOLOP_LIMIT:
		return pool_set_limit(pool, a);
	case POOLOP_MARKS:
		return pool_set_marks(pool, a, b, c);
	case POOLOP_NOTIFY:
		return set_notify(self, pool, a, b, c);
	case POOLOP_INJECT:
		pool->inject = a;
		return 0;
	}
	return -ERR_INVAL;
}

err_t sys_pool_destroy(struct thread *self, struct cap *cap, u64 *out)
{
	struct pool *pool = cap->obj;
	(void)self;
	err_t err = pool_destroy_step(pool, &out[0]);
	// It has nothing to tell any more, and its notification may lie in one of its own frames.
	void *notify = pool->notify;
	if (notify) {
		pool_set_notify(pool, NULL, 0, 0);
		object_drop(notify);
	}
	return err;
}

err_t sys_frame_alloc(struct thread *self, struct cap *pool, u64 order, u64 count, u64 flags, u64 *out)
{
	frame_t one;
	if (order > MAX_ORDER || !count || count > BATCH || (count > 1 && !self->argument))
		return -ERR_INVAL;
	frame_t *list = self->argument ? self->argument : &one;
	err_t err = frame_alloc(pool->obj, order, count, flags, list, &out[0]);
	out[1] = out[0] ? list[0] : 0;
	return err;
}

err_t sys_frame_free(struct thread *self, struct cap *pool, u64 count, u64 frame, u64 flags, u64 *out)
{
	if (count > BATCH || (count && !self->argument) || flags & ~(u64)FREE_DISCARD)
		return -ERR_INVAL;
	if (pool->rights & RIGHT_POOL_EVICT)
		flags |= FRAME_FREE_EVICT;
	if (!count)
		return frame_free(pool->obj, frame, flags);
	// From the end, so that the same list with a smaller count is what is left to do.
	for (; out[0] < MIN(count, (u64)FREE_STEP); out[0]++) {
		err_t err = frame_free(pool->obj, self->argument[count - 1 - out[0]], flags);
		if (err)
			return err;
	}
	return 0;
}

err_t sys_frame_move(struct thread *self, struct cap *from, struct cap *to, u64 count, u64 frame, u64 *out)
{
	if (!count || count > BATCH || (!frame && !self->argument))
		return -ERR_INVAL;
	for (; out[0] < MIN(count, (u64)MOVE_STEP); out[0]++) {
		// A run: the frames after the first are named by place; their generations are read from struct page,
		// since the pool is the authority.
		u64 pfn = (u32)frame + out[0];
		if (frame && pfn >= mem.limit)
			return -ERR_INVAL;
		frame_t ref = !frame ? self->argument[out[0]] : out[0] ? frame_ref(pfn_to_page(pfn)) : frame;
		frame_t moved;
		err_t err = frame_move(from->obj, to->obj, ref, &moved);
		if (err)
			return err;
		if (self->argument)
			self->argument[out[0]] = moved;
	}
	return 0;
}

err_t sys_frame_fill(struct thread *self, struct cap *pool, u64 dst, u64 src)
{
	(void)self;
	return frame_fill(pool->obj, dst, src);
}

err_t sys_frame_mark(struct thread *self, struct cap *pool, u64 frame, u64 op, u64 a, u64 b, u64 *out)
{
	bool places = op == MARK_BEGIN || op == MARK_AGE;
	if (places && (a > EVICT_PLACES || (a && !self->argument)))
		return -ERR_INVAL;
	return frame_mark(pool->obj, frame, op, a, b, self->argument, places ? a : 0, out);
}

err_t sys_frame_pin(struct thread *self, struct cap *pool, u64 count, struct cap *cap, u64 delta, u64 *out)
{
	struct device *dev = cap->obj;
	s64 step = delta;
	if (!count || count > BATCH_FILL || !self->argument)
		return -ERR_INVAL;
	err_t err = frame_pin(pool->obj, self->argument, count, dev->number, step, &out[0]);
	dev->pins += step * out[0];
	device_pins += step * out[0];
	if (out[0] && step < 0)
		graveyard_wake(); // a dying pool may wait for them
	return err;
}
