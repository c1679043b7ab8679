// SPDX-License-Identifier: MIT
/*
 * hog [PART]: takes all there is of something. memory: the process that took it, and nobody else, is ended for it.
 * crowd: the same with many. forks: a fork bomb, which is then ended as a group. faults: pages that are dropped as fast
 * as they are mapped. files: descriptors, pipes, room for files. hog loop: never ends by itself.
 */
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

#define MIB (1ul << 20)

static void part_memory(void *arg)
{
	(void)arg;
	for (;;) {
		char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p != MAP_FAILED)
			memset(p, 1, MIB);
	}
}

static void test_memory(void)
{
	size_t bytes = 4 * MIB;
	char *own = malloc(bytes), *p;

	CHECK(own);
	memset(own, 42, bytes);
	child_dies(part_memory, NULL, SIGKILL);
	for (size_t i = 0; i < bytes; i++)
		CHECK_EQUAL(own[i], 42);
	p = malloc(8 * MIB); // there is memory again
	CHECK(p);
	memset(p, 1, 8 * MIB);
	free(p);
	free(own);
}

#define CROWD 16

// Many small ones at once, from the moment when all are there: one after the other is ended until the rest fits.
static void test_crowd(void)
{
	size_t each = 8 * MIB;
	int killed = 0, fine = 0, status, start[2];
	pid_t child[CROWD];
	char byte;

	CHECK(!pipe(start));
	for (int i = 0; i < CROWD; i++) {
		child[i] = fork();
		CHECK(child[i] >= 0);
		if (!child[i]) {
			char *p = malloc(each);

			close(start[1]);
			if (!p || read(start[0], &byte, 1))
				_exit(1);
			memset(p, i + 1, each);
			usleep(300000);
			for (size_t k = 0; k < each; k += 512)
				if (p[k] != i + 1)
					_exit(2);
			_exit(0);
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < CROWD; i++) {
		CHECK_EQUAL(waitpid(child[i], &status, 0), child[i]);
		CHECK(status == SIGKILL || status == 0 || status == 0x100);
		killed += status == SIGKILL;
		fine += !status;
	}
	CHECK(killed && fine);
}

// Every process forks until fork fails; the last ones see an error, not a hang, and all of it can be ended as a group.
#define REFUSED 10

static void test_forks(void)
{
	int pipes[2], status;
	char byte;
	pid_t bomb;

	CHECK(!pipe(pipes));
	bomb = fork();
	CHECK(bomb >= 0);
	if (!bomb) {
		CHECK(!setpgid(0, 0));
		CHECK(fcntl(pipes[1], F_GETFD) >= 0);
		for (;;)
			if (fork() < 0) {
				byte = errno;
				CHECK(write(pipes[1], &byte, 1) == 1);
				sleep(1000);
			}
	}
	for (int i = 0; i < REFUSED; i++) {
		CHECK_EQUAL(read(pipes[0], &byte, 1), 1);
		CHECK(byte == EAGAIN || byte == ENFILE || byte == ENOMEM); // vm's table, snapshots of files, memory
	}
	while (!kill(-bomb, SIGKILL))
		;
	CHECK_EQUAL(waitpid(bomb, &status, 0), bomb);
	CHECK(WIFSIGNALED(status));
	close(pipes[0]);
	close(pipes[1]);
}

// A fault that can never succeed, and one that is undone as fast as it is served.
static void part_loop(void *arg)
{
	volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	for (int i = 0; i < 20000; i++) {
		*p = 1;
		if (madvise((void *)p, 4096, MADV_DONTNEED))
			_exit(1);
	}
}

static void test_faults(void)
{
	child_exits(part_loop, NULL, 0);
}

static void part_descriptors(void *arg)
{
	int n = 0, fd;

	(void)arg;
	while ((fd = open("/etc/boot.manifest", O_RDONLY)) >= 0)
		n++;
	CHECK_EQUAL(errno, EMFILE);
	CHECK(n > 32);
}

static void part_pipes(void *arg)
{
	int fds[2], n = 0;

	(void)arg;
	while (!pipe(fds))
		n++;
	CHECK(errno == EMFILE || errno == ENFILE);
	CHECK(n > 16);
}

static void part_disk(void *arg)
{
	static char block[65536];
	int fd = open("/tmp/hog", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t n = 0;
	ssize_t done;

	(void)arg;
	CHECK(fd >= 0);
	memset(block, 'h', sizeof(block));
	while ((done = write(fd, block, sizeof(block))) > 0)
		n += done;
	CHECK(errno == ENOSPC || errno == EFBIG);
	CHECK(n >= MIB);
	CHECK(!close(fd) && !unlink("/tmp/hog"));
	fd = open("/tmp/hog", O_WRONLY | O_CREAT | O_TRUNC, 0600); // and there is room again
	CHECK(fd >= 0);
	CHECK_EQUAL(write(fd, block, sizeof(block)), sizeof(block));
	CHECK(!close(fd) && !unlink("/tmp/hog"));
}

static void test_files(void)
{
	child_exits(part_descriptors, NULL, 0);
	child_exits(part_pipes, NULL, 0);
	child_exits(part_disk, NULL, 0);
}

// For whoever types Ctrl-C.
static _Noreturn void loop(void)
{
	puts("looping");
	fflush(stdout);
	for (;;)
		__asm__ volatile("");
}

static const struct {
	const char *name;
	void (*test)(void);
} tests[] = {
	{ "memory", test_memory }, { "crowd", test_crowd }, { "forks", test_forks },
	{ "faults", test_faults }, { "files", test_files },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "loop"))
		loop();
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name))
			continue;
		tests[i].test();
		printf("hog %s: ok\n", tests[i].name);
	}
	return check_done("hog");
}
