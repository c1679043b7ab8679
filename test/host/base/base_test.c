// SPDX-License-Identifier: MIT
// lib/base on the host: string functions and formatting against libc's, the red-black tree against a sorted array.
// The code under test is compiled with its names prefixed (renamed.c), so that both versions are there.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/base/bitmap.h>
#include <lib/base/panic.h>
#include <lib/base/rbtree.h>

void *base_memcpy(void *dst, const void *src, size_t n);
void *base_memmove(void *dst, const void *src, size_t n);
void *base_memset(void *dst, int value, size_t n);
int base_memcmp(const void *a, const void *b, size_t n);
void *base_memchr(const void *s, int c, size_t n);
size_t base_strlen(const char *s);
size_t base_strnlen(const char *s, size_t max);
int base_strcmp(const char *a, const char *b);
int base_strncmp(const char *a, const char *b, size_t n);
char *base_strchr(const char *s, int c);
char *base_strrchr(const char *s, int c);
int base_snprintf(char *buf, size_t size, const char *fmt, ...);

void panic(const char *fmt, ...)
{
	fprintf(stderr, "panic: %s\n", fmt);
	abort();
}

static u64 seed = 88172645463325252ul;

static u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

#define SPAN 200

static void test_memory(void)
{
	u8 a[SPAN], b[SPAN];
	for (u32 round = 0; round < 200000; round++) {
		for (u32 i = 0; i < SPAN; i++)
			a[i] = b[i] = rnd(256);
		u64 n = rnd(SPAN / 2), from = rnd(SPAN / 2), to = rnd(SPAN / 2);
		switch (rnd(3)) {
		case 0:
			memmove(a + to, a + from, n);
			assert(base_memmove(b + to, b + from, n) == b + to);
			break;
		case 1:
			memset(a + to, from, n);
			assert(base_memset(b + to, from, n) == b + to);
			break;
		default:
			if (from < to ? from + n > to : to + n > from)
				continue;
			memcpy(a + to, a + from, n);
			assert(base_memcpy(b + to, b + from, n) == b + to);
		}
		assert(!memcmp(a, b, SPAN));
		b[rnd(SPAN)]++;
		assert(sign(memcmp(a + to, b + to, n)) == sign(base_memcmp(a + to, b + to, n)));
		assert(memchr(a, 7, n) == base_memchr(a, 7, n));
	}
}

static void test_strings(void)
{
	char a[16], b[16];
	for (u32 round = 0; round < 200000; round++) {
		for (u32 i = 0; i < 15; i++) {
			a[i] = "\0ab\xff"[rnd(4)];
			b[i] = rnd(4) ? a[i] : (char)"\0ab\xff"[rnd(4)];
		}
		a[15] = b[15] = 0;
		u64 n = rnd(16);
		assert(strlen(a) == base_strlen(a) && strnlen(a, n) == base_strnlen(a, n));
		assert(sign(strcmp(a, b)) == sign(base_strcmp(a, b)));
		assert(sign(strncmp(a, b, n)) == sign(base_strncmp(a, b, n)));
		assert(strchr(a, 'b') == base_strchr(a, 'b') && strchr(a, 0) == base_strchr(a, 0));
		assert(strrchr(a, 'b') == base_strrchr(a, 'b') && strrchr(a, 0) == base_strrchr(a, 0));
	}
}

#define SAME(...) \
	do { \
		for (u64 size = 0; size < 40; size++) { \
			char x[40], y[40]; \
			memset(x, '#', sizeof(x)); \
			memset(y, '#', sizeof(y)); \
			int n = snprintf(x, size, __VA_ARGS__), m = base_snprintf(y, size, __VA_ARGS__); \
			if (n != m || memcmp(x, y, sizeof(x))) \
				panic("format %d %d of size %lu: '%s' '%s'", n, m, size, x, y); \
		} \
	} while (0)

#pragma GCC diagnostic ignored "-Wformat-truncation"

static void test_fmt(void)
{
	SAME("plain");
	SAME("%d %d %i", 0, -1, 2147483647);
	SAME("%d|%5d|%-5d|%05d|%2d", -2147483647 - 1, 42, 42, -42, 12345);
	SAME("%u %lu %llu %zu", 4294967295u, ~0ul, ~0ull, (size_t)77);
	SAME("%ld %ld %lld", (long)INT64_MIN, INT64_MAX, -5ll);
	SAME("%x %X %lx %016lx %-8x|%08x", 0xbeefu, 0xBEEFu, ~0ul, 0x1234ul, 0xau, 0x10u);
	SAME("%s|%10s|%-10s|%.2s|%.*s|%*d", "abc", "abc", "abc", "abc", 1, "abc", 6, 7);
	SAME("%c%c %3c %%", 'x', 'y', 'z');
	SAME("%p", (void *)0x1234);
	SAME("%hhu %hd", 7, 8);
	SAME("%.0s|%5.1s", "abc", "abc");
	char text[8];
	assert(base_snprintf(text, sizeof(text), "%s", (char *)NULL) == 6 && !strcmp(text, "(null)"));
}

