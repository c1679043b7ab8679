// SPDX-License-Identifier: MIT
// Intrusive circular doubly linked list. An empty list, and a node on no list, points to itself; a node zeroed by its
// allocator must be initialised before list_empty or list_remove may touch it.
#pragma once

#include <lib/base/types.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define list_entry(node, type, member)  container_of(node, type, member)

static always_inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static always_inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static always_inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

// At the front; with a node in place of the list: right after that node.
static always_inline void list_push(struct list *list, struct list *node)
{
	list_insert_between(node, list, list->next);
}

// At the end; with a node in place of the list: right before that node.
static always_inline void list_append(struct list *list, struct list *node)
{
	list_insert_between(node, list->prev, list);
}

// Afterwards the node is on no list; removing it again does nothing.
static always_inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static always_inline struct list *list_first(const struct list *list)
{
	return list_empty(list) ? NULL : list->next;
}

static always_inline struct list *list_pop(struct list *list)
{
	struct list *node = list_first(list);
	if (node)
		list_remove(node);
	return node;
}

#define list_for_each(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)
// The body may remove `node`.
#define list_for_each_safe(node, after, head) \
	for (struct list *node = (head)->next, *after = node->next; node != (head); node = after, after = node->next)
