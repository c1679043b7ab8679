// SPDX-License-Identifier: MIT
/*
 * logical: a workload that asks for the same memory management on every machine. It marks its areas and its end in the
 * trace (events `user`), and tools/trace/logical.py turns what the trace says of them into lines without addresses:
 * test/system/logical.test compares those of all modes.
 *
 * So nothing here may depend on addresses, times or the size of code: a parent waits at once for the child that it
 * makes, and touches areas by page number.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <abi/stubs.h>

#include "check.h"

#define PAGE  4096ul
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW    (PROT_READ | PROT_WRITE)
#define NOTE  0x4c4f474943414cul // "LOGICAL": the payload's first word, less the kind of mark in the lowest byte
#define ARENA 128                // pages of the random part
#define STEPS 1500

enum { NOTE_AREA = 1, NOTE_GONE, NOTE_END }; // b = address, c = pages

static void note(uint64_t kind, const void *p, uint64_t pages)
{
	CHECK(!sys_system(SLOT_SYSTEM, SYS_EVENT, NOTE << 8 | kind, (u64)p, pages, NULL, NULL, NULL, NULL));
}

static char *area_map(uint64_t pages, int flags)
{
	char *p = mmap(NULL, pages * PAGE, RW, flags, -1, 0);

	CHECK(p != MAP_FAILED);
	note(NOTE_AREA, p, pages);
	return p;
}

static void area_unmap(char *p, uint64_t pages)
{
	CHECK(!munmap(p, pages * PAGE));
	note(NOTE_GONE, p, pages);
}

static void touch(char *p, uint64_t page, bool write)
{
	if (write)
		*(volatile char *)(p + page * PAGE) = 1;
	else
		(void)*(volatile char *)(p + page * PAGE);
}

static void sweep(char *p, uint64_t from, uint64_t to, uint64_t stride, bool write)
{
	for (uint64_t page = from; page < to; page += stride)
		touch(p, page, write);
}

// A child does this and ends; the parent does nothing until then. `dies`: it must be killed for it.
#define IN_CHILD(dies, what) \
	do { \
		int status_; \
		pid_t child_ = fork(); \
		CHECK(child_ >= 0); \
		if (!child_) { \
			what; \
			_exit(0); \
		} \
		CHECK_EQUAL(waitpid(child_, &status_, 0), child_); \
		CHECK(WIFSIGNALED(status_) == (dies)); \
	} while (0)

static void anonymous(void)
{
	char *p = area_map(64, ANON);

	sweep(p, 0, 64, 7, true);
	sweep(p, 0, 64, 5, false);
	sweep(p, 0, 64, 1, true);
	area_unmap(p, 64);
	p = area_map(48, ANON);
	sweep(p, 0, 48, 1, true); // sequential: fault-around
	CHECK(!madvise(p + 8 * PAGE, 16 * PAGE, MADV_DONTNEED));
	sweep(p, 0, 48, 3, true);
	area_unmap(p, 48);
}

static void forks(void)
{
	char *p = area_map(40, ANON);

	sweep(p, 0, 40, 1, true);
	IN_CHILD(false, sweep(p, 0, 40, 2, true));
	sweep(p, 0, 40, 1, true);
	IN_CHILD(false, {
		sweep(p, 0, 40, 4, true);
		IN_CHILD(false, sweep(p, 0, 40, 3, true));
		sweep(p, 0, 40, 5, true);
	});
	sweep(p, 1, 40, 6, true);
	area_unmap(p, 40);
}

static void protections(void)
{
	char *p = area_map(32, ANON);

	sweep(p, 0, 32, 1, true);
	CHECK(!mprotect(p + 8 * PAGE, 8 * PAGE, PROT_READ));
	CHECK(!mprotect(p + 20 * PAGE, 4 * PAGE, PROT_NONE));
	IN_CHILD(true, touch(p, 9, true));
	IN_CHILD(true, touch(p, 21, false));
	sweep(p, 0, 20, 3, false);
	CHECK(!mprotect(p, 32 * PAGE, RW));
	sweep(p, 0, 32, 1, true);
	CHECK(!munmap(p + 10 * PAGE, 5 * PAGE));
	IN_CHILD(true, touch(p, 12, true));
	CHECK(mmap(p + 10 * PAGE, 5 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + 10 * PAGE);
	sweep(p, 8, 18, 1, true);
	area_unmap(p, 32);
}

static void shared(void)
{
	char *p = area_map(24, MAP_SHARED | MAP_ANONYMOUS);

	sweep(p, 0, 24, 3, true);
	IN_CHILD(false, sweep(p, 0, 24, 2, true));
	sweep(p, 0, 24, 1, false);
	area_unmap(p, 24);
}

static void heap(void)
{
	char *p = sbrk(0);

	p = sbrk(-(uintptr_t)p % PAGE + 20 * PAGE);
	p += -(uintptr_t)p % PAGE;
	note(NOTE_AREA, p, 20);
	sweep(p, 0, 20, 1, true);
	CHECK(sbrk(-14 * (long)PAGE) != (void *)-1);
	IN_CHILD(true, touch(p, 10, true));
	CHECK(sbrk(14 * PAGE) != (void *)-1);
	sweep(p, 0, 20, 2, true);
	CHECK(sbrk(-20 * (long)PAGE) != (void *)-1);
	note(NOTE_GONE, p, 20);
}

static uint64_t below(uint64_t n)
{
	static uint64_t state = 42;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % n;
}

static void random_step(char *p)
{
	uint64_t from = below(ARENA), pages = 1 + below(ARENA - from < 16 ? ARENA - from : 16);
	char *at = p + from * PAGE;

	switch (below(10)) {
	case 0:
		CHECK(!munmap(at, pages * PAGE));
		break;
	case 1:
		CHECK(mmap(at, pages * PAGE, RW, ANON | MAP_FIXED, -1, 0) == at);
		break;
	case 2: // a range with holes is refused as a whole, or in part: either way the same on all machines
		(void)mprotect(at, pages * PAGE, below(2) ? PROT_READ : RW);
		break;
	case 3:
		(void)madvise(at, pages * PAGE, MADV_DONTNEED);
		break;
	case 4: {
		int status;
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child) {
			sweep(p, from, from + pages, 1, true); // to the first hole, or read-only page
			_exit(0);
		}
		CHECK_EQUAL(waitpid(child, &status, 0), child);
		break;
	}
	default:
		CHECK(mmap(at, PAGE, RW, ANON | MAP_FIXED, -1, 0) == at);
		touch(p, from, below(3));
	}
}

int main(void)
{
	char *p;

	anonymous();
	forks();
	protections();
	shared();
	heap();
	p = area_map(ARENA, ANON);
	for (int i = 0; i < STEPS; i++)
		random_step(p);
	area_unmap(p, ARENA);
	note(NOTE_END, NULL, 0);
	return check_done("logical");
}
