// SPDX-License-Identifier: MIT
/*
 * movers [SECONDS] [crowd]: pages are moved to other frames (vm's migrate) while programs write them. A parent and two
 * children share pages by fork and have some of their own, and share others as one memory; a fourth process moves pages
 * of all three at random. Every word is as its writer left it, shared memory is one memory, and what fork shares stays
 * shared: a move takes no frame more than it gives back. With `crowd` other programs take and give back frames
 * meanwhile, and the machine's are not counted.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <abi/abi_names.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"

#define PAGES   32
#define WORDS   (PAGE_SIZE / sizeof(u64))
#define WRITERS 3
#define MOVES   100 // at least, however slow the machine

struct shared { // one page each, of all processes
	u64 counter[WORDS];
};

static u64 *mine;
static struct shared *shared;
static u64 frames_before;

static u64 *page_of(u64 *memory, u64 page)
{
	return memory + page * WORDS;
}

static u64 frame_at(pid_t pid, const void *at)
{
	u64 entry, where, kind, what = 0;

	CHECK(!vm_walk(SLOT_VM, pid, (u64)at, 0, &entry, &where, &kind, &what));
	return (kind & 0xff) == ENTRY_LEAF ? (u32)what : 0;
}

static err_t move(pid_t pid, const void *at)
{
	u64 from = 0, to = 0;
	err_t err = vm_migrate(SLOT_VM, pid, (u64)at, &from, &to);

	if (!err && from == to)
		FAIL("a page moved to the frame it had");
	return err;
}

// ---- alone: what a move does

static void test_shared_by_fork(void)
{
	u64 *p = page_of(mine, 0), before, after;
	int stop[2];
	pid_t child;
	char byte;

	p[7] = 77;
	CHECK(!pipe(stop));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		close(stop[1]);
		(void)read(stop[0], &byte, 1);
		_exit(p[7] == 77 ? 0 : 1);
	}
	before = frame_at(getpid(), p);
	CHECK(before && before == frame_at(child, p));
	CHECK(!move(child, p));
	after = frame_at(getpid(), p);
	CHECK(after && after != before && after == frame_at(child, p));
	CHECK(p[7] == 77);
	p[7] = 78; // a copy, as ever: the child's is 77
	CHECK(frame_at(getpid(), p) != after && frame_at(child, p) == after);
	close(stop[1]);
	int status;
	CHECK(waitpid(child, &status, 0) == child && !status);
	CHECK(p[7] == 78);
}

static void test_errors(void)
{
	u64 from, to, *none = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(vm_migrate(SLOT_VM, 0x3ffffff0, (u64)mine, &from, &to) == -ERR_SRCH);
	CHECK(vm_migrate(SLOT_VM, getpid(), 0, &from, &to) == -ERR_NOENT);
	CHECK(vm_migrate(SLOT_VM, getpid(), ~0ul, &from, &to) == -ERR_NOENT);
	CHECK(vm_migrate(SLOT_VM, getpid(), (u64)none, &from, &to) == -ERR_NOENT);
	CHECK(*(volatile u64 *)none == 0); // the zero page
	CHECK(vm_migrate(SLOT_VM, getpid(), (u64)none, &from, &to) == -ERR_BUSY);
	CHECK(vm_migrate(SLOT_VM, getpid(), (u64)test_errors, &from, &to) == -ERR_BUSY); // the boot archive's
	none[0] = 1;
	CHECK(!mlock(none, PAGE_SIZE));
	CHECK(move(getpid(), none) == -ERR_BUSY);
	CHECK(!munmap(none, PAGE_SIZE));
}

// ---- together

static _Noreturn void writer(u64 who)
{
	struct random r = { .state = who };

	for (u64 round = 1;; round++) {
		u64 page = random_below(&r, PAGES), word = random_below(&r, WORDS - 2);
		u64 *p = page_of(mine, page);

		CHECK_EQUAL(p[WORDS - 1] ^ p[WORDS - 2], 0x55aa);
		p[word] = page << 32 | word;
		CHECK_EQUAL(p[word], page << 32 | word);
		p[WORDS - 1] = round << 8 | who;
		p[WORDS - 2] = p[WORDS - 1] ^ 0x55aa;
		__atomic_fetch_add(&shared[page % 4].counter[0], 1, __ATOMIC_RELAXED);
		shared[page % 4].counter[who]++;
	}
}

static void pages_fill(void)
{
	for (u64 i = 0; i < PAGES; i++) {
		page_of(mine, i)[WORDS - 1] = 0;
		page_of(mine, i)[WORDS - 2] = 0x55aa;
	}
}

static u64 move_for(int seconds, const pid_t *pid, u64 *busy)
{
	struct random r = { .state = 99 };
	u64 moved = 0;

	for (time_t end = time(NULL) + seconds; moved < MOVES || time(NULL) < end;) {
		const void *at = random_below(&r, 4) ? (void *)page_of(mine, random_below(&r, PAGES))
						     : (void *)&shared[random_below(&r, 4)];
		err_t err = move(pid[random_below(&r, WRITERS)], at);

		if (err && err != -ERR_BUSY && err != -ERR_NOENT && err != -ERR_NOMEM) /* no frame to move to */
			FAIL("a move failed: %s", err_name(-err));
		moved += !err;
		*busy += err != 0;
	}
	return moved;
}

static void test_together(int seconds)
{
	u64 moved, busy = 0, sum = 0, parts = 0;
	pid_t pid[WRITERS];
	int status;

	pages_fill();
	for (u64 who = 0; who < WRITERS; who++) {
		pid[who] = fork();
		CHECK(pid[who] >= 0);
		if (!pid[who])
			writer(who + 1);
	}
	moved = move_for(seconds, pid, &busy);
	for (u64 who = 0; who < WRITERS; who++) {
		CHECK(!kill(pid[who], SIGKILL));
		CHECK(waitpid(pid[who], &status, 0) == pid[who]);
		if (WIFEXITED(status))
			FAIL("a writer found a wrong word");
	}
	for (u64 i = 0; i < 4; i++) {
		sum += shared[i].counter[0];
		for (u64 who = 1; who <= WRITERS; who++)
			parts += shared[i].counter[who];
	}
	printf("movers: %lu moves, %lu could not be, %lu rounds of writing\n", moved, busy, sum);
	CHECK(sum);
	CHECK(sum - parts <= WRITERS); // each may have been killed between its two
}

int main(int argc, char **argv)
{
	bool crowd = argc > 2 && !strcmp(argv[2], "crowd");
	u64 used, children;

	mine = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap(NULL, 4 * sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(mine != MAP_FAILED && shared != MAP_FAILED);
	test_shared_by_fork();
	test_errors();
	test_together(1);
	CHECK(!vm_stat(SLOT_VM, VMSTAT_POOL_USED, &used) && !vm_stat(SLOT_VM, VMSTAT_POOL_CHILDREN, &children));
	frames_before = used + children;
	test_together(argc > 1 ? atoi(argv[1]) : 3);
	CHECK(!vm_stat(SLOT_VM, VMSTAT_POOL_USED, &used) && !vm_stat(SLOT_VM, VMSTAT_POOL_CHILDREN, &children));
	if (!crowd && used + children > frames_before + 64) // the magazine holds some
		FAIL("%lu frames are in use, %lu were before", used + children, frames_before);
	return check_done("movers");
}
