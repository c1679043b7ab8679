// SPDX-License-Identifier: MIT
// The operations on names and descriptors (lib/abi/51-files.idl): find the client, check, and do it with the other
// files' functions. Reading and writing are in io.c.
#include <abi/files_server.h>

#include "files.h"

#include <lib/base/string.h>

// Copies the path at `where` of the client's buffer: from then on the client cannot change it. *where moves behind it.
static err_t path_read(const struct client *c, u64 *where, struct path *p)
{
	u64 room = FILES_BUFFER_SIZE - *where < PATH_BYTES ? FILES_BUFFER_SIZE - *where : PATH_BYTES;
	const u8 *bytes = buffer_at(c, *where, room);
	u64 len;

	if (!bytes)
		return -ERR_NOMEM;
	memcpy(p->text, bytes, room);
	len = strnlen(p->text, room);
	if (len == room)
		return -ERR_NAMETOOLONG;
	*where += len + 1;
	return 0;
}

static err_t path_open(const struct client *c, struct path *p)
{
	u64 where = 0;
	err_t err = path_read(c, &where, p);

	return err ? err : path_find(c->cwd, p);
}

static err_t path_open_existing(const struct client *c, struct path *p)
{
	err_t err = path_open(c, p);

	return !err && !p->node ? -ERR_NOENT : err;
}

// Makes the node of p fit for what the flags ask, and creates it where they say so.
static err_t open_prepare(struct path *p, u64 flags, u64 mode)
{
	struct node *n;
	err_t err = 0;

	if (!p->node) {
		if (!(flags & OPEN_CREATE))
			return -ERR_NOENT;
		if (p->must_dir || flags & OPEN_DIRECTORY)
			return -ERR_ISDIR;
		return node_create(p->dir, p->name, p->name_len, FD_RAM, (u32)mode, &p->node);
	}
	n = node_at(p->node);
	if (flags & OPEN_CREATE && flags & OPEN_EXCL)
		return -ERR_EXIST;
	if (flags & OPEN_DIRECTORY && n->kind != FD_DIR)
		return -ERR_NOTDIR;
	if (!(flags & OPEN_WRITE))
		return 0;
	if (n->kind == FD_DIR)
		return -ERR_ISDIR;
	if (n->kind == FD_ARCHIVE)
		err = ram_from_archive(n, !(flags & OPEN_TRUNC)); // the archive itself is never written
	else if (n->kind == FD_RAM && flags & OPEN_TRUNC)
		err = ram_resize(n, 0);
	return err;
}

err_t files_op_open(struct request *rq, u64 flags, u64 mode, u64 *out_fd, u64 *out_kind)
{
	struct client *c = client_get(rq->badge);
	struct path p;
	u32 open;
	err_t err;

	if (!c)
		return -ERR_NFILE;
	if (flags >= OPEN_CLOEXEC << 1 || !(flags & (OPEN_READ | OPEN_WRITE)))
		return -ERR_INVAL;
	if (!~c->open_mask)
		return -ERR_MFILE;
	err = path_open(c, &p);
	if (!err)
		err = open_prepare(&p, flags, mode);
	if (err)
		return err;
	open = open_make(node_at(p.node)->kind, flags & (OPEN_READ | OPEN_WRITE | OPEN_APPEND), p.node, 0);
	if (!open)
		return -ERR_NFILE;
	err = fd_take(c, open, 0, out_fd);
	assert(!err);
	if (flags & OPEN_CLOEXEC)
		c->cloexec |= 1ull << *out_fd;
	*out_kind = node_at(p.node)->kind;
	return 0;
}

err_t files_op_close(struct request *rq, u64 fd)
{
	struct client *c = client_get(rq->badge);

	return c ? fd_close(c, fd) : -ERR_BADF;
}

static void node_stat(u32 index, u64 *kind, u64 *size, u64 *mode, u64 *mtime, u64 *inode)
{
	const struct node *n = node_at(index);

	*kind = n->kind;
	*size = n->size;
	*mode = n->mode;
	*mtime = n->mtime;
	*inode = index;
}

err_t files_op_stat(struct request *rq, u64 *out_kind, u64 *out_size, u64 *out_mode, u64 *out_mtime, u64 *out_inode)
{
	struct client *c = client_get(rq->badge);
	struct path p;
	err_t err = c ? path_open_existing(c, &p) : -ERR_NFILE;

	if (!err)
		node_stat(p.node, out_kind, out_size, out_mode, out_mtime, out_inode);
	return err;
}

err_t files_op_fstat(struct request *rq, u64 fd, u64 *out_kind, u64 *out_size, u64 *out_mode, u64 *out_mtime,
		     u64 *out_inode)
{
	struct client *c = client_get(rq->badge);
	struct open *o = c ? fd_open(c, fd) : NULL;

	if (!o)
		return -ERR_BADF;
	if (o->kind != FD_PIPE) {
		node_stat(o->node, out_kind, out_size, out_mode, out_mtime, out_inode);
		return 0;
	}
	*out_kind = FD_PIPE;
	*out_size = pipe_used(&pipes[o->pipe]);
	*out_mode = 0600;
	*out_mtime = time_now();
	*out_inode = 0x10000 + o->pipe;
	return 0;
}

