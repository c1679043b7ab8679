// SPDX-License-Identifier: MIT
// Exhaustive exploration of a small world: two pools, two address spaces, three frames, two harts. Breadth first over
// all operations of a fixed table, from several starts; a state is what oracle_hash makes of it. A state is reached
// again by replaying the operations that led to it, so nothing needs to be saved but one operation per state.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <test/model/world.h>

#define OPS_MAX     512
#define STATES_MAX  (1u << 20)
#define DEPTH_MAX   64
#define CHECK_EVERY 16 // new states between the kernel's own self-checks

static const struct config small = { .pools = 2, .aspaces = 2, .vas = 3, .frames = 3, .stash = 4, .limit = 3 };

struct state {
	u32 parent;
	u16 op, depth;
};

static struct op ops[OPS_MAX];
static u32 op_count;
static struct state *states;
static u32 state_count;
static u64 *seen; // open addressing; 0: empty

static void add(struct op op)
{
	assert(op_count < OPS_MAX);
	if (!op.n)
		op.n = 1;
	ops[op_count++] = op;
}

static void add_frame_ops(u8 f)
{
	static const u64 frees[] = { 0, FREE_DISCARD, FREE_DISCARD | FRAME_FREE_EVICT };
	for (u32 i = 0; i < 3; i++)
		add((struct op){ .kind = OP_FREE, .p = OWNER, .f = f, .flags = frees[i] });
	add((struct op){ .kind = OP_FREE, .p = OWNER, .f = f, .gen = -1, .flags = FREE_DISCARD | FRAME_FREE_EVICT });
	for (u8 p = 0; p < 2; p++) {
		add((struct op){ .kind = OP_FREE, .p = p, .f = f, .flags = FREE_DISCARD | FRAME_FREE_EVICT });
		add((struct op){ .kind = OP_MOVE, .p = p, .q = !p, .f = f });
	}
	add((struct op){ .kind = OP_FILL, .p = OWNER, .f = f, .g = NONE });
	add((struct op){ .kind = OP_FILL, .p = OWNER, .f = f, .g = (f + 1) % 3 });
	add((struct op){ .kind = OP_PIN, .p = OWNER, .f = f });
	add((struct op){ .kind = OP_UNPIN, .p = OWNER, .f = f });
	add((struct op){ .kind = OP_TAKE, .p = OWNER, .f = f });
	add((struct op){ .kind = OP_PUT, .f = f });
}

static void add_evict_ops(u8 f)
{
	for (u8 lie = LIE_NOT; lie <= LIE_OTHER; lie++)
		for (u64 flags = 0; flags <= EVICT_PARTIAL; flags += EVICT_PARTIAL)
			add((struct op){ .kind = OP_EVICT,
					 .p = OWNER,
					 .f = f,
					 .vb = 2,
					 .lie = lie,
					 .flags = flags,
					 .token = TOKEN });
	add((struct op){ .kind = OP_EVICT, .p = OWNER, .f = f, .flags = EVICT_CANCEL });
	add((struct op){ .kind = OP_EVICT, .p = 1, .f = f, .token = TOKEN });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_BEGIN });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_BEGIN, .lie = LIE_DOUBLE });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_BEGIN, .lie = LIE_EMPTY });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_END });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_FAIL });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_SWAPCACHE_CLEAR });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_AGE });
	add((struct op){ .kind = OP_MARK, .p = OWNER, .f = f, .mark = MARK_AGE, .lie = LIE_DOUBLE });
}

