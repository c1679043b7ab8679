// SPDX-License-Identifier: MIT
// The mmap family: what is where afterwards, what it contains, and what must not be touched.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include <machine.h>

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static volatile char *anon(void *at, size_t pages, int prot, int flags)
{
	void *p = mmap(at, pages * PAGE, prot, ANON | flags, -1, 0);

	CHECK(p != MAP_FAILED && (uint64_t)p % PAGE == 0);
	return p;
}

static void unmap(volatile char *at, size_t pages)
{
	CHECK(!munmap((void *)at, pages * PAGE));
}

static void protect(volatile char *at, size_t pages, int prot)
{
	CHECK(!mprotect((void *)at, pages * PAGE, prot));
}

static void part_read(void *p)
{
	(void)*(volatile char *)p;
}

static void part_write(void *p)
{
	*(volatile char *)p = 1;
}

static void part_call(void *p)
{
	((void (*)(void))p)();
}

#define READABLE(p)     child_exits(part_read, (void *)(p), 0)
#define WRITABLE(p)     child_exits(part_write, (void *)(p), 0)
#define NOT_READABLE(p) child_dies(part_read, (void *)(p), SIGSEGV)
#define NOT_WRITABLE(p) child_dies(part_write, (void *)(p), SIGSEGV)

static void test_holes(void)
{
	volatile char *p = anon(NULL, 10, RW, 0);

	for (int i = 0; i < 10; i++)
		p[i * PAGE] = i + 1;
	unmap(p + 3 * PAGE, 2);
	unmap(p + 9 * PAGE, 1);
	NOT_READABLE(p + 3 * PAGE);
	NOT_READABLE(p + 4 * PAGE + PAGE - 1);
	NOT_WRITABLE(p + 9 * PAGE);
	for (int i = 0; i < 9; i++)
		if (i != 3 && i != 4)
			CHECK_EQUAL(p[i * PAGE], i + 1);
	CHECK(anon((void *)(p + 3 * PAGE), 2, RW, MAP_FIXED) == p + 3 * PAGE);
	CHECK_EQUAL(p[3 * PAGE], 0);
	CHECK_EQUAL(p[4 * PAGE], 0);
	CHECK_EQUAL(mmap((void *)p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), MAP_FAILED);
	CHECK_EQUAL(errno, EEXIST);
	CHECK(anon((void *)p, 9, RW, MAP_FIXED) == p); // over what is there
	for (int i = 0; i < 9; i++)
		CHECK_EQUAL(p[i * PAGE], 0);
	unmap(p, 10);
	NOT_READABLE(p);
}

static void test_protect(void)
{
	volatile char *p = anon(NULL, 8, RW, 0);

	for (int i = 0; i < 8; i++)
		p[i * PAGE] = i + 1;
	protect(p + 2 * PAGE, 4, PROT_READ);
	protect(p + 3 * PAGE, 2, PROT_NONE);
	WRITABLE(p + PAGE);
	NOT_WRITABLE(p + 2 * PAGE);
	READABLE(p + 2 * PAGE);
	NOT_READABLE(p + 3 * PAGE);
	NOT_READABLE(p + 4 * PAGE);
	NOT_WRITABLE(p + 5 * PAGE);
	WRITABLE(p + 6 * PAGE);
	protect(p, 8, RW);
	for (int i = 0; i < 8; i++) {
		CHECK_EQUAL(p[i * PAGE], i + 1); // PROT_NONE keeps what is there
		p[i * PAGE] = i + 11;
	}
	child_dies(part_call, (void *)p, SIGSEGV); // not executable
	protect(p, 1, PROT_NONE);
	unmap(p, 8);
	CHECK_EQUAL(mprotect((void *)p, PAGE, PROT_READ), -1);
	CHECK_EQUAL(errno, ENOMEM);
}

