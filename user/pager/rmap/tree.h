// SPDX-License-Identifier: MIT
// The interval tree of rmap (tree.c). A node is named by the index of its VMA record.
#pragma once

#include "rmap.h"

struct tree_found {
	void (*each)(struct tree_found *found, u16 node);
};

void tree_insert(struct rmap *r, u16 i); // its fields are set
void tree_remove(struct rmap *r, u16 i); // it is in the tree
// All nodes that contain one of {mapping, from} to {mapping, to}, in order.
void tree_find(const struct rmap *r, u64 mapping, u64 from, u64 to, struct tree_found *found);
bool tree_contains(const struct rmap *r, u16 i, u64 mapping, u64 index);
u64 tree_check(const struct rmap *r, u64 nodes);
