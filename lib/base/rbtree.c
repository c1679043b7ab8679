// SPDX-License-Identifier: MIT
// Red-black tree. Invariants: the root is black; a red node's children are black; every path from a node down to a
// missing child has the same number of black nodes; an augmented node's value equals what `update` computes from it and
// its children.
#include <lib/base/panic.h>
#include <lib/base/rbtree.h>

static bool is_red(const struct rb_node *node)
{
	return node && node->red;
}

void rb_update(struct rb_tree *tree, struct rb_node *node)
{
	if (!tree->update)
		return;
	while (node && tree->update(node))
		node = node->parent;
}

// A node that came to its place: what those above it know is not its cached value, so they are looked at in any case.
static void update_placed(struct rb_tree *tree, struct rb_node *node)
{
	if (!tree->update)
		return;
	(void)tree->update(node);
	rb_update(tree, node->parent);
}

static void replace_child(struct rb_tree *tree, struct rb_node *parent, struct rb_node *old, struct rb_node *new)
{
	if (!parent)
		tree->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
	if (new)
		new->parent = parent;
}

// The right child takes the node's place; `left` mirrors it.
static void rotate(struct rb_tree *tree, struct rb_node *node, bool left)
{
	struct rb_node *up = left ? node->right : node->left;
	struct rb_node *inner = left ? up->left : up->right;
	replace_child(tree, node->parent, node, up);
	if (left) {
		node->right = inner;
		up->left = node;
	} else {
		node->left = inner;
		up->right = node;
	}
	if (inner)
		inner->parent = node;
	node->parent = up;
	if (tree->update) {
		(void)tree->update(node);
		(void)tree->update(up);
	}
}

static void insert_rebalance(struct rb_tree *tree, struct rb_node *node)
{
	while (is_red(node->parent)) {
		struct rb_node *parent = node->parent, *grand = parent->parent;
		bool left = parent == grand->left;
		struct rb_node *uncle = left ? grand->right : grand->left;
		if (is_red(uncle)) {
			parent->red = uncle->red = false;
			grand->red = true;
			node = grand;
			continue;
		}
		if (node == (left ? parent->right : parent->left)) {
			rotate(tree, parent, left);
			parent = node;
		}
		parent->red = false;
		grand->red = true;
		rotate(tree, grand, !left);
		break;
	}
	tree->root->red = false;
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	assert(!*link);
	*node = (struct rb_node){ .parent = parent, .red = true };
	*link = node;
	update_placed(tree, node);
	insert_rebalance(tree, node);
}

// `node` (may be NULL, then `parent` tells where) is one black short.
static void remove_rebalance(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent)
{
	while (parent && !is_red(node)) {
		bool left = parent->left == node;
		struct rb_node *sibling = left ? parent->right : parent->left;
		if (sibling->red) {
			sibling->red = false;
			parent->red = true;
			rotate(tree, parent, left);
			sibling = left ? parent->right : parent->left;
		}
		struct rb_node *outer = left ? sibling->right : sibling->left;
		struct rb_node *inner = left ? sibling->left : sibling->right;
		if (!is_red(outer) && !is_red(inner)) {
			sibling->red = true;
			node = parent;
			parent = node->parent;
			continue;
		}
		if (!is_red(outer)) {
			inner->red = false;
			sibling->red = true;
			rotate(tree, sibling, !left);
			outer = sibling;
			sibling = inner;
		}
		sibling->red = parent->red;
		parent->red = false;
		outer->red = false;
		rotate(tree, parent, left);
		return;
	}
	if (node)
		node->red = false;
}

// A node with two children: its successor, which has no left child, takes its place.
static void remove_inner(struct rb_tree *tree, struct rb_node *node)
{
	struct rb_node *next = node->right;
	while (next->left)
		next = next->left;
	struct rb_node *child = next->right, *parent = next->parent;
	bool black = !next->red;
	if (parent == node) {
		parent = next;
	} else {
		replace_child(tree, parent, next, child);
		next->right = node->right;
		next->right->parent = next;
	}
	replace_child(tree, node->parent, node, next);
	next->left = node->left;
	next->left->parent = next;
	next->red = node->red;
	if (parent != next)
		rb_update(tree, parent);
	update_placed(tree, next);
	if (black)
		remove_rebalance(tree, child, parent);
}

void rb_remove(struct rb_tree *tree, struct rb_node *node)
{
	if (node->left && node->right) {
		remove_inner(tree, node);
		return;
	}
	struct rb_node *child = node->left ? node->left : node->right, *parent = node->parent;
	replace_child(tree, parent, node, child);
	rb_update(tree, parent);
	if (!node->red)
		remove_rebalance(tree, child, parent);
}

static struct rb_node *leftmost(struct rb_node *node)
{
	while (node && node->left)
		node = node->left;
	return node;
}

static struct rb_node *rightmost(struct rb_node *node)
{
	while (node && node->right)
		node = node->right;
	return node;
}

struct rb_node *rb_first(const struct rb_tree *tree)
{
	return leftmost(tree->root);
}

struct rb_node *rb_last(const struct rb_tree *tree)
{
	return rightmost(tree->root);
}

struct rb_node *rb_next(const struct rb_node *node)
{
	if (node->right)
		return leftmost(node->right);
	while (node->parent && node == node->parent->right)
		node = node->parent;
	return node->parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	if (node->left)
		return rightmost(node->left);
	while (node->parent && node == node->parent->left)
		node = node->parent;
	return node->parent;
}