static void test_code(void)
{
	static const uint32_t code[] = { MACHINE_RETURN };
	volatile char *p = anon(NULL, 1, RW, 0);

	memcpy((void *)p, code, sizeof(code));
	protect(p, 1, PROT_READ | PROT_EXEC);
	__builtin___clear_cache((char *)p, (char *)p + PAGE);
	part_call((void *)p);
	NOT_WRITABLE(p);
	/* Execution alone: a CPU that has no such entry gives reading with it, and the call works all the same. */
	protect(p, 1, PROT_EXEC);
	part_call((void *)p);
	NOT_WRITABLE(p);
	unmap(p, 1);
}

// Writing after fork to what mprotect made read-only in between, on both sides.
static void fork_protect_child(void *arg)
{
	volatile char *p = arg;

	protect(p, 4, PROT_READ);
	NOT_WRITABLE(p);
	protect(p, 4, RW);
	p[0] = 50;
	CHECK_EQUAL(p[0], 50);
}

static void test_fork_protect(void)
{
	volatile char *p = anon(NULL, 4, RW, 0);

	p[0] = 5;
	protect(p, 4, PROT_NONE);
	child_exits(fork_protect_child, (void *)p, 0);
	protect(p, 4, RW);
	CHECK_EQUAL(p[0], 5);
	unmap(p, 4);
}

static void test_mremap(void)
{
	volatile char *p = anon(NULL, 4, RW, 0), *q;

	for (int i = 0; i < 4; i++)
		p[i * PAGE] = i + 1;
	q = mremap((void *)p, 4 * PAGE, 600 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	for (int i = 0; i < 600; i++)
		CHECK_EQUAL(q[i * PAGE], i < 4 ? i + 1 : 0);
	if (q != p)
		NOT_READABLE(p);
	p = mremap((void *)q, 600 * PAGE, 2 * PAGE, 0);
	CHECK(p == q && p[PAGE] == 2);
	NOT_READABLE(p + 2 * PAGE);
	unmap(p, 2);
}

static void test_madvise(void)
{
	volatile char *p = anon(NULL, 64, RW, 0);

	for (int i = 0; i < 64; i++)
		p[i * PAGE] = 1;
	CHECK(!madvise((void *)(p + 8 * PAGE), 16 * PAGE, MADV_DONTNEED));
	for (int i = 0; i < 64; i++)
		CHECK_EQUAL(p[i * PAGE], i < 8 || i >= 24);
	CHECK(!madvise((void *)p, 64 * PAGE, MADV_RANDOM) && !madvise((void *)p, 64 * PAGE, MADV_WILLNEED));
	CHECK(!mlock((void *)p, 64 * PAGE) && !munlock((void *)p, 64 * PAGE));
	unmap(p, 64);
}

static void shared_child(void *arg)
{
	volatile char *p = arg;

	CHECK_EQUAL(p[0], 1);
	p[5 * PAGE] = 6;
	p[0] = 2;
}

static void test_shared(void)
{
	volatile char *p = mmap(NULL, 8 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	p[0] = 1;
	child_exits(shared_child, (void *)p, 0);
	CHECK(p[0] == 2 && p[5 * PAGE] == 6 && p[7 * PAGE] == 0);
	unmap(p, 8);
}

static void test_file(void)
{
	int fd = open("/etc/boot.manifest", O_RDONLY);
	char head[64];
	const char *p;

	CHECK(fd >= 0);
	CHECK_EQUAL(read(fd, head, sizeof(head)), sizeof(head));
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && !memcmp(p, head, sizeof(head)));
	NOT_WRITABLE(p);
	CHECK(!close(fd) && !munmap((void *)p, PAGE));
}

static void test_brk(void)
{
	char *start = sbrk(0), *p = sbrk(100 * PAGE);

	CHECK(start != (void *)-1 && p == start);
	memset(p, 7, 100 * PAGE);
	CHECK(sbrk(-50 * (long)PAGE) != (void *)-1);
	NOT_READABLE(p + 60 * PAGE);
	CHECK(sbrk(50 * PAGE) != (void *)-1);
	CHECK_EQUAL(p[49 * PAGE], 7);
	CHECK_EQUAL(p[60 * PAGE], 0);
	CHECK(sbrk(-100 * (long)PAGE) != (void *)-1);
}

static void test_wrong(void)
{
	volatile char *p = anon(NULL, 1, RW, 0);

	CHECK_EQUAL(mmap(NULL, 0, RW, ANON, -1, 0), MAP_FAILED);
	CHECK_EQUAL(mmap(NULL, ~0ul, RW, ANON, -1, 0), MAP_FAILED);
	CHECK_EQUAL(mmap(NULL, 1ul << 50, RW, ANON, -1, 0), MAP_FAILED);
	CHECK_EQUAL(mmap((void *)0xffffffc000000000, PAGE, RW, ANON | MAP_FIXED, -1, 0), MAP_FAILED);
	CHECK_EQUAL(mmap((void *)(p + 1), PAGE, RW, ANON | MAP_FIXED, -1, 0), MAP_FAILED);
	CHECK_EQUAL(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), MAP_FAILED);
	CHECK_EQUAL(munmap((void *)(p + 1), PAGE), -1);
	CHECK_EQUAL(munmap((void *)p, 0), -1);
	CHECK_EQUAL(munmap((void *)(0ul - PAGE), 2 * PAGE), -1);
	CHECK_EQUAL(mprotect((void *)p, PAGE, ~7), -1);
	CHECK_EQUAL(mprotect((void *)0xffffffc000000000, PAGE, RW), -1);
	unmap(p, 1);
}

