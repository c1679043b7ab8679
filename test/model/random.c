// SPDX-License-Identifier: MIT
// Random walks: two to three hostile servers, programs on two harts, everything at once, from a seed.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <test/model/world.h>

#define CHECK_EVERY 512 // steps between the kernel's own self-checks

static const struct config large = {
	.pools = 3, .aspaces = 3, .vas = VAS_MAX, .frames = 32, .limit = 6, .races = true
};

static u8 any_pool(void)
{
	return rnd(10) ? OWNER : rnd(config.pools);
}

static s8 any_gen(void)
{
	return rnd(16) ? 0 : (s8)rnd(5) - 2;
}

// Mostly a frame that somebody owns, and among these mostly one with this mark (0: any).
static u8 any_frame(u8 mark)
{
	u8 f = rnd(frame_count);
	for (u32 tries = 0; tries < 20 && rnd(12); tries++, f = rnd(frame_count)) {
		const struct page *page = pfn_to_page(frame_pfn[f]);
		if ((page->state == PAGE_OWNED || page->state == PAGE_EVICTING) && owner_of(page) != NONE &&
		    (page->marks & mark || !mark || tries > 12))
			break;
	}
	return f;
}

// A frame whose content was not its owner's, if there is one.
static u8 lazy_frame(void)
{
	for (u32 tries = 0; tries < 20; tries++) {
		u8 f = rnd(frame_count);
		const struct page *page = pfn_to_page(frame_pfn[f]);
		if (page->state == PAGE_OWNED && !(page->marks & PAGE_ZEROED))
			return f;
	}
	return any_frame(0);
}

// Mostly a place that maps something.
static u8 any_va(u8 as)
{
	u8 va = rnd(config.vas);
	for (u32 tries = 0; tries < 6 && rnd(8); tries++, va = rnd(config.vas)) {
		const pte_t *slot = slot_of(as, va);
		if (slot && *slot)
			break;
	}
	return va;
}

// Mostly the pool whose frame is mapped there.
static u8 any_owner(u8 as, u8 va)
{
	const pte_t *slot = slot_of(as, va);
	bool frame = slot && (pte_kind(*slot) == ENTRY_LEAF || pte_kind(*slot) == ENTRY_HELD);
	u32 owner = frame && rnd(4) ? owner_of(pfn_to_page(pte_pfn(*slot))) : NONE;
	return owner == NONE ? rnd(config.pools) : owner;
}

static u64 one_of(const u64 *choice, u32 n)
{
	return choice[rnd(n)];
}

#define ONE_OF(...) one_of((const u64[]){ __VA_ARGS__ }, sizeof((const u64[]){ __VA_ARGS__ }) / sizeof(u64))

static u64 map_flags(void)
{
	u64 prot = ONE_OF(PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC);
	u64 how = ONE_OF(0, 0, 0, MAP_ZERO, MAP_COPY, MAP_HELD, MAP_TOUCH, MAP_HELD | MAP_ZERO, MAP_UNCACHE);
	u64 condition = ONE_OF(0, 0, MAP_IF_EMPTY, MAP_IF_TOKEN, MAP_IF_SAME, MAP_IF_EXCLUSIVE,
			       MAP_IF_SAME | MAP_IF_EXCLUSIVE);
	return prot | how | condition;
}

