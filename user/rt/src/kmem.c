// SPDX-License-Identifier: MIT
/*
 * The client of the slab server: caches over the slab core (lib/slab), whose slabs come from the server by message.
 *
 * Objects are allocated and freed here, without a message, as long as this library holds some. The server has a bit for
 * each object that it gave out: set while the object is in use or spare here. Refill is a message and brings all that
 * the server has of one slab; flush is one and takes back what is spare of one slab: when a second slab is empty, and
 * from all of them when the program asks for it (kmem_cache_shrink). What is spare in slabs that are in use would help
 * nobody else: a slab belongs to one process.
 *
 *	server --refill--> spare <--slab_alloc, slab_free--> in use
 *	   ^---- flush ------'
 *
 * One thread per process, so no lock. After fork the child has no slabs; caches are opened again when they are used.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <abi/slab_client.h>

#include "kmem.h"
#include "malloc_os.h"
#include "rt.h"

static struct slab *server_get(struct slab_source *source, const struct slab_cache *cache);
static void server_put(struct slab_source *source, struct slab *slab);

// What there is of each slab number, made when the process first asks for an object: programs that do not are no
// larger. Large, but only what is used is ever touched, and so in memory.
static struct slab *slabs; // cache NULL: not a slab of this process
static u64 slabs_count;    // as many as the server can have, once they are there
static u32 slabs_end;      // numbers from here on were never seen
static struct states {
	u16 *state;
	u32 count; // objects there is room for
} * states;
static struct kmem_cache *caches; // that are ready
static bool attached;

// States of a slab's objects, as the slab core fills them: number 0, and four at a time.
#define STATES(count) (((count) + 4) / 4 * 4)

#define CLASS(n, text) \
	[n] = { .source = { server_get, server_put }, \
		.slabs = { .source = &kmalloc_cache[n].source }, \
		.id = 1 + (n), \
		.name = "kmalloc-" text }
static struct kmem_cache kmalloc_cache[KMALLOC_CLASSES] = {
	CLASS(0, "8"),   CLASS(1, "16"),  CLASS(2, "32"),  CLASS(3, "64"),  CLASS(4, "96"),
	CLASS(5, "128"), CLASS(6, "192"), CLASS(7, "256"), CLASS(8, "512"), CLASS(9, "1k"),
	CLASS(10, "2k"), CLASS(11, "4k"), CLASS(12, "8k"),
};

// Classes up to 512 bytes by (size + 7) / 8.
#define FINE_MAX 512
static struct kmem_cache *const fine[FINE_MAX / 8 + 1] = {
	[0 ... 1] = &kmalloc_cache[0],   [2] = &kmalloc_cache[1],         [3 ... 4] = &kmalloc_cache[2],
	[5 ... 8] = &kmalloc_cache[3],   [9 ... 12] = &kmalloc_cache[4],  [13 ... 16] = &kmalloc_cache[5],
	[17 ... 24] = &kmalloc_cache[6], [25 ... 32] = &kmalloc_cache[7], [33 ... 64] = &kmalloc_cache[8],
};

// ---- what the server is told

static bool tables_make(u64 count)
{
	if (slabs_count)
		return true;
	slabs = calloc(count, sizeof(*slabs));
	states = calloc(count, sizeof(*states));
	if (slabs && states)
		slabs_count = count;
	else
		free(slabs);
	return slabs_count;
}

static err_t attach(void)
{
	u64 aspace, frames, count;
	err_t err;

	if (attached)
		return 0;
	err = vm_attach(SLOT_VM, ATTACH_SLAB, &aspace);
	if (!err)
		err = slab_attach(SLOT_SLAB, aspace, &frames, &count);
	if (!err && !tables_make(count))
		err = -ERR_NOMEM;
	attached = !err;
	return err;
}

static err_t server_open(struct kmem_cache *c, u64 *size_align, u64 *flags)
{
	u64 name[2] = { 0 }, id;
	err_t err;

	if (c >= kmalloc_cache && c < kmalloc_cache + KMALLOC_CLASSES)
		return slab_cache_size(SLOT_SLAB, c->id, size_align, flags);
	memcpy(name, c->name, KMEM_NAME);
	err = slab_cache_create(SLOT_SLAB, name[0], name[1], c->size, c->align, c->flags, &id, size_align, flags);
	if (!err)
		c->id = (u32)id;
	return err;
}

// Sizes and flags are what the server says: it may have merged the cache, or been told to check it.
static err_t cache_shape(struct kmem_cache *c, u64 size_align, u64 flags)
{
	if (!slab_layout((u32)size_align, size_align >> 32, flags, &c->layout))
		return -ERR_INVAL;
	c->size = (u32)size_align;
	c->align = size_align >> 32;
	c->flags = (u32)flags;
	slab_cache_init(&c->slabs, c->name, c->layout.stride, (size_t)PAGE_SIZE << c->layout.order, &c->source);
	c->slabs.count = c->layout.objects; /* the states do not lie in the slab */
	c->plain = !(c->flags & SLAB_CHECKS);
	c->ready = true;
	c->next = caches;
	caches = c;
	return 0;
}