// Random operations on a range, compared byte for byte with what they should have left.
#define RANGE 256

static struct {
	bool mapped;
	int prot;
	char content;
} model[RANGE];

static void random_step(volatile char *base, struct random *r)
{
	uint64_t at = random_below(r, RANGE), n = 1 + random_below(r, RANGE - at);
	uint64_t action = random_below(r, 8);
	bool whole = true;

	if (n > 24)
		n = 24;
	for (uint64_t i = at; i < at + n; i++)
		whole &= model[i].mapped;
	if (action == 0) {
		unmap(base + at * PAGE, n);
	} else if (action == 1) {
		CHECK(anon((void *)(base + at * PAGE), n, RW, MAP_FIXED) == base + at * PAGE);
	} else if (action <= 4 && whole) {
		static const int prots[] = { PROT_NONE, PROT_READ, RW };

		protect(base + at * PAGE, n, prots[action - 2]);
		for (uint64_t i = at; i < at + n; i++)
			model[i].prot = prots[action - 2];
	} else if (action >= 5) {
		char value = (char)random_next(r);

		for (uint64_t i = at; i < at + n; i++)
			if (model[i].mapped && model[i].prot == RW)
				base[i * PAGE] = model[i].content = value;
	}
	for (uint64_t i = at; i < at + n && action < 2; i++) {
		model[i].mapped = action == 1;
		model[i].prot = RW;
		model[i].content = 0;
	}
	for (uint64_t i = 0; i < RANGE; i++)
		if (model[i].mapped && model[i].prot & PROT_READ)
			CHECK_EQUAL(base[i * PAGE], model[i].content);
}

static void random_child(void *arg)
{
	struct random r = { 99 };

	for (int i = 0; i < 100; i++)
		random_step(arg, &r);
}

static void test_random(uint64_t seed)
{
	struct random r = { seed };
	volatile char *base = anon(NULL, RANGE, RW, 0);

	for (uint64_t i = 0; i < RANGE; i++) {
		model[i].mapped = true;
		model[i].prot = RW;
	}
	for (int i = 0; i < 600; i++) {
		random_step(base, &r);
		if (i % 100 == 99)
			child_exits(random_child, (void *)base, 0);
	}
	unmap(base, RANGE);
}

int main(int argc, char **argv)
{
	test_holes();
	test_protect();
	test_code();
	test_fork_protect();
	test_mremap();
	test_madvise();
	test_shared();
	test_file();
	test_brk();
	test_wrong();
	test_random(argc > 1 ? strtoul(argv[1], NULL, 0) : 1);
	return check_done("memory");
}
