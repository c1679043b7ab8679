// SPDX-License-Identifier: MIT
// The fake kernel's objects, capabilities, threads and messages.
#include "fake_kernel.h"

#include <stdlib.h>
#include <string.h>

static u64 next_id = 1;

struct cap *cap_at(struct table *t, u64 slot)
{
	if (!slot || slot >= CAP_MAX || !t->leaf[slot / CAP_PER_LEAF])
		return NULL;
	return &t->leaf[slot / CAP_PER_LEAF][slot % CAP_PER_LEAF];
}

struct object *own(cptr_t slot, u32 type)
{
	struct cap *c = cap_at(&own_table.table, slot);

	return c && c->object && c->type == type ? c->object : NULL;
}

struct pool *own_pool(cptr_t slot)
{
	struct object *o = own(slot, TYPE_POOL);

	return o && o->pool.alive ? &o->pool : NULL;
}

struct aspace *own_as(cptr_t slot)
{
	struct object *o = own(slot, TYPE_ASPACE);

	return o ? &o->aspace : NULL;
}

void cap_set(struct cap *c, struct object *o, u64 badge, u64 rights)
{
	*c = (struct cap){ .type = o->type, .object = o, .badge = badge, .rights = rights };
	o->refs++;
}

// ---- objects and capabilities

static const u32 sizes[] = { [TYPE_POOL] = OBJECT_SIZE_POOL,
			     [TYPE_CAPTABLE] = OBJECT_SIZE_CAPTABLE,
			     [TYPE_ASPACE] = OBJECT_SIZE_ASPACE,
			     [TYPE_THREAD] = OBJECT_SIZE_THREAD,
			     [TYPE_NOTIFICATION] = OBJECT_SIZE_NOTIFICATION,
			     [TYPE_CAPLEAF] = OBJECT_SIZE_CAPLEAF };

static void slot_put(struct object *o)
{
	struct frame *f = &frames[o->pfn];
	bool any = false;

	f->object[o->slot] = NULL;
	f->v->word0 &= ~(1ul << o->slot);
	for (u32 i = 0; i < 64; i++)
		any |= f->object[i] != NULL;
	if (!any)
		f->v->state = FRAME_OWNED;
}

static void table_destroy(struct table *t)
{
	for (u32 l = 0; l < CAP_LEAVES; l++) {
		if (!t->leaf[l])
			continue;
		for (u32 i = 0; i < CAP_PER_LEAF; i++)
			if (t->leaf[l][i].object)
				unref(t->leaf[l][i].object);
		slot_put(t->leaf_object[l]);
		free(t->leaf_object[l]);
		free(t->leaf[l]);
	}
}

static void aspace_destroy(struct aspace *as)
{
	struct fake_entry *e;
	u64 position = 0;

	while ((e = entry_next(as, &position)))
		entry_drop(as, e);
	for (u32 m = 0; m < MIDS; m++) {
		for (u32 l = 0; as->mid[m] && l < LEAVES; l++)
			free(as->mid[m]->leaf[l]);
		free(as->mid[m]);
	}
	as->pool->usage -= as->tables;
}

void unref(struct object *o)
{
	if (--o->refs)
		return;
	if (o->type == TYPE_CAPTABLE)
		table_destroy(&o->table);
	if (o->type == TYPE_ASPACE)
		aspace_destroy(&o->aspace);
	if (o->type == TYPE_POOL) {
		if (o->pool.usage)
			abort();
		o->pool.parent->children -= o->pool.limit;
	}
	slot_put(o);
	free(o);
}

static err_t object_init(struct object *o, struct pool *home, struct table *dst, u64 dst_slot, u64 arg)
{
	switch (o->type) {
	case TYPE_POOL:
		if (home->usage + home->children + arg > home->limit)
			return -ERR_NOMEM;
		home->children += arg;
		o->pool = (struct pool){ .alive = true, .parent = home, .limit = arg };
		break;
	case TYPE_ASPACE:
		o->aspace.pool = own_pool(arg);
		if (!o->aspace.pool || !charge(o->aspace.pool, 1))
			return -ERR_NOMEM;
		o->aspace.tables = 1;
		break;
	case TYPE_CAPLEAF:
		if (dst_slot >= CAP_LEAVES || dst->leaf[dst_slot])
			return -ERR_FULL;
		dst->leaf[dst_slot] = calloc(CAP_PER_LEAF, sizeof(struct cap));
		dst->leaf_object[dst_slot] = o;
		return 0;
	case TYPE_THREAD:
		o->thread.alive = true;
		break;
	}
	if (!cap_at(dst, dst_slot) || cap_at(dst, dst_slot)->object)
		return -ERR_FULL;
	return 0;
}

