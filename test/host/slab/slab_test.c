// SPDX-License-Identifier: MIT
/*
 * slab's core against a model: processes open and close caches, take objects and give them back, end, lie about their
 * address space and about what is theirs. The model knows for each process which objects of which slab it holds; no
 * object is ever given twice, nothing is refused that is right, nothing taken that is wrong, and every frame is back in
 * the end. In between the server dies at a random step and a successor gets the open request again.
 *
 *	make build/host/slab.test && build/host/slab.test [seed]
 */
#include "world.h"

#define PROCESSES 12
#define LIMIT     900 // frames: there is want now and then

static struct model {
	u64 badge; // 0: no process
	bool lies;
	u16 slabs;
	struct held {
		bool here;
		u32 cache;
		u64 map[MAP_WORDS];
	} slab[WORLD_SLABS];
	u32 caches[SLAB_CLIENT_CACHES];
	u32 cache_count;
} models[PROCESSES];

static u64 refills, refused;

static err_t call(struct model *m, u64 label, u64 w[MSG_WORDS])
{
	return world_call(m->badge, label, w);
}

static u32 held_count(const struct held *h)
{
	u32 n = 0;

	for (u32 i = 0; i < SLAB_OBJECTS; i++)
		n += h->map[i / 64] >> i % 64 & 1;
	return n;
}

static void op_begin(struct model *m)
{
	u64 w[MSG_WORDS] = { 7 };

	memset(m, 0, sizeof(*m));
	m->badge = world_process((u32)(m - models) * 3 + 1);
	m->lies = !rnd(6);
	if (m->lies)
		w[0] = (u64)-1;
	check(!call(m, OP_SLAB_ATTACH, w) && w[0] == client_quota());
}

static void op_end(struct model *m)
{
	world_end(m->badge);
	m->badge = 0;
}

// exec: vm has unmapped the window and says so. Only vm may.
static void op_exec(struct model *m)
{
	u64 badge = m->badge, w[MSG_WORDS] = { badge };

	check(call(m, OP_SLAB_DETACH, w) == -ERR_PERM);
	world_unmapped = badge;
	w[0] = badge;
	check(!world_call(3, OP_SLAB_DETACH, w));
	world_unmapped = 0;
	for (u32 i = 0; i < slab_table; i++)
		check(sls->slab[i].owner != badge);
	memset(m, 0, sizeof(*m));
	m->badge = badge;
	w[0] = 7;
	check(!call(m, OP_SLAB_ATTACH, w));
}

static u32 cache_pick(struct model *m)
{
	if (m->cache_count && rnd(2))
		return m->caches[rnd(m->cache_count)];
	return 1 + (u32)rnd(KMALLOC_CLASSES);
}

static void op_create(struct model *m)
{
	u64 size = 1 + rnd(rnd(4) ? 300 : SLAB_SIZE_MAX), align = rnd(3) ? 0 : 1ul << rnd(13),
	    flags = rnd(3) ? 0 : rnd(32);
	u64 w[MSG_WORDS] = { 0x6568636163, 0, size, align, flags };
	struct slab_layout layout;
	err_t err = call(m, OP_SLAB_CACHE_CREATE, w);

	if (err == -ERR_MFILE || err == -ERR_NFILE) {
		refused++;
		return;
	}
	check(!err && w[0] && w[0] < SLAB_CACHES);
	check((u32)w[1] >= size && slab_layout((u32)w[1], w[1] >> 32, w[2], &layout));
	check(flags || (u32)w[1] - size < 8);
	check(layout.stride % (align > 8 ? align : 8) == 0);
	for (u32 i = 0; i < m->cache_count; i++)
		if (m->caches[i] == w[0])
			return;
	check(m->cache_count < SLAB_CLIENT_CACHES);
	m->caches[m->cache_count++] = (u32)w[0];
}

static bool holds_of(const struct model *m, u32 cache)
{
	for (u32 i = 0; i < slab_table; i++)
		if (m->slab[i].here && m->slab[i].cache == cache)
			return true;
	return false;
}

