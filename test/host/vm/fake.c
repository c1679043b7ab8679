// SPDX-License-Identifier: MIT
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FREE, OWNED, OBJECT, TABLE };

struct frame {
	u32 gen;
	u8 state;
	bool dirtyful; // content may not be shown (LAZY)
	struct pool *pool;
	u32 mapcount;
	u32 type, size;
	void *object[64];
	u64 word0, word1;
};

struct pool {
	bool alive;
	struct pool *parent;
	u64 limit, usage, children;
};

#define VA_MASK 0x3ffffffffful // the host's addresses of vm's own pages are folded into it
#define MIDS 256
#define LEAVES 512
#define ENTRIES 512
struct aspace {
	struct pool *pool;
	u64 leaves, tables;
	struct fake_entry **mid[MIDS];
	u64 window_end[WINDOWS];
	u64 observed;
};

struct table;
struct cap {
	u32 type;
	void *object;
	u64 badge;
	u64 rights;
};
struct table {
	struct cap *leaf[CAP_LEAVES];
	struct object *leaf_object[CAP_LEAVES];
};

struct object { // bookkeeping of one kernel object
	u32 type;
	u32 refs;
	u32 pfn, slot;
	struct pool *home;
	union {
		struct pool pool;
		struct aspace aspace;
		struct table table;
		struct fake_thread thread;
		char endpoint;
	};
};

static struct frame frames[FAKE_FRAMES];
static u64 content[FAKE_FRAMES][PAGE_SIZE / 8];
static u32 free_list[FAKE_FRAMES], free_top;
static struct object user_pool, self_pool, own_table, own_aspace, well_known[8];
static u64 next_id = 1;

u64 fake_argument[PAGE_SIZE / sizeof(u64)];
char fake_archive[ARCHIVE_PAGES * PAGE_SIZE];
char fake_heap[2 * PAGE_SIZE];
struct liveness fake_liveness;
struct request fake_reply;
u32 fake_replies;
u64 fake_poweroffs, fake_nomem, fake_kill, fake_calls;
jmp_buf fake_killed;
static u32 archive_pfn;
static u32 scratch_pfn;

static bool nomem(void)
{
	return fake_nomem && --fake_nomem == 0;
}

static void call_begin(void)
{
	fake_calls++;
	if (fake_kill && --fake_kill == 0)
		longjmp(fake_killed, 1);
}

// Killed after the work was done: the same counter one step later.
static err_t call_end(err_t err)
{
	if (fake_kill && --fake_kill == 0)
		longjmp(fake_killed, 1);
	return err;
}

// ---- pools and frames

static bool charge(struct pool *pool, u64 n)
{
	if (pool->usage + pool->children + n > pool->limit)
		return false;
	pool->usage += n;
	return true;
}

static struct frame *frame_get(struct pool *pool, u64 ref, u32 state)
{
	u32 pfn = (u32)ref;

	if (pfn >= FAKE_FRAMES || frames[pfn].gen != ref >> 32 || frames[pfn].pool != pool || frames[pfn].state != state)
		return NULL;
	return &frames[pfn];
}

static u32 pfn_of(const struct frame *f)
{
	return (u32)(f - frames);
}

frame_t fake_ref(u32 pfn)
{
	return (u64)frames[pfn].gen << 32 | pfn;
}

static struct frame *frame_new(struct pool *pool)
{
	struct frame *f;

	if (!free_top || !charge(pool, 1))
		return NULL;
	f = &frames[free_list[--free_top]];
	f->state = OWNED;
	f->pool = pool;
	return f;
}

static void frame_release(struct frame *f)
{
	if (f->mapcount || f->state == FREE)
		abort();
	f->pool->usage--;
	f->gen++;
	f->state = FREE;
	f->pool = NULL;
	memset(content[pfn_of(f)], 0xee, PAGE_SIZE);
	free_list[free_top++] = pfn_of(f);
}

static struct cap *cap_at(struct table *t, u64 slot)
{
	if (!slot || slot >= CAP_MAX || !t->leaf[slot / CAP_PER_LEAF])
		return NULL;
	return &t->leaf[slot / CAP_PER_LEAF][slot % CAP_PER_LEAF];
}

static struct object *own(cptr_t slot, u32 type)
{
	struct cap *c = cap_at(&own_table.table, slot);

	return c && c->object && c->type == type ? c->object : NULL;
}

