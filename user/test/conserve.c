// SPDX-License-Identifier: MIT
/*
 * conserve save | compare: nothing may be lost. `save` notes how many free frames, objects, capabilities, open
 * requests, processes ... there are; `compare`, run after programs that leave nothing behind, must find the same
 * numbers.
 *
 * Frames may differ a little: vm keeps up to two empty frames of each of five kinds of kernel objects, reclaim has four
 * to eight frames in hand. What is lost
 * once for each process or file is more than that in any of the tests that use this.
 *
 * vm takes frames from the kernel 32 at a time, so both first use up what it holds and look at the moment of the next
 * refill. Their own pages are added, since the two runs need a different number to get there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <abi/files_client.h>
#include <abi/slab_client.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"
#include "stats.h"

#define FILE_NAME "/tmp/conserve"
#define TOUCH     64 // more than vm's magazine holds
#define KEPT      14 // empty frames of kernel objects, frames that reclaim has in hand for reading

enum {
	FREE_FRAMES,
	POOL_USED,
	TABLES,
	OBJECTS,
	CAPS,
	OPEN_CALLS,
	PROCS,
	VMAS,
	OPEN_FILES,
	RAM_PAGES,
	PIPES,
	CLIENTS,
	PARKED_REQUESTS,
	SLABS,
	SLAB_CACHES_OPEN,
	SLAB_CLIENTS,
	COUNTS
};

static const char *const names[COUNTS] = {
	"free frames",
	"frames of programs",
	"frames of page tables and objects",
	"kernel objects",
	"capabilities",
	"open requests",
	"processes",
	"mappings",
	"open files",
	"pages of RAM files",
	"pipes",
	"clients of files",
	"requests parked in files",
	"slabs",
	"caches of slab",
	"clients of slab",
};

static uint64_t system_stat(uint64_t index)
{
	u64 value = 0;

	CHECK(!sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL));
	return value;
}

static uint64_t files_count(uint64_t index)
{
	u64 value = 0;

	CHECK(!files_stats(SLOT_FILES, index, &value));
	return value;
}

// Single pages, not in a row, until vm has just refilled its magazine. Answers how many.
static uint64_t magazine_level(volatile char *area)
{
	uint64_t refills = vm_count(VMSTAT_MAGAZINE), touched = 0;

	while (vm_count(VMSTAT_MAGAZINE) == refills) {
		CHECK(touched < TOUCH);
		area[touched++ * 2 * PAGE_SIZE] = 1;
	}
	return touched;
}

static void counts_take(uint64_t count[COUNTS])
{
	size_t bytes = TOUCH * 2 * PAGE_SIZE;
	volatile char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t own;

	CHECK(area != MAP_FAILED);
	CHECK(!vm_attach(SLOT_VM, ATTACH_SLAB, &own)); // to ask slab; a client is who has slabs
	memset(count, 0, COUNTS * sizeof(*count));     // its page is there before the frames are counted
	own = magazine_level(area);
	count[FREE_FRAMES] = system_stat(SYSSTAT_FREE) + own;
	count[POOL_USED] = vm_count(VMSTAT_POOL_USED) - own;
	count[OBJECTS] = system_stat(SYSSTAT_OBJECTS);
	count[CAPS] = system_stat(SYSSTAT_CAPS);
	count[OPEN_CALLS] = system_stat(SYSSTAT_OPEN_CALLS);
	count[TABLES] = vm_count(VMSTAT_POOL_TABLES);
	count[PROCS] = vm_count(VMSTAT_PROCS);
	count[VMAS] = vm_count(VMSTAT_VMAS);
	for (int i = OPEN_FILES; i <= PARKED_REQUESTS; i++)
		count[i] = files_count(i - OPEN_FILES);
	count[SLABS] = slab_count(SLABSTAT_SLABS);
	count[SLAB_CACHES_OPEN] = slab_count(SLABSTAT_CACHES);
	count[SLAB_CLIENTS] = slab_count(SLABSTAT_CLIENTS);
	CHECK(!munmap((void *)area, bytes));
}

int main(int argc, char **argv)
{
	static uint64_t before[COUNTS], now[COUNTS];
	bool save = argc == 2 && !strcmp(argv[1], "save"), compare = argc == 2 && !strcmp(argv[1], "compare");
	int fd, wrong = 0;

	if (!save && !compare) {
		fprintf(stderr, "usage: conserve save | compare\n");
		return 2;
	}
	// The file has its page before anything is counted.
	fd = open(FILE_NAME, save ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR, 0600);
	CHECK(fd >= 0);
	if (save)
		CHECK_EQUAL(write(fd, before, sizeof(before)), sizeof(before));
	else
		CHECK_EQUAL(read(fd, before, sizeof(before)), sizeof(before));
	counts_take(now);
	if (save) {
		CHECK_EQUAL(pwrite(fd, now, sizeof(now), 0), sizeof(now));
		return 0;
	}
	for (int i = 0; i < COUNTS; i++) {
		uint64_t kept = i <= TABLES ? KEPT : 0;

		if (now[i] - before[i] + kept <= 2 * kept)
			continue;
		printf("FAILED: conserve: %s: %lu before, %lu now\n", names[i], before[i], now[i]);
		wrong = 1;
	}
	return wrong ? 1 : check_done("conserve");
}
