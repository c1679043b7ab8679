// SPDX-License-Identifier: MIT
/*
 * shares [GROUP]: round robin is fair, however often a program calls servers and whichever way its time slices end.
 * Programs of a group run side by side: they compute, call vm or files, make calls that only the kernel's slow paths
 * serve, fault, use a pipe, sleep when the slice is nearly over. Each gets its share of what it does when it is alone.
 * The figures repeat under -icount only.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"

#define PAGE      4096
#define MS        1000000ul
#define TURN      (40 * MS) // for each program of a group: four time slices
#define DELAY     (10 * MS) // in which the children are made
#define TOGETHER  3
#define TOLERANCE 37 // percent of a share: a slice and a half in four

static int file, ends[2];
static char *page;
static uint64_t *rounds; // one for each child of a group

static uint64_t now(void)
{
	struct timespec t;

	CHECK(!clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

// ---- what a round does

static void compute(void)
{
	for (int i = 0; i < 500; i++)
		__asm__ volatile("");
}

static void call_vm(void)
{
	uint64_t used;

	CHECK(!vm_stat(SLOT_VM, VMSTAT_POOL_USED, &used));
}

static void call_files(void)
{
	char byte;

	CHECK(pread(file, &byte, 1, 0) == 1);
}

static void open_close(void)
{
	int fd = open("/etc/boot.manifest", O_RDONLY);

	CHECK(fd >= 0 && !close(fd));
}

static void use_pipe(void)
{
	char byte = 1;

	CHECK(write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1);
}

static void map_unmap(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	*(volatile char *)p = 1;
	CHECK(!munmap(p, PAGE));
}

static void fault(void)
{
	*(volatile char *)page = 1;
	CHECK(!madvise(page, PAGE, MADV_DONTNEED));
}

// Sleeps over the end of each time slice that starts with it.
static void nap(void)
{
	for (uint64_t end = now() + 9 * MS; now() < end;)
		compute();
	usleep(2000);
}

enum kind { COMPUTE, VM, FILES, OPEN, PIPE, MAP, FAULT, NAP, KINDS };

static void (*const round_of[KINDS])(void) = {
	compute, call_vm, call_files, open_close, use_pipe, map_unmap, fault, nap
};
static uint64_t alone[KINDS]; // rounds in a TURN; 0: not measured yet

// ---- side by side

static const struct group {
	const char *name;
	int count;
	enum kind kind[TOGETHER];
} groups[] = {
	{ "vm", 2, { COMPUTE, VM } },
	{ "files", 2, { COMPUTE, FILES } },
	{ "open", 2, { COMPUTE, OPEN } },
	{ "pipe", 2, { COMPUTE, PIPE } },
	{ "map", 2, { COMPUTE, MAP } },
	{ "fault", 2, { COMPUTE, FAULT } },
	{ "servers", 3, { FILES, MAP, FAULT } },
	{ "mixed", 3, { COMPUTE, PIPE, FAULT } },
	{ "naps", 3, { COMPUTE, COMPUTE, NAP } },
};

static _Noreturn void child(enum kind kind, uint64_t *count, uint64_t start, uint64_t end)
{
	while (now() < start)
		;
	for (; now() < end; ++*count)
		round_of[kind]();
	_exit(0);
}

static void run(const enum kind *kind, int count)
{
	uint64_t start = now() + DELAY;
	int status;

	memset(rounds, 0, PAGE);
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			child(kind[i], &rounds[i], start, start + count * TURN);
	}
	CHECK(now() < start);
	for (int i = 0; i < count; i++)
		CHECK(wait(&status) > 0 && !status);
}

static void test(const struct group *g)
{
	uint64_t share[TOGETHER];

	for (int i = 0; i < g->count; i++) {
		if (alone[g->kind[i]])
			continue;
		run(&g->kind[i], 1);
		alone[g->kind[i]] = rounds[0];
	}
	run(g->kind, g->count);
	printf("shares: %s:", g->name);
	for (int i = 0; i < g->count; i++) {
		share[i] = rounds[i] * 100 / alone[g->kind[i]];
		printf(" %lu%%", share[i]);
	}
	printf("\n");
	for (int i = 0; i < g->count; i++) { // who sleeps has less: it goes behind the others when it wakes
		if (share[i] > 100 + TOLERANCE || (share[i] < 100 - TOLERANCE && g->kind[i] != NAP))
			FAIL("%s: program %d did %lu percent of its share", g->name, i, share[i]);
	}
}

int main(int argc, char **argv)
{
	file = open("/etc/boot.manifest", O_RDONLY);
	CHECK(file >= 0 && !pipe(ends));
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	rounds = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED && rounds != MAP_FAILED);
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (argc < 2 || !strcmp(argv[1], groups[i].name))
			test(&groups[i]);
	return check_done("shares");
}