static void op_destroy(struct model *m)
{
	u32 n = m->cache_count ? (u32)rnd(m->cache_count) : 0;
	u64 w[MSG_WORDS] = { m->cache_count ? m->caches[n] : SLAB_CACHES - 1 };
	u32 cache = (u32)w[0];
	err_t err = call(m, OP_SLAB_CACHE_DESTROY, w);

	if (!m->cache_count) {
		check(err == -ERR_NOENT);
		return;
	}
	if (cache > KMALLOC_CLASSES && holds_of(m, cache))
		check(err == -ERR_BUSY);
	else
		check(!err || (m->lies && err == -ERR_BUSY));
	if (!err)
		m->caches[n] = m->caches[--m->cache_count];
}

static void nobody_else_has(const struct model *m, u32 index)
{
	for (u32 i = 0; i < PROCESSES; i++)
		check(&models[i] == m || !models[i].badge || !models[i].slab[index].here);
}

static void op_refill(struct model *m)
{
	u32 cache = cache_pick(m);
	u64 w[MSG_WORDS] = { cache };
	const struct slab_layout *layout;
	struct held *h;
	err_t err = call(m, OP_SLAB_REFILL, w);

	if (err) {
		check(err == -ERR_NOMEM || err == -ERR_NOSPC);
		refused++;
		return;
	}
	refills++;
	check((u32)w[0] < slab_table && slab_table <= share_slabs() && slab_table <= WORLD_SLABS);
	h = &m->slab[(u32)w[0]];
	layout = &caches[cache].layout;
	nobody_else_has(m, (u32)w[0]);
	check(!h->here || (h->cache == cache && !(w[0] & SLAB_NEW)));
	if (!h->here)
		memset(h, 0, sizeof(*h));
	h->here = true;
	h->cache = cache;
	for (u32 k = 0; k < MAP_WORDS; k++) {
		check(!(h->map[k] & w[1 + k]));
		h->map[k] |= w[1 + k];
	}
	check(held_count(h) == layout->objects); /* all of it */
}

static void op_flush(struct model *m)
{
	u32 index = (u32)rnd(WORLD_SLABS), tries = 0;
	u64 w[MSG_WORDS];
	struct held *h;

	while (!m->slab[index].here && tries++ < WORLD_SLABS)
		index = (index + 1) % WORLD_SLABS;
	h = &m->slab[index];
	if (!h->here)
		return;
	w[0] = index;
	for (u32 k = 0; k < MAP_WORDS; k++)
		w[1 + k] = h->map[k] & (rnd(2) ? ~0ul : (rnd(1ul << 62) | rnd(1ul << 62)));
	u64 given[MAP_WORDS];

	memcpy(given, w + 1, sizeof(given));
	check(!call(m, OP_SLAB_FLUSH, w));
	for (u32 k = 0; k < MAP_WORDS; k++)
		h->map[k] &= ~given[k];
	h->here = held_count(h) != 0;
}

// What is not the caller's: another's slab, nobody's, objects that it has not got, numbers out of range.
static void op_hostile(struct model *m)
{
	u32 index = (u32)rnd(rnd(2) ? slab_table : WORLD_SLABS);
	const struct held *h = &m->slab[index];
	u64 w[MSG_WORDS] = { index }, wrong = 0;
	err_t err;

	for (u32 k = 0; k < MAP_WORDS; k++) {
		w[1 + k] = ~h->map[k] & (rnd(1ul << 62) | 1ul << rnd(64));
		wrong |= w[1 + k];
	}
	if (rnd(4)) {
		err = call(m, OP_SLAB_FLUSH, w);
		check(err == -ERR_NOENT || err == (wrong ? -ERR_INVAL : 0));
	} else {
		u64 wild[MSG_WORDS] = {
			rnd(2) ? SLAB_CACHES + rnd(1ul << 40) : 0, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul
		};

		check(call(m, OP_SLAB_REFILL, wild) == -ERR_NOENT);
		wild[0] = SLAB_COUNT + rnd(1ul << 40);
		check(call(m, OP_SLAB_FLUSH, wild) == -ERR_NOENT);
		wild[0] = SLAB_CACHES + rnd(1ul << 40);
		check(call(m, OP_SLAB_CACHE_DESTROY, wild) == -ERR_NOENT);
		wild[0] = SLAB_CACHES + rnd(1ul << 40);
		check(call(m, OP_SLAB_SHRINK, wild) == -ERR_NOENT);
		check(call(m, OP_SLAB_CACHE_INFO, wild) == -ERR_INVAL &&
		      call(m, OP_SLAB_CACHE_SIZE, wild) == -ERR_INVAL);
		wild[0] = SLAB_COUNT;
		check(call(m, OP_SLAB_SLAB_INFO, wild) == -ERR_INVAL);
		wild[0] = SLABSTAT_WAITED + 1;
		check(call(m, OP_SLAB_STAT, wild) == -ERR_INVAL);
	}
	refused++;
}

