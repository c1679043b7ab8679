// SPDX-License-Identifier: MIT
// files under work: content, pipes, descriptors over fork and exec, clients killed at any moment. In the end the server
// has as many open files, pages, pipes, clients and parked requests as before.
//
//	filework [rounds [seed]]
#include "check.h"

#include <abi/files_client.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATS 5

static struct random rng;
static uint8_t data[1 << 17];

static void stats_read(uint64_t out[STATS])
{
	for (unsigned int i = 0; i < STATS; i++)
		CHECK_EQUAL(files_stats(SLOT_FILES, i, &out[i]), 0);
}

static void stats_same(const uint64_t before[STATS], const char *when)
{
	static const char *const names[STATS] = { "open files", "RAM file pages", "pipes", "clients",
						  "parked requests" };
	uint64_t now[STATS];

	stats_read(now);
	for (unsigned int i = 0; i < STATS; i++)
		if (now[i] != before[i])
			FAIL("%s: %lu %s, %lu before", when, now[i], names[i], before[i]);
}

static void data_fill(uint32_t seed)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + (i >> 9) + seed);
}

static void content(void)
{
	static uint8_t got[sizeof(data)];
	size_t at = 0;
	int fd = open("/tmp/content", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	data_fill(1);
	while (at < sizeof(data)) { // pieces of any size
		size_t n = 1 + random_below(&rng, random_below(&rng, 4) ? 5000 : 60);

		n = n < sizeof(data) - at ? n : sizeof(data) - at;
		CHECK_EQUAL(write(fd, data + at, n), n);
		at += n;
	}
	CHECK_EQUAL(lseek(fd, 0, SEEK_SET), 0);
	for (at = 0; at < sizeof(data);) {
		ssize_t n = read(fd, got + at, 1 + random_below(&rng, 7000));

		CHECK(n > 0);
		at += (size_t)n;
	}
	CHECK_EQUAL(read(fd, got, 1), 0);
	CHECK(!memcmp(data, got, sizeof(data)));
	CHECK_EQUAL(lseek(fd, 100000, SEEK_END), sizeof(data) + 100000); // a hole
	CHECK_EQUAL(write(fd, "x", 1), 1);
	CHECK_EQUAL(lseek(fd, sizeof(data), SEEK_SET), sizeof(data));
	memset(got, 1, 1000);
	CHECK_EQUAL(read(fd, got, 1000), 1000);
	for (int i = 0; i < 1000; i++)
		CHECK_EQUAL(got[i], 0);
	CHECK_EQUAL(unlink("/tmp/content"), 0);
	CHECK_EQUAL(close(fd), 0);
}

static void names(void)
{
	struct stat st;
	int fd;

	CHECK_EQUAL(mkdir("/tmp/dir", 0700), 0);
	CHECK(mkdir("/tmp/dir", 0700) < 0 && errno == EEXIST);
	CHECK_EQUAL(chdir("/tmp/dir"), 0);
	fd = open("one", O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK_EQUAL(write(fd, "1", 1), 1);
	CHECK_EQUAL(close(fd), 0);
	CHECK(open("one", O_WRONLY | O_CREAT | O_EXCL, 0600) < 0 && errno == EEXIST);
	CHECK(open("none", O_RDONLY) < 0 && errno == ENOENT);
	CHECK(open("one/two", O_RDONLY) < 0 && errno == ENOTDIR);
	CHECK(open(".", O_WRONLY) < 0 && errno == EISDIR);
	CHECK_EQUAL(rename("one", "../two"), 0);
	CHECK(stat("one", &st) < 0 && errno == ENOENT);
	CHECK(stat("../two", &st) == 0 && st.st_size == 1 && S_ISREG(st.st_mode));
	CHECK_EQUAL(chdir("/"), 0);
	CHECK_EQUAL(unlink("/tmp/two"), 0);
	CHECK_EQUAL(rmdir("/tmp/dir"), 0);
	CHECK(unlink("/dev/null") < 0 && errno == EROFS);
	memset(data, 'x', 5000);
	data[5000] = 0;
	CHECK(open((char *)data, O_RDONLY) < 0 && errno == ENAMETOOLONG);
}

// Bytes in pieces of any size through a pipe, to a child that sums them up.
static void pipe_stream(void)
{
	int p[2], back[2], status;
	uint32_t sum = 0, got = 0;
	pid_t child;

	CHECK(!pipe(p) && !pipe(back));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		uint8_t piece[3000];
		ssize_t n;

		close(p[1]);
		while ((n = read(p[0], piece, 1 + random_below(&rng, sizeof(piece)))) > 0)
			for (ssize_t i = 0; i < n; i++)
				got = got * 33 + piece[i];
		CHECK_EQUAL(write(back[1], &got, sizeof(got)), sizeof(got));
		_exit(0);
	}
	close(p[0]);
	data_fill(7);
	for (size_t at = 0; at < sizeof(data);) {
		size_t n = 1 + random_below(&rng, random_below(&rng, 3) ? 100 : 9000);

		n = n < sizeof(data) - at ? n : sizeof(data) - at;
		CHECK_EQUAL(write(p[1], data + at, n), n);
		at += n;
	}
	close(p[1]);
	for (size_t i = 0; i < sizeof(data); i++)
		sum = sum * 33 + data[i];
	CHECK_EQUAL(read(back[0], &got, sizeof(got)), sizeof(got));
	CHECK_EQUAL(got, sum);
	close(back[0]);
	close(back[1]);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void pipe_ends(void)
{
	int p[2];
	char c;
	pid_t child;

	CHECK(!pipe(p));
	child = fork();
	CHECK(child >= 0);
	if (!child) // a reader that waits and is killed there
		for (;;)
			CHECK(read(p[0], &c, 1) >= 0);
	close(p[0]);
	usleep(2000);
	CHECK_EQUAL(kill(child, SIGKILL), 0);
	CHECK_EQUAL(waitpid(child, NULL, 0), child);
	CHECK(write(p[1], "x", 1) < 0 && errno == EPIPE);
	close(p[1]);
	CHECK(!pipe(p));
	child = fork();
	CHECK(child >= 0);
	if (!child) { // a writer that waits for room and is killed there
		close(p[0]);
		for (;;)
			CHECK(write(p[1], data, sizeof(data)) > 0);
	}
	close(p[1]);
	usleep(2000);
	CHECK_EQUAL(kill(child, SIGKILL), 0);
	CHECK_EQUAL(waitpid(child, NULL, 0), child);
	while (read(p[0], data, sizeof(data)) > 0)
		;
	CHECK_EQUAL(read(p[0], &c, 1), 0);
	close(p[0]);
}

// What a victim does until it is killed.
static _Noreturn void work(uint64_t seed)
{
	struct random r = { seed };
	char name[32];
	int p[2] = { -1, -1 }, fd = -1;

	for (;;) {
		switch (random_below(&r, 10)) {
		case 0:
			close(fd);
			snprintf(name, sizeof(name), "/tmp/w%d", (int)random_below(&r, 4));
			fd = open(name, O_RDWR | O_CREAT | (random_below(&r, 3) ? 0 : O_TRUNC), 0600);
			break;
		case 1:
			unlink(name);
			break;
		case 2:
			close(p[0]);
			close(p[1]);
			if (pipe(p))
				p[0] = p[1] = -1;
			break;
		case 3:
			write(p[1], data, 1 + random_below(&r, 6000));
			break;
		case 4:
			read(p[0], data, 1 + random_below(&r, 6000));
			break;
		case 5:
			lseek(fd, (off_t)random_below(&r, 100000), SEEK_SET);
			break;
		case 6:
			if (random_below(&r, 4) == 0)
				fork(); // dies by its own: the group is killed
			break;
		case 7:
			close(dup(fd));
			break;
		default:
			write(fd, data, random_below(&r, 20000));
			read(fd, data, random_below(&r, sizeof(data)));
			break;
		}
	}
}

static void storm(unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child) {
			setpgid(0, 0);
			work(random_next(&rng) + i);
		}
		setpgid(child, child);
		usleep(200 + (useconds_t)random_below(&rng, 3000));
		random_next(&rng);
		CHECK_EQUAL(kill(-child, SIGKILL), 0);
		CHECK_EQUAL(waitpid(child, NULL, 0), child);
	}
	for (int i = 0; i < 4; i++) {
		char name[32];

		snprintf(name, sizeof(name), "/tmp/w%d", i);
		unlink(name);
	}
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 60;
	uint64_t before[STATS];

	rng.state = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	stats_read(before);
	content();
	names();
	stats_same(before, "after content and names");
	pipe_stream();
	pipe_ends();
	stats_same(before, "after pipes");
	storm(rounds);
	usleep(100000); // grandchildren of the victims go by themselves
	stats_same(before, "after the storm");
	return check_done("filework");
}
