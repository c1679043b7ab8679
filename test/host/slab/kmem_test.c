// SPDX-License-Identifier: MIT
/*
 * The client of the slab server (user/rt/src/kmem.c) over the server's core: random allocations whose content and place
 * are checked, caches with constructors and with all checks, forks, want of frames, a server that dies, and every kind
 * of broken free and stray write, which must end the program and name the cache.
 */
#include "world.h"

#include "user/rt/src/kmem.h"
#include "user/rt/src/malloc_os.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <setjmp.h>

#define SLOTS 6000
#define LIMIT 3000

int rt_fail(err_t err);
ssize_t fake_write(int fd, const void *text, size_t len);
void rt_kmem_forked(void);

static u64 badge;
static u64 messages;
static jmp_buf died;
static const char *death, *death_of;
static char said[4096];

int rt_fail(err_t err)
{
	errno = -err;
	return -1;
}

ssize_t fake_write(int fd, const void *text, size_t len)
{
	u64 at = strlen(said);

	(void)fd;
	check(len < 512);
	if (at + len < sizeof(said))
		memcpy(said + at, text, len);
	return (ssize_t)len;
}

_Noreturn void malloc_die(const char *who, const void *p, const char *what)
{
	(void)p;
	death_of = who;
	death = what;
	longjmp(died, 1);
}

_Noreturn void slab_corrupt(const struct slab_cache *cache, const void *object, const char *what)
{
	malloc_die(cache->name, object, what);
}

// Messages to vm and to the server. A page of a slab can be touched once the server has given it.
err_t ipc_call(cptr_t endpoint, struct request *rq)
{
	u64 label = rq->label;
	err_t err;

	messages++;
	if (endpoint == SLOT_VM) {
		check(label == OP_VM_ATTACH);
		rq->label = 0;
		rq->w[0] = 7;
		return 0;
	}
	check(endpoint == SLOT_SLAB);
	err = world_call(badge, label, rq->w);
	if (label == OP_SLAB_REFILL && !err) {
		char *base = (char *)slab_address((u32)rq->w[0]);
		size_t bytes = slab_frames(&sls->slab[(u32)rq->w[0]]) * (size_t)PAGE_SIZE;

		ASAN_UNPOISON_MEMORY_REGION(base, bytes);
		if (rq->w[0] & SLAB_NEW)
			memset(base, 0, bytes);
	}
	rq->label = (u64)(s64)err;
	return 0;
}

static struct object {
	unsigned char *p;
	size_t size;
	unsigned char fill;
	struct kmem_cache *cache; // NULL: kmalloc
} slot[SLOTS];

static struct kmem_cache *cache[6];

static void constructor(void *p)
{
	memset(p, 0x3c, 200);
}

static void caches_open(void)
{
	cache[0] = kmem_cache_create("small", 24, 0, SLAB_NO_MERGE, NULL);
	cache[1] = kmem_cache_create("aligned", 100, 64, 0, NULL);
	cache[2] = kmem_cache_create("constructed", 200, 0, 0, constructor);
	cache[3] = kmem_cache_create("checked", 75, 0, SLAB_CHECKS, NULL);
	cache[4] = kmem_cache_create("large", 5000, 16, SLAB_RED_ZONE | SLAB_POISON, NULL);
	cache[5] = kmem_cache_create("built", 200, 0, SLAB_CHECKS, constructor);
	for (u32 i = 0; i < ARRAY_SIZE(cache); i++)
		check(cache[i]);
}

static void object_check(const struct object *o)
{
	for (size_t k = 0; k < o->size; k++)
		check(o->p[k] == o->fill);
}

static void object_fill(struct object *o)
{
	o->fill = (unsigned char)rnd(256);
	memset(o->p, o->fill, o->size);
}

static void object_make(struct object *o)
{
	u64 kind = rnd(12);

	o->cache = kind < ARRAY_SIZE(cache) ? cache[kind] : NULL;
	o->size = o->cache ? kmem_cache_size(o->cache) : rnd(rnd(8) ? 200 : SLAB_SIZE_MAX + 1);
	if (o->cache)
		o->p = rnd(8) || o->cache->ctor ? kmem_cache_alloc(o->cache) : kmem_cache_zalloc(o->cache);
	else
		o->p = rnd(4) ? kmalloc(o->size) : kzalloc(o->size);
	if (!o->p) {
		check(errno == ERR_NOMEM || errno == ERR_NOSPC || errno == ERR_MFILE || errno == ERR_NFILE);
		return;
	}
	check((u64)o->p % (o->cache == cache[1] ? 64 : 8) == 0);
	if (!o->cache)
		check(ksize(o->p) >= o->size &&
		      (o->size & (o->size - 1) || (u64)o->p % (o->size ? o->size : 1) % PAGE_SIZE == 0));
	if (o->cache && o->cache->ctor)
		for (size_t k = 0; k < 200; k++)
			check(o->p[k] == 0x3c);
	object_fill(o);
}

