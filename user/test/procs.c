// SPDX-License-Identifier: MIT
// Processes: fork, copy on write, wait, groups, orphans, exec.
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

#define PAGE  4096
#define PAGES 300 // more than one batch of the kernel

static uint64_t *area_new(size_t bytes, int kind)
{
	uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void area_fill(uint64_t *area, uint64_t seed)
{
	for (uint64_t i = 0; i < PAGES; i++)
		area[i * PAGE / 8] = area[i * PAGE / 8 + 511] = seed ^ i;
}

static void area_compare(const uint64_t *area, uint64_t seed)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_EQUAL(area[i * PAGE / 8], seed ^ i);
		CHECK_EQUAL(area[i * PAGE / 8 + 511], seed ^ i);
	}
}

// A tree of processes: each level writes its own content and still finds it when its children have written theirs.
static uint64_t *tree_area, *tree_shared;

static void tree_level(void *arg)
{
	uint64_t level = (uint64_t)arg;

	area_fill(tree_area, level * 1000);
	if (level < 4) {
		child_exits(tree_level, (void *)(level + 1), 0);
		child_exits(tree_level, (void *)(level + 1), 0);
	}
	area_compare(tree_area, level * 1000);
	__atomic_fetch_add(tree_shared, 1, __ATOMIC_RELAXED);
}

static void test_tree(void)
{
	tree_area = area_new(PAGES * PAGE, MAP_PRIVATE);
	tree_shared = area_new(PAGE, MAP_SHARED);
	area_fill(tree_area, 77);
	child_exits(tree_level, (void *)1, 0);
	area_compare(tree_area, 77);
	CHECK_EQUAL(*tree_shared, 15);
	CHECK(!munmap(tree_area, PAGES * PAGE) && !munmap(tree_shared, PAGE));
}

// Some pages written before the fork, some after it by one side only, some by both, some read first.
static void cow_child(void *arg)
{
	uint64_t *area = arg;

	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t *word = &area[i * PAGE / 8];

		CHECK_EQUAL(*word, i % 4 == 3 ? 0 : i + 1);
		if (i % 2)
			*word = ~i;
	}
	for (uint64_t i = 1; i < PAGES; i += 2)
		CHECK_EQUAL(area[i * PAGE / 8], ~i);
}

static void test_cow(void)
{
	volatile uint64_t *area = area_new(PAGES * PAGE, MAP_PRIVATE);

	for (uint64_t i = 0; i < PAGES; i++)
		if (i % 4 == 3)
			CHECK_EQUAL(area[i * PAGE / 8], 0); // the zero page
		else
			area[i * PAGE / 8] = i + 1;
	for (int round = 0; round < 3; round++) {
		child_exits(cow_child, (void *)area, 0);
		for (uint64_t i = 0; i < PAGES; i++)
			CHECK_EQUAL(area[i * PAGE / 8], i % 4 == 3 ? 0 : i + 1);
	}
	CHECK(!munmap((void *)area, PAGES * PAGE));
}

static void test_wait(void)
{
	pid_t child[20];
	int status, seen = 0;

	CHECK_EQUAL(waitpid(-1, &status, 0), -1);
	CHECK_EQUAL(errno, ECHILD);
	for (int i = 0; i < 20; i++) {
		child[i] = fork();
		CHECK(child[i] >= 0);
		if (!child[i])
			_exit(i);
	}
	CHECK_EQUAL(waitpid(child[13], &status, 0), child[13]);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 13);
	CHECK_EQUAL(waitpid(child[13], &status, 0), -1);
	for (int i = 0; i < 19; i++) {
		pid_t pid = wait(&status);
		int n = 0;

		while (n < 20 && child[n] != pid)
			n++;
		CHECK(n < 20 && n != 13 && !(seen >> n & 1));
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == n);
		seen |= 1 << n;
	}
	CHECK_EQUAL(wait(&status), -1);
}

