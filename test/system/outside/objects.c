// SPDX-License-Identifier: MIT
// objects: kmalloc, caches and vmalloc from an outside program: what is freed wrongly ends it with a line that names
// the cache, allocators do not take each other's memory, and when one is used up the others go on.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jjok/kmem.h>
#include <jjok/vmalloc.h>

static int failures;
static char *volatile object;
static volatile size_t most = SIZE_MAX;

#define CHECK(what) ((what) ? (void)0 : fail(#what, __LINE__))

static void fail(const char *what, int line)
{
	printf("FAILED: %s, line %d, errno %d\n", what, line, errno);
	failures++;
}

static struct kmem_cache *mine(void)
{
	return kmem_cache_create("mine", 300, 0, SLAB_NO_MERGE, NULL);
}

static void twice(void)
{
	struct kmem_cache *c = mine();

	object = kmem_cache_alloc(c);
	kmem_cache_free(c, object);
	kmem_cache_free(c, object);
}

static void inside(void)
{
	struct kmem_cache *c = mine();

	object = kmem_cache_alloc(c);
	kmem_cache_free(c, object + 8);
}

static void of_another_cache(void)
{
	object = kmalloc(300);
	kmem_cache_free(mine(), object);
}

static void of_the_parent(void)
{
	kfree(object);
}

static void kmalloc_to_free(void)
{
	object = kmalloc(64);
	free(object);
}

static void malloc_to_kfree(void)
{
	object = malloc(64);
	kfree(object);
}

static void resize_freed(void)
{
	object = kmalloc(100);
	kfree(object);
	object = krealloc(object, 120);
}

static void dies(void (*act)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		act();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

// A process gets its share of wired objects and no more; its heap knows nothing of that.
static void flood(void)
{
	static void *got[1000000];
	int n = 0;

	while (n < 1000000 && (got[n] = kmalloc(100)))
		memset(got[n++], n, 100);
	CHECK(n > 1000 && n < 1000000 && errno == ENOSPC);
	for (int i = 0; i < 20000; i++)
		CHECK(malloc(100) != NULL);
	while (n)
		kfree(got[--n]);
	object = kmalloc(8000);
	CHECK(object != NULL);
	kfree(object);
}

static void areas(void)
{
	char *a = vmalloc(4 * 4096), *ram;
	void *page[4];

	CHECK(!vmalloc(0) && errno == EINVAL);
	CHECK(!vmalloc(most) && errno == ERANGE);
	CHECK(!vmalloc(most - 4095) && errno == ERANGE);
	CHECK(!vmalloc((size_t)1 << 32) && errno == ENOMEM);
	for (int i = 0; i < 4; i++)
		page[i] = a + (3 - i) * 4096;
	ram = vm_map_ram(page, 4);
	a[0] = 7;
	CHECK(ram && ram[3 * 4096] == 7);
	vm_unmap_ram(ram, 3);
	vfree(a + 4096);
	vfree(a);
	CHECK(ram[3 * 4096] == 7); /* the pages live as long as either address */
	vfree(a);
	vm_unmap_ram(ram, 4);
	page[0] = &a;
	CHECK(!vm_map_ram(page, 1) && errno == EFAULT);
	CHECK(!vm_map_ram(page, 0) && errno == EINVAL);
}

static void exhaust(void)
{
	static void *area[4096];
	int n = 0;

	while (n < 4096 && (area[n] = vmalloc(1 << 20)))
		n++;
	CHECK(n > 16 && n < 4096 && errno == ENOMEM);
	while (n)
		vfree(area[--n]);
	object = vmalloc(16 << 20);
	CHECK(object != NULL);
	vfree(object);
}

int main(void)
{
	object = kmalloc(64);
	dies(of_the_parent);
	dies(twice);
	dies(inside);
	dies(of_another_cache);
	dies(kmalloc_to_free);
	dies(malloc_to_kfree);
	dies(resize_freed);
	flood();
	areas();
	exhaust();
	printf("objects: %s\n", failures ? "FAILED" : "ok");
	return failures != 0;
}