static err_t cache_ready(struct kmem_cache *c)
{
	u64 size_align, flags;
	err_t err;

	if (c->ready)
		return 0;
	err = attach();
	if (!err)
		err = server_open(c, &size_align, &flags);
	return err ? err : cache_shape(c, size_align, flags);
}

static struct kmem_cache *cache_of(const struct slab *slab)
{
	return (struct kmem_cache *)((char *)slab->cache - offsetof(struct kmem_cache, slabs));
}

static void objects_prepare(struct kmem_cache *c, char *base)
{
	for (u32 i = 0; i < c->layout.objects; i++) {
		char *object = base + (size_t)i * c->layout.stride;

		if (c->flags & SLAB_CHECKS)
			kmem_check_new(c, object);
		if (c->ctor)
			c->ctor(object + c->layout.offset);
	}
}

// Where the states of the slab's objects lie. What was got for a number is kept for it. False: there is no memory.
static bool states_place(struct slab *slab, u32 count)
{
	struct states *s = &states[slab->source];

	slab->state = NULL; /* in the descriptor */
	if (count <= SLAB_INLINE)
		return true;
	if (s->count < count) {
		u16 *larger = realloc(s->state, STATES(count) * sizeof(*larger));

		if (!larger)
			return false;
		*s = (struct states){ larger, count };
	}
	slab->state = s->state;
	return true;
}

static err_t server_flush(const struct slab *slab, const u64 *map)
{
	return slab_flush(SLOT_SLAB, slab->source, map[0], map[1], map[2], map[3], map[4], map[5], map[6]);
}

static struct slab *slab_arrived(struct kmem_cache *c, u64 number, const u64 *map)
{
	u32 index = (u32)number;
	struct slab *slab = &slabs[index];
	u64 base = SLAB_WINDOW + (u64)index * SLAB_STRIDE;

	if (index >= slabs_count)
		malloc_die(c->name, (void *)base, "the server gave a slab that there cannot be");
	if (slab->cache) { /* objects of it are in use here */
		slab_give(slab, map);
		return slab;
	}
	slab->source = index;
	slabs_end = index >= slabs_end ? index + 1 : slabs_end;
	slab_place(slab, &c->slabs, base);
	slab->room = 0;
	if (!states_place(slab, c->layout.objects)) {
		(void)server_flush(slab, map);
		return NULL;
	}
	if (number & SLAB_NEW && (c->ctor || !c->plain))
		objects_prepare(c, (char *)base);
	return slab;
}

static struct slab *server_get(struct slab_source *source, const struct slab_cache *cache)
{
	struct kmem_cache *c = (struct kmem_cache *)source;
	u64 number, map[SLAB_MAP_WORDS];
	err_t err;

	(void)cache;
	err = slab_refill(SLOT_SLAB, c->id, &number, &map[0], &map[1], &map[2], &map[3], &map[4], &map[5], &map[6]);
	if (!err)
		return slab_arrived(c, number, map);
	rt_fail(err);
	return NULL;
}