static struct pool *own_pool(cptr_t slot)
{
	struct object *o = own(slot, TYPE_POOL);

	return o && o->pool.alive ? &o->pool : NULL;
}

static struct aspace *own_as(cptr_t slot)
{
	struct object *o = own(slot, TYPE_ASPACE);

	return o ? &o->aspace : NULL;
}

static void cap_set(struct cap *c, struct object *o, u64 badge, u64 rights)
{
	*c = (struct cap){ .type = o->type, .object = o, .badge = badge, .rights = rights };
	o->refs++;
}

// ---- entries

static struct fake_entry *entry_at(struct aspace *as, u32 page, bool make)
{
	u32 m = page / (LEAVES * ENTRIES), l = page / ENTRIES % LEAVES;

	if (m >= MIDS)
		abort();
	if (!as->mid[m]) {
		if (!make || !charge(as->pool, 1))
			return NULL;
		as->tables++;
		as->mid[m] = calloc(LEAVES, sizeof(void *));
	}
	if (!as->mid[m][l]) {
		if (!make || !charge(as->pool, 1))
			return NULL;
		as->tables++;
		as->mid[m][l] = calloc(ENTRIES, sizeof(struct fake_entry));
	}
	return &as->mid[m][l][page % ENTRIES];
}

static struct fake_entry *entry_used(struct aspace *as, u32 page)
{
	struct fake_entry *e = entry_at(as, page, false);

	return e && e->kind ? e : NULL;
}

static bool tables_for(struct aspace *as, u32 page, u64 n)
{
	if (nomem())
		return false;
	for (u64 i = 0; i < n; i++)
		if (!entry_at(as, page + (u32)i, true))
			return false;
	return true;
}

static void entry_drop(struct aspace *as, struct fake_entry *e)
{
	frames[e->pfn].mapcount--;
	as->leaves--;
	memset(e, 0, sizeof(*e));
}

static err_t condition(struct fake_entry *e, struct frame *f, u64 flags, u64 source)
{
	if (flags & MAP_IF_EMPTY && e->kind)
		return -ERR_EXIST;
	if (flags & MAP_IF_SAME && (!e->kind || e->pfn != (u32)(source ? source : fake_ref(pfn_of(f)))))
		return -ERR_STALE;
	if (flags & MAP_IF_EXCLUSIVE && !(f->mapcount == 1 && e->kind && e->pfn == pfn_of(f)))
		return -ERR_BUSY;
	/* The last mapping of the source must not vanish under a copy: its frame would be nobody's. */
	if (flags & MAP_COPY && flags & MAP_IF_SAME && frames[(u32)source].mapcount == 1)
		return -ERR_BUSY;
	return 0;
}

static err_t map_entry(struct aspace *as, u32 page, struct pool *pool, u64 ref, u64 flags, u64 source, u64 word0, u64 word1)
{
	struct frame *f = frame_get(pool, ref, OWNED);
	struct fake_entry *e = entry_at(as, page, false);
	err_t err;

	if (!f || (source && !frame_get(pool, source, OWNED)))
		return -ERR_STALE;
	err = condition(e, f, flags, source);
	if (err)
		return err;
	if (flags & (MAP_ZERO | MAP_COPY) && f->mapcount)
		return -ERR_BUSY;
	if (flags & MAP_COPY)
		memcpy(content[pfn_of(f)], content[(u32)source], PAGE_SIZE);
	else if (flags & MAP_ZERO || (f->dirtyful && !f->mapcount))
		memset(content[pfn_of(f)], 0, PAGE_SIZE);
	f->dirtyful = false;
	f->mapcount++;
	f->word0 = word0;
	f->word1 = word1;
	if (e->kind)
		entry_drop(as, e);
	as->leaves++;
	*e = (struct fake_entry){ .kind = ENTRY_LEAF, .prot = flags & 7, .pfn = pfn_of(f) };
	return 0;
}

struct fake_entry fake_lookup(u32 slot, u32 page)
{
	struct fake_entry none = { 0 };
	struct aspace *as = own_as(proc_cap(slot, CAP_ASPACE));
	struct fake_entry *e = as ? entry_used(as, page) : NULL;

	return e ? *e : none;
}

u64 *fake_content(u32 pfn)
{
	return content[pfn];
}

bool fake_exclusive(u32 pfn)
{
	return frames[pfn].mapcount == 1;
}