static void add_map_ops(u8 f)
{
	static const u64 how[] = { PROT_READ | PROT_WRITE,
				   PROT_READ | MAP_IF_TOKEN,
				   PROT_READ | PROT_WRITE | MAP_HELD,
				   PROT_READ | PROT_WRITE | MAP_COPY,
				   PROT_READ | PROT_WRITE | MAP_ZERO | MAP_TOUCH,
				   PROT_READ | PROT_WRITE | MAP_IF_TOKEN | MAP_UNCACHE };
	for (u8 as = 0; as < 2; as++)
		for (u8 va = 0; va < 2; va++)
			for (u32 i = 0; i < 6; i++)
				add((struct op){ .kind = OP_MAP,
						 .p = OWNER,
						 .f = f,
						 .g = how[i] & MAP_COPY ? (f + 1) % 3 : NONE,
						 .as = as,
						 .va = va + as,
						 .flags = how[i],
						 .token = 9 });
	add((struct op){ .kind = OP_MAP, .p = 1, .f = f, .g = NONE, .flags = PROT_READ });
	add((struct op){ .kind = OP_MAP, .p = OWNER, .f = f, .g = NONE, .gen = -1, .flags = PROT_READ });
	add((struct op){ .kind = OP_MAP,
			 .p = OWNER,
			 .f = f,
			 .g = NONE,
			 .flags = PROT_READ | PROT_WRITE | MAP_IF_SAME | MAP_IF_EXCLUSIVE });
}

static void add_range_ops(u8 as)
{
	for (u8 n = 1; n <= 3; n += 2) {
		add((struct op){ .kind = OP_UNMAP, .as = as, .va = n == 1, .n = n, .flags = UNMAP_TOKENS });
		for (u8 p = 0; p < 2; p++)
			add((struct op){
				.kind = OP_UNMAP, .as = as, .va = n == 1, .n = n, .p = p, .flags = UNMAP_FREE });
		for (u64 prot = 0; prot <= (PROT_READ | PROT_WRITE); prot += prot ? 2 : 1)
			add((struct op){ .kind = OP_PROTECT, .as = as, .va = n == 1, .n = n, .flags = prot });
	}
	add((struct op){ .kind = OP_UNMAP, .as = as, .n = 2, .flags = UNMAP_TOKENS, .token = TOKEN + 1 });
	add((struct op){ .kind = OP_SCAN, .as = as, .n = 3, .flags = SCAN_CLEAR_A | SCAN_CLEAR_D });
	for (u8 clone = CLONE_COW; clone <= CLONE_MOVE; clone++) {
		add((struct op){ .kind = OP_CLONE, .as = as, .bs = !as, .n = 3, .clone = clone });
		add((struct op){ .kind = OP_CLONE, .as = as, .bs = as, .va = 0, .vb = 1, .n = 1, .clone = clone });
	}
}

static void add_all(void)
{
	for (u8 p = 0; p < 2; p++) {
		add((struct op){ .kind = OP_ALLOC, .p = p });
		add((struct op){ .kind = OP_ALLOC, .p = p, .flags = ALLOC_NOZERO | ALLOC_LAZY });
		add((struct op){ .kind = OP_DESTROY, .p = p });
		add((struct op){ .kind = OP_CREATE, .p = p });
	}
	for (u8 f = 0; f < 3; f++) {
		add_frame_ops(f);
		add_evict_ops(f);
		add_map_ops(f);
	}
	for (u8 as = 0; as < 2; as++)
		add_range_ops(as);
	for (u8 hart = 0; hart < MACHINE_HARTS; hart++)
		for (u8 va = 0; va < 3; va++)
			for (u32 write = 0; write < 2; write++)
				add((struct op){ .kind = OP_ACCESS, .hart = hart, .va = va, .write = write });
	add((struct op){ .kind = OP_SWITCH, .hart = 1, .as = 0 });
	add((struct op){ .kind = OP_SWITCH, .hart = 1, .as = 1 });
}

// ---- states

static bool seen_add(u64 hash)
{
	hash |= !hash;
	u64 at = hash & (4 * STATES_MAX - 1);
	for (; seen[at]; at = (at + 1) & (4 * STATES_MAX - 1))
		if (seen[at] == hash)
			return false;
	seen[at] = hash;
	return true;
}

// Where an exploration starts: frames shared, evicted, in write-out, so that the interesting states are near.
#define START(...) \
	{ \
		(const struct op[]){ __VA_ARGS__ }, sizeof((const struct op[]){ __VA_ARGS__ }) / sizeof(struct op) \
	}
#define RW (PROT_READ | PROT_WRITE)

