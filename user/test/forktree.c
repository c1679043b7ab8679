// SPDX-License-Identifier: MIT
/*
 * forktree MIB DEPTH: a tree of processes (two children each, DEPTH levels) that share MIB of memory by copy on write.
 * Each checks all of it, writes every eighth page (which, depends on who it is), has its children do the same, and
 * checks that what is its own is as it left it: nobody else's writes are seen, whatever has been swapped between.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE  4096ul
#define WORDS (PAGE / sizeof(uint64_t))
#define EACH  8
#define DEEP  16

static uint64_t *memory, pages;
static uint32_t path[DEEP]; // names of those above and of this one; 0 is the root's

// Who wrote the page last, of this process and those above it.
static uint32_t writer(uint64_t page, int depth)
{
	while (depth && page % EACH != path[depth] % EACH)
		depth--;
	return path[depth];
}

static uint64_t word_of(uint64_t page, uint64_t word, uint32_t name)
{
	return (page * WORDS + word) * 0x9e3779b97f4a7c15ul ^ (uint64_t)name << 17;
}

static void page_write(uint64_t page, uint32_t name)
{
	for (uint64_t w = 0; w < WORDS; w++)
		memory[page * WORDS + w] = word_of(page, w, name);
}

// `depth`: how far down the writers are.
static void all_check(int depth, const char *when)
{
	for (uint64_t i = 0; i < pages; i++)
		for (uint64_t w = 0; w < WORDS; w += 7) {
			uint64_t found = memory[i * WORDS + w], wanted = word_of(i, w, writer(i, depth));

			if (found != wanted)
				FAIL("process %u, %s: page %lu, word %lu: %#lx, expected %#lx", path[depth], when, i, w,
				     found, wanted);
		}
}

static void node(int depth, int levels)
{
	pid_t child[2];
	int status;

	all_check(depth ? depth - 1 : 0, "before it writes");
	for (uint64_t i = path[depth] % EACH; i < pages; i += EACH)
		page_write(i, path[depth]);
	for (uint32_t side = 0; depth < levels && side < 2; side++) {
		child[side] = fork();
		CHECK(child[side] >= 0);
		if (child[side])
			continue;
		path[depth + 1] = 2 * path[depth] + 1 + side;
		node(depth + 1, levels);
		_exit(0);
	}
	all_check(depth, "beside its children");
	for (int side = 0; depth < levels && side < 2; side++) {
		CHECK_EQUAL(waitpid(child[side], &status, 0), child[side]);
		if (status)
			FAIL("a child at level %d ended with wait status %#x", depth + 1, status);
	}
	all_check(depth, "after its children");
}

int main(int argc, char **argv)
{
	int levels = argc > 2 ? atoi(argv[2]) : 0;

	if (argc != 3 || levels < 1 || levels >= DEEP || atoi(argv[1]) < 1)
		FAIL("say: forktree MIB DEPTH (1 to %d)", DEEP - 1);
	pages = strtoul(argv[1], NULL, 0) << 8;
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	for (uint64_t i = 0; i < pages; i++)
		page_write(i, 0);
	node(0, levels);
	printf("forktree: %lu MiB, %d processes\n", pages >> 8, (2 << levels) - 1);
	return check_done("forktree");
}
