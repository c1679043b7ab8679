// SPDX-License-Identifier: MIT
// heap: the C library's malloc as any program uses it, with nothing but standard headers: a hundred thousand small
// blocks, every function and its errors, memory that goes from one size to the next, and every way to free wrongly (in
// children: each must die by abort, after a line on stderr).
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 100000

// Not known to the compiler, which would warn of what is tested here.
static volatile size_t most = SIZE_MAX, half = SIZE_MAX / 2 + 1, step = 8;

static int failures;

#define CHECK(what) ((what) ? (void)0 : fail(#what, __LINE__))

static void fail(const char *what, int line)
{
	printf("FAILED: %s, line %d\n", what, line);
	failures++;
}

static uint32_t random_next(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20);
}

static unsigned char *block[MANY];

// As many small blocks as fit in a sixth of the machine: their number is bounded by memory, not by a server's share.
static void many(void)
{
	size_t bytes = 0;

	for (int i = 0; i < MANY; i++) {
		block[i] = malloc(100);
		if (!block[i]) {
			printf("FAILED: malloc number %d of 100 bytes\n", i);
			failures++;
			return;
		}
		memset(block[i], i & 255, 100);
		bytes += malloc_usable_size(block[i]);
	}
	for (int i = 0; i < MANY; i++) {
		CHECK(block[i][0] == (i & 255) && block[i][99] == (i & 255));
		free(block[i]);
	}
	printf("%d blocks of 100 bytes, %zu bytes in all\n", MANY, bytes);
}

// What one size gave back serves the next, also when single blocks stay: 12 x 16 MiB in 64 MiB.
static void sizes(void)
{
	static const size_t size[] = { 24, 100, 700, 40, 8000, 3000, 16, 20000, 300, 5000, 100000, 64 };
	static void *left[12][64];

	for (int s = 0; s < 12; s++) {
		int n = 0, count = 16 * 1024 * 1024 / (int)size[s];

		for (count = count < MANY ? count : MANY; n < count; n++) {
			block[n] = malloc(size[s]);
			CHECK(block[n] != NULL);
			if (!block[n])
				break;
			memset(block[n], s, size[s]);
		}
		for (int i = 0; i < n; i++) {
			if (i % (count / 64 + 1) == 0)
				left[s][i / (count / 64 + 1)] = block[i];
			else
				free(block[i]);
		}
	}
	for (int s = 0; s < 12; s++) {
		for (int i = 0; i < 64; i++) {
			CHECK(!left[s][i] || *(unsigned char *)left[s][i] == s);
			free(left[s][i]);
		}
	}
}

static void pattern_check(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != (unsigned char)(i * 7 + (i >> 8))) {
			printf("FAILED: byte %zu of %zu\n", i, n);
			failures++;
			return;
		}
	}
}

static void resize(void)
{
	unsigned char *p = NULL, *q;
	size_t size = 0;

	for (int round = 0; round < 400; round++) {
		size_t want = random_next() % (round % 5 ? 9000 : 3000000) + 1;

		q = realloc(p, want);
		CHECK(q && malloc_usable_size(q) >= want);
		if (!q)
			break;
		p = q;
		pattern_check(p, size < want ? size : want);
		for (size_t i = size < want ? size : want; i < want; i++)
			p[i] = (unsigned char)(i * 7 + (i >> 8));
		size = want;
	}
	/* What cannot be done leaves the block as it is. */
	errno = 0;
	CHECK(!realloc(p, half - 1) && errno == ENOMEM);
	errno = 0;
	CHECK(!realloc(p, most) && errno == ENOMEM);
	pattern_check(p, size);
	p = realloc(p, 1);
	CHECK(p && p[0] == 0);
	free(realloc(p, 0));
}

static void zeroed(void)
{
	static const size_t size[] = { 1, 8, 100, 4096, 8192, 8193, 70000, 5000000 };

	for (int i = 0; i < 8; i++) {
		for (int round = 0; round < 3; round++) {
			unsigned char *p = calloc(1, size[i]);

			CHECK(p != NULL);
			for (size_t k = 0; p && k<size[i]; k += size[i]> 9000 ? 97 : 1)
				CHECK(!p[k]);
			if (p)
				memset(p, 0xaa, size[i]);
			free(p);
		}
	}
	errno = 0;
	CHECK(!calloc(half, 2) && errno == ENOMEM);
	errno = 0;
	CHECK(!calloc(3, half) && errno == ENOMEM);
	errno = 0;
	CHECK(!malloc(half) && errno == ENOMEM);
	CHECK(!malloc(half - 1) && !malloc(most));
	free(calloc(0, 100));
	free(malloc(0));
	CHECK(malloc_usable_size(NULL) == 0);
}

