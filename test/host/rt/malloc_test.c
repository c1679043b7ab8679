// SPDX-License-Identifier: MIT
/*
 * malloc and the slab core on the host, against an oracle: random allocations whose content and place are checked, all
 * sizes, all alignments, and every kind of broken free. user/rt/src/malloc.c is compiled with its names changed (see
 * files.mk).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user/rt/src/malloc_os.h"

void *rt_malloc(size_t size);
void *rt_calloc(size_t n, size_t size);
void *rt_realloc(void *p, size_t size);
void rt_free(void *p);
void *rt_memalign(size_t align, size_t size);
int rt_posix_memalign(void **out, size_t align, size_t size);
size_t rt_malloc_usable_size(void *p);
int rt_malloc_trim(size_t keep);

static size_t mapped;
static long fail_in; // the n-th map from now fails; 0: none does
static jmp_buf died;
static const char *death;

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
			exit(1); \
		} \
	} while (0)

static bool refuse(void)
{
	return fail_in && --fail_in == 0;
}

static void *os_map(size_t bytes)
{
	void *p = refuse() ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	mapped += bytes;
	return p;
}

static void os_unmap(void *start, size_t bytes)
{
	CHECK(munmap(start, bytes) == 0);
	mapped -= bytes;
}

static void os_purge(void *start, size_t bytes)
{
	CHECK(madvise(start, bytes, MADV_DONTNEED) == 0);
}

const struct extent_os malloc_os = { os_map, os_unmap, os_purge };

// Always moves, which is the hard case.
void *malloc_os_resize(void *start, size_t old, size_t size)
{
	void *p = os_map(size);

	if (!p)
		return NULL;
	memcpy(p, start, old < size ? old : size);
	os_unmap(start, old);
	return p;
}

_Noreturn void malloc_die(const char *who, const void *p, const char *what)
{
	(void)p;
	(void)who;
	death = what;
	longjmp(died, 1);
}

static u64 seed = 1;

static u64 random_next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

#define SLOTS 4096
static struct {
	unsigned char *p;
	size_t size;
	unsigned char fill;
} slot[SLOTS];

static void slot_check(int i)
{
	for (size_t k = 0; k < slot[i].size; k++)
		CHECK(slot[i].p[k] == slot[i].fill);
}

static size_t random_size(void)
{
	u64 r = random_next();

	switch (r % 16) {
	case 0:
		return r >> 8 & 0x1ffff;
	case 1:
	case 2:
	case 3:
		return r >> 8 & 0x3fff;
	default:
		return r >> 8 & 0xff;
	}
}

static void slot_set(int i, unsigned char *p, size_t size)
{
	CHECK(p);
	slot[i].p = p;
	slot[i].size = size;
	slot[i].fill = random_next();
	CHECK(rt_malloc_usable_size(p) >= size);
	memset(p, slot[i].fill, size);
}

static void slot_fill(int i)
{
	size_t size = random_size(), align = 1u << (3 + random_next() % 12);
	unsigned char *p;

	switch (random_next() % 4) {
	case 0:
		p = rt_calloc(1, size);
		for (size_t k = 0; k < size; k++)
			CHECK(p[k] == 0);
		break;
	case 1:
		p = rt_memalign(align, size);
		CHECK((uintptr_t)p % align == 0);
		break;
	default:
		p = rt_malloc(size);
		CHECK((uintptr_t)p % (size > 8 ? 16 : 8) == 0);
	}
	slot_set(i, p, size);
}

static void slot_resize(int i)
{
	size_t size = random_size(), same = size < slot[i].size ? size : slot[i].size;
	unsigned char *p = rt_realloc(slot[i].p, size);

	CHECK(p);
	for (size_t k = 0; k < same; k++)
		CHECK(p[k] == slot[i].fill);
	slot_set(i, p, size);
}

static void test_random(int steps)
{
	for (int step = 0; step < steps; step++) {
		int i = random_next() % SLOTS;

		if (!slot[i].p) {
			slot_fill(i);
			continue;
		}
		slot_check(i);
		if (random_next() % 4 == 0) {
			slot_resize(i);
			continue;
		}
		rt_free(slot[i].p);
		slot[i].p = NULL;
	}
	for (int i = 0; i < SLOTS; i++) {
		if (slot[i].p)
			slot_check(i);
		rt_free(slot[i].p);
		slot[i].p = NULL;
	}
	rt_malloc_trim(0);
}

// With every slab back, what stays is one empty slab per class in a few chunks, and the extent table.
static void test_returned(void)
{
	size_t before = mapped;
	static void *p[200000];

	for (int i = 0; i < 200000; i++)
		CHECK((p[i] = rt_malloc(64)) != NULL);
	CHECK(mapped - before < 200000 * 64 * 115 / 100 + 0x200000);
	for (int i = 0; i < 200000; i++)
		rt_free(p[i]);
	rt_malloc_trim(0);
	CHECK(mapped <= before + 0x100000);
}

static void expect_death(void (*act)(void *), void *p, const char *what)
{
	death = NULL;
	if (setjmp(died) == 0)
		act(p);
	CHECK(death && strstr(death, what));
}

static void do_free(void *p)
{
	rt_free(p);
}

static void do_resize(void *p)
{
	p = rt_realloc(p, 40);
}

static void do_usable(void *p)
{
	(void)rt_malloc_usable_size(p);
}

static void test_broken(void)
{
	static char global[64];
	char *a = rt_malloc(48), *b = rt_malloc(100000), *c = rt_malloc(48);

	expect_death(do_free, a + 16, "wild free");
	expect_death(do_free, global, "never gave it out");
	expect_death(do_free, b + 4096, "never gave it out");
	rt_free(a);
	expect_death(do_free, a, "double free");
	expect_death(do_resize, a, "double free"); /* though it would stay where it is */
	expect_death(do_usable, a, "double free");
	expect_death(do_resize, c + 8, "wild free");
	rt_free(b);
	expect_death(do_free, b, "has it back");
	/* Written to after it was freed: the heap believes nothing that lies there. */
	rt_free(c);
	memset(c, 0x77, 48);
	a = rt_malloc(48);
	b = rt_malloc(48);
	CHECK(a != b && rt_malloc_usable_size(a) == 48 && rt_malloc_usable_size(b) == 48);
	rt_free(a);
	rt_free(b);
}

