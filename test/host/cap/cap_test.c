// SPDX-License-Identifier: MIT
// kernel/cap.c against an oracle that keeps the derivation tree as parent pointers: random insert, derive, move, delete
// and revoke, and after every few steps each slot's rights, badge and subtree are compared, references counted, and
// list order and depths checked.
#include <kernel/cap.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLES  3
#define LEAVES  2
#define SLOTS   (TABLES * LEAVES * CAP_PER_LEAF)
#define OBJECTS 6
#define FRAMES  64

struct page *host_mem_map;
void *host_ram;
struct mem_info mem;
u32 arch_levels = 3;
vaddr_t arch_user_end = 1ul << 38;
u64 trace_mask;

static struct captable *tables[TABLES];
static struct object *objects[OBJECTS];
static u64 seed;

_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (seed %lu)\n", (unsigned long)seed);
	abort();
}

void object_ref(void *obj)
{
	((struct object *)obj)->refs++;
}

// Objects of this test never die: a reference of the test's own stays.
err_t object_unref(void *obj)
{
	struct object *o = obj;
	assert(o->refs > 1);
	o->refs--;
	return 0;
}

void object_put(void *obj)
{
	memset(obj, 0, PAGE_SIZE);
}

// ---- the oracle: node i mirrors slot i of all tables in a row
static struct node {
	bool used;
	int parent; // -1: none
	int object;
	u32 rights;
	u64 badge;
} nodes[SLOTS];

static struct captable *table_at(int i)
{
	return tables[i / (LEAVES * CAP_PER_LEAF)];
}

static struct cap *slot_at(int i)
{
	return cap_slot(table_at(i), i % (LEAVES * CAP_PER_LEAF));
}

static bool below(int i, int ancestor)
{
	for (i = nodes[i].parent; i >= 0; i = nodes[i].parent)
		if (i == ancestor)
			return true;
	return false;
}

static u64 rnd(u64 n)
{
	static u64 x;
	if (!x)
		x = seed * 0x9e3779b97f4a7c15 | 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % n;
}

static int pick(bool used)
{
	for (int tries = 0; tries < 200; tries++) {
		int i = rnd(SLOTS);
		if (slot_at(i) && nodes[i].used == used)
			return i;
	}
	return -1;
}

static void step_insert(void)
{
	int i = pick(false), o = rnd(OBJECTS);
	if (i < 0)
		return;
	cap_insert(table_at(i), slot_at(i), objects[o], TYPE_ENDPOINT, RIGHTS_ENDPOINT, 0);
	nodes[i] = (struct node){ true, -1, o, RIGHTS_ENDPOINT, 0 };
}

static void step_derive(void)
{
	int from = pick(true), to = pick(false);
	if (from < 0 || to < 0)
		return;
	u32 rights = nodes[from].rights & (rnd(2) ? RIGHT_ENDPOINT_CALL : RIGHTS_ENDPOINT);
	if (!rights)
		return;
	u64 badge = rnd(1000);
	assert(cap_derive(table_at(to), slot_at(to), slot_at(from), rights, badge) == 0);
	nodes[to] = (struct node){ true, from, nodes[from].object, rights, badge };
}

static void step_move(void)
{
	int from = pick(true), to = pick(false);
	if (from < 0 || to < 0)
		return;
	cap_move(table_at(to), slot_at(to), table_at(from), slot_at(from));
	nodes[to] = nodes[from];
	nodes[from].used = false;
	for (int i = 0; i < SLOTS; i++)
		if (nodes[i].used && nodes[i].parent == from)
			nodes[i].parent = to;
}

static void oracle_delete(int gone)
{
	for (int i = 0; i < SLOTS; i++)
		if (nodes[i].used && nodes[i].parent == gone)
			nodes[i].parent = nodes[gone].parent;
	nodes[gone].used = false;
}

static void step_delete(void)
{
	int i = pick(true);
	if (i < 0)
		return;
	assert(cap_delete(table_at(i), slot_at(i)) == 0);
	oracle_delete(i);
}

static void step_revoke(void)
{
	int at = pick(true);
	u64 done, total = 0, want = 0;
	if (at < 0)
		return;
	err_t err;
	do {
		err = cap_revoke(slot_at(at), &done);
		total += done;
	} while (err == -ERR_AGAIN);
	assert(err == 0);
	bool doomed[SLOTS];
	for (int i = 0; i < SLOTS; i++)
		want += doomed[i] = nodes[i].used && below(i, at);
	assert(total == want);
	for (int i = 0; i < SLOTS; i++)
		if (doomed[i])
			nodes[i].used = false;
}