static void objects_flush(const struct kmem_cache *c, const struct slab *slab, const u64 *map)
{
	if (server_flush(slab, map))
		malloc_die(c->name, (void *)slab_base(slab), "the server did not give out these objects");
}

// An empty slab: all its objects go.
static void server_put(struct slab_source *source, struct slab *slab)
{
	struct kmem_cache *c = (struct kmem_cache *)source;
	u64 map[SLAB_MAP_WORDS] = { 0 };

	for (u32 i = 0; i < c->layout.objects; i += 64)
		map[i / 64] = c->layout.objects - i >= 64 ? ~0ul : (1ul << (c->layout.objects - i)) - 1;
	objects_flush(c, slab, map);
	slab->cache = NULL;
}

// What is spare in a slab that is partly in use.
static void partial_flush(struct kmem_cache *c, struct slab *slab)
{
	u64 map[SLAB_MAP_WORDS] = { 0 };

	slab_take(slab, map);
	objects_flush(c, slab, map);
	if (!slab_used(slab)) { /* the others went before */
		slab->cache = NULL;
		c->slabs.slabs--;
	}
}

// ---- objects

static void *fail(int error)
{
	errno = error;
	return NULL;
}

static __attribute__((noinline)) void *careful_alloc(struct kmem_cache *c)
{
	err_t err = cache_ready(c);
	char *object;

	if (err) {
		rt_fail(err);
		return NULL;
	}
	object = slab_alloc(&c->slabs);
	if (!object)
		return NULL;
	if (!c->plain)
		kmem_check_alloc(c, object, __builtin_return_address(0));
	return object + c->layout.offset;
}

static always_inline void *cache_alloc(struct kmem_cache *c)
{
	if (unlikely(!c->plain))
		return careful_alloc(c);
	return slab_alloc(&c->slabs);
}

static __attribute__((noinline)) void checked_free(struct kmem_cache *c, struct slab *slab, const void *p)
{
	char *object = (char *)p - c->layout.offset;

	if (slab_in_use(slab, object))
		kmem_check_free(c, object, __builtin_return_address(0));
	slab_free(slab, object);
}

// The slab of this process that the address lies in, NULL: there is none.
static always_inline struct slab *slab_of(const void *p)
{
	u64 index = (u64)p / SLAB_STRIDE - SLAB_WINDOW / SLAB_STRIDE;

	return likely(index < slabs_count && slabs[index].cache) ? &slabs[index] : NULL;
}

static __attribute__((noinline)) void stray_free(const void *p)
{
	if (p)
		malloc_die("wild or double free of", p, "no slab of this process is there");
}

static always_inline void object_free(struct slab *slab, const void *p)
{
	struct kmem_cache *c = cache_of(slab);

	if (unlikely(!c->plain))
		checked_free(c, slab, p);
	else
		slab_free(slab, p);
}

static __attribute__((noinline)) void *large_class_alloc(size_t size)
{
	if (size > SLAB_SIZE_MAX)
		return fail(EINVAL);
	return cache_alloc(&kmalloc_cache[kmalloc_class(size)]);
}

void *kmalloc(size_t size)
{
	if (unlikely(size > FINE_MAX))
		return large_class_alloc(size);
	return cache_alloc(fine[(size + 7) / 8]);
}

void kfree(const void *p)
{
	struct slab *slab = slab_of(p);

	if (likely(slab))
		object_free(slab, p);
	else
		stray_free(p);
}

size_t ksize(const void *p)
{
	struct slab *slab = slab_of(p);
	const char *object;

	if (!slab) {
		stray_free(p);
		return 0;
	}
	object = (const char *)p - cache_of(slab)->layout.offset;
	if (!slab_in_use(slab, object))
		slab_free_wrong(slab, object);
	return cache_of(slab)->size;
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	return p ? memset(p, 0, size) : NULL;
}

void *kcalloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return fail(EINVAL);
	return kzalloc(bytes);
}

