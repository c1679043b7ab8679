// SPDX-License-Identifier: MIT
/*
 * churn MIB WORKERS SECONDS [SEED] [killed]: workers that fill, check and change MIB of memory each, while at random
 * moments one of them is killed and another takes its place. A worker never ends by itself; one that finds a wrong byte
 * ends with 1. With `killed` it is no failure that the system ends some (a disk that fails, memory that is too small):
 * they are counted.
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

#include "check.h"

#define PAGE    4096ul
#define WORDS   (PAGE / sizeof(uint64_t))
#define WORKERS 32

static struct random source;
static pid_t worker[WORKERS];
static uint64_t bytes, killed, ended, progress;
static int count, pipes[2];

static uint64_t word_of(uint64_t page, uint64_t word, uint64_t key)
{
	return (page * WORDS + word) * 0x9e3779b97f4a7c15ul ^ key;
}

static void page_put(uint64_t *memory, uint64_t page, uint64_t key)
{
	for (uint64_t w = 0; w < WORDS; w++)
		memory[page * WORDS + w] = word_of(page, w, key);
}

static void page_check(const uint64_t *memory, uint64_t page, uint64_t key)
{
	for (uint64_t w = 0; w < WORDS; w += 5)
		CHECK_EQUAL(memory[page * WORDS + w], word_of(page, w, key));
}

// Each round gives the whole another key, page by page in random steps, and tells the parent of it.
static _Noreturn void work(uint64_t key)
{
	uint64_t pages = bytes / PAGE, *memory;
	struct random own = { .state = key };

	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	for (uint64_t i = 0; i < pages; i++)
		page_put(memory, i, key);
	for (uint64_t next;; key = next) {
		uint64_t start = random_below(&own, pages);

		next = random_next(&own);
		for (uint64_t i = 0; i < pages; i++)
			page_check(memory, i, key);
		for (uint64_t i = 0; i < pages; i++) {
			uint64_t page = (start + i) % pages;

			page_check(memory, page, key);
			page_put(memory, page, next);
		}
		(void)write(pipes[1], "r", 1); // a full pipe would stop it only while the parent reads nothing
	}
}

static void worker_start(int i)
{
	uint64_t key = random_next(&source);

	worker[i] = fork();
	CHECK(worker[i] >= 0);
	if (!worker[i])
		work(key);
}

// Those that were ended by the system, without being asked.
static void ended_replace(int may_end)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (!may_end || !WIFSIGNALED(status))
			FAIL("a worker ended with wait status %#x", status);
		ended++;
		for (int i = 0; i < count; i++)
			if (worker[i] == pid)
				worker_start(i);
	}
}

static void worker_kill(int i)
{
	int status;

	CHECK(!kill(worker[i], SIGKILL));
	CHECK_EQUAL(waitpid(worker[i], &status, 0), worker[i]);
	if (status == 0x100)
		FAIL("a worker found a wrong byte");
	killed++;
}

static void rounds_count(void)
{
	char byte[512];
	int pending;

	// read what is there: the parent's own byte behind it makes it return, wherever it lies in what was read
	CHECK(write(pipes[1], "!", 1) == 1);
	do {
		pending = read(pipes[0], byte, sizeof(byte));
		CHECK(pending > 0);
		progress += pending;
	} while (!memchr(byte, '!', (size_t)pending));
	progress--;
}

int main(int argc, char **argv)
{
	int may_end = argc > 5 && !strcmp(argv[5], "killed");
	time_t end;

	if (argc < 4)
		FAIL("say: churn MIB WORKERS SECONDS [SEED] [killed]");
	bytes = strtoul(argv[1], NULL, 0) << 20;
	count = atoi(argv[2]);
	end = time(NULL) + atoi(argv[3]);
	source.state = argc > 4 ? strtoul(argv[4], NULL, 0) : 1;
	CHECK(bytes && count >= 1 && count <= WORKERS && !pipe(pipes));
	for (int i = 0; i < count; i++)
		worker_start(i);
	while (time(NULL) < end) {
		int i = random_below(&source, count);

		usleep(20000 + random_below(&source, 300000));
		ended_replace(may_end);
		rounds_count();
		worker_kill(i);
		worker_start(i);
	}
	ended_replace(may_end);
	for (int i = 0; i < count; i++)
		worker_kill(i);
	rounds_count();
	CHECK(killed > (uint64_t)count && progress);
	printf("churn: %lu killed, %lu ended by the system, %lu rounds of work\n", killed, ended, progress);
	return check_done("churn");
}
