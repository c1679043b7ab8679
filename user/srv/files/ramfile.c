// SPDX-License-Identifier: MIT
// Content of RAM files: pages of the store under a small tree of index pages, deep enough for the size.
//
//	depth 0: `root` is the content page	depth 1: `root` is a page of 1024 page numbers	depth 2: of 1024 such
// pages
//
// Invariants: a page number 0 is a hole that reads as zeroes; no page lies wholly beyond the size; the bytes of the
// last page beyond the size are zero (so that growing shows zeroes).
#include "files.h"

#include <lib/base/string.h>

#define FANOUT    (PAGE_SIZE / sizeof(u32))
#define DEPTH_MAX 2

static u64 depth_pages(u32 depth)
{
	u64 pages = 1;

	while (depth--)
		pages *= FANOUT;
	return pages;
}

static u64 pages_of(u64 size)
{
	return size / PAGE_SIZE + (size % PAGE_SIZE != 0); // a size near 2^64 must not wrap
}

static err_t deepen(struct node *n, u64 page)
{
	while (page >= depth_pages(n->depth)) {
		if (n->depth == DEPTH_MAX)
			return -ERR_FBIG;
		if (n->root) {
			u32 top = store_take();

			if (!top)
				return -ERR_NOSPC;
			((u32 *)store_at(top))[0] = n->root;
			n->root = top;
		}
		n->depth++;
	}
	return 0;
}

// The content page at `page`, made when it is not there. NOSPC, FBIG.
static err_t page_make(struct node *n, u64 page, u8 **out)
{
	err_t err = deepen(n, page);
	u32 *link = &n->root;

	if (err)
		return err;
	for (u32 level = n->depth;; level--) {
		u64 below = depth_pages(level) / FANOUT;

		if (!*link) {
			*link = store_take();
			if (!*link)
				return -ERR_NOSPC;
		}
		if (!level)
			break;
		link = &((u32 *)store_at(*link))[page / below];
		page %= below;
	}
	*out = store_at(*link);
	return 0;
}

static const u8 *page_look(const struct node *n, u64 page)
{
	u32 link = page < depth_pages(n->depth) ? n->root : 0;

	for (u32 level = n->depth; link && level; level--) {
		u64 below = depth_pages(level) / FANOUT;

		link = ((const u32 *)store_at(link))[page / below];
		page %= below;
	}
	return link ? store_at(link) : NULL;
}

// Frees the content pages from `keep` on, of the subtree at *link, and index pages that become empty of purpose.
static void pages_free(u32 *link, u32 level, u64 keep)
{
	if (!*link)
		return;
	if (level) {
		u64 below = depth_pages(level) / FANOUT;
		u32 *entry = (u32 *)store_at(*link);

		for (u64 i = keep / below; i < FANOUT; i++)
			pages_free(&entry[i], level - 1, i == keep / below ? keep % below : 0);
	}
	if (!keep) {
		store_put(*link);
		*link = 0;
	}
}

err_t ram_write(struct node *n, u64 offset, const u8 *bytes, u64 len, u64 *done)
{
	err_t err = 0;

	*done = 0;
	if (offset + len < offset || pages_of(offset + len) > depth_pages(DEPTH_MAX))
		return -ERR_FBIG;
	while (*done < len) {
		u64 at = (offset + *done) % PAGE_SIZE;
		u64 part = len - *done < PAGE_SIZE - at ? len - *done : PAGE_SIZE - at;
		u8 *page;

		err = page_make(n, (offset + *done) / PAGE_SIZE, &page);
		if (err)
			break;
		memcpy(page + at, bytes + *done, part);
		*done += part;
	}
	// a page beyond the size, made for bytes that then found no room, must not stay
	if (*done && offset + *done > n->size)
		n->size = offset + *done;
	if (err)
		pages_free(&n->root, n->depth, pages_of(n->size));
	n->mtime = time_now();
	return *done ? 0 : err;
}

void ram_read(const struct node *n, u64 offset, u8 *out, u64 len)
{
	for (u64 done = 0; done < len;) {
		u64 at = (offset + done) % PAGE_SIZE;
		u64 part = len - done < PAGE_SIZE - at ? len - done : PAGE_SIZE - at;
		const u8 *page = page_look(n, (offset + done) / PAGE_SIZE);

		if (page)
			memcpy(out + done, page + at, part);
		else
			memset(out + done, 0, part);
		done += part;
	}
}

err_t ram_resize(struct node *n, u64 size)
{
	if (pages_of(size) > depth_pages(DEPTH_MAX))
		return -ERR_FBIG;
	if (size < n->size) {
		pages_free(&n->root, n->depth, pages_of(size));
		if (!n->root)
			n->depth = 0;
		if (size % PAGE_SIZE) {
			u8 *last = (u8 *)page_look(n, size / PAGE_SIZE);

			if (last)
				memset(last + size % PAGE_SIZE, 0, PAGE_SIZE - size % PAGE_SIZE);
		}
		store_trim();
	}
	n->size = size;
	n->mtime = time_now();
	return 0;
}

err_t ram_from_archive(struct node *n, bool content)
{
	struct node before = *n;
	u64 done = 0;
	err_t err = 0;

	n->root = n->depth = 0;
	n->size = 0;
	n->kind = FD_RAM;
	if (content && before.size)
		err = ram_write(n, 0, node_archive_bytes(&before), before.size, &done);
	if (!err && done == (content ? before.size : 0))
		return 0;
	err = ram_resize(n, 0);
	assert(!err);
	*n = before;
	return -ERR_NOSPC;
}