static void check(void)
{
	u32 refs[OBJECTS] = { 0 }, used[TABLES] = { 0 };
	for (int i = 0; i < SLOTS; i++) {
		const struct cap *c = slot_at(i);
		if (!c)
			continue;
		assert((c->rights != 0) == nodes[i].used);
		if (!nodes[i].used)
			continue;
		assert(c->obj == objects[nodes[i].object] && c->rights == nodes[i].rights &&
		       c->badge == nodes[i].badge);
		refs[nodes[i].object]++;
		used[i / (LEAVES * CAP_PER_LEAF)]++;
		const struct cap *next = c->next ? arch_p2v((u64)c->next << 5) : NULL;
		assert(!next || (next->depth <= c->depth + 1 && arch_p2v((u64)next->prev << 5) == c));
	}
	for (int o = 0; o < OBJECTS; o++)
		assert(objects[o]->refs == refs[o] + 1);
	for (int t = 0; t < TABLES; t++)
		assert(tables[t]->used == used[t]);
}

static void build(void)
{
	host_ram = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
	host_mem_map = calloc(FRAMES, sizeof(struct page));
	memset(host_ram, 0, FRAMES * PAGE_SIZE);
	mem.limit = FRAMES;
	char *frame = host_ram;
	for (int o = 0; o < OBJECTS; o++) {
		objects[o] = (void *)(frame += 64);
		objects[o]->refs = 1;
	}
	frame = (char *)host_ram + PAGE_SIZE;
	for (int t = 0; t < TABLES; t++) {
		tables[t] = (void *)frame;
		captable_init(tables[t]);
		for (int l = 0; l < LEAVES; l++)
			assert(captable_add_leaf(tables[t], l, (void *)(frame += PAGE_SIZE)) == 0);
		assert(captable_add_leaf(tables[t], 0, (void *)frame) == -ERR_EXIST);
		assert(captable_add_leaf(tables[t], CAP_LEAVES, (void *)frame) == -ERR_INVAL);
		frame += PAGE_SIZE;
	}
}

// Every way in which a lookup fails, and the bound on references.
static void errors(void)
{
	struct cap *c;
	assert(cap_find(tables[0], CAP_NULL, ~0u, ~0u, &c) == -ERR_BADCAP &&
	       cap_find(tables[0], CAP_MAX, ~0u, ~0u, &c) == -ERR_BADCAP);
	assert(cap_find(tables[0], ~0ul, ~0u, ~0u, &c) == -ERR_BADCAP &&
	       cap_find(tables[0], 5 * CAP_PER_LEAF, ~0u, ~0u, &c) == -ERR_BADCAP);
	cap_insert(tables[0], cap_slot(tables[0], 1), objects[0], TYPE_ENDPOINT, RIGHT_ENDPOINT_CALL, 0);
	assert(cap_find(tables[0], 1, RIGHT_ENDPOINT_RECV, RIGHTS_ENDPOINT, &c) == -ERR_PERM);
	assert(cap_find(tables[0], 1, RIGHT_POOL_ALLOC, RIGHTS_POOL, &c) == -ERR_TYPE);
	assert(cap_find(tables[0], 1, RIGHT_ENDPOINT_CALL, RIGHTS_ENDPOINT, &c) == 0 && c == cap_slot(tables[0], 1));
	assert(cap_get(tables[0], 1, RIGHT_ENDPOINT_CALL) == c && !cap_get(tables[0], 1, RIGHT_ENDPOINT_RECV) &&
	       !cap_get(tables[0], CAP_MAX, ~0u));
	objects[0]->dying = true;
	assert(cap_find(tables[0], 1, RIGHT_ENDPOINT_CALL, RIGHTS_ENDPOINT, &c) == -ERR_DYING);
	objects[0]->dying = false;
	objects[0]->refs += CAP_REFS_MAX;
	assert(cap_derive(tables[0], cap_slot(tables[0], 2), c, c->rights, 0) == -ERR_FULL);
	objects[0]->refs -= CAP_REFS_MAX;
	assert(cap_delete(tables[0], c) == 0);
}

static void destroy_all(void)
{
	for (int t = 0; t < TABLES; t++) {
		err_t err;
		while ((err = captable_destroy_step(tables[t])) == -ERR_AGAIN)
			;
		assert(err == 0 && tables[t]->used == 0);
	}
	for (int o = 0; o < OBJECTS; o++)
		assert(objects[o]->refs == 1);
	assert(caps_alive == 0);
}

int main(void)
{
	const char *level = getenv("JJOK_TEST"), *given = getenv("SEED");
	u64 steps = level && !strcmp(level, "quick") ? 100000 : 1000000;
	seed = given ? strtoul(given, NULL, 0) : 20221122;
	static void (*const step[])(void) = { step_insert, step_derive, step_derive, step_derive,
					      step_derive, step_move,   step_delete, step_delete };
	build();
	errors();
	for (u64 i = 0; i < steps; i++) {
		if (rnd(50) == 0)
			step_revoke();
		else
			step[rnd(ARRAY_SIZE(step))]();
		if (i % 64 == 0)
			check();
	}
	check();
	destroy_all();
	printf("cap: %lu random steps agree with the oracle\n", (unsigned long)steps);
	free(host_ram);
	free(host_mem_map);
	return 0;
}