err_t sys_object_create(cptr_t pool, u64 frame, u64 slot, u64 type, cptr_t dst, u64 dst_slot, u64 arg, u64 *id)
{
	struct pool *home = own_pool(pool);
	struct object *t = own(dst, TYPE_CAPTABLE), *o;
	struct frame *f = frame_get(home, frame, FRAME_OWNED);
	bool fresh = f != NULL;
	err_t err;

	call_begin();
	if (!t || slot >= PAGE_SIZE / sizes[type])
		return -ERR_INVAL;
	if (nomem())
		return -ERR_NOMEM;
	if (!f)
		f = frame_get(home, frame, FRAME_OBJECT);
	if (!f)
		return -ERR_STALE;
	if (f->v->mapcount)
		return -ERR_BUSY;
	if (!fresh && f->type != type)
		return -ERR_INVAL;
	if (f->object[slot])
		return -ERR_EXIST;
	o = calloc(1, sizeof(*o));
	*o = (struct object){ .type = (u32)type, .pfn = pfn_of(f), .slot = (u32)slot, .home = home };
	err = object_init(o, home, &t->table, dst_slot, arg);
	if (err) {
		free(o);
		return err;
	}
	if (fresh)
		f->v->word0 = 0;
	f->v->word0 |= 1ul << slot;
	f->v->state = FRAME_OBJECT;
	f->type = (u32)type;
	f->object[slot] = o;
	if (type != TYPE_CAPLEAF)
		cap_set(cap_at(&t->table, dst_slot), o, 0, ~0ul);
	if (id)
		*id = next_id++;
	return call_end(0);
}

err_t sys_cap_copy(cptr_t dst, u64 dst_slot, cptr_t src, u64 src_slot, u64 rights, u64 badge, u64 op)
{
	struct object *dt = own(dst, TYPE_CAPTABLE), *st = own(src, TYPE_CAPTABLE);
	struct cap *from, *to;

	call_begin();
	if (!dt || !st || op != COPY_COPY)
		return -ERR_BADCAP;
	from = cap_at(&st->table, src_slot);
	to = cap_at(&dt->table, dst_slot);
	if (!from || !from->object)
		return -ERR_BADCAP;
	if (!to || to->object)
		return -ERR_FULL;
	if (badge && from->badge)
		return -ERR_INVAL;
	cap_set(to, from->object, badge ? badge : from->badge, rights ? rights : from->rights);
	return call_end(0);
}

err_t sys_cap_delete(cptr_t table, u64 slot)
{
	struct object *t = own(table, TYPE_CAPTABLE), *o;
	struct cap *c = t ? cap_at(&t->table, slot) : NULL;

	call_begin();
	if (!c || !c->object)
		return -ERR_BADCAP;
	if (fake_calls % 5 == 0)
		return -ERR_AGAIN;
	o = c->object;
	memset(c, 0, sizeof(*c));
	unref(o);
	return call_end(0);
}

err_t sys_cap_list(cptr_t table, u64 first, u64 *count, u64 *next)
{
	struct object *t = own(table, TYPE_CAPTABLE);

	(void)next;
	call_begin();
	*count = 0;
	for (u64 i = first ? first : 1; t && i < CAP_PER_LEAF; i++) {
		struct cap *c = cap_at(&t->table, i);

		if (!c || !c->object)
			continue;
		fake_argument[0] = i | (u64)c->type << 32 | c->rights << 40;
		fake_argument[1] = (u64)c->object;
		fake_argument[2] = c->badge;
		*count = 1;
		break;
	}
	return call_end(0);
}

err_t sys_pool_ctl(cptr_t pool, u64 op, u64 a, u64 b, u64 c, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	struct pool *p = own_pool(pool);

	(void)b;
	(void)c;
	(void)r2;
	(void)r3;
	call_begin();
	if (!p)
		return -ERR_BADCAP;
	if (op == POOLOP_LIMIT) {
		u64 more = a - p->limit;

		if (nomem() || p->parent->usage + p->parent->children + more > p->parent->limit)
			return -ERR_NOMEM;
		p->parent->children += more;
		p->limit = a;
	}
	if (r0)
		*r0 = p->limit;
	if (r1)
		*r1 = p->usage;
	return call_end(0);
}

err_t sys_pool_destroy(cptr_t pool, u64 *left)
{
	struct object *o = own(pool, TYPE_POOL);

	call_begin();
	if (!o)
		return -ERR_BADCAP;
	*left = o->pool.usage;
	if (*left)
		abort(); /* vm empties it first */
	o->pool.alive = false;
	return call_end(0);
}

