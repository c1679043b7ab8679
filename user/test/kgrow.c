// SPDX-License-Identifier: MIT
/*
 * kgrow fill MIB | squeeze: slab's memory grows with what programs ask for, and goes back.
 *
 * fill: so many MiB in caches and classes of many sizes, each object's content checked; then memory is as before.
 * squeeze (with swap, on little memory): another program fills memory; slab gets its part of it all the same, within
 * its bound, while that program's pages go to swap; slabs that are empty come back when that program wants memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jjok/kmem.h>

#include <abi/reclaim_client.h>
#include <abi/slab_client.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"
#include "stats.h"

#define MIB     (1024 * 1024ul)
#define SLACK   48 // frames by which free memory may differ: empty frames of kernel objects, vm's magazine
#define OBJECTS 64 // of a size, taken in turn

static void slab_open(void)
{
	u64 aspace;

	CHECK(!vm_attach(SLOT_VM, ATTACH_SLAB, &aspace));
}

// ---- objects: each begins with a link to the one before it, its size and a word that follows from its place

struct object {
	struct object *before;
	struct kmem_cache *cache; // NULL: kmalloc
	size_t size;
	size_t mark;
};

static void object_fill(struct object *o)
{
	size_t *words = (size_t *)o;

	o->mark = (size_t)o ^ o->size;
	for (size_t i = sizeof(*o) / sizeof(size_t); i < o->size / sizeof(size_t); i++)
		words[i] = o->mark + i;
}

static void object_check(const struct object *o)
{
	const size_t *words = (const size_t *)o;

	CHECK(o->mark == ((size_t)o ^ o->size));
	for (size_t i = sizeof(*o) / sizeof(size_t); i < o->size / sizeof(size_t); i++)
		CHECK(words[i] == o->mark + i);
}

static struct object *object_make(struct object *before, struct kmem_cache *cache, size_t size)
{
	struct object *o = cache ? kmem_cache_alloc(cache) : kmalloc(size);

	if (!o)
		return NULL;
	o->before = before;
	o->cache = cache;
	o->size = size;
	object_fill(o);
	return o;
}

// Until there are so many bytes, or no more can be had.
static struct object *objects_make(size_t bytes, size_t *got)
{
	static const size_t sizes[] = { 64, 32, 128, 96, 512, 1024, 2048, 4096, 8192, 192 };
	struct kmem_cache *cache[] = { kmem_cache_create("grow-a", 72, 0, SLAB_NO_MERGE, NULL),
				       kmem_cache_create("grow-b", 640, 64, SLAB_NO_MERGE, NULL) };
	struct object *last = NULL;
	unsigned kind = 0;

	CHECK(cache[0] && cache[1]);
	for (*got = 0; *got < bytes; kind++) {
		unsigned k = kind / OBJECTS % (sizeof(sizes) / sizeof(*sizes) + 2);
		struct object *o = k < 2 ? object_make(last, cache[k], kmem_cache_size(cache[k]))
					 : object_make(last, NULL, sizes[k - 2]);

		if (!o)
			return last;
		last = o;
		*got += o->size;
	}
	return last;
}

static void objects_free(struct object *o)
{
	while (o) {
		struct object *before = o->before;

		object_check(o);
		if (o->cache)
			kmem_cache_free(o->cache, o);
		else
			kfree(o);
		o = before;
	}
}

// ---- fill

static void part_fill(void *p)
{
	size_t mib = *(size_t *)p, got;
	struct object *last = objects_make(mib * MIB, &got);

	CHECK_EQUAL(got >= mib * MIB, 1);
	CHECK(slab_count(SLABSTAT_FRAMES) * PAGE_SIZE >= mib * MIB &&
	      slab_count(SLABSTAT_FRAMES) <= slab_count(SLABSTAT_LIMIT));
	printf("kgrow: %zu MiB of objects in %lu slabs, %lu frames of user memory\n", mib, slab_count(SLABSTAT_SLABS),
	       slab_count(SLABSTAT_GROWN));
	objects_free(last);
	/* What is spare here goes with the process; what is empty beyond a cushion went already. */
	CHECK(slab_count(SLABSTAT_GROWN) * PAGE_SIZE < mib * MIB / 4);
}

