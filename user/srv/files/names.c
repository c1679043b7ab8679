// SPDX-License-Identifier: MIT
// The tree of names. It starts as the boot archive's files plus /dev and /tmp, and lives in memory only.
//
// Invariants: node 1 is the root; a linked node is in its parent's list (in order of serial) and in the hash chain of
// (parent, name); names in a directory are unique; a node is freed when it is neither linked nor referenced.
//
//	free --node_create--> linked --node_unlink--> unlinked --node_unref (last)--> free
//			        `-- node_unlink, no references --------------------->'
#include "files.h"

#include <lib/base/log.h>
#include <lib/base/string.h>

#define HASH 1024

static struct {
	struct node *node;
	u32 count;
	u32 free; // linked through `next`
	u32 serial;
	const u8 *archive;
	u32 hash[HASH];
} tree;

struct node *node_at(u32 index)
{
	return &tree.node[index];
}

const u8 *node_archive_bytes(const struct node *n)
{
	return tree.archive + n->page * PAGE_SIZE;
}

static u32 *hash_slot(u32 dir, const char *name, u32 len)
{
	u32 h = dir * 0x9e3779b1u;

	for (u32 i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 0x01000193u; // FNV-1a
	return &tree.hash[(h ^ h >> 16) % HASH];
}

u32 node_child(u32 dir, const char *name, u32 len)
{
	for (u32 i = *hash_slot(dir, name, len); i; i = tree.node[i].hash_next) {
		const struct node *n = &tree.node[i];

		if (n->parent == dir && n->name_len == len && !memcmp(n->name, name, len))
			return i;
	}
	return NODE_NONE;
}

static void node_link(u32 index, u32 dir, const char *name, u32 len)
{
	struct node *n = &tree.node[index], *d = &tree.node[dir];
	u32 *slot;

	memmove(n->name, name, len);
	n->name[len] = '\0';
	n->name_len = (u8)len;
	n->parent = dir;
	n->serial = ++tree.serial;
	n->linked = true;
	slot = hash_slot(dir, n->name, len);
	n->hash_next = *slot;
	*slot = index;
	n->next = NODE_NONE;
	n->prev = d->last;
	if (d->last)
		tree.node[d->last].next = index;
	else
		d->first = index;
	d->last = index;
}

static void node_detach(u32 index)
{
	struct node *n = &tree.node[index], *d = &tree.node[n->parent];
	u32 *slot = hash_slot(n->parent, n->name, n->name_len);

	while (*slot != index)
		slot = &tree.node[*slot].hash_next;
	*slot = n->hash_next;
	if (n->prev)
		tree.node[n->prev].next = n->next;
	else
		d->first = n->next;
	if (n->next)
		tree.node[n->next].prev = n->prev;
	else
		d->last = n->prev;
	n->linked = false;
}

static void node_free(u32 index)
{
	struct node *n = &tree.node[index];
	err_t err;

	if (n->kind == FD_RAM) {
		err = ram_resize(n, 0);
		assert(!err);
	}
	n->kind = FD_NONE;
	n->next = tree.free;
	tree.free = index;
}

err_t node_create(u32 dir, const char *name, u32 len, u8 kind, u32 mode, u32 *node)
{
	u32 index = tree.free;
	struct node *n = &tree.node[index];

	if (len >= NAME_BYTES)
		return -ERR_NAMETOOLONG;
	if (!index)
		return -ERR_NOSPC;
	tree.free = n->next;
	*n = (struct node){ .kind = kind, .mode = mode & 0777, .mtime = time_now() };
	node_link(index, dir, name, len);
	*node = index;
	return 0;
}

void node_ref(u32 index)
{
	tree.node[index].refs++;
}

void node_unref(u32 index)
{
	struct node *n = &tree.node[index];

	assert(n->refs);
	if (!--n->refs && !n->linked)
		node_free(index);
}

void node_unlink(u32 index)
{
	node_detach(index);
	if (!tree.node[index].refs)
		node_free(index);
}

err_t node_move(u32 index, u32 dir, const char *name, u32 len)
{
	if (len >= NAME_BYTES)
		return -ERR_NAMETOOLONG;
	node_detach(index);
	node_link(index, dir, name, len);
	return 0;
}

bool node_inside(u32 index, u32 dir)
{
	for (;; index = tree.node[index].parent) {
		if (index == dir)
			return true;
		if (index == NODE_ROOT || !tree.node[index].linked)
			return false;
	}
}

// The absolute path, without NUL; 0: the directory was removed, or it does not fit.
u64 node_path(u32 index, char *out, u64 size)
{
	u64 len = 0;

	for (u32 i = index; i != NODE_ROOT; i = tree.node[i].parent) {
		if (!tree.node[i].linked)
			return 0;
		len += 1u + tree.node[i].name_len;
	}
	if (!len) {
		out[0] = '/';
		return 1;
	}
	if (len > size)
		return 0;
	for (u64 at = len; index != NODE_ROOT; index = tree.node[index].parent) {
		const struct node *n = &tree.node[index];

		at -= n->name_len;
		memcpy(out + at, n->name, n->name_len);
		out[--at] = '/';
	}
	return len;
}

// Entries after *cursor, each {kind, name, NUL}, as many as fit.
u64 node_list(u32 dir, u64 *cursor, u8 *out, u64 size)
{
	u64 used = 0;

	for (u32 i = tree.node[dir].first; i; i = tree.node[i].next) {
		const struct node *n = &tree.node[i];

		if (n->serial <= *cursor)
			continue;
		if (used + n->name_len + 2 > size)
			break;
		out[used++] = n->kind;
		memcpy(out + used, n->name, n->name_len + 1u);
		used += n->name_len + 1u;
		*cursor = n->serial;
	}
	return used;
}

// The directory that holds the last component of an archive path; missing ones are made. NODE_NONE: no room, or a
// file is in the way.
static u32 archive_dir(const char **path)
{
	u32 dir = NODE_ROOT;

	for (;;) {
		const char *name = *path, *end;
		u32 next;

		while (*name == '/')
			name++;
		end = name;
		while (*end && *end != '/')
			end++;
		*path = name;
		if (!*end || !end[1])
			return dir;
		next = node_child(dir, name, (u32)(end - name));
		if (!next && node_create(dir, name, (u32)(end - name), FD_DIR, 0755, &next))
			return NODE_NONE;
		if (tree.node[next].kind != FD_DIR)
			return NODE_NONE;
		dir = next;
		*path = end;
	}
}

static bool archive_add(const struct archive_entry *e, u64 pages)
{
	const char *path = (const char *)e->path;
	u64 room = e->page <= pages ? (pages - e->page) * PAGE_SIZE : 0;
	u8 kind = e->flags & 1 ? FD_DIR : FD_ARCHIVE;
	u32 dir, node, len;

	if (e->path[sizeof(e->path) - 1] || e->size > room)
		return false;
	dir = archive_dir(&path);
	if (!dir)
		return false;
	len = (u32)strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	if (!len)
		return kind == FD_DIR; // the root itself
	node = node_child(dir, path, len);
	if (!node && node_create(dir, path, len, kind, e->mode, &node))
		return false;
	if (tree.node[node].kind != kind)
		return false;
	tree.node[node].mode = e->mode & 0777;
	tree.node[node].mtime = e->mtime;
	tree.node[node].size = kind == FD_DIR ? 0 : e->size;
	tree.node[node].page = e->page;
	return true;
}

static void fixed_add(u32 dir, const char *name, u8 kind, u32 mode, u32 *node)
{
	u32 len = (u32)strlen(name);
	err_t err = 0;

	*node = node_child(dir, name, len);
	if (!*node)
		err = node_create(dir, name, len, kind, mode, node);
	if (err || tree.node[*node].kind != kind)
		panic("files: cannot make %s: it is a file of the boot archive, or the table of names is too small",
		      name);
	tree.node[*node].fixed = true;
}

// nodes: `count` of them, index 0 unused. archive_pages 0: no archive.
void names_init(struct node *nodes, u32 count, const u8 *archive, u64 archive_pages)
{
	const struct archive_header *h = (const void *)archive;
	const struct archive_entry *e = (const void *)(h + 1);
	u32 dev, node;

	memset(&tree, 0, sizeof(tree));
	tree.node = nodes;
	tree.count = count;
	tree.archive = archive;
	for (u32 i = count - 1; i > NODE_ROOT; i--) {
		nodes[i] = (struct node){ .next = tree.free };
		tree.free = i;
	}
	nodes[NODE_ROOT] =
		(struct node){ .parent = NODE_ROOT, .kind = FD_DIR, .linked = true, .fixed = true, .mode = 0755 };
	fixed_add(NODE_ROOT, "dev", FD_DIR, 0755, &dev);
	fixed_add(dev, "null", FD_NULL, 0666, &node);
	fixed_add(dev, "console", FD_CONSOLE, 0666, &node);
	fixed_add(NODE_ROOT, "tmp", FD_DIR, 0777, &node);
	if (!archive_pages)
		return;
	if (h->magic != ARCHIVE_MAGIC || h->pages > archive_pages ||
	    sizeof(*h) + h->count * (u64)sizeof(*e) > h->pages * (u64)PAGE_SIZE)
		panic("files: the boot archive's table makes no sense");
	for (u32 i = 0; i < h->count; i++)
		if (!archive_add(&e[i], h->pages))
			log_line("files: %.95s of the boot archive is left out: bad entry, or no room for its name",
				 (const char *)e[i].path);
}
