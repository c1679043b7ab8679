// SPDX-License-Identifier: MIT
// The workers of `busy`, a loop for each kind. Whatever they get they fill, check and give back.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jjok/kmem.h>
#include <jjok/vmalloc.h>

#include <test/busy/busy.h>
#include <test/check.h>

#define PAGE       4096ul
#define WORDS      (PAGE / sizeof(uint64_t))
#define OBJECTS    256
#define CACHE_USE  40
#define AREA_PAGES 24
#define FILE_BYTES 20000
#define PIPE_BYTES 4000 // less than a pipe holds
#define LEAF_PAGES 20
#define LEAF_NONE  111 // status of a child for which there was no memory
#define LINE_US    20000

static struct random own;

static void step(enum kind kind)
{
	__atomic_fetch_add(&tally->steps[kind], 1, __ATOMIC_RELAXED);
}

// NULL or -1 came, and errno must say that there was none.
static void refused(enum kind kind)
{
	if (errno != ENOMEM && errno != ENOSPC && errno != EAGAIN && errno != ENFILE && errno != EMFILE)
		FAIL("worker %d was refused with another reason than memory", kind);
	__atomic_fetch_add(&tally->refused[kind], 1, __ATOMIC_RELAXED);
	step(kind);
	usleep(10000);
}

static uint64_t word_of(uint64_t index, uint64_t key)
{
	return index * 0x9e3779b97f4a7c15ul ^ key;
}

static void words_put(uint64_t *p, uint64_t first, uint64_t n, uint64_t key)
{
	for (uint64_t i = first; i < first + n; i++)
		p[i] = word_of(i, key);
}

static void words_check(const uint64_t *p, uint64_t first, uint64_t n, uint64_t key)
{
	for (uint64_t i = first; i < first + n; i++)
		CHECK_EQUAL(p[i], word_of(i, key));
}

