// SPDX-License-Identifier: MIT
// Intrusive red-black tree, optionally augmented (each node may cache a value computed from its subtree, a largest gap
// say).
//
// Insert: walk down from tree->root by your own order, remembering the link, then rb_insert(tree, node, parent, link):
//
//	struct rb_node **link = &tree->root, *parent = NULL;
//	while (*link) {
//		parent = *link;
//		link = key < key_of(parent) ? &parent->left : &parent->right;
//	}
//	rb_insert(tree, node, parent, link);
//
// `update` (NULL: not augmented) recomputes one node's cached value from the node and its two children, and says
// whether it changed: where it did not, the nodes above need no look. rb_insert and rb_remove call it where needed;
// whoever changes what the value is computed from calls rb_update.
#pragma once

#include <lib/base/list.h> // container_of

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

struct rb_tree {
	struct rb_node *root;
	bool (*update)(struct rb_node *node);
};

void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, struct rb_node **link);
void rb_remove(struct rb_tree *tree, struct rb_node *node);
// The node's cached value may have changed: recompute it and those above it, as far as it matters.
void rb_update(struct rb_tree *tree, struct rb_node *node);
// In order; NULL at the end.
struct rb_node *rb_first(const struct rb_tree *tree);
struct rb_node *rb_last(const struct rb_tree *tree);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

#define rb_entry(node, type, member) container_of(node, type, member)
#define rb_for_each(node, tree)      for (struct rb_node *node = rb_first(tree); node; node = rb_next(node))