// How often each kind comes; frames circulate when frees, evictions and destructions keep up with allocations.
static u8 any_kind(void)
{
	static const u8 weight[OP_KINDS] = {
		[OP_ALLOC] = 12,     [OP_FREE] = 8,      [OP_MOVE] = 3,    [OP_FILL] = 3,   [OP_MARK] = 14,
		[OP_PIN] = 1,        [OP_UNPIN] = 2,     [OP_EVICT] = 12,  [OP_TAKE] = 1,   [OP_PUT] = 2,
		[OP_MAP] = 24,       [OP_UNMAP] = 5,     [OP_PROTECT] = 5, [OP_SCAN] = 3,   [OP_CLONE] = 6,
		[OP_ACCESS] = 30,    [OP_SWITCH] = 3,    [OP_DESTROY] = 1, [OP_CREATE] = 2, [OP_LIMIT] = 1,
		[OP_AS_DESTROY] = 1, [OP_AS_CREATE] = 2,
	};
	static u32 sum;
	if (!sum)
		for (u32 k = 0; k < OP_KINDS; k++)
			sum += weight[k];
	u32 at = rnd(sum), kind = 0;
	while (at >= weight[kind])
		at -= weight[kind++];
	return kind;
}

// Once a destruction has begun it is usually pushed on: bursts of steps, with other things in between.
static bool destroy_burst(struct op *op)
{
	for (u32 p = 0; p < config.pools; p++)
		if (pool[p].dying && pool[p].id && !rnd(4)) {
			*op = (struct op){ .kind = OP_DESTROY, .hart = rnd(MACHINE_HARTS), .p = p };
			return true;
		}
	for (u32 as = 0; as < config.aspaces; as++)
		if (aspace[as] && aspace[as]->obj.dying && !rnd(4)) {
			*op = (struct op){ .kind = OP_AS_DESTROY, .hart = rnd(MACHINE_HARTS), .as = as };
			return true;
		}
	return false;
}

static void fill_in(struct op *op)
{
	switch (op->kind) {
	case OP_ALLOC:
		op->flags = rnd(8);
		op->order = rnd(4) ? 0 : rnd(3);
		op->n = 1 + rnd(3);
		op->p = rnd(config.pools);
		break;
	case OP_FREE:
		op->flags = ONE_OF(0, 0, FREE_DISCARD, FRAME_FREE_EVICT, FREE_DISCARD | FRAME_FREE_EVICT);
		break;
	case OP_MARK:
		op->f = any_frame(rnd(2) ? PAGE_DIRTY : PAGE_WRITEBACK);
		op->mark = ONE_OF(MARK_WORDS, MARK_FLAGS, MARK_BEGIN, MARK_BEGIN, MARK_END, MARK_FAIL,
				  MARK_SWAPCACHE_CLEAR, MARK_AGE);
		op->flags = op->mark == MARK_FLAGS ? rnd(256) << FRAME_WORD_PAGER : rnd(1000);
		op->token = op->mark == MARK_FLAGS ? (u64)PAGE_YOUNG << FRAME_WORD_MARKS : rnd(1000);
		break;
	case OP_EVICT:
		op->flags = ONE_OF(0, 0, 0, EVICT_PARTIAL, EVICT_CANCEL);
		op->token = rnd(30) ? TOKEN + op->f : rnd(4) ? 0 : TOKEN_REVOKED;
		break;
	case OP_MAP:
		op->flags = map_flags();
		op->n = rnd(5) ? 1 : 1 + rnd(4);
		op->token = rnd(3) * 5;
		break;
	case OP_UNMAP:
		op->p = any_owner(op->as, op->va);
		op->flags = rnd(2) ? UNMAP_TOKENS : UNMAP_FREE | UNMAP_TOKENS;
		op->token = rnd(6) ? 0 : TOKEN;
		break;
	case OP_PROTECT:
		op->flags = ONE_OF(0, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC);
		break;
	case OP_SCAN:
		op->flags = rnd(8);
		break;
	case OP_ACCESS:
		for (u32 as = 0; as < config.aspaces; as++)
			if (aspace[as] && aspace[as] == machine_aspace(op->hart))
				op->va = any_va(as);
		break;
	case OP_SWITCH:
		op->as = rnd(8) ? rnd(config.aspaces) : NONE;
		break;
	case OP_DESTROY:
	case OP_CREATE:
		op->p = rnd(config.pools);
		break;
	case OP_LIMIT:
		op->p = rnd(config.pools);
		op->n = 4 + rnd(9);
		break;
	}
}