static void test_kill(void)
{
	int status, ready[2];
	char byte;
	pid_t child;

	CHECK(!pipe(ready));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		CHECK_EQUAL(write(ready[1], "", 1), 1);
		for (;;)
			__asm__ volatile("" ::: "memory");
	}
	CHECK_EQUAL(read(ready[0], &byte, 1), 1);
	CHECK_EQUAL(waitpid(child, &status, WNOHANG), 0);
	CHECK(!kill(child, 0) && !kill(child, SIGTERM));
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK_EQUAL(kill(child, 0), -1);
	CHECK_EQUAL(errno, ESRCH);
	close(ready[0]);
	close(ready[1]);
}

// A group of processes that wait in different ways dies together.
static void test_group(void)
{
	int pipes[2], status;
	pid_t leader = 0;

	CHECK(!pipe(pipes));
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();
		char byte;

		CHECK(child >= 0);
		if (!child) {
			CHECK(!setpgid(0, leader));
			CHECK_EQUAL(write(pipes[1], "", 1), 1);
			if (i == 0)
				(void)!read(pipes[0], &byte, 0); // returns at once
			if (i == 1)
				sleep(1000);
			for (;;)
				__asm__ volatile("" ::: "memory");
		}
		if (!leader)
			leader = child;
		CHECK_EQUAL(read(pipes[0], &byte, 1), 1);
	}
	CHECK(!kill(-leader, SIGKILL));
	for (int i = 0; i < 3; i++) {
		CHECK(waitpid(-leader, &status, 0) > 0);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	close(pipes[0]);
	close(pipes[1]);
}

// A grandchild whose parent has gone lives on and can still use its pipe.
static void test_orphan(void)
{
	int pipes[2], status;
	char byte = 0;
	pid_t child;

	CHECK(!pipe(pipes));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		pid_t parent = getpid(), grandchild = fork();

		if (grandchild)
			_exit(grandchild < 0);
		while (getppid() == parent)
			usleep(1000);
		_exit(write(pipes[1], "!", 1) != 1);
	}
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK_EQUAL(status, 0);
	close(pipes[1]);
	CHECK_EQUAL(read(pipes[0], &byte, 1), 1);
	CHECK_EQUAL(byte, '!');
	CHECK_EQUAL(read(pipes[0], &byte, 1), 0);
	close(pipes[0]);
}

// Run as "procs exec-child ARGS": the arguments, the environment and the descriptors came through.
static int exec_child(int argc, char **argv)
{
	char big[3000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	CHECK_EQUAL(argc, 5);
	CHECK(!strcmp(argv[2], "two words") && !strcmp(argv[3], "") && !strcmp(argv[4], big));
	CHECK(getenv("MARK") && !strcmp(getenv("MARK"), "here"));
	CHECK_EQUAL(write(9, "pipe", 4), 4);
	CHECK_EQUAL(write(10, "closed", 6), -1);
	CHECK_EQUAL(errno, EBADF);
	return 42;
}

static void exec_part(void *arg)
{
	static char big[3000];
	char *const argv[] = { "procs", "exec-child", "two words", "", big, NULL };
	char *const envp[] = { "MARK=here", NULL };
	int *pipes = arg;

	memset(big, 'x', sizeof(big) - 1);
	CHECK_EQUAL(dup2(pipes[1], 9), 9);
	CHECK_EQUAL(dup2(pipes[1], 10), 10);
	CHECK(!fcntl(10, F_SETFD, FD_CLOEXEC));
	execve("/test/procs", argv, envp);
	FAIL("exec of /test/procs");
}

static void exec_nothing(void *arg)
{
	char *const argv[] = { "x", NULL };

	(void)arg;
	CHECK_EQUAL(execve("/no/such/program", argv, environ), -1);
	CHECK_EQUAL(errno, ENOENT);
	CHECK_EQUAL(execve("/etc/boot.manifest", argv, environ), -1);
	CHECK_EQUAL(errno, EACCES); // not executable
}

static void test_exec(void)
{
	char text[8] = "";
	int pipes[2];

	CHECK(!pipe(pipes));
	child_exits(exec_part, pipes, 42);
	CHECK_EQUAL(read(pipes[0], text, sizeof(text)), 4);
	CHECK(!strcmp(text, "pipe"));
	child_exits(exec_nothing, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exec-child"))
		return exec_child(argc, argv);
	test_tree();
	test_cow();
	test_wait();
	test_kill();
	test_group();
	test_orphan();
	test_exec();
	return check_done("procs");
}
