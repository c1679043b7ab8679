// SPDX-License-Identifier: MIT
// The operations on content: read, write, seek, set the size. What a descriptor names decides who does it: the
// archive's pages, a RAM file, a pipe (which may park the request), /dev/null. The console is not read or written
// here but at its own endpoint.
#include <abi/files_server.h>

#include "files.h"

#include <lib/base/string.h>

static bool is_file(u8 kind)
{
	return kind == FD_ARCHIVE || kind == FD_RAM;
}

static err_t open_for(struct request *rq, u64 fd, u8 flag, struct client **c, struct open **o)
{
	*c = client_get(rq->badge);
	*o = *c ? fd_open(*c, fd) : NULL;
	return *o && (*o)->flags & flag ? 0 : -ERR_BADF;
}

// How many of `len` bytes a read gets from a file that is not a pipe.
static err_t read_amount(const struct open *o, u64 *len)
{
	const struct node *n = node_at(o->node);

	switch (n->kind) {
	case FD_NULL:
		*len = 0;
		return 0;
	case FD_DIR:
		return -ERR_ISDIR;
	case FD_ARCHIVE:
	case FD_RAM: {
		u64 left = o->offset < n->size ? n->size - o->offset : 0;

		if (*len > left)
			*len = left;
		return 0;
	}
	default:
		return -ERR_INVAL; // the console is read at its own endpoint
	}
}

static void read_copy(struct open *o, u8 *out, u64 len)
{
	const struct node *n = node_at(o->node);

	if (n->kind == FD_ARCHIVE)
		memcpy(out, node_archive_bytes(n) + o->offset, len);
	else
		ram_read(n, o->offset, out, len);
	o->offset += len;
}

err_t files_op_read(struct request *rq, u64 fd, u64 len, u64 where, u64 *out_done)
{
	struct client *c;
	struct open *o;
	u8 *out;
	err_t err = open_for(rq, fd, OPEN_READ, &c, &o);

	if (err)
		return err;
	if (where > FILES_BUFFER_SIZE || len > FILES_BUFFER_SIZE - where)
		return -ERR_INVAL;
	if (o->kind == FD_PIPE)
		len = len < PIPE_BYTES ? len : PIPE_BYTES;
	else
		err = read_amount(o, &len);
	if (err || !len)
		return err;
	out = buffer_at(c, where, len);
	if (!out)
		return -ERR_NOMEM;
	if (o->kind == FD_PIPE)
		return pipe_read(o->pipe, rq, out, len, out_done);
	read_copy(o, out, len);
	*out_done = len;
	return 0;
}

static err_t write_bytes(struct request *rq, struct open *o, const u8 *bytes, u64 len, u64 *done)
{
	struct node *n;
	err_t err;

	if (o->kind == FD_PIPE)
		return pipe_write(o->pipe, rq, bytes, len, done);
	n = node_at(o->node);
	if (n->kind == FD_NULL) {
		*done = len;
		return 0;
	}
	if (n->kind != FD_RAM)
		return -ERR_INVAL;
	if (o->flags & OPEN_APPEND)
		o->offset = n->size;
	err = len ? ram_write(n, o->offset, bytes, len, done) : 0;
	o->offset += *done;
	return err;
}

err_t files_op_write(struct request *rq, u64 fd, u64 len, u64 where, u64 *out_done)
{
	struct client *c;
	struct open *o;
	const u8 *bytes;
	err_t err = open_for(rq, fd, OPEN_WRITE, &c, &o);

	if (err)
		return err;
	if (where > FILES_BUFFER_SIZE || len > FILES_BUFFER_SIZE - where)
		return -ERR_INVAL;
	bytes = buffer_at(c, where, len);
	if (!bytes)
		return -ERR_NOMEM;
	return write_bytes(rq, o, bytes, len, out_done);
}

err_t files_op_read_small(struct request *rq, u64 fd, u64 len, u64 *out_done, u64 *out_b0, u64 *out_b1, u64 *out_b2,
			  u64 *out_b3, u64 *out_b4, u64 *out_b5, u64 *out_b6)
{
	u64 *const out[] = { out_b0, out_b1, out_b2, out_b3, out_b4, out_b5, out_b6 };
	u64 words[SMALL_READ / sizeof(u64)] = { 0 };
	struct client *c;
	struct open *o;
	err_t err = open_for(rq, fd, OPEN_READ, &c, &o);

	if (!err && len > SMALL_READ)
		err = -ERR_INVAL;
	if (!err && o->kind != FD_PIPE)
		err = read_amount(o, &len);
	if (err || !len)
		return err;
	if (o->kind == FD_PIPE) {
		err = pipe_read(o->pipe, rq, (u8 *)words, len, out_done);
	} else {
		read_copy(o, (u8 *)words, len);
		*out_done = len;
	}
	for (u32 i = 0; i < SMALL_READ / sizeof(u64); i++)
		*out[i] = words[i];
	return err;
}

err_t files_op_write_small(struct request *rq, u64 fd, u64 len, u64 b0, u64 b1, u64 b2, u64 b3, u64 b4, u64 b5,
			   u64 *out_done)
{
	const u64 words[SMALL_WRITE / sizeof(u64)] = { b0, b1, b2, b3, b4, b5 };
	struct client *c;
	struct open *o;
	err_t err = open_for(rq, fd, OPEN_WRITE, &c, &o);

	if (err)
		return err;
	if (len > SMALL_WRITE)
		return -ERR_INVAL;
	return write_bytes(rq, o, (const u8 *)words, len, out_done);
}

err_t files_op_seek(struct request *rq, u64 fd, u64 offset, u64 whence, u64 *out_offset)
{
	struct client *c = client_get(rq->badge);
	struct open *o = c ? fd_open(c, fd) : NULL;
	u64 base;

	if (!o)
		return -ERR_BADF;
	if (o->kind == FD_PIPE || o->kind == FD_CONSOLE)
		return -ERR_SPIPE;
	switch (whence) {
	case 0:
		base = 0;
		break;
	case 1:
		base = o->offset;
		break;
	case 2:
		base = node_at(o->node)->size;
		break;
	default:
		return -ERR_INVAL;
	}
	if ((s64)(base + offset) < 0)
		return -ERR_INVAL;
	// a directory's offset is a cursor: it can only be put back to the start
	if (o->kind == FD_DIR && base + offset != 0 && base + offset != o->offset)
		return -ERR_INVAL;
	*out_offset = o->offset = base + offset;
	return 0;
}

err_t files_op_ftruncate(struct request *rq, u64 fd, u64 size)
{
	struct client *c;
	struct open *o;
	err_t err = open_for(rq, fd, OPEN_WRITE, &c, &o);

	if (err)
		return err;
	if (o->kind == FD_PIPE || !is_file(node_at(o->node)->kind))
		return -ERR_INVAL;
	return ram_resize(node_at(o->node), size);
}