err_t fake_reply_map(u32 slot, u64 addr, const struct map_reply *map)
{
	struct aspace *as = own_as(proc_cap(slot, CAP_ASPACE));
	struct pool *pool = own_pool(map->pool);
	u64 n = map->count > 1 ? map->count : 1;

	call_begin();
	if (!as || !pool || !(map->prot & 7))
		return -ERR_INVAL;
	for (u64 i = 0; i < n; i++)
		if (!tables_for(as, PAGE_OF(addr) + (u32)(n > 1 ? fake_argument[2 * i + 1] : 0), 1))
			return -ERR_NOMEM;
	for (u64 i = 0; i < n; i++) {
		u64 ref = n > 1 ? fake_argument[2 * i] : map->frame, off = n > 1 ? fake_argument[2 * i + 1] : 0;
		err_t err = map_entry(as, PAGE_OF(addr) + (u32)off, pool, ref, map->prot, map->source, map->word0, map->word1 + off);

		if (err)
			return err;
	}
	return call_end(0);
}

err_t sys_map(cptr_t aspace, u64 va, cptr_t pool, u64 frame, u64 count, u64 prot, u64 source, u64 word0, u64 word1, u64 *done)
{
	struct aspace *as = own_as(aspace);
	u64 n = count ? count : 1, i;

	call_begin();
	if (done)
		*done = 0;
	if (!as || !own_pool(pool) || !(prot & 7))
		return -ERR_INVAL;
	if (!tables_for(as, PAGE_OF(va & VA_MASK), n))
		return -ERR_NOMEM;
	for (i = 0; i < n; i++) {
		u64 ref = prot & MAP_RUN ? frame + i : n > 1 ? fake_argument[i] : frame;
		err_t err = map_entry(as, PAGE_OF(va & VA_MASK) + (u32)i, own_pool(pool), ref, prot, source, word0, word1 + i);

		if (err)
			return err;
		if (done)
			*done = i + 1;
	}
	if (aspace == SLOT_SELF_ASPACE && va == (u64)fake_heap) {
		scratch_pfn = (u32)frame;
		memcpy(fake_heap, content[scratch_pfn], PAGE_SIZE);
	}
	return call_end(0);
}

err_t sys_unmap(cptr_t aspace, u64 va, u64 count, cptr_t pool, u64 flags, u64 token, u64 *done, u64 *removed, u64 *freed, u64 *tokens)
{
	struct aspace *as = own_as(aspace);
	struct pool *owner = own_pool(pool);
	u64 n = count < 256 ? count : 256, gone = 0;

	(void)token;
	(void)freed;
	(void)tokens;
	call_begin();
	if (!as || (flags & UNMAP_FREE && !owner))
		return -ERR_INVAL;
	if (aspace == SLOT_SELF_ASPACE && va == (u64)fake_heap && entry_used(as, PAGE_OF(va & VA_MASK)))
		memcpy(content[scratch_pfn], fake_heap, PAGE_SIZE);
	for (u64 i = 0; i < n; i++) {
		struct fake_entry *e = entry_used(as, PAGE_OF(va & VA_MASK) + (u32)i);
		u32 pfn;

		if (!e)
			continue;
		pfn = e->pfn;
		entry_drop(as, e);
		gone++;
		if (flags & UNMAP_FREE && frames[pfn].pool == owner && !frames[pfn].mapcount)
			frame_release(&frames[pfn]);
	}
	if (done)
		*done = n;
	if (removed)
		*removed = gone;
	return call_end(n < count && fake_calls & 1 ? -ERR_AGAIN : 0);
}

err_t sys_protect(cptr_t aspace, u64 va, u64 count, u64 prot, u64 *done, u64 *changed)
{
	struct aspace *as = own_as(aspace);
	u64 n = count < 256 ? count : 256;

	(void)changed;
	call_begin();
	for (u64 i = 0; i < n; i++) {
		struct fake_entry *e = entry_used(as, PAGE_OF(va) + (u32)i);

		if (!e)
			continue;
		e->kind = prot ? ENTRY_LEAF : ENTRY_HELD;
		e->prot = (u32)(frames[e->pfn].mapcount == 1 ? prot : prot & ~(u64)PROT_WRITE);
	}
	*done = n;
	return call_end(0);
}