// ---- tree: keys 0 .. NODES-1 present or not; each node caches the number of nodes below it and their largest weight

#define NODES 200

struct item {
	struct rb_node node;
	u64 key, count;
	u64 weight, max; // own, and the largest below: a value that mostly stays
};

static struct item item[NODES];
static bool present[NODES];
static struct rb_tree tree;

static u64 count_of(const struct rb_node *node)
{
	return node ? rb_entry(node, struct item, node)->count : 0;
}

static u64 max_of(const struct rb_node *node)
{
	return node ? rb_entry(node, struct item, node)->max : 0;
}

static bool item_update(struct rb_node *node)
{
	struct item *it = rb_entry(node, struct item, node);
	u64 count = 1 + count_of(node->left) + count_of(node->right);
	u64 max = it->weight;

	max = max > max_of(node->left) ? max : max_of(node->left);
	max = max > max_of(node->right) ? max : max_of(node->right);
	if (it->count == count && it->max == max)
		return false;
	it->count = count;
	it->max = max;
	return true;
}

static void item_insert(u64 key)
{
	struct rb_node **link = &tree.root, *parent = NULL;
	while (*link) {
		parent = *link;
		link = key < rb_entry(parent, struct item, node)->key ? &parent->left : &parent->right;
	}
	item[key].key = key;
	item[key].weight = rnd(8);
	rb_insert(&tree, &item[key].node, parent, link);
}

// Returns the black height.
static u32 tree_check(const struct rb_node *node, const struct rb_node *parent)
{
	if (!node)
		return 1;
	assert(node->parent == parent && !(node->red && parent && parent->red));
	assert(count_of(node) == 1 + count_of(node->left) + count_of(node->right));
	u64 weight = rb_entry(node, struct item, node)->weight, max = max_of(node);
	assert(max >= weight && max >= max_of(node->left) && max >= max_of(node->right) &&
	       (max == weight || max == max_of(node->left) || max == max_of(node->right)));
	u32 left = tree_check(node->left, node), right = tree_check(node->right, node);
	assert(left == right);
	return left + !node->red;
}

static void tree_same(void)
{
	assert(!tree.root || !tree.root->red);
	tree_check(tree.root, NULL);
	struct rb_node *node = rb_first(&tree), *last = NULL;
	for (u64 key = 0; key < NODES; key++) {
		if (!present[key])
			continue;
		assert(node == &item[key].node && rb_prev(node) == last);
		last = node;
		node = rb_next(node);
	}
	assert(!node && rb_last(&tree) == last);
}

static void test_tree(void)
{
	for (u32 augmented = 0; augmented < 2; augmented++) {
		tree = (struct rb_tree){ .update = augmented ? item_update : NULL };
		memset(present, 0, sizeof(present));
		memset(item, 0, sizeof(item));
		for (u32 round = 0; round < 40000; round++) {
			// Waves: the tree fills up and empties.
			u64 key = rnd(NODES);
			bool grow = rnd(10) < (round / 2000 % 2 ? 7 : 3);
			if (grow && !present[key])
				item_insert(key);
			else if (!grow && present[key])
				rb_remove(&tree, &item[key].node);
			else if (augmented && present[key]) {
				item[key].weight = rnd(8);
				rb_update(&tree, &item[key].node);
				grow = true;
			} else
				continue;
			present[key] = grow;
			if (augmented)
				tree_same();
		}
		for (u64 key = 0; key < NODES; key++)
			if (present[key])
				rb_remove(&tree, &item[key].node);
		assert(!tree.root);
	}
}

static void test_list(void)
{
	struct list head, n[3];
	list_init(&head);
	assert(list_empty(&head) && !list_pop(&head));
	list_append(&head, &n[1]);
	list_append(&head, &n[2]);
	list_push(&head, &n[0]);
	u32 i = 0;
	list_for_each(node, &head)
		assert(node == &n[i++]);
	list_for_each_safe(node, after, &head)
		if (node == &n[1])
			list_remove(node);
	assert(list_empty(&n[1]));
	assert(list_pop(&head) == &n[0] && list_pop(&head) == &n[2] && list_empty(&head));
}

static void test_bitmap(void)
{
	u64 map[BITMAP_WORDS(150)] = { 0 };
	bool bit[150] = { 0 };
	for (u32 round = 0; round < 20000; round++) {
		u64 i = rnd(150);
		bit[i] = rnd(2);
		if (bit[i])
			bitmap_set(map, i);
		else
			bitmap_clear(map, i);
		u64 from = rnd(151), expect = from, count = 0;
		bool value = rnd(2);
		while (expect < 150 && bit[expect] != value)
			expect++;
		assert(bitmap_find(map, 150, from, value) == expect && bitmap_test(map, i) == bit[i]);
		for (u32 k = 0; k < 150; k++)
			count += bit[k];
		assert(bitmap_count(map, 150) == count);
	}
}

int main(void)
{
	test_memory();
	test_strings();
	test_fmt();
	test_list();
	test_bitmap();
	test_tree();
	puts("base: OK");
	return 0;
}
