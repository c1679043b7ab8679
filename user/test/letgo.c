// SPDX-License-Identifier: MIT
/*
 * letgo: a disk is to be let go (swapoff) and it comes otherwise. The first disk is in use for swap; it should be slow,
 * so that there is time. Each time a sleeper has filled most of memory and lies on the disk in good part.
 *
 *	called off	another fills memory meanwhile: swapoff ends with NOMEM, the disk is in use as before
 *	nobody waits	swapoff is killed: the disk is let go all the same
 *	both		swapoff is killed, then memory fills: the disk is in use as before, and another swapoff works
 *
 * Nobody is ended for want of memory, and every page is as it was.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <abi/reclaim_client.h>
#include <abi/vm_client.h>

#include "check.h"
#include "stats.h"

#define WORDS       (PAGE_SIZE / sizeof(uint64_t))
#define SLEEPER     60 // percent of the memory that is free
#define FILLER      90
#define WAIT_US     10000
#define WAIT_MAX    6000 // times WAIT_US
#define STATUS(err) (-(err)&0x7f)

static uint64_t memory_pages; // free at the start: the boot archive takes a good part of a small machine
static int tell[2], hold[2];  // the sleeper says that it is there, and sleeps until it may check

static uint64_t swap_total(void)
{
	u64 value = 0;

	CHECK(!reclaim_stat(SLOT_RECLAIM, RECLAIMSTAT_SWAP_TOTAL, &value));
	return value;
}

// Of the first disk: AREA_*, and how many of its pages are in use.
static uint64_t area_state(uint64_t *used)
{
	u64 unit, pages, priority, bad, state;

	for (u64 i = 0; !reclaim_area(SLOT_RECLAIM, i, &unit, &pages, used, &priority, &bad, &state); i++)
		if (state != AREA_FREE && !unit)
			return state;
	*used = 0;
	return AREA_FREE;
}

static void area_wait(uint64_t wanted)
{
	uint64_t used, state = area_state(&used);

	for (int i = 0; state != wanted; i++, state = area_state(&used)) {
		if (i == WAIT_MAX)
			FAIL("the disk is in state %lu with %lu pages in use, expected state %lu", state, used, wanted);
		usleep(WAIT_US);
	}
}

// ---- who needs memory

static uint64_t *filled(uint64_t percent, uint64_t key)
{
	uint64_t pages = memory_pages * percent / 100;
	uint64_t *p = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (uint64_t i = 0; i < pages * WORDS; i++)
		p[i] = i * key;
	return p;
}

static void check(const uint64_t *p, uint64_t percent, uint64_t key)
{
	for (uint64_t i = 0; i < memory_pages * percent / 100 * WORDS; i++)
		CHECK_EQUAL(p[i], i * key);
}

static void fill(void *key)
{
	check(filled(FILLER, (uint64_t)key), FILLER, (uint64_t)key);
}

static pid_t sleeper_start(void)
{
	uint64_t *p, used;
	pid_t pid;
	char c;

	CHECK(!pipe(tell) && !pipe(hold));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(hold[1]);
		p = filled(SLEEPER, 3);
		CHECK(write(tell[1], "f", 1) == 1);
		CHECK(read(hold[0], &c, 1) == 0);
		check(p, SLEEPER, 3);
		_exit(0);
	}
	CHECK(read(tell[0], &c, 1) == 1);
	child_exits(fill, (void *)5, 0); /* pushes it out */
	CHECK(area_state(&used) == AREA_ON && used > memory_pages / 4);
	return pid;
}

static void sleeper_end(pid_t pid)
{
	int status;

	close(hold[1]);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK_EQUAL(status, 0);
	close(hold[0]);
	close(tell[0]);
	close(tell[1]);
}

// ---- who wants the disk let go

static pid_t letting_go(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		close(hold[1]);
		_exit(STATUS(reclaim_swapoff(SLOT_RECLAIM, 0)));
	}
	area_wait(AREA_DRAINING);
	return pid;
}

static void ends_with(pid_t pid, err_t err)
{
	int status;

	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK_EQUAL(status, STATUS(err) << 8);
}

static void ends_killed(pid_t pid)
{
	int status;

	CHECK(!kill(pid, SIGKILL));
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
}

static void called_off(void)
{
	uint64_t total = swap_total(), used;
	pid_t sleeper = sleeper_start(), caller = letting_go();

	CHECK_EQUAL(swap_total(), 0);
	CHECK_EQUAL(reclaim_swapoff(SLOT_RECLAIM, 0), -ERR_BUSY);
	child_exits(fill, (void *)7, 0);
	ends_with(caller, -ERR_NOMEM);
	CHECK(area_state(&used) == AREA_ON && swap_total() == total);
	sleeper_end(sleeper);
}

static void nobody_waits(void)
{
	uint64_t total = swap_total();
	pid_t sleeper = sleeper_start();

	ends_killed(letting_go());
	area_wait(AREA_FREE);
	CHECK_EQUAL(swap_total(), 0);
	sleeper_end(sleeper);
	CHECK(!reclaim_swapon(SLOT_RECLAIM, 0, (u64)-1, NULL));
	CHECK_EQUAL(swap_total(), total);
}

static void both(void)
{
	uint64_t total = swap_total(), used;
	pid_t sleeper = sleeper_start();

	ends_killed(letting_go());
	child_exits(fill, (void *)9, 0);
	CHECK(area_state(&used) == AREA_ON && swap_total() == total);
	ends_with(letting_go(), 0);
	CHECK(area_state(&used) == AREA_FREE && !used);
	sleeper_end(sleeper);
	CHECK(!reclaim_swapon(SLOT_RECLAIM, 0, (u64)-1, NULL));
}

int main(void)
{
	uint64_t kills = vm_count(VMSTAT_OOM_KILLS);

	memory_pages = vm_count(VMSTAT_POOL_LIMIT) - vm_count(VMSTAT_POOL_USED) - vm_count(VMSTAT_POOL_CHILDREN);
	called_off();
	printf("letgo: called off\n");
	nobody_waits();
	printf("letgo: went on though nobody waited\n");
	both();
	CHECK_EQUAL(vm_count(VMSTAT_OOM_KILLS), kills);
	return check_done("letgo");
}
