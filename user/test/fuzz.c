// SPDX-License-Identifier: MIT
/*
 * fuzz SEED CALLS: random system calls by a program that has nothing but what every program has. The calls are made by
 * children, each with a part of the numbers; what ends a child (it may unmap itself) costs the rest of its part. The
 * same seed gives the same calls.
 *
 * Left out is only what would not be a test of anything: waiting for ever (a deadline is put in), ending or stopping
 * others by name, which programs may, and filling the log.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <abi/stubs.h>

#include "check.h"

#define PART 20000 // calls of one child

static uint64_t *made; // calls, counted by the children

static uint64_t random_value(struct random *r)
{
	static const uint64_t edges[] = {
		0,
		1,
		2,
		8,
		63,
		64,
		127,
		128,
		255,
		256,
		4095,
		4096,
		0x10000,
		0x40000000,
		0x2000000000,
		0x3000000000,
		0x3800000000,
		0x3fc0000000,
		0x4000000000,
		1ul << 47,
		1ul << 56,
		1ul << 63,
		0xffffffc000000000,
		0xffffffff80000000,
	};
	uint64_t v = edges[random_below(r, sizeof(edges) / sizeof(*edges))];

	switch (random_below(r, 6)) {
	case 0:
		return random_below(r, 12);
	case 1:
		return random_next(r);
	case 2:
		return 0 - v;
	case 3:
		return v + (int64_t)random_below(r, 9) - 4;
	case 4:
		return random_next(r) >> random_below(r, 64);
	default:
		return v;
	}
}

static bool ends_others(uint64_t label)
{
	static const uint32_t ops[] = { OP_VM_KILL, OP_VM_SETGROUP, OP_VM_FOREGROUND, OP_VM_LIMIT };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if ((uint32_t)label == ops[i])
			return true;
	return false;
}

static uint64_t random_label(struct random *r)
{
	static const uint32_t protocols[] = { PROTO_PAGER, PROTO_VM, PROTO_FILES, PROTO_CONSOLE, PROTO_INIT };
	uint64_t label;

	do {
		label = (uint64_t)protocols[random_below(r, 5)] << 16 | random_below(r, 28);
		if (!random_below(r, 16))
			label = random_value(r);
	} while (ends_others(label));
	return label;
}

static bool waits(uint64_t label)
{
	static const uint32_t ops[] = { OP_VM_WAIT,      OP_VM_FORK,           OP_VM_EXEC,    OP_VM_EXIT,
					OP_CONSOLE_READ, OP_CONSOLE_WRITE,     OP_FILES_READ, OP_FILES_READ_SMALL,
					OP_FILES_WRITE,  OP_FILES_WRITE_SMALL, OP_FILES_PIPE, OP_FILES_DUP };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if ((uint32_t)label == ops[i])
			return true;
	return false;
}

// Calls that may end or block the caller, or write to the console: seldom, so that a child gets through its part.
static uint64_t seldom(struct random *r, uint64_t label)
{
	bool deadly = waits(label) || label >> 16 == PROTO_PAGER;

	return deadly && random_below(r, 3000) ? OP_VM_GETPID : label;
}

static void one_call(struct random *r)
{
	uint64_t nr = random_below(r, 40) ? random_below(r, NR_SYSTEM + 1) : random_below(r, 256);
	uint64_t cap = random_below(r, 8) ? 1 + random_below(r, 5) : random_value(r);
	struct request rq = { .label = random_value(r), .flow = random_below(r, 4) ? 0 : random_value(r) };
	uint64_t slots = random_below(r, 4) ? 0 : random_value(r);

	for (int i = 0; i < MSG_WORDS; i++)
		rq.w[i] = random_value(r);
	if (nr == NR_CALL)
		rq.label = seldom(r, random_label(r));
	if (nr == NR_SYSTEM && rq.label == SYS_LOG)
		rq.w[0] = 0;
	if (nr == NR_SYSTEM && rq.label == SYS_CHECK && random_below(r, 50))
		rq.label = SYS_STAT;
	if (nr == NR_WAIT) {
		nr |= random_below(r, 2) ? IPC_POLL : IPC_DEADLINE;
		rq.w[0] = random_below(r, 1000);
	}
	(void)arch_ipc(nr, cap, rq.flow, slots, &rq);
}

static void part(uint64_t seed, uint64_t calls)
{
	struct random r = { seed };

	for (uint64_t i = 0; i < calls; i++) {
		one_call(&r);
		++*made;
	}
	_exit(0);
}

// A child that waits for what never comes is ended by its sibling's clock.
static bool part_wait(pid_t child)
{
	for (int ticks = 0; ticks < 200; ticks++) {
		int status;

		if (waitpid(child, &status, WNOHANG) == child)
			return !status;
		usleep(20000);
	}
	CHECK(!kill(child, SIGKILL));
	CHECK_EQUAL(waitpid(child, NULL, 0), child);
	return false;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1, calls = argc > 2 ? strtoul(argv[2], NULL, 0) : 100000;
	uint64_t parts = 0, whole = 0;

	made = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(made != MAP_FAILED);
	for (; *made < calls; parts++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child)
			part(seed + parts, PART);
		whole += part_wait(child);
	}
	printf("fuzz: seed %lu: %lu calls in %lu children, %lu of them to their end\n", seed, *made, parts, whole);
	return check_done("fuzz");
}
