// SPDX-License-Identifier: MIT
// Random operations, each done in the server and in the model (state.c), with the same result or the test fails.
#include "model.h"

#include "state.h"

// Operations: each does the same in the server and in the model, and compares.

static void op_open(u32 s, struct mclient *c)
{
	char path[32];
	struct mpath p;
	u64 flags = 1 + rnd(3);
	int fd = fd_free(c, 0);
	err_t want, got;

	path_random(path);
	flags |= rnd(2) ? OPEN_CREATE : 0;
	flags |= rnd(6) ? 0 : OPEN_EXCL;
	flags |= rnd(4) ? 0 : OPEN_TRUNC;
	flags |= rnd(4) ? 0 : OPEN_APPEND;
	flags |= rnd(10) ? 0 : OPEN_DIRECTORY;
	flags |= rnd(6) ? 0 : OPEN_CLOEXEC;
	if (!rnd(40))
		strcpy(path, "/dev/null");
	strcpy((char *)host_buffer(s), path);
	want = walk(c->cwd, path, &p);
	got = call(s, OP_FILES_OPEN, flags, 0600, 0);
	snprintf(context, sizeof(context), "op %lu: open %s flags %lx", (unsigned long)op_number, path,
		 (unsigned long)flags);
	if (fd < 0) {
		EXPECT(got == -ERR_MFILE);
		return;
	}
	if (!want && p.node < 0)
		want = !(flags & OPEN_CREATE) ? -ERR_NOENT : p.must_dir || flags & OPEN_DIRECTORY ? -ERR_ISDIR : 0;
	else if (!want && flags & OPEN_CREATE && flags & OPEN_EXCL)
		want = -ERR_EXIST;
	else if (!want && flags & OPEN_DIRECTORY && !node[p.node].dir)
		want = -ERR_NOTDIR;
	else if (!want && node[p.node].dir && flags & OPEN_WRITE)
		want = -ERR_ISDIR;
	EXPECT(got == want);
	if (got)
		return;
	if (p.node < 0)
		p.node = node_new(p.dir, p.name, p.len, false);
	else if (flags & OPEN_TRUNC && flags & OPEN_WRITE && p.node != 3)
		resize(p.node, 0);
	EXPECT(w[0] == (u64)fd);
	c->fd[fd] = open_new((struct mopen){ .node = p.node,
					     .pipe = -1,
					     .reads = flags & OPEN_READ,
					     .writes = flags & OPEN_WRITE,
					     .append = flags & OPEN_APPEND,
					     .null = p.node == 3 }) +
		    1;
	c->cloexec[fd] = flags & OPEN_CLOEXEC;
}

static void op_close(u32 s, struct mclient *c)
{
	u64 fd = rnd(12);
	err_t got = call(s, OP_FILES_CLOSE, fd, 0, 0);

	EXPECT(got == (fd_get(c, fd) ? 0 : -ERR_BADF));
	if (!got)
		fd_drop(c, fd);
}

static void wait_put(struct mqueue *q, struct mwait m)
{
	q->w[q->n++] = m;
	client[m.slot].waiting = true;
}

