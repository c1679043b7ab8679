// SPDX-License-Identifier: MIT
// Operations of the world: what hostile servers and programs do to the kernel.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mm/buddy.h>
#include <test/model/world.h>

struct config config;
struct pool root_pool, table_pool, pool[POOLS_MAX];
struct aspace *aspace[ASPACES_MAX];
pfn_t frame_pfn[FRAMES_MAX];
u32 frame_count;
bool stopped[MACHINE_HARTS];

static frame_t aspace_frame; // object frame of the address spaces
static u64 list[4 * BATCH];  // an argument page, more or less
static struct op last[12];
static err_t last_err[12];
static u64 step;

// ---- reporting

void op_print(const struct op *op, err_t err)
{
	static const char *const names[] = { "alloc",   "free",  "move",       "fill",     "mark",   "pin",
					     "unpin",   "evict", "take",       "put",      "map",    "unmap",
					     "protect", "scan",  "clone",      "access",   "switch", "destroy",
					     "create",  "limit", "as_destroy", "as_create" };
	_Static_assert(sizeof(names) / sizeof(names[0]) == OP_KINDS, "a name each");
	fprintf(stderr,
		"  %-10s hart %u p %x q %x f %x g %x gen %d as %x bs %x va %u vb %u n %u mark %u clone %u lie %u slot "
		"%u order %u "
		"write %d flags %lx token %lx -> %d\n",
		names[op->kind], op->hart, op->p, op->q, op->f, op->g, op->gen, op->as, op->bs, op->va, op->vb, op->n,
		op->mark, op->clone, op->lie, op->slot, op->order, op->write, op->flags, op->token, err);
}

void model_fail(const char *fmt, ...)
{
	va_list args;
	fflush(stdout);
	fprintf(stderr, "model: violation in step %lu: ", step);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("\nlast operations:\n", stderr);
	for (u64 i = step > 11 ? step - 11 : 1; i <= step; i++)
		op_print(&last[i % 12], last_err[i % 12]);
	abort();
}

// ---- names

// The range straddles two tables.
vaddr_t va_of(u32 index)
{
	return (512 * 8 - config.vas / 2 + index) * (vaddr_t)PAGE_SIZE;
}

pte_t *slot_of(u32 as, u32 va)
{
	return aspace[as] && aspace[as]->table ? aspace_slot(aspace[as], va_of(va)) : NULL;
}

static frame_t ref_of(u8 f, s8 gen)
{
	if (f >= frame_count)
		return 0;
	return frame_ref(pfn_to_page(frame_pfn[f])) + ((u64)(s64)gen << 32);
}

static struct pool *pool_of(u8 p, u8 f)
{
	if (p == OWNER) {
		u32 owner = f < frame_count ? owner_of(pfn_to_page(frame_pfn[f])) : NONE;
		p = owner == NONE ? 0 : owner;
	}
	return &pool[p];
}

static void place_add(u64 *n, u64 id, vaddr_t va)
{
	list[2 * *n] = id;
	list[2 * *n + 1] = va;
	++*n;
}

// The true places of a frame, then the lie about them.
static u64 places_of(const struct op *op)
{
	u64 n = 0;
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++) {
			pte_t *slot = slot_of(as, va);
			if (slot && (pte_kind(*slot) == ENTRY_LEAF || pte_kind(*slot) == ENTRY_HELD) &&
			    pte_pfn(*slot) == frame_pfn[op->f])
				place_add(&n, object_id(aspace[as]), va_of(va));
		}
	switch (op->lie) {
	case LIE_MISSING:
		return n ? n - 1 : 0;
	case LIE_DOUBLE: // as many as there are, but one of them twice
		if (n > 1) {
			list[2 * n - 2] = list[0];
			list[2 * n - 1] = list[1];
		} else if (n) {
			place_add(&n, list[0], list[1]);
		}
		return n;
	case LIE_OTHER:
		place_add(&n, n ? list[0] : 0, va_of(op->vb));
		return n;
	case LIE_UNMAPPED:
		if (n)
			list[2 * n - 1] = va_of(0) - PAGE_SIZE;
		return n;
	case LIE_NO_ASPACE:
		if (n)
			list[2 * n - 2] = op->slot ? op->slot * 0x10000001ul
						   : object_id(page_address(pfn_to_page((u32)aspace_frame))) + 48;
		return n;
	case LIE_EMPTY:
		return 0;
	default:
		return n;
	}
}

// ---- operations