void *krealloc(void *p, size_t size)
{
	size_t old = ksize(p);
	void *q;

	if (p && size <= old)
		return p;
	q = kmalloc(size);
	if (q && p) {
		memcpy(q, p, old);
		kfree(p);
	}
	return q;
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
	return cache_alloc(c);
}

void *kmem_cache_zalloc(struct kmem_cache *c)
{
	void *p = cache_alloc(c);

	return p ? memset(p, 0, c->size) : NULL;
}

void kmem_cache_free(struct kmem_cache *c, void *p)
{
	struct slab *slab = slab_of(p);

	if (unlikely(!slab))
		stray_free(p);
	else if (unlikely(slab->cache != &c->slabs))
		malloc_die(c->name, p, "freed here, but it is an object of another cache");
	else
		object_free(slab, p);
}

// ---- caches

static struct kmem_cache *cache_by_id(u32 id)
{
	if (id <= KMALLOC_CLASSES)
		return &kmalloc_cache[id - 1];
	for (struct kmem_cache *c = caches; c; c = c->next)
		if (c->id == id)
			return c;
	return NULL;
}

static void cache_unlink(const struct kmem_cache *c)
{
	struct kmem_cache **link = &caches;

	while (*link && *link != c)
		link = &(*link)->next;
	if (*link)
		*link = c->next;
}

// Open `c` at the server, or find the cache of this process that the server merged it with.
static struct kmem_cache *cache_settle(struct kmem_cache *c)
{
	u64 size_align, flags;
	struct kmem_cache *older = NULL;
	err_t err = attach();

	if (!err)
		err = server_open(c, &size_align, &flags);
	if (!err)
		older = cache_by_id(c->id);
	if (!err)
		err = older ? cache_ready(older) : cache_shape(c, size_align, flags);
	if (err) {
		rt_fail(err);
		return NULL;
	}
	if (!older)
		return c;
	older->aliases++;
	return older;
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, unsigned long flags,
				     void (*ctor)(void *))
{
	struct kmem_cache *c, *settled;

	if (size > SLAB_SIZE_MAX || align > PAGE_SIZE || flags & ~(unsigned long)SLAB_FLAGS)
		return fail(EINVAL);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->source = (struct slab_source){ server_get, server_put };
	c->slabs.source = &c->source;
	strncpy(c->name, name, KMEM_NAME);
	c->size = (u32)size;
	c->align = (u32)align;
	c->flags = (u32)flags | (ctor ? SLAB_CTOR : 0);
	c->ctor = ctor;
	settled = cache_settle(c);
	if (settled != c)
		free(c);
	return settled;
}

static void cache_flush(struct kmem_cache *c)
{
	while (c->slabs.partial)
		partial_flush(c, c->slabs.partial);
	slab_purge(&c->slabs);
}

int kmem_cache_destroy(struct kmem_cache *c)
{
	err_t err;

	if (c->aliases) {
		c->aliases--;
		return 0;
	}
	if (slab_cache_used(&c->slabs))
		return rt_fail(-ERR_BUSY);
	if (c->ready) {
		cache_flush(c);
		err = slab_cache_destroy(SLOT_SLAB, c->id);
		if (err)
			return rt_fail(err);
		cache_unlink(c);
	}
	free(c);
	return 0;
}

size_t kmem_cache_shrink(struct kmem_cache *c)
{
	u64 frames = 0;
	err_t err = cache_ready(c);

	if (!err) {
		cache_flush(c);
		err = slab_shrink(SLOT_SLAB, c->id, &frames);
	}
	if (err)
		rt_fail(err);
	return frames;
}

size_t kmem_cache_size(const struct kmem_cache *c)
{
	return c->size;
}

const char *kmem_cache_name(const struct kmem_cache *c)
{
	return c->name;
}

// The child of a fork has this library's records and none of its slabs.
void rt_kmem_forked(void)
{
	for (u32 i = 0; i < slabs_end; i++)
		slabs[i].cache = NULL;
	for (struct kmem_cache *c = caches; c; c = c->next) {
		c->slabs = (struct slab_cache){ .source = &c->source };
		c->ready = c->plain = false;
	}
	caches = NULL;
	attached = false;
}