static void op_read(u32 s, struct mclient *c)
{
	u64 fd = rnd(12), small = rnd(2), len = small ? rnd(57) : rnd(6000), where = small ? 0 : rnd(3000), reply;
	struct mopen *o = fd_get(c, fd);
	u8 want[FILES_BUFFER_SIZE / 8];
	u64 n = 0;
	err_t got;

	memset(w, 0, sizeof(w));
	w[0] = fd;
	w[1] = len;
	w[2] = where;
	c->requested = true;
	got = host_call(s, small ? OP_FILES_READ_SMALL : OP_FILES_READ, w, &reply);
	snprintf(context, sizeof(context), "op %lu: read slot %u fd %lu len %lu small %lu", (unsigned long)op_number, s,
		 (unsigned long)fd, (unsigned long)len, (unsigned long)small);
	if (!o || !o->reads) {
		EXPECT(got == -ERR_BADF);
		return;
	}
	if (o->console || (o->node >= 0 && node[o->node].dir)) {
		EXPECT(got == (o->console ? -ERR_INVAL : -ERR_ISDIR));
		return;
	}
	if (o->pipe >= 0) {
		struct mpipe *p = &pipe_[o->pipe];

		n = len < p->n ? len : p->n;
		if (len && !n && p->writer) {
			EXPECT(got == PARKED);
			wait_put(&p->readers,
				 (struct mwait){
					 .slot = s, .reply = reply, .len = len, .where = where, .small = small });
			return;
		}
		take(p, want, n);
		pump(p);
	} else if (!o->null && o->offset < node[o->node].size) {
		n = len < node[o->node].size - o->offset ? len : node[o->node].size - o->offset;
		memcpy(want, node[o->node].data + o->offset, n);
		o->offset += n;
	}
	EXPECT(got == 0 && w[0] == n);
	EXPECT(!memcmp(small ? (u8 *)&w[1] : host_buffer(s) + where, want, n));
}

static void write_node(struct mopen *o, const u8 *bytes, u64 len)
{
	if (o->append)
		o->offset = node[o->node].size;
	if (!len)
		return;
	if (o->offset + len > node[o->node].size)
		resize(o->node, o->offset + len);
	memcpy(node[o->node].data + o->offset, bytes, len);
	o->offset += len;
}

static void write_pipe(struct mpipe *p, u32 s, u64 len, u64 where, bool small, const u8 *bytes, err_t got, u64 reply)
{
	u64 room = PIPE_BYTES - p->n;
	struct mwait m = { .slot = s, .reply = reply, .len = len, .where = where, .small = small };

	if (!p->reader) {
		EXPECT(got == -ERR_PIPE);
		return;
	}
	if (len && (p->writers.n || len > room)) {
		EXPECT(got == PARKED);
		memcpy(m.bytes, bytes, len);
		wait_put(&p->writers, m);
	} else {
		EXPECT(got == 0 && w[0] == len);
		memcpy(p->q + p->n, bytes, len);
		p->n += len;
	}
	pump(p);
}

static void op_write(u32 s, struct mclient *c)
{
	u64 fd = rnd(12), small = rnd(2), len = small ? rnd(49) : rnd(7000), where = small ? 0 : rnd(3000), reply;
	struct mopen *o = fd_get(c, fd);
	u8 bytes[7000];
	err_t got;

	for (u64 i = 0; i < len; i++)
		bytes[i] = (u8)rnd(256);
	if (o && o->node >= 0 && !o->null && (o->append ? node[o->node].size : o->offset) + len > SIZE_LIMIT)
		return;
	memset(w, 0, sizeof(w));
	w[0] = fd;
	w[1] = len;
	w[2] = where;
	memcpy(small ? (u8 *)&w[2] : host_buffer(s) + where, bytes, len);
	c->requested = true;
	got = host_call(s, small ? OP_FILES_WRITE_SMALL : OP_FILES_WRITE, w, &reply);
	snprintf(context, sizeof(context), "op %lu: write slot %u fd %lu len %lu small %lu", (unsigned long)op_number,
		 s, (unsigned long)fd, (unsigned long)len, (unsigned long)small);
	if (!o || !o->writes) {
		EXPECT(got == -ERR_BADF);
	} else if (o->console) {
		EXPECT(got == -ERR_INVAL);
	} else if (o->pipe >= 0) {
		write_pipe(&pipe_[o->pipe], s, len, where, small, bytes, got, reply);
	} else {
		EXPECT(got == 0 && w[0] == len);
		if (!o->null)
			write_node(o, bytes, len);
	}
}

static void op_seek(u32 s, struct mclient *c)
{
	u64 fd = rnd(12), offset = rnd(9000);
	struct mopen *o = fd_get(c, fd);
	err_t got = call(s, OP_FILES_SEEK, fd, offset, 0);

	if (!o || o->pipe >= 0 || o->console) {
		EXPECT(got == (o ? -ERR_SPIPE : -ERR_BADF));
		return;
	}
	if (node[o->node].dir) {
		EXPECT(got == (offset ? -ERR_INVAL : 0));
		return;
	}
	EXPECT(got == 0);
	o->offset = offset;
}