static void op_shrink(struct model *m)
{
	u64 w[MSG_WORDS] = { 0 };

	check(!call(m, OP_SLAB_SHRINK, w));
	for (u32 i = 0; i < slab_table; i++)
		check(sls->slab[i].owner != m->badge || sls->slab[i].n.inuse || m->lies);
}

static void op_attach_again(struct model *m)
{
	u64 w[MSG_WORDS] = { m->lies ? (u64)-1 : 7 };

	check(!call(m, OP_SLAB_ATTACH, w));
	memset(m->slab, 0, sizeof(m->slab));
	if (!m->lies)
		m->cache_count = 0;
	else
		op_end(m); /* what the server kept, the model does not know */
}

static void compare(const struct model *m)
{
	for (u32 i = slab_table; i < WORLD_SLABS; i++)
		check(!m->badge || !m->slab[i].here);
	for (u32 i = 0; i < slab_table && m->badge; i++) {
		const struct slab_record *s = &sls->slab[i];
		u32 index;

		if (s->owner != m->badge) {
			check(!m->slab[i].here);
			check(!slab_fault(m->badge, slab_address(i), &index));
			continue;
		}
		check(slab_fault(m->badge, slab_address(i) + slab_frames(s) * PAGE_SIZE - 1, &index) && index == i);
		check(!slab_fault(m->badge, slab_address(i) + slab_frames(s) * PAGE_SIZE, &index) || index != i);
		for (u32 k = 0; k < MAP_WORDS; k++)
			check(s->used[k] == (m->slab[i].here ? m->slab[i].map[k] : 0));
	}
}

static void op_pressure(void)
{
	world_kill = 0; /* nobody would send it again */
	slabs_relieve();
}

static void run_random(u64 steps, bool kill, bool nomem)
{
	static void (*const ops[])(struct model *) = {
		op_refill, op_refill, op_refill, op_refill,  op_flush,   op_flush,  op_flush,
		op_flush,  op_create, op_create, op_destroy, op_hostile, op_shrink,
	};

	for (u64 i = 0; i < steps; i++) {
		struct model *m = &models[rnd(PROCESSES)];

		if (!m->badge) {
			op_begin(m);
			continue;
		}
		if (!rnd(100))
			world_memory();
		world_kill = kill && !rnd(3) ? 1 + (u32)rnd(12) : 0;
		world_nomem = nomem && !rnd(3) ? 1 + (u32)rnd(3) : 0;
		if (!rnd(200))
			op_end(m);
		else if (!rnd(200))
			op_attach_again(m);
		else if (!rnd(200))
			op_exec(m);
		else if (!rnd(200))
			op_pressure();
		else
			ops[rnd(ARRAY_SIZE(ops))](m);
		world_kill = world_nomem = 0;
		if (i % 16)
			continue;
		world_check();
		compare(m);
		if (!rnd(50))
			world_restart();
	}
}

static void end_all(void)
{
	for (u32 i = 0; i < PROCESSES; i++)
		if (models[i].badge)
			op_end(&models[i]);
	world_check_empty();
	for (u32 id = 1 + KMALLOC_CLASSES; id < SLAB_CACHES; id++)
		check(!sls->cache[id].size);
}

// ---- single cases

static err_t create(u64 badge, const char *name, u64 size, u64 align, u64 flags, u64 *id, u64 *got_flags)
{
	u64 w[MSG_WORDS] = { 0, 0, size, align, flags };
	err_t err;

	memcpy(w, name, strlen(name));
	err = world_call(badge, OP_SLAB_CACHE_CREATE, w);
	*id = w[0];
	*got_flags = w[2];
	return err;
}