err_t sys_scan(cptr_t aspace, u64 va, u64 count, u64 flags, u64 *done, u64 *entries)
{
	struct aspace *as = own_as(aspace);
	u64 i, n = 0;

	call_begin();
	if (!as || flags != SCAN_LIST)
		return -ERR_INVAL;
	for (i = 0; i < count && n < 128; i++) {
		struct fake_entry *e = entry_used(as, PAGE_OF(va) + (u32)i);

		if (!e)
			continue;
		fake_argument[4 * n] = va + i * PAGE_SIZE + e->kind;
		fake_argument[4 * n + 2] = fake_ref(e->pfn);
		n++;
	}
	if (done)
		*done = i;
	*entries = n;
	return call_end(0);
}

err_t sys_clone(cptr_t dst, u64 dva, cptr_t src, u64 sva, u64 count, u64 op, u64 *done, u64 *copied, u64 *tokens)
{
	struct aspace *d = own_as(dst), *s = own_as(src);
	u64 n = count < 256 ? count : 256, i;

	(void)tokens;
	call_begin();
	*done = *copied = 0;
	if (!d || !s)
		return -ERR_INVAL;
	for (i = 0; i < n; i++, *done = i) {
		struct fake_entry *e = entry_used(s, PAGE_OF(sva) + (u32)i), *to;

		if (!e)
			continue;
		if (!tables_for(d, PAGE_OF(dva) + (u32)i, 1))
			return -ERR_NOMEM;
		to = entry_at(d, PAGE_OF(dva) + (u32)i, false);
		if (to->kind)
			return -ERR_EXIST;
		if (op == CLONE_COW)
			e->prot &= ~(u32)PROT_WRITE;
		*to = *e;
		frames[e->pfn].mapcount++;
		d->leaves++;
		(*copied)++;
		if (op == CLONE_MOVE)
			entry_drop(s, e);
	}
	return call_end(0);
}

// ---- frames

err_t sys_frame_alloc(cptr_t pool, u64 order, u64 count, u64 flags, u64 *done, u64 *first)
{
	u64 n;

	call_begin();
	if (order || count > BATCH)
		abort();
	if (nomem())
		return -ERR_NOMEM;
	for (n = 0; n < count; n++) {
		struct frame *f = frame_new(own_pool(pool));

		if (!f)
			break;
		f->dirtyful = flags & ALLOC_LAZY;
		if (!f->dirtyful)
			memset(content[pfn_of(f)], 0, PAGE_SIZE);
		fake_argument[n] = fake_ref(pfn_of(f));
		if (first && !n)
			*first = fake_argument[0];
	}
	if (done)
		*done = n;
	return call_end(n ? 0 : -ERR_NOMEM);
}

err_t sys_frame_free(cptr_t pool, u64 count, u64 frame, u64 flags, u64 *done)
{
	struct frame *f = frame_get(own_pool(pool), frame, OWNED);

	(void)flags;
	(void)done;
	call_begin();
	if (count || !f)
		return -ERR_STALE;
	if (f->mapcount)
		return -ERR_BUSY;
	frame_release(f);
	return call_end(0);
}

err_t sys_frame_mark(cptr_t pool, u64 frame, u64 op, u64 a, u64 b, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	struct frame *f = frame_get(own_pool(pool), frame, OWNED);

	(void)a;
	(void)b;
	(void)r0;
	(void)r2;
	(void)r3;
	call_begin();
	if (op != MARK_STAT)
		abort();
	if (!f)
		return -ERR_STALE;
	*r1 = f->mapcount;
	return call_end(0);
}

// ---- objects and capabilities

static const u32 sizes[] = { [TYPE_POOL] = OBJECT_SIZE_POOL,       [TYPE_CAPTABLE] = OBJECT_SIZE_CAPTABLE, [TYPE_ASPACE] = OBJECT_SIZE_ASPACE,
			     [TYPE_THREAD] = OBJECT_SIZE_THREAD,   [TYPE_NOTIFICATION] = OBJECT_SIZE_NOTIFICATION,
			     [TYPE_CAPLEAF] = OBJECT_SIZE_CAPLEAF };

static void slot_put(struct object *o)
{
	struct frame *f = &frames[o->pfn];
	bool any = false;

	f->object[o->slot] = NULL;
	for (u32 i = 0; i < 64; i++)
		any |= f->object[i] != NULL;
	if (!any)
		f->state = OWNED;
}