static void op_truncate(u32 s, struct mclient *c)
{
	u64 fd = rnd(12), size = rnd(SIZE_LIMIT);
	struct mopen *o = fd_get(c, fd);
	err_t got = call(s, OP_FILES_FTRUNCATE, fd, size, 0);

	if (!o || !o->writes) {
		EXPECT(got == -ERR_BADF);
		return;
	}
	EXPECT(got == (o->pipe >= 0 || o->console || o->null ? -ERR_INVAL : 0));
	if (!got)
		resize(o->node, size);
}

static void op_remove(u32 s, struct mclient *c)
{
	char path[32];
	struct mpath p;
	bool dir = rnd(2);
	err_t want, got;

	path_random(path);
	strcpy((char *)host_buffer(s), path);
	want = walk(c->cwd, path, &p);
	got = call(s, dir ? OP_FILES_RMDIR : OP_FILES_UNLINK, 0, 0, 0);
	if (!want && p.node < 0)
		want = -ERR_NOENT;
	else if (!want && dir && !node[p.node].dir)
		want = -ERR_NOTDIR;
	else if (!want && !dir && node[p.node].dir)
		want = -ERR_ISDIR;
	else if (!want && p.node < 4)
		want = -ERR_ROFS;
	else if (!want && dir && has_children(p.node))
		want = -ERR_NOTEMPTY;
	snprintf(context, sizeof(context), "op %lu: remove %s: %d, not %d", (unsigned long)op_number, path, got, want);
	EXPECT(got == want);
	if (!got)
		node[p.node].linked = false;
}

static bool below(int n, int dir)
{
	for (; n != dir; n = node[n].parent)
		if (!n || !node[n].linked)
			return false;
	return true;
}

static err_t rename_want(const struct mpath *a, const struct mpath *b)
{
	if (a->name[0] == '.' || b->name[0] == '.')
		return -ERR_INVAL;
	if (a->node < 4)
		return -ERR_ROFS;
	if (a->node == b->node)
		return 0;
	if (below(b->dir, a->node) || (b->must_dir && !node[a->node].dir))
		return -ERR_INVAL;
	if (b->node < 0)
		return 0;
	if (node[b->node].dir && below(a->node, b->node))
		return -ERR_NOTEMPTY;
	if (b->node < 4)
		return -ERR_ROFS;
	if (node[b->node].dir != node[a->node].dir)
		return node[b->node].dir ? -ERR_ISDIR : -ERR_NOTDIR;
	return node[b->node].dir && has_children(b->node) ? -ERR_NOTEMPTY : 0;
}

static void op_rename(u32 s, struct mclient *c)
{
	char from[32], to[32];
	struct mpath a, b;
	err_t want, got;

	path_random(from);
	path_random(to);
	strcpy((char *)host_buffer(s), from);
	strcpy((char *)host_buffer(s) + strlen(from) + 1, to);
	want = walk(c->cwd, from, &a);
	if (!want && a.node < 0)
		want = -ERR_NOENT;
	if (!want)
		want = walk(c->cwd, to, &b);
	if (!want)
		want = rename_want(&a, &b);
	got = call(s, OP_FILES_RENAME, 0, 0, 0);
	snprintf(context, sizeof(context), "op %lu: rename %s to %s: %d, not %d", (unsigned long)op_number, from, to,
		 got, want);
	EXPECT(got == want);
	if (got || a.node == b.node)
		return;
	if (b.node >= 0)
		node[b.node].linked = false;
	node[a.node].parent = b.dir;
	memcpy(node[a.node].name, b.name, sizeof(b.name));
}