static void test_merging(void)
{
	u64 a, b, flags, id, other;

	world_boot("", LIMIT);
	a = world_process(1);
	b = world_process(2);
	check(!create(a, "foo", 60, 0, 0, &id, &flags) && id == 4); /* kmalloc-64 */
	check(!create(a, "bar", 200, 0, 0, &id, &flags) && id > KMALLOC_CLASSES);
	check(!create(b, "baz", 197, 0, 0, &other, &flags) && other == id);
	check(!create(b, "baz", 192, 0, 0, &other, &flags) && other == 7 && !flags);
	check(!create(b, "own", 200, 0, SLAB_NO_MERGE, &other, &flags) && other != id);
	check(!create(b, "ctor", 200, 0, SLAB_CTOR, &other, &flags) && other != id);
	check(!create(b, "wide", 200, 64, 0, &other, &flags) && other != id);
	check(create(b, "zero", 0, 0, 0, &other, &flags) == -ERR_INVAL);
	check(create(b, "large", SLAB_SIZE_MAX + 1, 0, 0, &other, &flags) == -ERR_INVAL);
	check(create(b, "huge", 1ul << 32 | 8, 0, 0, &other, &flags) == -ERR_INVAL);
	check(create(b, "align", 8, 3, 0, &other, &flags) == -ERR_INVAL);
	check(create(b, "align", 8, 24, 0, &other, &flags) == -ERR_INVAL);
	check(create(b, "align", 8, 2 * PAGE_SIZE, 0, &other, &flags) == -ERR_INVAL);
	check(create(b, "flags", 8, 0, 32, &other, &flags) == -ERR_INVAL);
	check(create((u64)77 << 16 | 5, "dead", 8, 0, 0, &other, &flags) == -ERR_SRCH);
	check(create((u64)77 << 16 | CLIENTS, "far", 8, 0, 0, &other, &flags) == -ERR_SRCH);
	world_end(a);
	check(caches[id].users == 1);
	world_end(b);
	check(!sls->cache[id].size);
	world_check();
}

static void test_options(void)
{
	static const struct {
		const char *cmdline, *name;
		u64 flags;
	} cases[] = {
		{ "slub_debug", "abc", SLAB_CHECKS },
		{ "trace=all slub_debug=Z check=1", "abc", SLAB_RED_ZONE },
		{ "slub_debug=PU,abc", "abc", SLAB_POISON | SLAB_STORE_USER },
		{ "slub_debug=PU,abc", "abcd", 0 },
		{ "slub_debug=PU,xyz,ab*", "abcd", SLAB_POISON | SLAB_STORE_USER },
		{ "slub_debug=-", "abc", 0 },
		{ "xslub_debug=Z", "abc", 0 },
	};
	u64 id, flags;

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 p;

		world_boot(cases[i].cmdline, LIMIT);
		p = world_process(1);
		check(!create(p, cases[i].name, 100, 0, SLAB_NO_MERGE, &id, &flags));
		check((flags & ~(u64)SLAB_NO_MERGE) == cases[i].flags);
	}
	world_boot("slub_debug=ZPU,kmalloc-64", LIMIT);
	check(sls->cache[4].flags == SLAB_CHECKS && !sls->cache[5].flags);
	world_boot("slab_nomerge", LIMIT);
	check(!create(world_process(1), "foo", 60, 0, 0, &id, &flags) && id > KMALLOC_CLASSES);
}

static void test_names(void)
{
	static const char *const names[] = { "8",   "16",  "32", "64", "96", "128", "192",
					     "256", "512", "1k", "2k", "4k", "8k" };

	world_boot("", LIMIT);
	for (u32 i = 0; i < KMALLOC_CLASSES; i++) {
		check(!strncmp((char *)sls->cache[1 + i].name, "kmalloc-", 8));
		check(!strcmp((char *)sls->cache[1 + i].name + 8, names[i]));
	}
}

