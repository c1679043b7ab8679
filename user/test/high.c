// SPDX-License-Identifier: MIT
// The ends of the user half in whatever paging mode this is: memory above the servers' part maps, faults, forks, runs
// and comes back with more than three levels; what no mode has (the canonical hole, the kernel's half, the frame
// table's entry) is an error of the program that asks or touches, and nothing else.
#define _GNU_SOURCE
#include <abi/stubs.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE PAGE_SIZE
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static u64 levels, user_end, top; // top: where programs' memory ends, below the frame table's root entry

static u64 key(volatile u64 *p)
{
	return (u64)p * 0x9e3779b97f4a7c15 ^ levels;
}

static void fill(volatile u64 *p, u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		p[i * PAGE / 8] = key(&p[i * PAGE / 8]);
}

static void filled(volatile u64 *p, u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		CHECK_EQUAL(p[i * PAGE / 8], key(&p[i * PAGE / 8]));
}

static volatile u64 *map_at(u64 addr, u64 pages, int flags)
{
	void *p = mmap((void *)addr, pages * PAGE, RW, flags | MAP_FIXED, -1, 0);

	CHECK_EQUAL(p, addr);
	return p;
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

static void part_child(void *at)
{
	volatile u64 *p = at;

	filled(p, 4);
	for (int i = 0; i < 4; i++)
		p[i * PAGE / 8] = 1;
	child_exits(part_write, (void *)p, 0);
	CHECK_EQUAL(*p, 1);
}

// Leaf code that stays right wherever it is copied: one system call, made and returned from there.
static __attribute__((noinline)) u64 code(void)
{
	u64 value = 0;

	return sys_system(SLOT_SYSTEM, SYS_STAT, SYSSTAT_LEVELS, 0, 0, &value, NULL, NULL, NULL) ? 0 : value;
}

static void run_at(u64 addr)
{
	volatile u64 *p = map_at(addr, 1, ANON);

	memcpy((void *)p, (void *)code, 512);
	CHECK(!mprotect((void *)p, PAGE, PROT_READ | PROT_EXEC));
	CHECK_EQUAL(((u64(*)(void))addr)(), levels);
	child_dies(part_write, (void *)p, SIGSEGV);
	CHECK(!munmap((void *)p, PAGE));
	child_dies(part_call, (void *)p, SIGSEGV);
}

static void works_at(u64 addr)
{
	volatile u64 *p = map_at(addr, 4, ANON), *moved;

	fill(p, 4);
	filled(p, 4);
	child_exits(part_child, (void *)p, 0);
	filled(p, 4);
	CHECK_EQUAL(mmap((void *)addr, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), MAP_FAILED);
	CHECK_EQUAL(errno, EEXIST);
	CHECK(!mprotect((void *)p, PAGE, PROT_READ));
	child_dies(part_write, (void *)p, SIGSEGV);
	CHECK(!munmap((void *)(p + 2 * PAGE / 8), PAGE));
	child_dies(part_read, (void *)(p + 2 * PAGE / 8), SIGSEGV);
	CHECK(!munmap((void *)p, 2 * PAGE));
	/* One page is left. It moves below MMAP_TOP when it cannot grow where it is, and not otherwise. */
	moved = mremap((void *)(p + 3 * PAGE / 8), PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED);
	CHECK_EQUAL(*moved, key(p + 3 * PAGE / 8));
	CHECK_EQUAL(moved[2 * PAGE / 8], 0);
	if (addr + 4 * PAGE == top)
		CHECK((u64)moved < MMAP_TOP);
	else
		CHECK(moved == p + 3 * PAGE / 8);
	CHECK(!munmap((void *)moved, 3 * PAGE));
	child_dies(part_read, (void *)(p + 3 * PAGE / 8), SIGSEGV);
	run_at(addr);
}

static void test_shared(u64 addr)
{
	volatile u64 *p = map_at(addr, 2, MAP_SHARED | MAP_ANONYMOUS);

	child_exits(part_write, (void *)(p + PAGE / 8), 0);
	CHECK_EQUAL(*(volatile char *)(p + PAGE / 8), 1);
	CHECK(!munmap((void *)p, 2 * PAGE));
}

// A terabyte (what the mode has, where that is less) of which three pages are touched.
static void test_sparse(void)
{
	u64 size = top - USER_HIGH < 1ul << 40 ? top - USER_HIGH : 1ul << 40;
	volatile u64 *p = map_at(top - size, size / PAGE, ANON | MAP_NORESERVE);
	u64 where[] = { 0, size / 2, size - PAGE };

	for (int i = 0; i < 3; i++)
		fill(p + where[i] / 8, 1);
	CHECK(!mprotect((void *)p, size, PROT_READ));
	for (int i = 0; i < 3; i++)
		filled(p + where[i] / 8, 1);
	child_dies(part_write, (void *)(p + size / 16), SIGSEGV);
	CHECK(!madvise((void *)p, size, MADV_DONTNEED));
	CHECK_EQUAL(*p, 0);
	CHECK(!munmap((void *)p, size));
}

// A hint is followed where there is room; without one no pointer lies above MMAP_TOP.
static void test_hint(u64 addr)
{
	char *p = mmap((void *)(addr + 5), PAGE, RW, ANON, -1, 0), *q = mmap((void *)addr, PAGE, RW, ANON, -1, 0);

	CHECK_EQUAL(p, addr);
	CHECK(q != MAP_FAILED && (u64)q < MMAP_TOP);
	CHECK(!munmap(p, PAGE) && !munmap(q, PAGE));
}

// Mapped, a range shows up in the looking glasses, which are other processes.
static void test_shown(u64 addr)
{
	static const char *const glass[] = { "/bin/maps", "/bin/ptdump" };
	volatile u64 *p = map_at(addr, 1, ANON);

	*p = 1;
	for (int i = 0; i < 2; i++) {
		char pid[16];
		int status;
		pid_t child;

		snprintf(pid, sizeof(pid), "%d", getpid());
		fflush(stdout);
		child = fork();
		if (!child) {
			execl(glass[i], glass[i], pid, NULL);
			_exit(1);
		}
		CHECK_EQUAL(waitpid(child, &status, 0), child);
		CHECK_EQUAL(status, 0);
	}
	CHECK(!munmap((void *)p, PAGE));
}

// Neither mapped nor touched: whoever tries is refused, or dies of it, alone.
static void refused_at(u64 addr)
{
	CHECK_EQUAL(mmap((void *)addr, PAGE, RW, ANON | MAP_FIXED, -1, 0), MAP_FAILED);
	CHECK_EQUAL(errno, EINVAL);
	CHECK_EQUAL(munmap((void *)addr, PAGE), -1);
	CHECK_EQUAL(mprotect((void *)addr, PAGE, PROT_READ), -1);
	child_dies(part_write, (void *)addr, SIGSEGV);
	child_dies(part_call, (void *)addr, SIGSEGV);
}

static void test_high(void)
{
	u64 places[] = { USER_HIGH, top / 2, 1ul << 46, (1ul << 47) - 2 * PAGE, 1ul << 47, 1ul << 55, top - 4 * PAGE };

	for (u64 i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] + 4 * PAGE > top)
			refused_at(places[i]);
		else
			works_at(places[i]);
	}
	test_shared(top - 2 * PAGE);
	test_sparse();
	test_hint(top - PAGE);
	test_shown(top - PAGE);
	CHECK_EQUAL(mmap((void *)(top - PAGE), 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0), MAP_FAILED);
	CHECK_EQUAL(
		mmap((void *)(USER_LOW_END - PAGE), USER_HIGH - USER_LOW_END + 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0),
		MAP_FAILED);
}

int main(void)
{
	if (sys_system(SLOT_SYSTEM, SYS_STAT, SYSSTAT_LEVELS, 0, 0, &levels, NULL, NULL, NULL))
		FAIL("no page-table levels");
	user_end = 1ul << (PAGE_SHIFT + 9 * levels - 1);
	top = user_end - (1ul << (PAGE_SHIFT + 9 * (levels - 1)));
	if (top > USER_HIGH)
		test_high();
	else
		refused_at(USER_HIGH);
	u64 nowhere[] = { user_end - PAGE, user_end, 1ul << 62, 1ul << 63, -user_end - PAGE, -user_end, -PAGE };

	for (u64 i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		refused_at(nowhere[i]);
	child_dies(part_read, (void *)user_end, SIGSEGV);
	child_dies(part_read, (void *)-user_end, SIGSEGV);
	printf("high: %lu levels, %s\n", levels, top > USER_HIGH ? "memory above the servers' part" : "nothing above");
	return check_done("high");
}
