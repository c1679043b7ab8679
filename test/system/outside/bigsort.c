// SPDX-License-Identifier: MIT
// Megabytes of records sorted twice, by qsort and by hand, and a heap that grows, shrinks and moves meanwhile.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 200000

struct record {
	unsigned int key;
	char text[20];
};

static int compare(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key ? 1 : strcmp(x->text, y->text);
}

static void heap_sort(struct record *r, size_t n)
{
	for (size_t start = n / 2, end = n; end > 1;) {
		if (start) {
			start--;
		} else {
			struct record t = r[--end];

			r[end] = r[0];
			r[0] = t;
		}
		for (size_t root = start, child; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end && compare(&r[child], &r[child + 1]) < 0)
				child++;
			if (compare(&r[root], &r[child]) >= 0)
				break;
			struct record t = r[root];
			r[root] = r[child];
			r[child] = t;
		}
	}
}

static int heap_churn(void)
{
	enum { SLOTS = 500 };
	static unsigned char *p[SLOTS];
	static size_t size[SLOTS];
	unsigned int seed = 1;

	for (int i = 0; i < 40000; i++) {
		seed = seed * 1103515245 + 12345;
		int k = seed / 65536 % SLOTS;
		size_t want = seed / 8 % 64 == 0 ? seed / 512 % 300000 : seed / 512 % 2000;

		for (size_t b = 0; b < size[k]; b += 97)
			if (p[k][b] != (unsigned char)(k + b))
				return 0;
		if (seed & 1024) {
			free(p[k]);
			p[k] = malloc(want + 1);
		} else {
			p[k] = realloc(p[k], want + 1);
		}
		if (!p[k])
			return 0;
		size[k] = want;
		for (size_t b = 0; b < want; b++)
			p[k][b] = (unsigned char)(k + b);
	}
	for (int k = 0; k < SLOTS; k++)
		free(p[k]);
	return 1;
}

int main(void)
{
	struct record *a = malloc(N * sizeof(*a)), *b = calloc(N, sizeof(*b));
	unsigned int x = 12345;

	if (!a || !b) {
		puts("bigsort: no memory");
		return 1;
	}
	for (int i = 0; i < N; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		a[i].key = x % 1000;
		memset(a[i].text, 0, sizeof(a[i].text));
		snprintf(a[i].text, sizeof(a[i].text), "%x", x);
	}
	memcpy(b, a, N * sizeof(*a));
	qsort(a, N, sizeof(*a), compare);
	heap_sort(b, N);
	for (int i = 1; i < N; i++)
		if (compare(&a[i - 1], &a[i]) > 0) {
			printf("bigsort: wrong order at %d\n", i);
			return 1;
		}
	if (memcmp(a, b, N * sizeof(*a))) {
		puts("bigsort: the two sorts differ");
		return 1;
	}
	free(a);
	free(b);
	if (!heap_churn()) {
		puts("bigsort: the heap is damaged");
		return 1;
	}
	puts("bigsort: ok");
	return 0;
}
