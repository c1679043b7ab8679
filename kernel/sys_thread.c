// SPDX-License-Identifier: MIT
// System calls on threads.
#include <kernel/ipc.h>
#include <kernel/syscall.h>

// A thread that starts anew, or one that goes on with the registers it has.
static err_t thread_start(struct thread *self, struct thread *t, u64 aspace, u64 table, u64 pc, u64 sp)
{
	struct cap *as, *ct;
	if (t->killed || t->state != THREAD_STOPPED)
		return -ERR_BUSY;
	if (!aspace && !table) {
		if (!t->aspace)
			return -ERR_INVAL;
		sched_ready(t);
		return 0;
	}
	err_t err = ARG_CAP(self, aspace, ASPACE, CONTROL, &as);
	if (!err)
		err = ARG_CAP(self, table, CAPTABLE, MODIFY, &ct);
	if (err)
		return err;
	if (pc >= arch_user_end || sp > arch_user_end)
		return -ERR_INVAL;
	if (t->aspace && (t->aspace != as->obj || t->captable != ct->obj))
		return -ERR_BUSY;
	if (!t->aspace) {
		t->aspace = as->obj;
		t->captable = ct->obj;
		object_ref(t->aspace);
		object_ref(t->captable);
	}
	if (pc) {
		if (t->hart->fp_owner == t)
			t->hart->fp_owner = NULL;
		arch_context_init(&t->ctx, pc, sp, 0);
	}
	sched_ready(t);
	return 0;
}

static err_t thread_bind(struct thread *self, u64 notification, u64 endpoint)
{
	struct cap *n, *ep;
	err_t err = ARG_CAP(self, notification, NOTIFICATION, WAIT, &n);
	if (err)
		return err;
	if (!endpoint) {
		notification_unbind(n->obj);
		return 0;
	}
	err = ARG_CAP(self, endpoint, ENDPOINT, RECV, &ep);
	return err ? err : notification_bind(n->obj, ep->obj);
}

static err_t thread_argument(struct thread *self, struct thread *t, u64 pool_index, frame_t frame)
{
	struct cap *pool;
	if (!frame)
		return thread_set_argument(t, NULL, 0);
	err_t err = ARG_CAP(self, pool_index, POOL, MAP, &pool);
	return err ? err : thread_set_argument(t, pool->obj, frame);
}

static err_t thread_name(struct thread *t, u64 a, u64 b)
{
	__builtin_memcpy(t->name, &a, 8);
	__builtin_memcpy(t->name + 8, &b, 8);
	t->name[sizeof(t->name) - 1] = 0;
	trace(EVENT_NAME, object_id(t), a, b);
	return 0;
}

static err_t thread_priority(struct thread *self, struct thread *t, u64 priority)
{
	if (priority > self->priority || !priority)
		return -ERR_PERM;
	sched_set_priority(t, priority);
	return 0;
}

err_t sys_thread_ctl(struct thread *self, struct cap *cap, u64 op, u64 a, u64 b, u64 c, u64 d, u64 *out)
{
	struct thread *t = cap->obj;
	switch (op) {
	case THREAD_START:
		return thread_start(self, t, a, b, c, d);
	case THREAD_STOP:
	case THREAD_KILL:
		if (t == self)
			return -ERR_BUSY;
		thread_stop(t, op == THREAD_KILL);
		return 0;
	case THREAD_PRIO:
		return thread_priority(self, t, a);
	case THREAD_BIND:
		return thread_bind(self, a, b);
	case THREAD_FLOW:
		thread_set_flow(t, a);
		return 0;
	case THREAD_ARGUMENT:
		return thread_argument(self, t, a, b);
	case THREAD_TLS:
		arch_context_set_tls(&t->ctx, a);
		return 0;
	case THREAD_STAT:
		out[0] = t->state;
		out[1] = t->priority;
		out[2] = object_id(t);
		out[3] = t->cycles;
		return 0;
	case THREAD_NAME:
		return thread_name(t, a, b);
	}
	return -ERR_INVAL;
}

err_t sys_thread_regs(struct thread *self, struct cap *cap, u64 op, u64 from)
{
	struct thread *t = cap->obj;
	struct cap *src;
	err_t err;
	if (t->state == THREAD_RUNNING || t->state == THREAD_READY)
		return -ERR_BUSY;
	fp_evict(t);
	switch (op) {
	case REGS_GET:
		if (!self->argument)
			return -ERR_INVAL;
		arch_context_export(&t->ctx, self->argument);
		return 0;
	case REGS_SET:
		if (!self->argument)
			return -ERR_INVAL;
		arch_context_import(&t->ctx, self->argument);
		return 0;
	case REGS_COPY:
		err = ARG_CAP(self, from, THREAD, REGS, &src);
		if (err)
			return err;
		struct thread *source = src->obj;
		if (source->state == THREAD_RUNNING || source->state == THREAD_READY)
			return -ERR_BUSY;
		fp_evict(source);
		arch_context_copy(&t->ctx, &source->ctx);
		return 0;
	case REGS_RESULT:
		ctx_set_status(&t->ctx, from);
		ctx_set_reg(&t->ctx, R_LABEL, 0);
		return 0;
	}
	return -ERR_INVAL;
}
