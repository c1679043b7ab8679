// SPDX-License-Identifier: MIT
// System calls on address spaces: argument checks; the rules are in mm/.
#include <kernel/ipc.h>
#include <kernel/syscall.h>
#include <mm/frame.h>

// The references a window holds are taken before it is set and dropped when it is replaced.
static err_t window_set(struct thread *self, struct aspace *as, u64 index, u64 start, u64 end, u64 pager, u64 pool,
			u64 flags)
{
	if (index >= WINDOWS)
		return -ERR_INVAL;
	struct window old = as->window[index], w = { .start = start, .end = end, .flags = flags };
	if (end) {
		struct cap *ep, *p;
		err_t err = ARG_CAP(self, pager, ENDPOINT, CALL, &ep);
		if (!err)
			err = ARG_CAP(self, pool, POOL, MAP, &p);
		if (err)
			return err;
		w.pager = ep->obj;
		w.badge = ep->badge;
		w.pool = p->obj;
	}
	err_t err = aspace_set_window(as, index, &w);
	if (err)
		return err;
	if (w.end) {
		object_ref(w.pager);
		object_ref(w.pool);
	}
	object_drop(old.pager);
	object_drop(old.fallback);
	object_drop(old.pool);
	return 0;
}

static err_t window_deadline(struct thread *self, struct aspace *as, u64 index, u64 ns, u64 fallback)
{
	struct cap *ep = NULL;
	if (index >= WINDOWS || !as->window[index].end)
		return -ERR_INVAL;
	err_t err = fallback ? ARG_CAP(self, fallback, ENDPOINT, CALL, &ep) : 0;
	if (err)
		return err;
	struct window *w = &as->window[index];
	void *old = w->fallback;
	if (ep)
		object_ref(ep->obj);
	w->deadline = ns;
	w->fallback = ep ? ep->obj : NULL;
	object_drop(old);
	return 0;
}

static err_t observe(struct thread *self, struct aspace *as, u64 system, u64 *out)
{
	struct cap *cap;
	err_t err = ARG_CAP(self, system, SYSTEM, OBSERVE, &cap);
	if (err)
		return err;
	out[1] = mem.base;
	out[2] = mem.limit - mem.base;
	return aspace_observe(as, &out[0]);
}

err_t sys_aspace_ctl(struct thread *self, struct cap *cap, u64 op, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 *out)
{
	struct aspace *as = cap->obj;
	switch (op) {
	case ASOP_WINDOW:
		return window_set(self, as, a, b, c, d, e, f);
	case ASOP_DEADLINE:
		return window_deadline(self, as, a, b, c);
	case ASOP_STASH:
		return aspace_set_stash(as, a);
	case ASOP_STAT:
		out[0] = as->tables;
		out[1] = as->stash_count;
		out[2] = as->leaves;
		out[3] = arch_v2p(as->table) | (u64)arch_levels << 56;
		return 0;
	case ASOP_OBSERVE:
		return observe(self, as, a, out);
	}
	return -ERR_INVAL;
}

err_t sys_map(struct thread *self, struct cap *cap, u64 va, struct cap *pool, u64 frame, u64 count, u64 prot,
	      u64 source, u64 word0, u64 word1, u64 *out)
{
	bool list = count > 1 && !(prot & MAP_RUN);
	if (count > BATCH || (list && !self->argument) || prot & MAP_DEVICE)
		return -ERR_INVAL;
	if (prot & MAP_UNCACHE && !(pool->rights & RIGHT_POOL_EVICT))
		return -ERR_PERM;
	struct map_request rq = {
		.va = va,
		.pool = pool->obj,
		.count = MAX(count, 1ul),
		.list = list ? self->argument : NULL,
		.frame = frame,
		.flags = prot,
		.source = source,
		.word0 = word0,
		.word1 = word1,
		.window = cap_window(cap),
	};
	out[1] = rq.flags & MAP_HELD ? 0 : pte_prot_possible(prot);
	return aspace_map(cap->obj, &rq, &out[0]);
}

err_t sys_unmap(struct thread *self, struct cap *cap, u64 va, u64 count, struct cap *pool, u64 flags, u64 token,
		u64 *out)
{
	struct unmap_result r;
	if (flags & UNMAP_TOKENS && !self->argument)
		return -ERR_INVAL;
	if (flags & UNMAP_FREE && !pool)
		return -ERR_BADCAP;
	err_t err = aspace_unmap(cap->obj, cap_window(cap), va, count, pool ? pool->obj : NULL, flags, token,
				 self->argument, &r);
	out[0] = r.done;
	out[1] = r.removed;
	out[2] = r.freed;
	out[3] = r.tokens;
	return err;
}

err_t sys_protect(struct thread *self, struct cap *cap, u64 va, u64 count, u64 prot, u64 *out)
{
	(void)self;
	out[2] = pte_prot_possible(prot);
	return aspace_protect(cap->obj, cap_window(cap), va, count, prot, &out[0], &out[1]);
}

err_t sys_scan(struct thread *self, struct cap *cap, u64 va, u64 count, u64 flags, u64 *out)
{
	if (flags & SCAN_LIST && !self->argument)
		return -ERR_INVAL;
	if (flags & (SCAN_CLEAR_A | SCAN_CLEAR_D) && !(cap->rights & RIGHT_ASPACE_MODIFY))
		return -ERR_PERM;
	return aspace_scan(cap->obj, cap_window(cap), va, count, flags, self->argument, &out[0], &out[1]);
}

err_t sys_clone(struct thread *self, struct cap *dst, u64 dva, struct cap *src, u64 sva, u64 count, u64 op, u64 *out)
{
	if (!self->argument)
		return -ERR_INVAL;
	return aspace_clone(dst->obj, cap_window(dst), dva, src->obj, cap_window(src), sva, count, op, self->argument,
			    &out[0], &out[1], &out[2]);
}

err_t sys_evict(struct thread *self, struct cap *pool, u64 frame, u64 token, u64 count, u64 flags, u64 *out)
{
	if (count > EVICT_PLACES || (count && !self->argument))
		return -ERR_INVAL;
	return frame_evict(pool->obj, frame, token, self->argument, count, flags, &out[0]);
}
