// SPDX-License-Identifier: MIT
/*
 * A parent fills pages, forks, and both sides look: right after the fork the pages are there once, a page written by
 * one side is copied, and neither side ever sees what the other wrote. Sharing is measured where memory is counted: in
 * vm's pool. Prints one line of numbers for /demo/forkshare.lua.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <user/app/glass.h>

#define PAGES   2048
#define WRITTEN 256 // by the child

static int to_child[2], to_parent[2];

// The other side goes on when it gets a byte.
static void pass(int fd)
{
	if (write(fd, "x", 1) != 1)
		app_fail("pipe: cannot write");
}

static void await(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		app_fail("the other side is gone");
}

static u64 word_of(u64 page, u64 salt)
{
	return (page + 1) * 0x9e3779b97f4a7c15 ^ salt;
}

static void fill(u64 *memory, u64 pages, u64 salt)
{
	for (u64 page = 0; page < pages; page++)
		for (u64 i = 0; i < PAGE_SIZE / 8; i += 64)
			memory[page * (PAGE_SIZE / 8) + i] = word_of(page, salt) + i;
}

// Pages from `from` to `to` that do not hold what fill wrote.
static u64 wrong(const u64 *memory, u64 from, u64 to, u64 salt)
{
	u64 bad = 0;

	for (u64 page = from; page < to; page++)
		for (u64 i = 0; i < PAGE_SIZE / 8; i += 64)
			if (memory[page * (PAGE_SIZE / 8) + i] != word_of(page, salt) + i) {
				bad++;
				break;
			}
	return bad;
}

_Noreturn static void child(u64 *memory)
{
	u64 bad;

	await(to_child[0]);
	bad = wrong(memory, 0, PAGES, 1); // what the parent wrote before the fork
	fill(memory, WRITTEN, 2);
	pass(to_parent[1]);
	await(to_child[0]); // the parent has written elsewhere by now
	bad += wrong(memory, 0, WRITTEN, 2) + wrong(memory, WRITTEN, PAGES, 1);
	_exit(bad ? 1 : 0);
}

int main(int argc, char **argv)
{
	u64 *memory, before, forked, copied, bad;
	int status;
	pid_t pid;

	app_start(argc, argv, "forkshare\nForks with 8 MiB of pages and measures what is shared and what is copied.\n");
	memory = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || pipe(to_child) || pipe(to_parent))
		return app_warn("setting up");
	fill(memory, PAGES, 1);
	before = glass_vm(VMSTAT_POOL_USED);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(memory);
	if (pid < 0)
		return app_warn("fork");
	forked = glass_vm(VMSTAT_POOL_USED);
	pass(to_child[1]);
	await(to_parent[0]);
	copied = glass_vm(VMSTAT_POOL_USED);
	bad = wrong(memory, 0, PAGES, 1); // nothing of what the child wrote
	fill(memory + (PAGES - WRITTEN) * (PAGE_SIZE / 8), WRITTEN, 3);
	pass(to_child[1]);
	if (waitpid(pid, &status, 0) != pid)
		return app_warn("wait");
	bad += wrong(memory, 0, PAGES - WRITTEN, 1);
	printf("pages %d fork %ld write %d copies %ld parent %s child %s\n", PAGES, (long)(forked - before), WRITTEN,
	       (long)(copied - forked), bad ? "bad" : "good",
	       WIFEXITED(status) && !WEXITSTATUS(status) ? "good" : "bad");
	return 0;
}
