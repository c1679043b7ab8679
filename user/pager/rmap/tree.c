// SPDX-License-Identifier: MIT
/*
 * The interval tree: AVL by {mapping, first, index of the record}, augmented with the largest {mapping, last} below.
 * Intervals of different mappings never meet, so one tree serves all of them. Recursion is as deep as the tree is high:
 * 1.44 * log2(RMAP_VMAS) < 20.
 */
#include "tree.h"

#include <base/panic.h>

static u64 mapping_of(const struct rmap_node *n)
{
	return (u64)n->object << 2 | n->kind;
}

static u64 max_mapping(const struct rmap_node *n)
{
	return (u64)n->max_object << 2 | n->max_kind;
}

// Is {a, x} below {b, y}?
static bool below(u64 a, u64 x, u64 b, u64 y)
{
	return a != b ? a < b : x < y;
}

static bool before(const struct rmap *r, u16 a, u16 b)
{
	const struct rmap_node *x = &r->node[a], *y = &r->node[b];
	u64 mx = mapping_of(x), my = mapping_of(y);

	if (mx != my || x->first != y->first)
		return below(mx, x->first, my, y->first);
	return a < b;
}

static u32 height(const struct rmap *r, u16 i)
{
	return i ? r->node[i].height : 0;
}

static void max_take(struct rmap_node *n, const struct rmap_node *child)
{
	if (!below(max_mapping(n), n->max, max_mapping(child), child->max))
		return;
	n->max_object = child->max_object;
	n->max_kind = child->max_kind;
	n->max = child->max;
}

static void node_update(struct rmap *r, u16 i)
{
	struct rmap_node *n = &r->node[i];
	u32 l = height(r, n->left), h = height(r, n->right);

	n->height = 1 + (l > h ? l : h);
	n->max_object = n->object;
	n->max_kind = n->kind;
	n->max = n->last;
	if (n->left)
		max_take(n, &r->node[n->left]);
	if (n->right)
		max_take(n, &r->node[n->right]);
}

static u16 rotate_right(struct rmap *r, u16 i)
{
	u16 top = r->node[i].left;

	r->node[i].left = r->node[top].right;
	r->node[top].right = i;
	node_update(r, i);
	node_update(r, top);
	return top;
}

static u16 rotate_left(struct rmap *r, u16 i)
{
	u16 top = r->node[i].right;

	r->node[i].right = r->node[top].left;
	r->node[top].left = i;
	node_update(r, i);
	node_update(r, top);
	return top;
}

// A child of i has changed: the top of the subtree, in balance.
static u16 rebalance(struct rmap *r, u16 i)
{
	struct rmap_node *n = &r->node[i];
	u32 l = height(r, n->left), h = height(r, n->right);

	if (l > h + 1) {
		const struct rmap_node *c = &r->node[n->left];

		if (height(r, c->left) < height(r, c->right))
			n->left = rotate_left(r, n->left);
		return rotate_right(r, i);
	}
	if (h > l + 1) {
		const struct rmap_node *c = &r->node[n->right];

		if (height(r, c->right) < height(r, c->left))
			n->right = rotate_right(r, n->right);
		return rotate_left(r, i);
	}
	node_update(r, i);
	return i;
}

static u16 insert(struct rmap *r, u16 top, u16 i)
{
	if (!top) {
		r->node[i].left = r->node[i].right = 0;
		node_update(r, i);
		return i;
	}
	if (before(r, i, top))
		r->node[top].left = insert(r, r->node[top].left, i);
	else
		r->node[top].right = insert(r, r->node[top].right, i);
	return rebalance(r, top);
}

// The first node of the subtree goes to *first; what is left of the subtree is returned.
static u16 first_take(struct rmap *r, u16 top, u16 *first)
{
	struct rmap_node *n = &r->node[top];

	if (!n->left) {
		*first = top;
		return n->right;
	}
	n->left = first_take(r, n->left, first);
	return rebalance(r, top);
}

static u16 removed(struct rmap *r, u16 top, u16 i)
{
	struct rmap_node *n = &r->node[top];
	u16 next;

	assert(top);
	if (top == i) {
		if (!n->right)
			return n->left;
		u16 right = first_take(r, n->right, &next);

		r->node[next].left = n->left;
		r->node[next].right = right;
		return rebalance(r, next);
	}
	if (before(r, i, top))
		n->left = removed(r, n->left, i);
	else
		n->right = removed(r, n->right, i);
	return rebalance(r, top);
}

void tree_insert(struct rmap *r, u16 i)
{
	r->root = insert(r, r->root, i);
}

void tree_remove(struct rmap *r, u16 i)
{
	r->root = removed(r, r->root, i);
}

static void visit(const struct rmap *r, u16 top, u64 mapping, u64 from, u64 to, struct tree_found *found)
{
	const struct rmap_node *n = &r->node[top];

	if (!top || below(max_mapping(n), n->max, mapping, from))
		return;
	visit(r, n->left, mapping, from, to, found);
	if (below(mapping, to, mapping_of(n), n->first))
		return;
	if (mapping_of(n) == mapping && from <= n->last)
		found->each(found, top);
	visit(r, n->right, mapping, from, to, found);
}

void tree_find(const struct rmap *r, u64 mapping, u64 from, u64 to, struct tree_found *found)
{
	visit(r, r->root, mapping, from, to, found);
}

bool tree_contains(const struct rmap *r, u16 i, u64 mapping, u64 index)
{
	const struct rmap_node *n = &r->node[i];

	return mapping_of(n) == mapping && index >= n->first && index <= n->last;
}

struct checked {
	u64 nodes, bad;
	u16 last; // in order
};

static void check(const struct rmap *r, u16 i, struct checked *c)
{
	struct rmap_node *n = &r->node[i], was = *n;

	if (!i)
		return;
	check(r, n->left, c);
	c->bad += c->last && !before(r, c->last, i);
	c->last = i;
	c->nodes++;
	check(r, n->right, c);
	node_update((struct rmap *)r, i);
	c->bad += was.height != n->height || was.max != n->max || max_mapping(&was) != max_mapping(n);
	u32 l = height(r, n->left), h = height(r, n->right);
	c->bad += l > h + 1 || h > l + 1;
}

u64 tree_check(const struct rmap *r, u64 nodes)
{
	struct checked c = { 0 };

	check(r, r->root, &c);
	return c.bad + (c.nodes != nodes);
}
