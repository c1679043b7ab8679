// SPDX-License-Identifier: MIT
/*
 * kmem [contents]: small objects of the slab server from where a program stands: contents, classes, caches and
 * constructors, fork and exec, every error, every broken free, what a hostile client can try, a flood, shrinking under
 * pressure. What ends a process happens in children.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jjok/kmem.h>

#include <abi/slab_client.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"

#define OBJECTS 600

static u64 stat(u64 index)
{
	u64 value = 0;

	CHECK(!slab_stat(SLOT_SLAB, index, &value));
	return value;
}

static void test_contents(void)
{
	static unsigned char *object[OBJECTS];
	static size_t size[OBJECTS];
	struct random r = { 1 };

	for (int round = 0; round < 20000; round++) {
		int i = random_below(&r, OBJECTS);

		if (!object[i]) {
			size[i] = random_below(&r, random_below(&r, 10) ? 150 : 3000);
			object[i] = kmalloc(size[i]);
			CHECK(object[i] && ksize(object[i]) >= size[i]);
			memset(object[i], i & 0xff, size[i]);
			continue;
		}
		for (size_t k = 0; k < size[i]; k++)
			CHECK_EQUAL(object[i][k], i & 0xff);
		kfree(object[i]);
		object[i] = NULL;
	}
	for (int i = 0; i < OBJECTS; i++)
		kfree(object[i]);
}

static void test_classes(void)
{
	for (size_t size = 1; size <= SLAB_SIZE_MAX; size += size < 300 ? 1 : 61) {
		char *p = kzalloc(size);
		size_t align = ksize(p) & -ksize(p);

		CHECK(p && ksize(p) >= size && (uintptr_t)p % (align < PAGE_SIZE ? align : PAGE_SIZE) == 0);
		for (size_t k = 0; k < size; k++)
			CHECK(!p[k]);
		memset(p, 0x55, size);
		kfree(p);
	}
}

static void constructor(void *p)
{
	memset(p, 0x3c, 200);
}

static void test_caches(void)
{
	struct kmem_cache *c = kmem_cache_create("built", 200, 0, 0, constructor);
	struct kmem_cache *aligned = kmem_cache_create("aligned", 100, 128, 0, NULL);
	unsigned char *p;

	CHECK(c && aligned);
	for (int i = 0; i < 100; i++) {
		p = kmem_cache_alloc(c);
		CHECK(p && p[0] == 0x3c && p[199] == 0x3c);
		CHECK((uintptr_t)kmem_cache_alloc(aligned) % 128 == 0);
	}
	CHECK(kmem_cache_destroy(c) == -1 && errno == EBUSY);
	CHECK(!strcmp(kmem_cache_name(c), "built") && kmem_cache_size(c) == 200);
}

static void test_merging(void)
{
	struct kmem_cache *c = kmem_cache_create("alias", 64, 0, 0, NULL);

	CHECK(c && !strcmp(kmem_cache_name(c), "kmalloc-64"));
	CHECK(kmem_cache_create("another", 61, 0, 0, NULL) == c);
	CHECK(kmem_cache_create("own", 61, 0, SLAB_NO_MERGE, NULL) != c);
	CHECK(!kmem_cache_destroy(c) && !kmem_cache_destroy(c));
}

static void test_errors(void)
{
	static const struct {
		u64 size, align, flags;
	} wrong[] = { { 0, 0, 0 },        { SLAB_SIZE_MAX + 1, 0, 0 }, { ~0ul, 0, 0 }, { 1ul << 32 | 8, 0, 0 },
		      { 8, 3, 0 },        { 8, 2 * PAGE_SIZE, 0 },     { 8, ~0ul, 0 }, { 8, 0, 32 },
		      { 8, 0, 1ul << 63 } };
	u64 id, v;

	CHECK(!slab_stat(SLOT_SLAB, 0, &v));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		CHECK_EQUAL(slab_cache_create(SLOT_SLAB, 'x', 0, wrong[i].size, wrong[i].align, wrong[i].flags, &id, &v,
					      &v),
			    -ERR_INVAL);
		CHECK(!kmem_cache_create("wrong", wrong[i].size, wrong[i].align, wrong[i].flags, NULL) &&
		      errno == EINVAL);
	}
	CHECK_EQUAL(slab_cache_destroy(SLOT_SLAB, 1), -ERR_NOENT); /* kmalloc's are nobody's to close */
	CHECK_EQUAL(slab_cache_destroy(SLOT_SLAB, SLAB_CACHES), -ERR_NOENT);
	CHECK_EQUAL(slab_cache_destroy(SLOT_SLAB, ~0ul), -ERR_NOENT);
	CHECK_EQUAL(slab_refill(SLOT_SLAB, 0, &v, &v, &v, &v, &v, &v, &v, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_refill(SLOT_SLAB, SLAB_CACHES - 1, &v, &v, &v, &v, &v, &v, &v, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_refill(SLOT_SLAB, ~0ul, &v, &v, &v, &v, &v, &v, &v, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_flush(SLOT_SLAB, SLAB_COUNT - 1, 1, 0, 0, 0, 0, 0, 0), -ERR_NOENT);
	CHECK_EQUAL(slab_flush(SLOT_SLAB, SLAB_COUNT, 1, 0, 0, 0, 0, 0, 0), -ERR_NOENT);
	CHECK_EQUAL(slab_flush(SLOT_SLAB, ~0ul, 1, 0, 0, 0, 0, 0, 0), -ERR_NOENT);
	CHECK_EQUAL(slab_shrink(SLOT_SLAB, SLAB_CACHES, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_shrink(SLOT_SLAB, SLAB_CACHES - 1, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_cache_info(SLOT_SLAB, 0, &v, &v, &v, &v, &v, &v, &v, &v), -ERR_INVAL);
	CHECK_EQUAL(slab_cache_info(SLOT_SLAB, SLAB_CACHES, &v, &v, &v, &v, &v, &v, &v, &v), -ERR_INVAL);
	CHECK_EQUAL(slab_cache_info(SLOT_SLAB, SLAB_CACHES - 1, &v, &v, &v, &v, &v, &v, &v, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_cache_size(SLOT_SLAB, SLAB_CACHES, &v, &v), -ERR_INVAL);
	CHECK_EQUAL(slab_cache_size(SLOT_SLAB, SLAB_CACHES - 1, &v, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_slab_info(SLOT_SLAB, SLAB_COUNT, &v, &v, &v, &v, &v), -ERR_INVAL);
	CHECK_EQUAL(slab_slab_info(SLOT_SLAB, SLAB_COUNT - 1, &v, &v, &v, &v, &v), -ERR_NOENT);
	CHECK_EQUAL(slab_stat(SLOT_SLAB, SLABSTAT_WAITED + 1, &v), -ERR_INVAL);
	CHECK_EQUAL(vm_attach(SLOT_VM, 99, &v), -ERR_INVAL);
	CHECK_EQUAL(vm_attach(SLOT_VM, ~0ul, &v), -ERR_INVAL);
	CHECK(!kmalloc(SLAB_SIZE_MAX + 1) && errno == EINVAL);
}

// ---- fork, exec

static void part_child_has_none(void *p)
{
	char *mine = kmalloc(64);

	CHECK(mine);
	memset(mine, 1, 64);
	kfree(mine);
	kfree(p); /* ends here */
}

static void part_child_touch(void *p)
{
	*(volatile char *)p = 1;
}

static void part_child_touch_attached(void *p)
{
	kfree(kmalloc(8));
	*(volatile char *)p = 1;
}

static void test_fork(void)
{
	char *p = kmalloc(64);

	CHECK(p);
	memset(p, 0x21, 64);
	child_dies(part_child_has_none, p, SIGABRT);
	child_dies(part_child_touch, p, SIGSEGV);
	child_dies(part_child_touch_attached, p, SIGSEGV);
	for (int i = 0; i < 64; i++)
		CHECK_EQUAL(p[i], 0x21);
	kfree(p);
}

static void part_exec(void *self)
{
	static void *object[500];

	for (int i = 0; i < 500; i++)
		object[i] = kmalloc(1000);
	CHECK(object[499]);
	execl(self, "kmem", "after-exec", NULL);
	FAIL("exec");
}

static u64 slabs_of(u64 pid)
{
	u64 owner, v, n = 0, table = stat(SLABSTAT_TABLE);

	for (u64 i = 0; i < table; i++)
		n += !slab_slab_info(SLOT_SLAB, i, &owner, &v, &v, &v, &v) && owner == pid;
	return n;
}

// A new program in a process that had slabs: they are gone, and the window with them.
static int after_exec(void)
{
	u64 pid, v;

	CHECK_EQUAL(slab_stat(SLOT_SLAB, 0, &v), -ERR_BADCAP);
	CHECK(!vm_getpid(SLOT_VM, &pid, NULL, NULL) && !vm_attach(SLOT_VM, ATTACH_SLAB, &v));
	CHECK_EQUAL(slabs_of(pid), 0);
	CHECK(kmalloc(64));
	CHECK_EQUAL(slabs_of(pid), 1);
	CHECK_EQUAL(slab_detach(SLOT_SLAB, pid << 16), -ERR_PERM);
	return 0;
}

// ---- broken programs

static void part_double_free(void *p)
{
	(void)p;
	p = kmalloc(64);
	kfree(p);
	kfree(p);
}

static void part_wild_free(void *p)
{
	kfree((char *)kmalloc(64) + (uintptr_t)p);
}

static void part_stray_free(void *p)
{
	kfree(p);
}

// Within its class: it would stay where it is.
static void part_resize_freed(void *p)
{
	(void)p;
	p = kmalloc(60);
	kfree(p);
	(void)!krealloc(p, 62);
}

static void part_resize_inside(void *p)
{
	(void)!krealloc((char *)kmalloc(60) + (uintptr_t)p, 50);
}

static struct kmem_cache *checked_open(void)
{
	struct kmem_cache *c = kmem_cache_create("checked", 75, 0, SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER, NULL);

	CHECK(c);
	return c;
}

static void part_overflow(void *offset)
{
	struct kmem_cache *c = checked_open();
	char *p = kmem_cache_alloc(c);

	p[(intptr_t)offset] = 1;
	kmem_cache_free(c, p);
}

static void part_use_after_free(void *p)
{
	struct kmem_cache *c = checked_open();

	(void)p;
	p = kmem_cache_alloc(c);
	kmem_cache_free(c, p);
	((char *)p)[20] = 1;
	(void)!kmem_cache_alloc(c);
}

static void test_broken(void)
{
	static char global[100];

	child_dies(part_double_free, NULL, SIGABRT);
	child_dies(part_wild_free, (void *)8, SIGABRT);
	child_dies(part_wild_free, (void *)4096, SIGABRT);
	child_dies(part_stray_free, global, SIGABRT);
	child_dies(part_stray_free, (void *)(SLAB_WINDOW + 64), SIGABRT);
	child_dies(part_resize_freed, NULL, SIGABRT);
	child_dies(part_resize_inside, (void *)8, SIGABRT);
	child_dies(part_overflow, (void *)75, SIGABRT);
	child_dies(part_overflow, (void *)-1, SIGABRT);
	child_dies(part_use_after_free, NULL, SIGABRT);
}

// ---- hostile ones

static void part_touch(void *p)
{
	kfree(kmalloc(8)); /* has the window */
	*(volatile char *)p = 1;
}

static void part_jump(void *p)
{
	((void (*)(void))p)();
}

// Another process' slabs can neither be touched nor given back nor looked into.
static void part_others(void *p)
{
	u64 mine = ((u64)p - SLAB_WINDOW) / SLAB_STRIDE, aspace, v;

	CHECK(!vm_attach(SLOT_VM, ATTACH_SLAB, &aspace));
	CHECK(!slab_attach(SLOT_SLAB, aspace, &v, &v));
	CHECK_EQUAL(slab_flush(SLOT_SLAB, mine, ~0ul, 0, 0, 0, 0, 0, 0), -ERR_NOENT);
	CHECK_EQUAL(slab_flush(SLOT_SLAB, mine, 0, 0, 0, 0, 0, 0, 0), -ERR_NOENT);
}

// Objects that it has not got; a wrong address space, so that nothing can be taken back from it before its end.
static void part_liar(void *p)
{
	u64 aspace, slab, map[7], v, frames;

	(void)p;
	CHECK(!vm_attach(SLOT_VM, ATTACH_SLAB, &aspace));
	CHECK(!slab_attach(SLOT_SLAB, aspace + 16, &v, &v));
	CHECK(!slab_refill(SLOT_SLAB, 4, &slab, &map[0], &map[1], &map[2], &map[3], &map[4], &map[5], &map[6]));
	CHECK(slab & SLAB_NEW);
	slab = (u32)slab;
	memset((void *)(SLAB_WINDOW + slab * SLAB_STRIDE), 0xff, 4096); /* nobody reads that */
	CHECK_EQUAL(slab_flush(SLOT_SLAB, slab, map[0], map[1], map[2] | 1ul << 63, 0, 0, 0, 0), -ERR_INVAL);
	CHECK(!slab_flush(SLOT_SLAB, slab, 3, 0, 0, 0, 0, 0, 0));
	CHECK_EQUAL(slab_flush(SLOT_SLAB, slab, 1, 0, 0, 0, 0, 0, 0), -ERR_INVAL);
	CHECK(!slab_flush(SLOT_SLAB, slab, map[0] & ~3ul, map[1], map[2], map[3], map[4], map[5], map[6]));
	CHECK(!slab_shrink(SLOT_SLAB, 0, &frames) && !frames);
	/* An honest one gets its pages taken away, and a touch is refused. */
	CHECK(!slab_attach(SLOT_SLAB, aspace, &v, &v));
	CHECK(!slab_refill(SLOT_SLAB, 4, &slab, &map[0], &map[1], &map[2], &map[3], &map[4], &map[5], &map[6]));
	slab = (u32)slab;
	*(volatile char *)(SLAB_WINDOW + slab * SLAB_STRIDE) = 1;
	CHECK(!slab_flush(SLOT_SLAB, slab, map[0], map[1], map[2], map[3], map[4], map[5], map[6]));
	CHECK(!slab_shrink(SLOT_SLAB, 0, &frames) && frames);
	*(volatile char *)(SLAB_WINDOW + slab * SLAB_STRIDE) = 1; /* ends here */
}

// It writes over all of its slabs: only it is hurt.
static void part_scribble(void *p)
{
	static void *object[200];
	u64 table;

	(void)p;
	for (int i = 0; i < 200; i++)
		object[i] = kmalloc(64);
	table = stat(SLABSTAT_TABLE);
	for (u64 i = 0; i < table; i++) {
		u64 owner, v;

		if (!slab_slab_info(SLOT_SLAB, i, &owner, &v, &v, &v, &v) && owner == (u64)getpid())
			memset((void *)(SLAB_WINDOW + i * SLAB_STRIDE), 0xff, 4096);
	}
	for (int i = 0; i < 200; i++)
		kfree(object[i]);
	for (int i = 0; i < 200; i++)
		CHECK(kmalloc(64));
}

static void test_hostile(void)
{
	char *p = kmalloc(2000);
	u64 refused = stat(SLABSTAT_REFUSED);

	CHECK(p);
	memset(p, 0x42, 2000);
	child_dies(part_touch, p, SIGSEGV);
	child_dies(part_touch, (void *)SLAB_WINDOW, SIGSEGV);
	child_dies(part_touch, (void *)(SLAB_WINDOW + SLAB_COUNT * (u64)SLAB_STRIDE - 1), SIGSEGV);
	child_dies(part_jump, p, SIGSEGV);
	child_exits(part_others, p, 0);
	child_dies(part_liar, NULL, SIGSEGV);
	child_exits(part_scribble, NULL, 0);
	CHECK(stat(SLABSTAT_REFUSED) >= refused + 2);
	for (int i = 0; i < 2000; i++)
		CHECK_EQUAL(p[i], 0x42);
	kfree(p);
}

// ---- floods and pressure

static void part_caches(void *p)
{
	u64 n = 0, id, v;
	err_t err;

	(void)p;
	kfree(kmalloc(8));
	while (!(err = slab_cache_create(SLOT_SLAB, 'f' + n, 0, 100, 0, SLAB_NO_MERGE, &id, &v, &v)))
		n++;
	CHECK_EQUAL(err, -ERR_MFILE);
	CHECK_EQUAL(n, SLAB_CLIENT_CACHES);
}

static void part_flood(void *p)
{
	u64 n = 0;

	(void)p;
	while (kmalloc(8192))
		n++;
	CHECK_EQUAL(errno, ENOSPC);
	CHECK(n > 10 && stat(SLABSTAT_FRAMES) <= stat(SLABSTAT_LIMIT) && stat(SLABSTAT_GROWN));
}

// One that takes all it may have, and one what that has left; the third finds nothing until they end. Empty slabs would
// go first.
static void part_hoard(void *p)
{
	int *pipes = p;
	char c = 'x';

	while (kmalloc(4096))
		;
	CHECK(write(pipes[1], &c, 1) == 1);
	CHECK(read(pipes[2], &c, 1) >= 0);
}

static void test_flood(void)
{
	void *p;

	child_exits(part_caches, NULL, 0);
	child_exits(part_flood, NULL, 0);
	p = kmalloc(64);
	CHECK(p);
	kfree(p);
}

static void test_want(void)
{
	int ready[2], go[2], status;
	pid_t child[2];
	char c;

	CHECK(!pipe(ready) && !pipe(go));
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		CHECK(child[i] >= 0);
		if (!child[i]) {
			part_hoard((int[]){ ready[0], ready[1], go[0] });
			_exit(0);
		}
		CHECK(read(ready[0], &c, 1) == 1);
	}
	CHECK(stat(SLABSTAT_GROWN) && stat(SLABSTAT_FRAMES) <= stat(SLABSTAT_MOST));
	errno = 0;
	while (kmalloc(8192))
		;
	CHECK(errno == ENOMEM || errno == ENOSPC);
	CHECK(write(go[1], "xx", 2) == 2);
	for (int i = 0; i < 2; i++)
		CHECK(waitpid(child[i], &status, 0) == child[i] && !status);
	CHECK(kmalloc(8192));
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

// A batch that came and went leaves empty slabs; they go back when memory runs short, though their owner sleeps.
static void test_pressure(void)
{
	static void *object[2000];
	u64 empty;

	for (int i = 0; i < 2000; i++)
		CHECK((object[i] = kmalloc(512)));
	for (int i = 0; i < 2000; i++)
		kfree(object[i]);
	empty = stat(SLABSTAT_EMPTY);
	CHECK(empty > 10);
	test_want();
	CHECK(stat(SLABSTAT_EMPTY) < empty);
	for (int i = 0; i < 2000; i++) {
		CHECK((object[i] = kmalloc(512)));
		memset(object[i], i, 512);
	}
	for (int i = 0; i < 2000; i++)
		kfree(object[i]);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "after-exec"))
		return after_exec();
	if (argc > 1 && !strcmp(argv[1], "contents")) { /* all that may be done when every cache is checked */
		test_contents();
		test_classes();
		test_caches();
		return check_done("kmem");
	}
	child_exits((void (*)(void *))test_contents, NULL, 0);
	child_exits((void (*)(void *))test_classes, NULL, 0);
	child_exits((void (*)(void *))test_caches, NULL, 0);
	child_exits((void (*)(void *))test_merging, NULL, 0);
	kfree(kmalloc(8));
	test_errors();
	test_fork();
	child_exits(part_exec, "/test/kmem", 0);
	test_broken();
	test_hostile();
	test_flood();
	child_exits((void (*)(void *))test_pressure, NULL, 0);
	return check_done("kmem");
}
