// SPDX-License-Identifier: MIT
#include "check.h"
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define SLOTS 2000

static unsigned long seed = 7;

static unsigned int random_next(void)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return seed >> 33;
}

static void churn(int steps)
{
	static unsigned char *p[SLOTS];
	static size_t size[SLOTS];

	while (steps--) {
		int i = random_next() % SLOTS;
		size_t want = random_next() % (random_next() % 20 ? 500 : 70000) + 1;
		unsigned char fill = (unsigned char)i;

		CHECK(!p[i] || (p[i][0] == fill && p[i][size[i] - 1] == fill));
		if (random_next() % 3 == 0) {
			free(p[i]);
			p[i] = NULL;
			continue;
		}
		p[i] = realloc(p[i], want);
		CHECK(p[i] && malloc_usable_size(p[i]) >= want);
		size[i] = want;
		p[i][0] = p[i][want - 1] = fill;
	}
}

static void churn_child(void)
{
	churn(5000);
}

static void quiet(void)
{
	dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
}

static void double_free(void)
{
	char *volatile p = malloc(100);

	quiet();
	free(p);
	free(p);
}

static void wild_free(void)
{
	char *volatile p = malloc(100);

	quiet();
	free(p + 16);
}

static void large_double_free(void)
{
	char *volatile p = malloc(1000000);

	quiet();
	free(p);
	free(p);
}

static void exhaust(void)
{
	void *volatile p;

	// Without touching it: address space runs out before memory does.
	while ((p = malloc((size_t)1 << 34)))
		;
	_exit(errno == ENOMEM ? 0 : 1);
}

static bool aborts(void (*act)(void))
{
	int status = in_child(act);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

void test_heap(void)
{
	void *p = NULL;

	churn(20000);
	CHECK(in_child(churn_child) == 0); // the heap goes on in a child, on copied pages
	churn(5000);
	CHECK(posix_memalign(&p, 4096, 5000) == 0 && (uintptr_t)p % 4096 == 0);
	free(p);
	p = aligned_alloc(64, 640);
	CHECK(p && (uintptr_t)p % 64 == 0);
	free(p);
	CHECK(!calloc((size_t)1 << 40, (size_t)1 << 40) && errno == ENOMEM);
	CHECK(aborts(double_free) && aborts(wild_free) && aborts(large_double_free));
	CHECK(in_child(exhaust) == 0);
}