static void object_drop(struct object *o)
{
	object_check(o);
	if (o->cache && o->cache->ctor)
		constructor(o->p);
	if (o->cache)
		kmem_cache_free(o->cache, o->p);
	else
		kfree(o->p);
	o->p = NULL;
}

static void object_resize(struct object *o)
{
	size_t size = rnd(3000);
	unsigned char *p;

	object_check(o);
	p = krealloc(o->p, size);
	if (!p)
		return;
	for (size_t k = 0; k < size && k < o->size; k++)
		check(p[k] == o->fill);
	o->p = p;
	o->size = size;
	object_fill(o);
}

static void forget_all(void)
{
	for (u32 i = 0; i < SLOTS; i++)
		slot[i].p = NULL;
}

static void drop_all(void)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (slot[i].p)
			object_drop(&slot[i]);
}

// The child has the caches and none of the objects; the parent, whose memory this is too, ends.
static void op_fork(void)
{
	u64 parent = badge;

	badge = world_process((u32)badge_slot(parent) % 200 + 1);
	forget_all();
	rt_kmem_forked();
	world_end(parent);
	world_check();
}

static void run_random(u64 steps, bool kill, bool nomem)
{
	for (u64 i = 0; i < steps; i++) {
		struct object *o = &slot[rnd(SLOTS)];

		world_kill = kill ? 1 + (u32)rnd(8) : 0;
		world_nomem = nomem && rnd(2);
		if (nomem && !rnd(500))
			world_memory();
		if (!rnd(5000))
			op_fork();
		else if (!rnd(2000))
			(void)kmem_cache_shrink(cache[rnd(ARRAY_SIZE(cache))]);
		else if (!o->p)
			object_make(o);
		else if (!o->cache && !rnd(6))
			object_resize(o);
		else
			object_drop(o);
		world_kill = world_nomem = 0;
		if (i % 64 == 0)
			world_check();
	}
}

// ---- what may not happen

static void expect_death(void (*act)(void *), void *p, const char *who, const char *what)
{
	death = NULL;
	memset(said, 0, sizeof(said));
	if (!setjmp(died))
		act(p);
	if (!death || strcmp(death_of, who) || !strstr(death, what)) {
		fprintf(stderr, "expected %s: %s; got %s: %s\n", who, what, death ? death_of : "-",
			death ? death : "-");
		check(false);
	}
}

static void do_kfree(void *p)
{
	kfree(p);
}

static void do_wrong_cache(void *p)
{
	kmem_cache_free(cache[0], p);
}

static void do_alloc_checked(void *p)
{
	(void)p;
	for (int i = 0; i < 2000; i++)
		(void)!kmem_cache_alloc(cache[3]);
}

static void do_free_checked(void *p)
{
	kmem_cache_free(cache[3], p);
}

static void test_broken(void)
{
	static char global[64];
	unsigned char *p = kmalloc(64), *q = kmalloc(64), *c;

	expect_death(do_kfree, p + 8, "kmalloc-64", "wild free");
	expect_death(do_kfree, global, "wild or double free of", "no slab");
	expect_death(do_kfree, (char *)slab_address(SLAB_COUNT - 1), "wild or double free of", "no slab");
	expect_death(do_kfree, (void *)8, "wild or double free of", "no slab");
	kfree(p);
	expect_death(do_kfree, p, "kmalloc-64", "double free");
	memset(p, 0x77, 64); /* written to after it was freed: nothing that is believed lies there */
	for (int i = 0; i < 300; i++)
		check(kmalloc(64));
	kfree(q);
	p = kmalloc(64);
	expect_death(do_wrong_cache, p, "small", "another cache");
	kfree(p);
	c = kmem_cache_alloc(cache[3]);
	expect_death(do_free_checked, c + 8, "checked", "wild free");
	c[75] = 1;
	expect_death(do_free_checked, c, "checked", "Right Redzone");
	check(strstr(said, "BUG checked") && strstr(said, "Allocated in") && strstr(said, "instead of 0xcc"));
	c[75] = 0xcc;
	c[-1] = 1;
	expect_death(do_free_checked, c, "checked", "Left Redzone");
	c[-1] = 0xcc;
	kmem_cache_free(cache[3], c);
	expect_death(do_free_checked, c, "checked", "double free");
	c[10] = 0;
	expect_death(do_alloc_checked, NULL, "checked", "Poison");
	check(strstr(said, "Freed in") && strstr(said, "first byte 0x0 instead of 0x6b"));
	c = kmem_cache_alloc(cache[3]); /* that one was taken from the list before it was looked at */
	kmem_cache_free(cache[3], c);
	c[74] = 0x6b;
	expect_death(do_alloc_checked, NULL, "checked", "Poison");
	check(strstr(said, "instead of 0xa5"));
}