err_t files_op_unlink(struct request *rq)
{
	struct client *c = client_get(rq->badge);
	struct path p;
	err_t err = c ? path_open_existing(c, &p) : -ERR_NFILE;

	if (err)
		return err;
	if (node_at(p.node)->kind == FD_DIR)
		return -ERR_ISDIR;
	if (node_at(p.node)->fixed)
		return -ERR_ROFS;
	node_unlink(p.node);
	return 0;
}

// The root, . and .. name a directory that has another name elsewhere.
static bool has_own_name(const struct path *p)
{
	return p->name_len && !(p->name[0] == '.' && (p->name_len == 1 || (p->name_len == 2 && p->name[1] == '.')));
}

// What is at the new name, if anything, must give way: a file to a file, an empty directory to a directory.
static err_t rename_over(u32 from, u32 to)
{
	const struct node *a = node_at(from), *b = node_at(to);

	if (b->fixed)
		return -ERR_ROFS;
	if (b->kind == FD_DIR && a->kind != FD_DIR)
		return -ERR_ISDIR;
	if (a->kind == FD_DIR && b->kind != FD_DIR)
		return -ERR_NOTDIR;
	if (b->kind == FD_DIR && b->first)
		return -ERR_NOTEMPTY;
	node_unlink(to);
	return 0;
}

err_t files_op_rename(struct request *rq)
{
	struct client *c = client_get(rq->badge);
	struct path from, to;
	u64 where = 0;
	err_t err = c ? path_read(c, &where, &from) : -ERR_NFILE;

	if (!err)
		err = path_read(c, &where, &to);
	if (!err)
		err = path_existing(c->cwd, &from);
	if (!err)
		err = path_find(c->cwd, &to);
	if (err)
		return err;
	if (!has_own_name(&from) || !has_own_name(&to))
		return -ERR_INVAL;
	if (node_at(from.node)->fixed)
		return -ERR_ROFS;
	if (from.node == to.node)
		return 0;
	// a directory does not go below itself
	if (node_inside(to.dir, from.node) || (to.must_dir && node_at(from.node)->kind != FD_DIR))
		return -ERR_INVAL;
	if (to.node && node_at(to.node)->kind == FD_DIR && node_inside(from.node, to.node))
		return -ERR_NOTEMPTY;
	err = to.node ? rename_over(from.node, to.node) : 0;
	return err ? err : node_move(from.node, to.dir, to.name, to.name_len);
}

err_t files_op_mkdir(struct request *rq, u64 mode)
{
	struct client *c = client_get(rq->badge);
	struct path p;
	err_t err = c ? path_open(c, &p) : -ERR_NFILE;

	if (err)
		return err;
	return p.node ? -ERR_EXIST : node_create(p.dir, p.name, p.name_len, FD_DIR, (u32)mode, &p.node);
}

err_t files_op_rmdir(struct request *rq)
{
	struct client *c = client_get(rq->badge);
	struct path p;
	err_t err = c ? path_open_existing(c, &p) : -ERR_NFILE;

	if (err)
		return err;
	if (node_at(p.node)->kind != FD_DIR)
		return -ERR_NOTDIR;
	if (node_at(p.node)->fixed)
		return -ERR_ROFS;
	if (node_at(p.node)->first)
		return -ERR_NOTEMPTY;
	node_unlink(p.node);
	return 0;
}

err_t files_op_readdir(struct request *rq, u64 fd, u64 *out_bytes)
{
	struct client *c = client_get(rq->badge);
	struct open *o = c ? fd_open(c, fd) : NULL;
	u8 *out;

	if (!o)
		return -ERR_BADF;
	if (o->kind != FD_DIR)
		return -ERR_NOTDIR;
	// one page: enough for dozens of names, and no more of the client's buffer than needed
	out = buffer_at(c, 0, PAGE_SIZE);
	if (!out)
		return -ERR_NOMEM;
	*out_bytes = node_list(o->node, &o->offset, out, PAGE_SIZE);
	return 0;
}

err_t files_op_pipe(struct request *rq, u64 *out_rfd, u64 *out_wfd)
{
	struct client *c = client_get(rq->badge);
	u32 pipe, reader, writer;
	err_t err;

	if (!c)
		return -ERR_NFILE;
	if (__builtin_popcountll(~c->open_mask) < 2)
		return -ERR_MFILE;
	if (open_count() + 2 > OPENS)
		return -ERR_NFILE;
	err = pipe_make(&pipe);
	if (err)
		return err;
	reader = open_make(FD_PIPE, OPEN_READ, NODE_NONE, pipe);
	writer = open_make(FD_PIPE, OPEN_WRITE, NODE_NONE, pipe);
	err = fd_take(c, reader, 0, out_rfd);
	assert(!err && reader && writer);
	err = fd_take(c, writer, 0, out_wfd);
	assert(!err);
	return 0;
}