err_t sys_aspace_ctl(cptr_t aspace, u64 op, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 *r0, u64 *r1, u64 *r2,
		     u64 *r3)
{
	struct aspace *as = own_as(aspace);

	(void)b;
	(void)e;
	(void)f;
	(void)r3;
	call_begin();
	if (!as)
		return -ERR_BADCAP;
	switch (op) {
	case ASOP_WINDOW:
		if (!own(d, TYPE_ENDPOINT) || nomem())
			return -ERR_NOMEM;
		as->window_end[a] = c;
		break;
	case ASOP_OBSERVE:
		if (aspace == SLOT_SELF_ASPACE) {
			*r0 = (u64)views;
			*r1 = 0;
			*r2 = FAKE_FRAMES;
			break;
		}
		as->observed = 0x3fc0000000;
		if (r0)
			*r0 = as->observed;
		break;
	case ASOP_STAT:
		if (r0)
			*r0 = as->tables;
		if (r2)
			*r2 = as->leaves;
		break;
	default:
		abort();
	}
	return call_end(0);
}

struct fake_thread *fake_thread(u32 slot)
{
	struct object *o = own(proc_cap(slot, CAP_THREAD), TYPE_THREAD);

	return o ? &o->thread : NULL;
}

err_t sys_thread_ctl(cptr_t thread, u64 op, u64 a, u64 b, u64 c, u64 d, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	struct object *o = own(thread, TYPE_THREAD);

	(void)r0;
	(void)r1;
	(void)r2;
	call_begin();
	if (!o)
		return -ERR_BADCAP;
	switch (op) {
	case THREAD_START:
		if (!own(a, TYPE_ASPACE) || !own(b, TYPE_CAPTABLE))
			return -ERR_BADCAP;
		if (o->thread.running || !o->thread.alive)
			return -ERR_BUSY;
		o->thread.running = true;
		o->thread.starts++;
		if (c) {
			o->thread.pc = c;
			o->thread.sp = d;
		}
		break;
	case THREAD_TLS:
		o->thread.tls = a;
		break;
	case THREAD_KILL:
		o->thread.alive = o->thread.running = false;
		break;
	case THREAD_STOP:
		o->thread.running = false;
		break;
	case THREAD_STAT:
		if (r3)
			*r3 = 1;
		break;
	}
	return call_end(0);
}

err_t sys_thread_regs(cptr_t thread, u64 op, u64 from)
{
	struct object *o = own(thread, TYPE_THREAD), *parent;

	call_begin();
	if (!o)
		return -ERR_BADCAP;
	if (op == REGS_COPY) {
		parent = own(from, TYPE_THREAD);
		o->thread.pc = parent->thread.pc;
		o->thread.sp = parent->thread.sp;
		o->thread.tag = parent->thread.tag;
	}
	return call_end(0);
}

err_t sys_system(cptr_t system, u64 op, u64 a, u64 b, u64 c, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	(void)system;
	(void)op;
	(void)a;
	(void)b;
	(void)c;
	(void)r1;
	(void)r2;
	(void)r3;
	call_begin();
	if (r0)
		*r0 = 0;
	return 0;
}

err_t ipc_notify(cptr_t notification, u64 bits)
{
	call_begin();
	if (notification == SLOT_SELF_NOTIFY)
		fake_own_bits |= bits;
	return own(notification, TYPE_NOTIFICATION) && bits ? 0 : -ERR_BADCAP;
}

err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow)
{
	(void)flow;
	return ipc_notify(notification, bits);
}

err_t ipc_reply(cptr_t endpoint, const struct request *rq)
{
	(void)endpoint;
	call_begin();
	fake_reply = *rq;
	fake_answer[(u32)rq->reply % PROCS] = *rq;
	fake_replies++;
	return call_end(0);
}

err_t ipc_reply_recv(cptr_t endpoint, struct request *rq)
{
	(void)endpoint;
	(void)rq;
	abort();
}

err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq)
{
	(void)endpoint;
	(void)flags;
	(void)deadline;
	(void)rq;
	return -ERR_AGAIN;
}

err_t init_server(cptr_t ep, u64 index, u64 *name0, u64 *name1, u64 *priority_state, u64 *cycles, u64 *limit, u64 *used)
{
	call_begin();
	*name0 = *name1 = *priority_state = *cycles = *limit = *used = index;
	return call_end(ep != PEER_INIT || index > 5 ? -ERR_NOENT : 0);
}

err_t init_poweroff(cptr_t ep, u64 status)
{
	(void)ep;
	(void)status;
	fake_poweroffs++;
	return 0;
}