// Objects that the server knows to be its own again are refused when they come a second time: the library's records say
// otherwise, since the program wrote to them.
static void do_flush_twice(void *p)
{
	struct slab *slab = p;

	for (u32 i = 1; i <= slab->cache->count; i++)
		slab->state[i] = SLAB_USED;
	slab->free = 0;
	slab->room = 0;
	for (u32 i = 0; i < slab->cache->count; i++)
		kfree((char *)slab_base(slab) + i * slab->cache->size);
	slab_purge(slab->cache);
}

static void test_server_refuses(void)
{
	void *object[40];
	struct kmem_cache *c = kmem_cache_create("twice", 900, 0, SLAB_NO_MERGE, NULL);
	struct slab *slab;

	check(c);
	for (u32 i = 0; i < 40; i++)
		check((object[i] = kmem_cache_alloc(c)));
	for (u32 i = 0; i < 39; i++)
		kmem_cache_free(c, object[i]);
	slab = c->slabs.partial;
	check(slab);
	(void)kmem_cache_shrink(c); /* all but one are the server's now */
	expect_death(do_flush_twice, slab, "twice", "did not give out");
}

static void test_caches(void)
{
	struct kmem_cache *a = kmem_cache_create("alias", 60, 0, 0, NULL), *b, *c;
	void *p;

	check(a && !strcmp(kmem_cache_name(a), "kmalloc-64"));
	check(!kmem_cache_destroy(a));
	b = kmem_cache_create("one", 1234, 0, 0, NULL);
	c = kmem_cache_create("two", 1230, 0, 0, NULL);
	check(b && b == c);
	p = kmem_cache_alloc(b);
	check(p && !kmem_cache_destroy(c));
	check(kmem_cache_destroy(b) == -1 && errno == ERR_BUSY);
	kmem_cache_free(b, p);
	check(!kmem_cache_destroy(b));
	check(!kmem_cache_create("zero", 0, 0, 0, NULL) && errno == ERR_INVAL);
	check(!kmem_cache_create("big", SLAB_SIZE_MAX + 1, 0, 0, NULL) && errno == EINVAL);
	check(!kmem_cache_create("align", 8, 3, 0, NULL) && errno == ERR_INVAL);
	check(!kmem_cache_create("flags", 8, 0, 1ul << 40, NULL) && errno == EINVAL);
	check(!kmalloc(SLAB_SIZE_MAX + 1) && errno == EINVAL);
	check(!kcalloc(~0ul / 2, 3) && errno == EINVAL);
	kfree(NULL);
	kmem_cache_free(cache[0], NULL);
	check(ksize(NULL) == 0);
}

// Allocating and freeing needs no message; taking many, and freeing them in any order, one for each slab.
static void test_messages(void)
{
	static void *object[20000];
	struct kmem_cache *c = kmem_cache_create("quiet", 64, 0, SLAB_NO_MERGE, NULL);
	u64 before;

	check(c);
	kmem_cache_free(c, kmem_cache_alloc(c));
	before = messages;
	for (int i = 0; i < 10000; i++)
		kmem_cache_free(c, kmem_cache_alloc(c));
	check(messages == before);
	for (u32 i = 0; i < 20000; i++)
		check((object[i] = kmem_cache_alloc(c)));
	check(messages - before <= 20000 / c->layout.objects + 2);
	before = messages;
	for (u32 i = 0; i < 20000; i++) {
		u32 k = i + (u32)rnd(20000 - i);
		void *p = object[k];

		object[k] = object[i];
		kmem_cache_free(c, p);
		check(slab_cache_used(&c->slabs) == 20000 - 1 - i);
	}
	check(messages - before <= 20000 / c->layout.objects + 2);
	check(kmem_cache_shrink(c) > 0 && !kmem_cache_destroy(c));
}

int main(int argc, char **argv)
{
	u64 scale = getenv("JJOK_TEST") && !strcmp(getenv("JJOK_TEST"), "quick") ? 1 : 10;

	world_seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	world_boot("slub_debug=ZP,kmalloc-96", LIMIT);
	badge = world_process(1);
	caches_open();
	test_caches();
	test_messages();
	run_random(200000 * scale, false, false);
	run_random(50000 * scale, false, true);
	world_reclaim = true;
	run_random(20000 * scale, false, true);
	check(world_parked > 10);
	world_reclaim = false;
	run_random(50000 * scale, true, false);
	check(world_kills > 50);
	drop_all();
	for (u32 i = 0; i < ARRAY_SIZE(cache); i++) {
		(void)kmem_cache_shrink(cache[i]);
		check(!kmem_cache_destroy(cache[i]));
	}
	world_check();
	caches_open();
	test_broken();
	test_server_refuses();
	world_end(badge);
	world_check();
	world_check_empty();
	printf("kmem: ok, server killed %u times, seed %lu\n", world_kills, (unsigned long)world_seed);
	return 0;
}