err_t files_op_dup(struct request *rq, u64 fd, u64 to, u64 min, u64 *out_fd)
{
	struct client *c = client_get(rq->badge);

	return c ? fd_dup(c, fd, to, min, out_fd) : -ERR_BADF;
}

err_t files_op_fork_prepare(struct request *rq, u64 *out_token)
{
	struct client *c = client_get(rq->badge);

	return c ? snapshot_make(c, out_token) : -ERR_NFILE;
}

err_t files_op_fork_attach(struct request *rq, u64 token)
{
	struct client *c = client_get(rq->badge);

	return c ? snapshot_take(c, token) : -ERR_NFILE;
}

// Only files of the archive lie in frames that vm may map.
static err_t node_image(u32 node, u64 *out_page, u64 *out_size, u64 *out_mode)
{
	const struct node *n = node_at(node);

	if (n->kind != FD_ARCHIVE)
		return n->kind == FD_DIR ? -ERR_ISDIR : -ERR_NOEXEC;
	*out_page = n->page;
	*out_size = n->size;
	*out_mode = n->mode;
	return 0;
}

err_t files_op_image(struct request *rq, u64 *out_page, u64 *out_size, u64 *out_mode)
{
	struct client *c = client_get(rq->badge);
	struct path p;
	err_t err = c ? path_open_existing(c, &p) : -ERR_NFILE;

	return err ? err : node_image(p.node, out_page, out_size, out_mode);
}

err_t files_op_image_of(struct request *rq, u64 fd, u64 *out_page, u64 *out_size, u64 *out_mode)
{
	struct client *c = client_get(rq->badge);
	struct open *o = c ? fd_open(c, fd) : NULL;

	if (!o)
		return -ERR_BADF;
	return o->kind == FD_PIPE ? -ERR_NOEXEC : node_image(o->node, out_page, out_size, out_mode);
}

err_t files_op_descriptors(struct request *rq, u64 *out_open0, u64 *out_console0)
{
	struct client *c = client_get(rq->badge);

	if (!c)
		return -ERR_NFILE;
	*out_open0 = c->open_mask;
	for (u64 mask = c->open_mask; mask; mask &= mask - 1) {
		u32 fd = (u32)__builtin_ctzll(mask);

		if (open_at(c->fd[fd])->kind == FD_CONSOLE)
			*out_console0 |= 1ull << fd;
	}
	return 0;
}

err_t files_op_chdir(struct request *rq)
{
	struct client *c = client_get(rq->badge);
	struct path p;
	err_t err = c ? path_open_existing(c, &p) : -ERR_NFILE;

	if (err)
		return err;
	if (node_at(p.node)->kind != FD_DIR)
		return -ERR_NOTDIR;
	node_ref(p.node);
	node_unref(c->cwd);
	c->cwd = p.node;
	return 0;
}

err_t files_op_getcwd(struct request *rq, u64 *out_bytes)
{
	struct client *c = client_get(rq->badge);
	u8 *out = c ? buffer_at(c, 0, PAGE_SIZE) : NULL;
	u64 len;

	if (!out)
		return c ? -ERR_NOMEM : -ERR_NFILE;
	len = node_path(c->cwd, (char *)out, PAGE_SIZE - 1);
	if (!len)
		return -ERR_NOENT; // it was removed, or its path does not fit
	out[len] = '\0';
	*out_bytes = len;
	return 0;
}

err_t files_op_stats(struct request *rq, u64 index, u64 *out_value)
{
	(void)rq;
	switch (index) {
	case 0:
		*out_value = open_count();
		return 0;
	case 1:
		*out_value = store_used();
		return 0;
	case 2:
		*out_value = pipe_count();
		return 0;
	case 3:
		*out_value = clients_count();
		return 0;
	case 4:
		*out_value = pipe_parked();
		return 0;
	default:
		return -ERR_INVAL;
	}
}

err_t files_op_cloexec(struct request *rq, u64 fd, u64 on)
{
	struct client *c = client_get(rq->badge);

	if (!c || !fd_open(c, fd))
		return -ERR_BADF;
	if (on)
		c->cloexec |= 1ull << fd;
	else
		c->cloexec &= ~(1ull << fd);
	return 0;
}

err_t files_op_exec(struct request *rq)
{
	struct client *c = client_get(rq->badge);

	if (!c)
		return -ERR_NFILE;
	fd_close_all(c, c->cloexec);
	return 0;
}

err_t files_op_buffer(struct request *rq, u64 want, u64 *out_there)
{
	struct client *c = client_get(rq->badge);

	if (!c)
		return -ERR_NFILE;
	*out_there = buffer_make(badge_slot(rq->badge), want);
	return 0;
}