static err_t do_frame(const struct op *op, u64 *done)
{
	struct pool *p = pool_of(op->p, op->f);
	frame_t frame = ref_of(op->f, op->gen), out;
	u64 words[4], left, n;
	void *object;
	err_t err;
	switch (op->kind) {
	case OP_ALLOC:
		return frame_alloc(p, op->order, op->n, op->flags, list, done);
	case OP_FREE:
		return frame_free(p, frame, op->flags);
	case OP_MOVE:
		return frame_move(p, &pool[op->q], frame, &out);
	case OP_FILL:
		return frame_fill(p, frame, ref_of(op->g, 0));
	case OP_MARK:
		n = op->mark == MARK_BEGIN || op->mark == MARK_AGE ? places_of(op) : 0;
		return frame_mark(p, frame, op->mark, op->flags, op->token, list, n, words);
	case OP_PIN:
	case OP_UNPIN:
		return frame_pin(p, &frame, 1, 1, op->kind == OP_PIN ? 1 : -1, &n);
	case OP_EVICT:
		n = op->flags & EVICT_CANCEL ? 0 : places_of(op);
		err = frame_evict(p, frame, op->token, list, n, op->flags, &left);
		*done = n;
		return err;
	default: // OP_TAKE
		return object_take(p, frame, op->slot, TYPE_ENDPOINT, 64, &object);
	}
}

static err_t do_put(const struct op *op)
{
	u8 *base = page_address(pfn_to_page(frame_pfn[op->f]));
	void *object = object_find(object_id(base + 64 * op->slot), TYPE_ENDPOINT);
	if (!object)
		return -ERR_NOENT;
	object_put(object);
	return 0;
}

static err_t do_map(const struct op *op, struct aspace *as, u64 *done)
{
	struct map_request rq = {
		.va = va_of(op->va),
		.pool = pool_of(op->p, op->f),
		.count = op->n,
		.flags = op->flags,
		.source = op->g == NONE ? 0 : ref_of(op->g, 0),
		.word0 = op->token,
		.word1 = op->va,
		.window = WINDOW_ANY,
	};
	if (op->n > 1) {
		for (u32 i = 0; i < op->n; i++)
			list[i] = ref_of((op->f + i) % frame_count, i ? 0 : op->gen);
		rq.list = list;
	} else {
		rq.frame = ref_of(op->f, op->gen);
	}
	return aspace_map(as, &rq, done);
}

static err_t do_range(const struct op *op, u64 *done)
{
	struct aspace *as = aspace[op->as], *to = op->kind == OP_CLONE ? aspace[op->bs] : as;
	struct unmap_result r;
	u64 changed, tokens;
	err_t err;
	if (!as || !to || as->obj.dying || to->obj.dying)
		return -ERR_SRCH;
	switch (op->kind) {
	case OP_MAP:
		return do_map(op, as, done);
	case OP_UNMAP:
		err = aspace_unmap(as, WINDOW_ANY, va_of(op->va), op->n, op->flags & UNMAP_FREE ? &pool[op->p] : NULL,
				   op->flags, op->token, list, &r);
		*done = r.done;
		return err;
	case OP_PROTECT:
		return aspace_protect(as, WINDOW_ANY, va_of(op->va), op->n, op->flags, done, &changed);
	case OP_SCAN:
		return aspace_scan(as, WINDOW_ANY, va_of(op->va), op->n, op->flags, list, done, &changed);
	default: // OP_CLONE
		return aspace_clone(to, WINDOW_ANY, va_of(op->vb), as, WINDOW_ANY, va_of(op->va), op->n, op->clone,
				    list, done, &changed, &tokens);
	}
}

// A program's load or store, in user mode. Ranges that are mapped nowhere are tried too.
static err_t do_access(u32 hart, u32 va, bool write)
{
	if (!machine_in_user(hart) || stopped[hart])
		return -ERR_SRCH;
	u64 *words = machine_access(hart, va_of(va), write);
	if (!words)
		return -ERR_FAULT;
	pfn_t pfn = arch_v2p(words) >> PAGE_SHIFT;
	if (write)
		words[0] = words[PAGE_SIZE / 8 - 1] = oracle_wrote(pfn);
	else
		oracle_read(pfn, words[0]);
	return 0;
}

static void races(void)
{
	u32 hart = rnd(MACHINE_HARTS);
	if (rnd(4))
		return;
	(void)do_access(hart, rnd(config.vas), rnd(2));
}

static err_t do_switch(const struct op *op)
{
	struct aspace *as = op->as == NONE ? NULL : aspace[op->as];
	if (as && as->obj.dying)
		return -ERR_DYING;
	machine_switch(as);
	stopped[op->hart] = false;
	return 0;
}

// ---- making and taking apart

