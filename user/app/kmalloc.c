// SPDX-License-Identifier: MIT
// Takes objects of the slab server and keeps them for a while, to be looked at with slabinfo; or breaks one on purpose.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jjok/kmem.h>

#include "app.h"

#define COUNT_MAX 100000

static void *take(struct kmem_cache *cache)
{
	void *p = kmem_cache_alloc(cache);

	if (!p)
		exit(app_warn("allocation"));
	return p;
}

static struct kmem_cache *cache_open(const char *name, size_t size, unsigned long flags)
{
	struct kmem_cache *cache = kmem_cache_create(name, size, 0, flags, NULL);

	if (!cache)
		exit(app_warn(name));
	return cache;
}

static void keep(uint64_t count, uint64_t size, uint64_t seconds)
{
	void **object = calloc(count, sizeof(*object));
	struct kmem_cache *cache = cache_open("kmalloc-demo", size, 0);

	if (!object)
		exit(app_warn("list of objects"));
	for (uint64_t i = 0; i < count; i++) {
		object[i] = take(cache);
		memset(object[i], (int)i, size);
	}
	printf("%lu objects of %lu bytes in cache %s, the first at %p\n", count, size, kmem_cache_name(cache),
	       object[0]);
	fflush(stdout);
	sleep(seconds);
	for (uint64_t i = 0; i < count; i++)
		kmem_cache_free(cache, object[i]);
	printf("freed; %lu frames went back to the pool\n", kmem_cache_shrink(cache));
}

static void break_it(const char *how)
{
	struct kmem_cache *cache = cache_open("broken", 75, SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER);
	char *p = take(cache);

	if (!strcmp(how, "overflow")) {
		p[75] = 0;
	} else if (!strcmp(how, "underflow")) {
		p[-1] = 0;
	} else if (!strcmp(how, "wild-free")) {
		p += 8;
	} else if (!strcmp(how, "double-free")) {
		kmem_cache_free(cache, p);
	} else if (!strcmp(how, "use-after-free")) {
		kmem_cache_free(cache, p);
		p[10] = 0;
		p = take(cache);
	} else {
		app_usage();
	}
	kmem_cache_free(cache, p);
}

int main(int argc, char **argv)
{
	uint64_t count, size;

	app_start(
		argc, argv,
		"kmalloc COUNT SIZE [SECONDS] | kmalloc overflow|underflow|wild-free|double-free|use-after-free\n"
		"Takes COUNT objects of SIZE bytes from the slab server, keeps them for SECONDS and gives them back.\n"
		"The words: breaks an object of a checked cache, which ends the program.\n");
	if (argc == 2) {
		break_it(argv[1]);
		app_fail("nobody noticed");
	}
	if (argc < 3 || argc > 4)
		app_usage();
	count = app_number(argv[1], "COUNT");
	size = app_number(argv[2], "SIZE");
	if (!count || count > COUNT_MAX)
		app_fail("COUNT is 1 to %d", COUNT_MAX);
	keep(count, size, argc == 4 ? app_number(argv[3], "SECONDS") : 0);
	return 0;
}