static void unref(struct object *o);

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
	for (u32 m = 0; m < MIDS; m++) {
		for (u32 l = 0; as->mid[m] && l < LEAVES; l++) {
			for (u32 i = 0; as->mid[m][l] && i < ENTRIES; i++)
				if (as->mid[m][l][i].kind)
					entry_drop(as, &as->mid[m][l][i]);
			free(as->mid[m][l]);
		}
		free(as->mid[m]);
	}
	as->pool->usage -= as->tables;
}

static void unref(struct object *o)
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
	struct frame *f = frame_get(home, frame, OWNED);
	bool fresh = f != NULL;
	err_t err;

	call_begin();
	if (!t || slot >= PAGE_SIZE / sizes[type])
		return -ERR_INVAL;
	if (nomem())
		return -ERR_NOMEM;
	if (!f)
		f = frame_get(home, frame, OBJECT);
	if (!f)
		return -ERR_STALE;
	if (f->mapcount)
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
	f->state = OBJECT;
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

err_t sys_aspace_ctl(cptr_t aspace, u64 op, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	struct aspace *as = own_as(aspace);

	(void)b;
	(void)e;
	(void)f;
	(void)r1;
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
	return own(notification, TYPE_NOTIFICATION) && bits ? 0 : -ERR_BADCAP;
}