static void op_mkdir(u32 s, struct mclient *c)
{
	char path[32];
	struct mpath p;
	err_t want, got;

	path_random(path);
	strcpy((char *)host_buffer(s), path);
	want = walk(c->cwd, path, &p);
	got = call(s, OP_FILES_MKDIR, 0700, 0, 0);
	if (!want && p.node >= 0)
		want = -ERR_EXIST;
	EXPECT(got == want);
	if (!got)
		node_new(p.dir, p.name, p.len, true);
}

static void op_chdir(u32 s, struct mclient *c)
{
	char path[32];
	struct mpath p;
	err_t want, got;

	path_random(path);
	strcpy((char *)host_buffer(s), path);
	want = walk(c->cwd, path, &p);
	got = call(s, OP_FILES_CHDIR, 0, 0, 0);
	if (!want)
		want = p.node < 0 ? -ERR_NOENT : node[p.node].dir ? 0 : -ERR_NOTDIR;
	EXPECT(got == want);
	if (!got)
		c->cwd = p.node;
}

static void op_pipe(u32 s, struct mclient *c)
{
	int r = fd_free(c, 0), wr = r < 0 ? -1 : fd_free(c, (u32)r + 1), n = 0;
	err_t got;

	while (n < MPIPES && pipe_[n].used)
		n++;
	if (n == MPIPES)
		return;
	got = call(s, OP_FILES_PIPE, 0, 0, 0);
	EXPECT(got == (wr < 0 ? -ERR_MFILE : 0));
	if (got)
		return;
	EXPECT(w[0] == (u64)r && w[1] == (u64)wr);
	memset(&pipe_[n], 0, sizeof(pipe_[n]));
	pipe_[n].used = pipe_[n].reader = pipe_[n].writer = true;
	c->fd[r] = open_new((struct mopen){ .node = -1, .pipe = n, .reads = true }) + 1;
	c->fd[wr] = open_new((struct mopen){ .node = -1, .pipe = n, .writes = true }) + 1;
}

static void op_dup(u32 s, struct mclient *c)
{
	u64 fd = rnd(12), to = rnd(2) ? ~0ull : rnd(12), min = rnd(8);
	int at = to == ~0ull ? fd_free(c, (u32)min) : (int)to, o = fd_get(c, fd) ? c->fd[fd] : 0;
	err_t got = call(s, OP_FILES_DUP, fd, to, min);

	EXPECT(got == (!o ? -ERR_BADF : at < 0 ? -ERR_MFILE : 0));
	if (got || to == fd)
		return;
	EXPECT(w[0] == (u64)at);
	open_[o - 1].refs++;
	if (c->fd[at])
		fd_drop(c, (u64)at);
	c->fd[at] = o;
}

static void op_fork(u32 s, struct mclient *c)
{
	u32 to = 0, i = 0;
	err_t got;

	while (to < SLOTS && client[to].live)
		to++;
	while (i < SNAPSHOTS && snap[i].used)
		i++;
	if (to == SLOTS)
		return;
	got = call(s, OP_FILES_FORK_PREPARE, 0, 0, 0);
	EXPECT(got == (i < SNAPSHOTS ? 0 : -ERR_NFILE));
	if (got)
		return;
	c->requested = false;
	snap[i] =
		(struct msnapshot){ .used = true, .token = w[0], .parent = s, .parent_pid = host_live[s], .copy = *c };
	for (int fd = 0; fd < FD_MAX; fd++)
		if (c->fd[fd])
			open_[c->fd[fd] - 1].refs++;
	if (!rnd(8)) { // the fork failed: taken back
		EXPECT(call(s, OP_FILES_FORK_ATTACH, snap[i].token, 0, 0) == 0);
		snap_drop(&snap[i]);
		return;
	}
	host_live[to] = next_pid++;
	client[to] = (struct mclient){ .live = true, .child_of_snapshot = i + 1 };
}