static void test_flood(void)
{
	u64 p, q, id, flags, opened = 0, w[MSG_WORDS] = { 7 };
	err_t err;

	world_boot("", LIMIT);
	p = world_process(1);
	q = world_process(2);
	while (!(err = create(p, "flood", 1000, 0, SLAB_NO_MERGE, &id, &flags)))
		opened++;
	check(err == -ERR_MFILE && opened == SLAB_CLIENT_CACHES);
	check(!world_call(p, OP_SLAB_ATTACH, w));
	for (u32 n = 0;; n++) {
		u64 r[MSG_WORDS] = { KMALLOC_CLASSES };

		err = world_call(p, OP_SLAB_REFILL, r);
		if (err)
			break;
	}
	check(err == -ERR_NOSPC && stats[SLABSTAT_FRAMES] <= client_quota() && share_grown());
	for (u32 n = 0; n < 10; n++) {
		u64 r[MSG_WORDS] = { 1 };

		check(!world_call(q, OP_SLAB_REFILL, r)); /* others have their share */
	}
	world_end(p);
	world_end(q);
	world_check_empty();
}

// ---- user memory

static err_t refill(u64 badge, u64 cache, u64 *slab)
{
	u64 w[MSG_WORDS] = { cache };
	err_t err = world_call(badge, OP_SLAB_REFILL, w);

	*slab = (u32)w[0];
	return err;
}

static void flush_all(u64 badge, u64 slab)
{
	u64 w[MSG_WORDS] = { slab };

	memcpy(w + 1, sls->slab[slab].used, sizeof(sls->slab[slab].used));
	check(!world_call(badge, OP_SLAB_FLUSH, w));
}

// One process takes all that it may, another the rest, so the bound holds; what becomes empty goes back but for a
// cushion, and under pressure all of it that came from user memory, though the owners do nothing.
static void test_growing(void)
{
	static u64 slab[8 * LIMIT];
	u64 p, q, before, n = 0, mine, ignored, w[MSG_WORDS] = { 7 };
	err_t err;

	world_boot("", 8 * LIMIT);
	before = world_user;
	p = world_process(1);
	q = world_process(2);
	check(!world_call(p, OP_SLAB_ATTACH, w) && w[0] == client_quota());
	w[0] = 7;
	check(!world_call(q, OP_SLAB_ATTACH, w));
	while (!(err = refill(p, 1 + KMALLOC_CLASSES / 4, &slab[n])))
		n++;
	check(err == -ERR_NOSPC && stats[SLABSTAT_FRAMES] + 2 > client_quota() && slab_table >= n &&
	      world_user < before);
	world_check();
	mine = n;
	while (!(err = refill(q, 4, &slab[n])))
		n++;
	check(err == -ERR_NOMEM && stats[SLABSTAT_FRAMES] + 2 > share_most() && share_grown());
	world_check();
	world_restart();
	for (u64 i = mine; i < n; i++)
		flush_all(q, slab[i]);
	world_check();
	check(empty_frames() && empty_frames() <= share_cushion());
	world_end(q);
	check(!refill(p, KMALLOC_CLASSES, &ignored) || stats[SLABSTAT_FRAMES] >= client_quota() - 8);
	for (u64 i = 0; i < mine / 2; i++)
		flush_all(p, slab[i]);
	world_check();
	check(empty_frames() && share_grown() && stats[SLABSTAT_FRAMES] < share_most() * 2 / 3);
	slabs_relieve();
	world_check();
	check(!empty_frames() && share_grown() < mine + mine / 16);
	for (u64 i = mine / 2; i < mine; i++)
		flush_all(p, slab[i]);
	slabs_relieve();
	check(!share_grown() && world_user == before && empty_frames() == stats[SLABSTAT_FRAMES]);
	world_end(p);
	world_check_empty();
}

// A client that named a wrong address space keeps what is empty; the others lose nothing by that.
static void test_liar(void)
{
	u64 liar, p, slab[300], n = 0, w[MSG_WORDS] = { 8 };

	world_boot("", LIMIT);
	liar = world_process(1);
	p = world_process(2);
	check(!world_call(liar, OP_SLAB_ATTACH, w));
	while (n < 300 && !refill(liar, 4, &slab[n]))
		n++;
	for (u64 i = 0; i < n; i++)
		flush_all(liar, slab[i]);
	slabs_relieve();
	check(share_grown() && stats[SLABSTAT_EMPTY] == n && !empty_frames());
	check(!refill(p, 4, &slab[0]) && !refill(liar, 4, &slab[1]));
	flush_all(liar, slab[1]);
	world_check();
	world_end(liar);
	world_end(p);
	world_check_empty();
}