err_t ipc_reply(cptr_t endpoint, const struct request *rq)
{
	(void)endpoint;
	call_begin();
	fake_reply = *rq;
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

err_t init_poweroff(cptr_t ep, u64 status)
{
	(void)ep;
	(void)status;
	fake_poweroffs++;
	return 0;
}

// ---- boot and checks

static void give(u64 slot, struct object *o, u32 type)
{
	o->type = type;
	o->refs = 1;
	cap_set(cap_at(&own_table.table, slot), o, 0, ~0ul);
}

void fake_boot(u64 user_frames)
{
	static const u64 endpoints[] = { SLOT_SELF_ENDPOINT, PEER_FILES, PEER_CONSOLE, PEER_INIT };
	u32 pfn;

	if (own_table.table.leaf[0])
		abort(); /* once per program */
	own_table.table.leaf[0] = calloc(CAP_PER_LEAF, sizeof(struct cap));
	give(SLOT_SELF_CAPTABLE, &own_table, TYPE_CAPTABLE);
	give(SLOT_SELF_POOL, &self_pool, TYPE_POOL);
	give(SLOT_CLIENT_POOL, &user_pool, TYPE_POOL);
	give(SLOT_SELF_ASPACE, &own_aspace, TYPE_ASPACE);
	give(SLOT_SYSTEM, &well_known[6], TYPE_SYSTEM);
	give(PEER_FILES_NOTIFY, &well_known[4], TYPE_NOTIFICATION);
	give(PEER_CONSOLE_NOTIFY, &well_known[5], TYPE_NOTIFICATION);
	for (u32 i = 0; i < 4; i++)
		give(endpoints[i], &well_known[i], TYPE_ENDPOINT);
	self_pool.pool = (struct pool){ .alive = true, .limit = 1000000 };
	user_pool.pool = (struct pool){ .alive = true, .limit = user_frames + ARCHIVE_PAGES };
	own_aspace.aspace.pool = &self_pool.pool;
	archive_pfn = FAKE_FRAMES - ARCHIVE_PAGES;
	for (pfn = archive_pfn; pfn < FAKE_FRAMES; pfn++) {
		frames[pfn] = (struct frame){ .gen = 7, .state = OWNED, .pool = &user_pool.pool, .mapcount = 1 };
		memcpy(content[pfn], fake_archive + (pfn - archive_pfn) * PAGE_SIZE, PAGE_SIZE);
		user_pool.pool.usage++;
	}
	for (pfn = archive_pfn - 1; pfn; pfn--) {
		frames[pfn].gen = 1;
		free_list[free_top++] = pfn;
	}
}

frame_t fake_archive_frame(void)
{
	return fake_ref(archive_pfn);
}

u64 fake_user_used(void)
{
	return user_pool.pool.usage + user_pool.pool.children;
}

u64 fake_user_owned(void)
{
	u64 n = 0;

	for (u32 pfn = 1; pfn < FAKE_FRAMES; pfn++)
		n += frames[pfn].state == OWNED && frames[pfn].pool == &user_pool.pool && !frames[pfn].mapcount;
	return n;
}

static u64 check_aspace(u32 slot, u32 *counts)
{
	struct aspace *as = own_as(proc_cap(slot, CAP_ASPACE));
	u64 leaves = 0, bad = 0;

	if (!as)
		return 0;
	for (u32 m = 0; m < MIDS; m++) {
		for (u32 l = 0; as->mid[m] && l < LEAVES; l++) {
			for (u32 i = 0; as->mid[m][l] && i < ENTRIES; i++) {
				const struct fake_entry *e = &as->mid[m][l][i];
				u32 page = (m * LEAVES + l) * ENTRIES + i;
				u16 v = e->kind ? vma_find(&procs[slot], page) : 0;
				const struct vma *rec = &vms->vma[v];

				if (!e->kind)
					continue;
				leaves++;
				counts[e->pfn]++;
				if (!v || rec->start > page || e->prot & ~(u32)rec->prot || frames[e->pfn].state != OWNED)
					bad++, printf("slot %u page %x: entry without a mapping that allows it\n", slot, page);
				else if (slot && !nodes[v].touched)
					bad++, printf("slot %u page %x: entry in an untouched mapping\n", slot, page);
				else if (e->prot & PROT_WRITE && rec->kind != VMA_SHARED && frames[e->pfn].mapcount != 1)
					bad++, printf("slot %u page %x: writable and shared\n", slot, page);
				else if (rec->kind == VMA_SHARED && slot && fake_lookup(0, rec->pgoff + page - rec->start).pfn != e->pfn)
					bad++, printf("slot %u page %x: not the shadow's frame\n", slot, page);
			}
		}
	}
	if (leaves != as->leaves || leaves != procs[slot].rss)
		bad++, printf("slot %u: %lu entries, rss %lu\n", slot, (unsigned long)leaves, (unsigned long)procs[slot].rss);
	return bad;
}

// Object frames without objects in them.
static u64 spare_frames(void)
{
	u64 n = 0;

	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		n += vms->object[i].frame && frame_get(&user_pool.pool, vms->object[i].frame, OWNED);
	return n;
}

static void print_vmas(u32 slot)
{
	printf("slot %u: the tree is broken\n", slot);
	for (u16 i = procs[slot].first; i; i = nodes[i].next)
		printf("  %u: %x-%x kind %u prot %u flags %u object %u pgoff %x gap %u\n", i, vms->vma[i].start, vms->vma[i].end, vms->vma[i].kind,
		       vms->vma[i].prot, vms->vma[i].flags, vms->vma[i].object, vms->vma[i].pgoff, nodes[i].gap);
}

u64 fake_check(void)
{
	static u32 counts[FAKE_FRAMES];
	u64 bad = 0, usage = 0;

	memset(counts, 0, sizeof(counts));
	for (u32 slot = 0; slot < PROCS; slot++) {
		u64 broken = vma_check(&procs[slot]);

		bad += check_aspace(slot, counts) + broken;
		if (broken)
			print_vmas(slot);
	}
	for (u32 m = 0; m < MIDS; m++) /* vm's own: the zero page */
		for (u32 l = 0; own_aspace.aspace.mid[m] && l < LEAVES; l++)
			for (u32 i = 0; own_aspace.aspace.mid[m][l] && i < ENTRIES; i++)
				if (own_aspace.aspace.mid[m][l][i].kind)
					counts[own_aspace.aspace.mid[m][l][i].pfn]++;
	for (u32 pfn = 1; pfn < FAKE_FRAMES; pfn++) {
		u32 expect = counts[pfn] + (pfn >= archive_pfn);

		usage += frames[pfn].pool == &user_pool.pool;
		if (frames[pfn].mapcount != expect)
			bad++, printf("frame %u: mapcount %u, %u entries\n", pfn, frames[pfn].mapcount, expect);
	}
	usage += own_as(proc_cap(0, CAP_ASPACE)) ? own_as(proc_cap(0, CAP_ASPACE))->tables : 0;
	if (usage != user_pool.pool.usage)
		bad++, printf("user pool: usage %lu, %lu frames\n", (unsigned long)user_pool.pool.usage, (unsigned long)usage);
	if (fake_user_owned() != magazine.top + spare_frames())
		bad++, printf("%lu frames are nobody's (magazine %u)\n", (unsigned long)fake_user_owned(), magazine.top);
	return bad;
}