// No memory at any moment: the call fails, what was there stays.
static void test_no_memory(void)
{
	unsigned char *p = rt_malloc(20000);
	void *many[512];
	int n = 0;

	memset(p, 0x5a, 20000);
	fail_in = 1;
	CHECK(!rt_realloc(p, 40000) && errno == ENOMEM);
	for (int i = 0; i < 20000; i++)
		CHECK(p[i] == 0x5a);
	CHECK(rt_realloc(p, 30000) != NULL);
	for (long k = 1; k < 4; k++)
		for (int i = 0; i < 170 && n < 512; i++) {
			fail_in = k;
			many[n] = rt_malloc(i % 2 ? 8192 : 9000);
			n += many[n] != NULL;
		}
	fail_in = 0;
	while (n > 0)
		rt_free(many[--n]);
	errno = 0;
	volatile size_t huge = SIZE_MAX; // volatile: gcc would refuse such sizes where it sees them
	CHECK(!rt_malloc(huge) && errno == ENOMEM);
	CHECK(!rt_malloc(huge / 2) && !rt_calloc(huge / 2, 3) && !rt_memalign(huge / 4 + 1, 1));
	void *q;
	CHECK(rt_posix_memalign(&q, 24, 8) == EINVAL && rt_posix_memalign(&q, 1 << 20, 8) == 0);
	CHECK((uintptr_t)q % (1 << 20) == 0);
	rt_free(q);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	const char *how = getenv("JJOK_TEST");
	int steps = how && !strcmp(how, "quick") ? 50000 : 500000;

	test_no_memory();
	test_random(steps);
	test_returned();
	test_random(steps / 10);
	test_broken();
	printf("malloc_test: ok (seed %llu)\n", (unsigned long long)seed);
	return 0;
}