// Several wait at once; they are answered in their order, those who died by nobody.
static void test_waiting(void)
{
	struct request rq[8];
	u64 badge[8], ignored;
	u32 before;

	for (u32 hope = 0; hope < 2; hope++) {
		world_boot("", LIMIT);
		world_reclaim = true;
		for (u32 i = 0; i < 8; i++)
			badge[i] = world_process(i + 1);
		world_user = 12; /* of which ten stay free: the rest is not told to the world */
		world_unaccount();
		for (u32 i = 0; i < 8; i++) {
			do {
				rq[i] = (struct request){
					.label = OP_SLAB_REFILL, .w = { 4 }, .badge = badge[i], .reply = world_reply()
				};
				slab_dispatch(&rq[i]);
				check(!rq[i].reply || !rq[i].label);
			} while (rq[i].reply);
		}
		check(stats[SLABSTAT_WAITED] == 8);
		world_end(badge[3]);
		before = world_replies;
		if (hope)
			while (world_replies < before + 8)
				world_answer(true);
		else
			world_answer(false);
		check(world_replies == before + 8);
		world_check();
		world_reclaim = false;
		check(refill(badge[5], 9, &ignored) != -ERR_AGAIN);
		for (u32 i = 0; i < 8; i++)
			if (i != 3)
				world_end(badge[i]);
		world_check_empty();
	}
}

// Every layout: things lie in their order, inside, aligned, and as many as there is room for.
static void test_layout(void)
{
	for (u32 size = 1; size <= SLAB_SIZE_MAX; size += size < 300 ? 1 : 1 + (u32)rnd(40))
		for (u32 align = 1; align <= PAGE_SIZE; align *= 4)
			for (u32 flags = 0; flags < 32; flags++) {
				struct slab_layout l;
				u32 bytes;

				check(slab_layout(size, align, flags, &l));
				bytes = (u32)PAGE_SIZE << l.order;
				check(l.offset % align == 0 && l.stride % align == 0 && l.stride % 8 == 0);
				check(l.tail >= l.offset + size && l.stride >= l.tail && l.order <= SLAB_ORDER_MAX);
				check(!(flags & SLAB_RED_ZONE) || (l.offset && l.tail > l.offset + size));
				check(!(flags & SLAB_STORE_USER) ||
				      l.stride >= l.track + 2 * sizeof(struct slab_track));
				check(l.objects && l.objects <= SLAB_OBJECTS && l.objects * l.stride <= bytes);
				check(l.objects == SLAB_OBJECTS || (l.objects + 1) * l.stride > bytes);
			}
	for (u32 size = 1; size <= SLAB_SIZE_MAX; size++) {
		u32 class = kmalloc_class(size);

		check(kmalloc_size[class] >= size && (!class || kmalloc_size[class - 1] < size));
	}
}

int main(int argc, char **argv)
{
	u64 scale = getenv("JJOK_TEST") && !strcmp(getenv("JJOK_TEST"), "quick") ? 1 : 10;

	world_seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	test_layout();
	test_names();
	test_merging();
	test_options();
	test_flood();
	test_growing();
	test_liar();
	test_waiting();
	world_boot("", LIMIT);
	run_random(40000 * scale, false, false);
	run_random(20000 * scale, false, true);
	run_random(20000 * scale, true, false);
	world_reclaim = true;
	run_random(20000 * scale, true, true);
	end_all();
	check(world_parked > 100);
	check(refills > 1000 && refused > 1000 && world_kills > 100);
	printf("slab: ok, %lu refills, %lu refusals, %u waits, killed %u times, seed %lu\n", (unsigned long)refills,
	       (unsigned long)refused, world_parked, world_kills, (unsigned long)world_seed);
	return 0;
}