static void set_windows(struct aspace *as)
{
	u32 split = config.pools > 1 ? config.vas * 2 / 3 : config.vas;
	struct window w = { .start = va_of(0), .end = va_of(split), .pool = &pool[0] };
	err_t err = aspace_set_window(as, 0, &w);
	assert(!err);
	w = (struct window){ .start = va_of(split), .end = va_of(config.vas), .pool = &pool[1] };
	if (split < config.vas)
		err = aspace_set_window(as, 1, &w);
	assert(!err);
}

static err_t do_as_create(u32 index)
{
	void *object;
	if (aspace[index])
		return -ERR_EXIST;
	err_t err = object_take(&table_pool, aspace_frame, index, TYPE_ASPACE, 1024, &object);
	if (err)
		return err;
	err = aspace_init(object, &table_pool);
	if (err) {
		object_put(object);
		return err;
	}
	aspace[index] = object;
	set_windows(aspace[index]);
	if (config.stash)
		err = aspace_set_stash(aspace[index], config.stash);
	return 0;
}

static err_t do_as_destroy(u32 index)
{
	struct aspace *as = aspace[index];
	if (!as)
		return -ERR_SRCH;
	as->obj.dying = true;
	for (u32 h = 0; h < MACHINE_HARTS; h++)
		if (machine_aspace(h) == as)
			stopped[h] = true;
	err_t err = aspace_destroy_step(as);
	if (err)
		return err;
	object_put(as);
	aspace[index] = NULL;
	return 0;
}

static err_t do_pool(const struct op *op, u64 *done)
{
	struct pool *p = &pool[op->p];
	switch (op->kind) {
	case OP_DESTROY: {
		bool was = p->id;
		err_t err = pool_destroy_step(p, done);
		if (!err && was)
			oracle_pool_gone(op->p);
		return err;
	}
	case OP_CREATE:
		return p->id ? -ERR_EXIST : pool_init(p, &root_pool, config.limit);
	default: // OP_LIMIT
		return pool_set_limit(p, op->n);
	}
}

static err_t dispatch(const struct op *op, u64 *done)
{
	switch (op->kind) {
	case OP_PUT:
		return do_put(op);
	case OP_MAP:
	case OP_UNMAP:
	case OP_PROTECT:
	case OP_SCAN:
	case OP_CLONE:
		return do_range(op, done);
	case OP_SWITCH:
		return do_switch(op);
	case OP_DESTROY:
	case OP_CREATE:
	case OP_LIMIT:
		return do_pool(op, done);
	case OP_AS_DESTROY:
		return do_as_destroy(op->as);
	case OP_AS_CREATE:
		return do_as_create(op->as);
	default:
		return do_frame(op, done);
	}
}

err_t world_step(const struct op *op)
{
	u64 done = 0;
	err_t err;
	last[++step % 12] = *op;
	oracle_before(op);
	if (op->kind == OP_ACCESS) {
		machine_leave();
		err = do_access(op->hart, op->va, op->write);
	} else {
		machine_enter(op->hart);
		machine_between = config.races ? races : NULL;
		err = dispatch(op, &done);
		machine_between = NULL;
	}
	last_err[step % 12] = err;
	oracle_after(op, err, done);
	machine_check_tlbs();
	machine_leave();
	machine_check_tlbs();
	return err;
}

// ---- boot

void world_boot(const struct config *c)
{
	u64 done;
	config = *c;
	step = 0;
	u32 tables = config.stash ? config.aspaces * (1 + config.stash) : 0;
	machine_boot(config.frames + tables + 1, 3);
	pool_root_init(&root_pool, 4 * FRAMES_MAX); // more than there is: NOMEM comes from pools and from the buddy
	memset(pool, 0, sizeof(pool));
	memset(&table_pool, 0, sizeof(table_pool));
	memset(stopped, 0, sizeof(stopped));
	u64 share = tables ? tables + 1 : config.frames / 2;
	err_t err = pool_init(&table_pool, &root_pool, share);
	for (u32 i = 0; i < config.pools && !err; i++)
		err = pool_init(&pool[i], &root_pool, config.limit);
	if (!err)
		err = frame_alloc(&table_pool, 0, 1, 0, &aspace_frame, &done);
	for (u32 i = 0; i < ASPACES_MAX; i++) {
		aspace[i] = NULL;
		if (i < config.aspaces && !err)
			err = do_as_create(i);
	}
	assert(!err);
	frame_count = 0;
	for (pfn_t pfn = mem.base; pfn < mem.limit && frame_count < FRAMES_MAX; pfn++)
		if (!tables || pfn_to_page(pfn)->state == PAGE_FREE)
			frame_pfn[frame_count++] = pfn;
	machine_switch(aspace[0]);
	machine_enter(1);
	machine_switch(aspace[config.aspaces > 1]);
	machine_leave();
	oracle_boot();
}