static void aligned(void)
{
	for (size_t align = 8; align <= 4u << 20; align *= 2) {
		for (size_t size = 1; size < 40000; size = size * 3 + 1) {
			void *p = aligned_alloc(align, size), *q = memalign(align, size), *r = NULL;

			CHECK(posix_memalign(&r, align, size) == 0);
			CHECK(p && q && r && p != q && q != r);
			CHECK(((uintptr_t)p | (uintptr_t)q | (uintptr_t)r) % align == 0);
			CHECK(malloc_usable_size(p) >= size);
			memset(p, 1, size);
			memset(q, 2, size);
			memset(r, 3, size);
			CHECK(((char *)p)[size - 1] == 1 && ((char *)q)[size - 1] == 2);
			p = realloc(p, size + 5000);
			CHECK(p && ((char *)p)[0] == 1 && ((char *)p)[size - 1] == 1);
			free(p);
			free(q);
			free(r);
		}
	}
	void *same = &failures;

	CHECK(posix_memalign(&same, 24, 100) == EINVAL && posix_memalign(&same, 0, 100) == EINVAL);
	CHECK(posix_memalign(&same, 4, 100) == EINVAL && posix_memalign(&same, 64, most) == ENOMEM);
	CHECK(posix_memalign(&same, (size_t)1 << 62, 100) == ENOMEM && same == &failures);
	errno = 0;
	CHECK(!memalign(48, 100) && errno == EINVAL);
	errno = 0;
	CHECK(!aligned_alloc(64, most - 8) && errno == ENOMEM);
	for (size_t size = 1; size < 9000; size += 61) {
		void *p = malloc(size);

		CHECK((uintptr_t)p % (size < 16 ? 8 : 16) == 0);
		free(p);
	}
}

// ---- wrong frees

static char *volatile object;
static char in_data[64];

static void again(void)
{
	object = malloc(100);
	free(object);
	free(object);
}

static void again_later(void)
{
	char *other[50];

	object = malloc(100);
	for (int i = 0; i < 50; i++)
		other[i] = malloc(100);
	free(object);
	for (int i = 0; i < 50; i++)
		free(other[i]);
	free(object);
}

static void again_large(void)
{
	object = malloc(300000);
	free(object);
	free(object);
}

static void after_realloc(void)
{
	char *volatile grown;

	object = malloc(24);
	grown = realloc(object, 5000);
	(void)grown;
	free(object);
}

static void inside(void)
{
	object = malloc(1000);
	free(object + step);
}

static void inside_large(void)
{
	object = malloc(300000);
	free(object + 512 * step);
}

static void of_data(void)
{
	object = in_data + 16;
	free(object);
}

static void of_stack(void)
{
	char here[64];

	object = here;
	free(object);
}

static void of_nowhere(void)
{
	object = (char *)0x123456789abcdef0;
	free(object);
}

static void grow_freed(void)
{
	object = malloc(200);
	free(object);
	object = realloc(object, 100000);
}

static void resize_freed(void)
{
	object = malloc(50);
	free(object);
	object = realloc(object, 51);
}

static void size_of_freed(void)
{
	object = malloc(64);
	free(object);
	_exit((int)malloc_usable_size(object) & 1);
}

static void wrong(const char *name, void (*act)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		act();
		_exit(77);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (!WIFSIGNALED(status)) {
		printf("FAILED: %s ended with status 0x%x\n", name, status);
		failures++;
	}
}

int main(void)
{
	many();
	sizes();
	resize();
	zeroed();
	aligned();
	many();
	wrong("free twice", again);
	wrong("free twice, others between", again_later);
	wrong("free a large block twice", again_large);
	wrong("free what realloc moved", after_realloc);
	wrong("free the middle of a block", inside);
	wrong("free the middle of a large block", inside_large);
	wrong("free static memory", of_data);
	wrong("free the stack", of_stack);
	wrong("free an address that is none", of_nowhere);
	wrong("realloc what is free", grow_freed);
	wrong("realloc within its class what is free", resize_freed);
	wrong("the size of what is free", size_of_freed);
	many();
	printf("heap: %s\n", failures ? "FAILED" : "ok");
	return failures != 0;
}