static u64 room(void)
{
	return vm_count(VMSTAT_POOL_LIMIT) - vm_count(VMSTAT_POOL_USED) - vm_count(VMSTAT_POOL_CHILDREN);
}

static void fill(size_t mib)
{
	u64 limit, before, after, table;

	slab_open();
	table = slab_count(SLABSTAT_TABLE);
	for (int round = 0; round < 2; round++) {
		before = room();
		limit = vm_count(VMSTAT_POOL_LIMIT);
		child_exits(part_fill, &mib, 0);
		after = room();
		CHECK_EQUAL(slab_count(SLABSTAT_GROWN), 0);
		CHECK_EQUAL(slab_count(SLABSTAT_SLABS), 0);
		CHECK_EQUAL(slab_count(SLABSTAT_TABLE), table);
		CHECK_EQUAL(vm_count(VMSTAT_POOL_LIMIT), limit);
		CHECK(after + SLACK >= before && before + SLACK >= after);
	}
}

// ---- squeeze

static void words_fill(size_t *area, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(size_t); i += 64)
		area[i] = i ^ 0x5a5a;
}

static void words_check(const size_t *area, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(size_t); i += 64)
		CHECK(area[i] == (i ^ 0x5a5a));
}

// Takes all that it can get, frees it, and sleeps with what is empty still its own.
static void part_squeeze(void *p)
{
	int *pipes = p;
	size_t got;
	struct object *last = objects_make(~0ul, &got);
	char c = 'x';

	CHECK(errno == ENOSPC || errno == ENOMEM);
	printf("kgrow: squeezed %zu KiB of objects out of the others, %lu of %lu frames, %lu refills waited\n",
	       got / 1024, slab_count(SLABSTAT_FRAMES), slab_count(SLABSTAT_MOST), slab_count(SLABSTAT_WAITED));
	CHECK(slab_count(SLABSTAT_FRAMES) <= slab_count(SLABSTAT_MOST));
	CHECK(slab_count(SLABSTAT_FRAMES) * 2 > slab_count(SLABSTAT_MOST));
	objects_free(last);
	CHECK(write(pipes[1], &c, 1) == 1);
	CHECK(read(pipes[2], &c, 1) == 1);
}

static void squeeze(void)
{
	u64 limit, out, pressure;
	size_t bytes;
	int ready[2], go[2], status;
	size_t *area;
	pid_t child;
	char c;

	slab_open();
	limit = vm_count(VMSTAT_POOL_LIMIT);
	bytes = room() * PAGE_SIZE; /* alone it is too much already */
	area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED && !pipe(ready) && !pipe(go));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		CHECK(read(go[0], &c, 1) == 1);
		part_squeeze((int[]){ ready[0], ready[1], go[0] });
		_exit(check_done("kgrow child"));
	}
	close(ready[1]); /* so that a child that fails does not leave its parent waiting */
	words_fill(area, bytes);
	out = reclaim_count(RECLAIMSTAT_PSWPOUT);
	CHECK(write(go[1], "x", 1) == 1);
	CHECK(read(ready[0], &c, 1) == 1);
	CHECK(reclaim_count(RECLAIMSTAT_PSWPOUT) > out + 100);
	pressure = slab_count(SLABSTAT_PRESSURE);
	words_check(area, bytes);
	CHECK(slab_count(SLABSTAT_PRESSURE) > pressure);
	CHECK(slab_count(SLABSTAT_GROWN) <= SLACK);
	CHECK(write(go[1], "x", 1) == 1);
	CHECK(waitpid(child, &status, 0) == child && !status);
	words_check(area, bytes);
	CHECK_EQUAL(slab_count(SLABSTAT_GROWN), 0);
	CHECK_EQUAL(vm_count(VMSTAT_POOL_LIMIT), limit);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "fill")) {
		fill(strtoul(argv[2], NULL, 0));
	} else if (argc == 2 && !strcmp(argv[1], "squeeze")) {
		squeeze();
	} else {
		fprintf(stderr, "usage: kgrow fill MIB | squeeze\n");
		return 2;
	}
	return check_done("kgrow");
}