static const struct start {
	const struct op *op;
	u32 count;
} starts[] = {
	START({ .kind = OP_SWITCH, .hart = 1, .as = 1 }),
	START({ .kind = OP_ALLOC, .p = 0, .n = 2 },
	      { .kind = OP_MAP, .as = 0, .va = 0, .f = 0, .p = OWNER, .g = NONE, .n = 1, .flags = RW },
	      { .kind = OP_ACCESS, .va = 0, .write = true },
	      { .kind = OP_CLONE, .as = 0, .bs = 1, .n = 3, .clone = CLONE_SHARE },
	      { .kind = OP_ACCESS, .hart = 1, .va = 0 }),
	START({ .kind = OP_ALLOC, .p = 0, .n = 1 },
	      { .kind = OP_MAP, .as = 0, .va = 0, .f = 0, .p = OWNER, .g = NONE, .n = 1, .flags = RW },
	      { .kind = OP_ACCESS, .va = 0, .write = true }, { .kind = OP_EVICT, .p = 0, .f = 0, .token = TOKEN },
	      { .kind = OP_MARK, .p = 0, .f = 0, .mark = MARK_BEGIN }),
	START({ .kind = OP_ALLOC, .p = 0, .n = 2 }, { .kind = OP_ALLOC, .p = 1, .n = 1 },
	      { .kind = OP_MAP, .as = 0, .va = 0, .f = 0, .p = OWNER, .g = NONE, .n = 3, .flags = RW },
	      { .kind = OP_MAP, .as = 0, .va = 2, .f = 2, .p = OWNER, .g = NONE, .n = 1, .flags = RW },
	      { .kind = OP_ACCESS, .va = 2, .write = true }, { .kind = OP_DESTROY, .p = 1 }),
};

#define STARTS (sizeof(starts) / sizeof(starts[0]))

static void replay(u32 start, u32 state)
{
	u16 path[DEPTH_MAX];
	u32 depth = states[state].depth;
	for (u32 d = depth; d-- > 0; state = states[state].parent)
		path[d] = states[state].op;
	world_boot(&small);
	for (u32 i = 0; i < starts[start].count; i++)
		(void)world_step(&starts[start].op[i]);
	for (u32 d = 0; d < depth; d++)
		(void)world_step(&ops[path[d]]);
}

// Of processor time: how far it comes does not depend on what else the machine does.
static u64 milliseconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000ul + ts.tv_nsec / 1000000;
}

// All successors of a state. Most attempts of an adversary fail and leave the state as it is: no replay then.
static void expand(u32 start, u32 state, u64 *transitions)
{
	replay(start, state);
	u64 here = oracle_hash();
	for (u32 op = 0; op < op_count; op++) {
		(void)world_step(&ops[op]);
		u64 hash = oracle_hash();
		++*transitions;
		if (hash == here)
			continue;
		if (state_count < STATES_MAX && states[state].depth + 1 < DEPTH_MAX && seen_add(hash)) {
			if (state_count % CHECK_EVERY == 0 && mm_check())
				model_fail("the self-check found something");
			states[state_count++] = (struct state){ state, op, states[state].depth + 1 };
		}
		replay(start, state);
		if (oracle_hash() != here)
			model_fail("a replay led elsewhere");
	}
}

static void explore_from(u32 start, u64 ms)
{
	u64 stop = milliseconds() + ms, transitions = 0;
	u32 at = 0;
	memset(seen, 0, 4ul * STATES_MAX * sizeof(*seen));
	states[0] = (struct state){ 0, 0, 0 };
	state_count = 1;
	replay(start, 0);
	seen_add(oracle_hash());
	for (; at < state_count && milliseconds() < stop; at++)
		expand(start, at, &transitions);
	printf("explore: start %u: all states within %u operations%s: %u states seen, %u expanded, %lu transitions\n",
	       start, at < state_count ? states[at].depth : states[state_count - 1].depth + 1,
	       at < state_count ? "" : " (that is all there are)", state_count, at, transitions);
	fflush(stdout);
}

void explore(u64 seconds)
{
	states = malloc(STATES_MAX * sizeof(*states));
	seen = malloc(4ul * STATES_MAX * sizeof(*seen));
	assert(states && seen);
	op_count = 0;
	add_all();
	printf("explore: %u operations, %lu starts\n", op_count, STARTS);
	for (u32 start = 0; start < STARTS; start++)
		explore_from(start, seconds * 1000 / STARTS);
	free(states);
	free(seen);
}