static void attach(u32 s, struct mclient *c)
{
	struct msnapshot *sn = &snap[c->child_of_snapshot - 1];

	c->child_of_snapshot = 0;
	EXPECT(call(s, OP_FILES_FORK_ATTACH, sn->token, 0, 0) == 0);
	EXPECT(sn->used);
	memcpy(c->fd, sn->copy.fd, sizeof(c->fd));
	memcpy(c->cloexec, sn->copy.cloexec, sizeof(c->cloexec));
	c->cwd = sn->copy.cwd;
	c->known = true;
	sn->used = false;
}

static void op_exec(u32 s, struct mclient *c)
{
	EXPECT(call(s, OP_FILES_EXEC, 0, 0, 0) == 0);
	for (u32 fd = 0; fd < FD_MAX; fd++)
		if (c->fd[fd] && c->cloexec[fd])
			fd_drop(c, fd);
}

static void op_cloexec(u32 s, struct mclient *c)
{
	u64 fd = rnd(12), on = rnd(2);
	err_t got = call(s, OP_FILES_CLOEXEC, fd, on, 0);

	EXPECT(got == (fd_get(c, fd) ? 0 : -ERR_BADF));
	if (!got)
		c->cloexec[fd] = on;
}

static void op_kill(u32 s)
{
	host_live[s] = 0;
	reap(s);
	clients_reap();
}

static void op_random(void)
{
	static void (*const ops[])(u32, struct mclient *) = {
		op_open,  op_open,  op_open,  op_close, op_close,    op_read,   op_read,   op_read,    op_read,
		op_write, op_write, op_write, op_write, op_seek,     op_remove, op_remove, op_rename,  op_mkdir,
		op_chdir, op_pipe,  op_pipe,  op_dup,   op_truncate, op_fork,   op_exec,   op_cloexec, op_seek,
	};
	u32 s = rnd(SLOTS);
	struct mclient *c = &client[s];

	for (u32 i = 0; i < SLOTS && !c->live; i++)
		c = &client[s = (s + 1) % SLOTS];
	if (!c->live) { // nobody lives
		host_live[s] = next_pid++;
		*c = (struct mclient){ .live = true };
	}
	if (!rnd(60)) {
		op_kill(s);
		return;
	}
	if (c->waiting)
		return;
	if (c->child_of_snapshot)
		attach(s, c);
	else if (!c->known)
		client_fresh(c);
	ops[rnd(sizeof(ops) / sizeof(ops[0]))](s, c);
}

static void model_start(void)
{
	memset(node, 0, sizeof(node));
	memset(client, 0, sizeof(client));
	memset(open_, 0, sizeof(open_));
	memset(pipe_, 0, sizeof(pipe_));
	memset(snap, 0, sizeof(snap));
	node[0] = (struct mnode){ .used = true, .dir = true, .linked = true };
	node_new(0, "dev", 3, true);   // 1: nodes below 4 are fixed
	node_new(0, "tmp", 3, true);   // 2
	node_new(1, "null", 4, false); // 3
	node_new(0, "a", 1, true);
	node_new(4, "b", 1, true);
	resize(node_new(5, "deep", 4, false), 100); // the archive's
	for (u32 i = 0; i < 100; i++)
		node[6].data[i] = host_archive_byte(6 * PAGE_SIZE + i);
}

void model_run(u64 operations, u64 seed)
{
	seed_state = seed * 2 + 1;
	next_pid = 1000;
	host_context = context;
	host_start(NODES);
	host_live[CHECKER] = 999;
	model_start();
	memset(w, 0, sizeof(w));
	EXPECT(host_call(CHECKER, OP_FILES_DESCRIPTORS, w, NULL) == 0);
	for (op_number = 0; op_number < operations; op_number++) {
		op_random();
		answers_check();
		if (op_number % 512 == 0)
			tree_check();
		if (op_number % 64 == 0)
			nodes_sweep();
	}
	for (u32 i = 0; i < SLOTS; i++)
		if (client[i].live)
			op_kill(i);
	answers_check();
	tree_check();
	host_live[CHECKER] = 0;
	host_stop();
	for (int i = 0; i < NODES; i++)
		free(node[i].data);
}