static struct op any_op(void)
{
	struct op op;
	if (destroy_burst(&op))
		return op;
	op = (struct op){
		.kind = any_kind(),
		.hart = rnd(MACHINE_HARTS),
		.p = any_pool(),
		.q = rnd(config.pools),
		.f = any_frame(0),
		.g = rnd(4)   ? any_frame(0)
		     : rnd(2) ? lazy_frame()
			      : NONE,
		.gen = any_gen(),
		.as = rnd(config.aspaces),
		.bs = rnd(config.aspaces),
		.vb = rnd(config.vas),
		.clone = rnd(3),
		.lie = rnd(3) ? LIE_NOT : rnd(LIES),
		.slot = rnd(3),
		.write = rnd(2),
	};
	op.va = rnd(2) ? any_va(op.as) : rnd(config.vas);
	u32 room = config.vas - (op.va > op.vb ? op.va : op.vb);
	op.n = rnd(3) ? 1 : 1 + rnd(room < 6 ? room : 6);
	fill_in(&op);
	if (op.kind == OP_MAP && op.n > config.vas - op.va)
		op.n = config.vas - op.va;
	return op;
}

// Everything is taken apart; then all frames must be free again, in the blocks they were in at the start.
static void wind_up(void)
{
	u64 left;
	for (u32 as = 0; as < config.aspaces; as++)
		for (struct op op = { .kind = OP_AS_DESTROY, .as = as }; aspace[as];) {
			for (u32 h = 0; h < MACHINE_HARTS; h++) {
				struct op away = { .kind = OP_SWITCH, .hart = h, .as = NONE };
				(void)world_step(&away);
			}
			(void)world_step(&op);
		}
	for (u32 f = 0; f < frame_count; f++) {
		for (u32 slot = 0; slot < 4; slot++)
			(void)world_step(&(struct op){ .kind = OP_PUT, .f = f, .slot = slot });
		while (!world_step(&(struct op){ .kind = OP_UNPIN, .p = OWNER, .f = f }))
			;
	}
	for (u32 p = 0; p < config.pools; p++)
		for (u32 tries = 0; pool[p].id; tries++) {
			(void)world_step(&(struct op){ .kind = OP_DESTROY, .p = p });
			if (tries > 100)
				model_fail("pool %u is not destroyed after %u steps", p, tries);
		}
	if (mm_check() || mm_check_rest(0))
		model_fail("the self-check found something at the end");
	err_t err = pool_destroy_step(&table_pool, &left);
	if (err != -ERR_AGAIN && err != -ERR_BUSY)
		model_fail("the object frame is gone");
}

void random_run(u64 steps, u64 seed)
{
	u64 counts[OP_KINDS] = { 0 }, good[OP_KINDS] = { 0 };
	time_t start = time(NULL);
	rnd_state = seed * 0x9e3779b97f4a7c15ul + 88172645463325252ul;
	// Short lives and long ones: a world that has grown odd is wound up and a new one made.
	for (u64 i = 0, life = 0; i < steps; i++, life--) {
		if (!life) {
			if (i)
				wind_up();
			world_boot(&large);
			life = 1000 + rnd(50000);
		}
		struct op op = any_op();
		counts[op.kind]++;
		good[op.kind] += world_step(&op) >= 0;
		if (i % CHECK_EVERY == 0 && mm_check())
			model_fail("the self-check found something");
		if (i && i % 1000000 == 0) {
			printf("random: %lu steps, %ld s\n", i, (long)(time(NULL) - start));
			fflush(stdout);
		}
	}
	wind_up();
	for (u32 k = 0; k < OP_KINDS; k++)
		if (!good[k] || good[k] == steps)
			model_fail("operation %u of %lu never succeeded: the walk is too narrow", k, counts[k]);
	printf("random: %lu steps, seed %lu: OK\n", steps, seed);
}