static void *pages_map(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

// Page by page another key, from a random page on, round and round.
static _Noreturn void memory_work(uint64_t key)
{
	uint64_t pages = memory_bytes / PAGE, *memory = pages_map(memory_bytes);

	for (uint64_t i = 0; i < pages; i++, step(MEMORY))
		words_put(memory, i * WORDS, WORDS, key);
	for (uint64_t next;; key = next) {
		uint64_t start = random_below(&own, pages);

		next = random_next(&own);
		for (uint64_t i = 0; i < pages; i++, step(MEMORY)) {
			uint64_t page = (start + i) % pages;

			words_check(memory, page * WORDS, WORDS, key);
			words_put(memory, page * WORDS, WORDS, next);
		}
	}
}

// A cache of its own, used and closed.
static void cache_use(void)
{
	static const unsigned long flags[] = { 0, SLAB_NO_MERGE, SLAB_RED_ZONE | SLAB_POISON };
	size_t size = 16 + random_below(&own, 1000);
	struct kmem_cache *cache = kmem_cache_create("busy", size, 0, flags[random_below(&own, 3)], NULL);
	void *object[CACHE_USE];
	int n = 0;

	if (!cache) {
		refused(SLAB);
		return;
	}
	while (n < CACHE_USE && (object[n] = kmem_cache_alloc(cache)))
		memset(object[n++], 0x6b, size);
	if (n < CACHE_USE)
		refused(SLAB);
	while (n--) {
		CHECK_EQUAL(((unsigned char *)object[n])[size - 1], 0x6b);
		kmem_cache_free(cache, object[n]);
	}
	CHECK(!kmem_cache_destroy(cache));
}

static _Noreturn void slab_work(uint64_t key)
{
	static uint64_t *object[OBJECTS];
	static uint64_t words[OBJECTS];

	for (uint64_t round = 0;; round++, step(SLAB)) {
		uint64_t i = random_below(&own, OBJECTS);

		if (round % 500 == 499)
			cache_use();
		if (object[i]) {
			words_check(object[i], 0, words[i], key + i);
			kfree(object[i]);
			object[i] = NULL;
			continue;
		}
		words[i] = 1 + random_below(&own, random_below(&own, 20) ? 24 : 1024);
		object[i] = kmalloc(words[i] * sizeof(uint64_t));
		if (object[i])
			words_put(object[i], 0, words[i], key + i);
		else
			refused(SLAB);
	}
}

// Every other page of an area once more, behind each other.
static void aliases_check(uint64_t *area, uint64_t pages, uint64_t key)
{
	void *list[AREA_PAGES];
	unsigned int n = 0;
	uint64_t *alias;

	for (uint64_t i = 0; i < pages; i += 2)
		list[n++] = area + i * WORDS;
	alias = vm_map_ram(list, n);
	if (!alias) {
		refused(AREAS);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		CHECK_EQUAL(alias[i * WORDS], word_of(2 * i * WORDS, key));
	alias[(n - 1) * WORDS + 1] = key;
	CHECK_EQUAL(area[(2 * n - 2) * WORDS + 1], key);
	vm_unmap_ram(alias, n);
}

static _Noreturn void areas_work(uint64_t key)
{
	for (;; step(AREAS)) {
		uint64_t pages = 1 + random_below(&own, AREA_PAGES);
		bool zero = random_below(&own, 2);
		uint64_t *area = zero ? vzalloc(pages * PAGE) : vmalloc(pages * PAGE);

		if (!area) {
			refused(AREAS);
			continue;
		}
		for (uint64_t i = 0; zero && i < pages * WORDS; i++)
			CHECK_EQUAL(area[i], 0);
		words_put(area, 0, pages * WORDS, key);
		words_check(area, 0, pages * WORDS, key);
		aliases_check(area, pages, key);
		vfree(area);
	}
}

void work_file_name(char name[24], uint64_t key)
{
	snprintf(name, 24, "/tmp/busy-%08x", (unsigned int)key);
}

static _Noreturn void files_work(uint64_t key)
{
	static uint64_t out[FILE_BYTES / sizeof(uint64_t)], in[FILE_BYTES / sizeof(uint64_t)];
	char name[24];

	work_file_name(name, key);
	for (uint64_t round = 0;; round++, step(FILES)) {
		size_t words = 1 + random_below(&own, FILE_BYTES / sizeof(uint64_t));
		int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
		ssize_t size = words * sizeof(uint64_t);

		if (fd < 0) {
			refused(FILES);
			continue;
		}
		words_put(out, 0, words, key + round);
		if (write(fd, out, size) == size) {
			memset(in, 0, size);
			CHECK_EQUAL(pread(fd, in, sizeof(in), 0), size);
			words_check(in, 0, words, key + round);
		} else {
			refused(FILES);
		}
		CHECK(!close(fd) && !unlink(name));
	}
}

static void all_read(int fd, char *p, size_t n)
{
	for (ssize_t done; n; p += done, n -= done) {
		done = read(fd, p, n);
		if (done <= 0)
			exit(0); // the other side was killed
	}
}

// A child sends back what comes. It ends with its parent, whose end of the pipe it must not have itself.
static _Noreturn void pipes_work(uint64_t key)
{
	static uint64_t out[PIPE_BYTES / sizeof(uint64_t)], in[PIPE_BYTES / sizeof(uint64_t)];
	int to[2], from[2];
	pid_t child;

	CHECK(!pipe(to) && !pipe(from));
	while ((child = fork()) < 0)
		refused(PIPES);
	if (!child) {
		close(to[1]);
		close(from[0]);
		for (char c[97];;) {
			ssize_t n = read(to[0], c, sizeof(c));

			if (n <= 0 || write(from[1], c, n) != n)
				_exit(0);
		}
	}
	close(to[0]);
	close(from[1]);
	for (uint64_t round = 0;; round++, step(PIPES)) {
		size_t words = 1 + random_below(&own, PIPE_BYTES / sizeof(uint64_t));
		ssize_t size = words * sizeof(uint64_t);

		words_put(out, 0, words, key + round);
		CHECK_EQUAL(write(to[1], out, size), size);
		all_read(from[0], (char *)in, size);
		words_check(in, 0, words, key + round);
	}
}

int leaf(int code)
{
	uint64_t *memory = pages_map(LEAF_PAGES * PAGE);

	words_put(memory, 0, LEAF_PAGES * WORDS, code);
	words_check(memory, 0, LEAF_PAGES * WORDS, code);
	return code;
}

static _Noreturn void programs_work(void)
{
	for (uint64_t round = 0;; round++, step(PROGRAMS)) {
		int code = round % 100, status;
		char number[8];
		pid_t child;

		snprintf(number, sizeof(number), "%d", code);
		child = fork();
		if (child < 0) {
			refused(PROGRAMS);
			continue;
		}
		if (!child) {
			execl("/test/busy", "busy", "leaf", number, NULL);
			_exit(errno == ENOMEM || errno == EAGAIN ? LEAF_NONE : 1);
		}
		CHECK_EQUAL(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == LEAF_NONE) {
			errno = ENOMEM;
			refused(PROGRAMS);
		} else if (status != code << 8) {
			FAIL("a program ended with wait status %#x, expected exit status %d", status, code);
		}
	}
}

static _Noreturn void console_work(uint64_t key)
{
	char line[80];

	for (uint64_t round = 0;; round++, step(CONSOLE)) {
		int n = snprintf(line, sizeof(line), "busy: line %lu of %08x, abcdefghijklmnopqrstuvwxyz\n", round,
				 (unsigned int)key);

		CHECK_EQUAL(write(STDERR_FILENO, line, n), n);
		usleep(LINE_US);
	}
}

_Noreturn void work(enum kind kind, uint64_t key)
{
	own.state = key;
	switch (kind) {
	case MEMORY:
		memory_work(key);
	case SLAB:
		slab_work(key);
	case AREAS:
		areas_work(key);
	case FILES:
		files_work(key);
	case PIPES:
		pipes_work(key);
	case PROGRAMS:
		programs_work();
	default:
		console_work(key);
	}
}
