// SPDX-License-Identifier: MIT
// The model of files: plain arrays, whole copies, linear searches. What it cannot run out of (names, pages) the
// server is given plenty of.
#include "state.h"

struct mnode node[NODES];
struct mopen open_[MOPENS];
struct mpipe pipe_[MPIPES];
struct mclient client[SLOTS];
struct msnapshot snap[SNAPSHOTS];
struct expected expect[4 * SLOTS];
u32 expects, next_pid;
u64 seed_state, op_number;
u64 w[MSG_WORDS];
char context[300];

u32 rnd(u32 n)
{
	seed_state = seed_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed_state >> 33) % n;
}

int node_new(int parent, const char *name, int len, bool dir)
{
	for (int i = 1; i < NODES; i++) {
		if (node[i].used)
			continue;
		node[i] = (struct mnode){ .used = true, .dir = dir, .linked = true, .parent = parent };
		memcpy(node[i].name, name, (size_t)len);
		return i;
	}
	host_fail(__FILE__, __LINE__, "the model has no node left");
}

// Frees nodes that nothing names.
void nodes_sweep(void)
{
	bool named[NODES] = { [0] = true };

	for (int i = 0; i < MOPENS; i++)
		if (open_[i].refs && open_[i].node >= 0)
			named[open_[i].node] = true;
	for (int i = 0; i < SLOTS; i++)
		if (client[i].live)
			named[client[i].cwd] = true;
	for (int i = 0; i < SNAPSHOTS; i++)
		if (snap[i].used)
			named[snap[i].copy.cwd] = true;
	for (int i = 0; i < NODES; i++) {
		if (!node[i].used || node[i].linked || named[i])
			continue;
		free(node[i].data);
		node[i] = (struct mnode){ 0 };
	}
}

static int child(int dir, const char *name, int len)
{
	for (int i = 1; i < NODES; i++)
		if (node[i].used && node[i].linked && node[i].parent == dir && (int)strlen(node[i].name) == len &&
		    !memcmp(node[i].name, name, (size_t)len))
			return i;
	return -1;
}

bool has_children(int dir)
{
	for (int i = 1; i < NODES; i++)
		if (node[i].used && node[i].linked && node[i].parent == dir)
			return true;
	return false;
}

err_t walk(int cwd, const char *s, struct mpath *p)
{
	int at = *s == '/' ? 0 : cwd;

	*p = (struct mpath){ .dir = at, .node = at };
	if (!*s)
		return -ERR_NOENT;
	for (;;) {
		int len = 0;

		while (*s == '/')
			s++;
		if (!*s)
			break;
		if (p->node < 0)
			return -ERR_NOENT;
		if (!node[p->node].dir)
			return -ERR_NOTDIR;
		if (!node[p->node].linked)
			return -ERR_NOENT;
		while (s[len] && s[len] != '/')
			len++;
		p->dir = p->node;
		p->len = len;
		memset(p->name, 0, sizeof(p->name));
		memcpy(p->name, s, (size_t)len);
		p->must_dir = s[len] == '/';
		if (!strcmp(p->name, "."))
			p->node = p->dir;
		else if (!strcmp(p->name, ".."))
			p->node = node[p->dir].parent;
		else
			p->node = child(p->dir, s, len);
		s += len;
	}
	if (p->node >= 0 && p->must_dir && !node[p->node].dir)
		return -ERR_NOTDIR;
	return 0;
}

void path_random(char *out)
{
	static const char *const parts[] = { "a", "b", "c", "a", "b", "c", ".", ".." };
	u32 n = 1 + rnd(3);

	out[0] = '\0';
	if (rnd(3))
		strcat(out, "/");
	for (u32 i = 0; i < n; i++) {
		strcat(out, parts[rnd(8)]);
		if (i + 1 < n || !rnd(12))
			strcat(out, "/");
	}
}

void resize(int n, u64 size)
{
	node[n].data = realloc(node[n].data, size + 1);
	if (size > node[n].size)
		memset(node[n].data + node[n].size, 0, size - node[n].size);
	node[n].size = size;
}

int open_new(struct mopen o)
{
	for (int i = 0; i < MOPENS; i++) {
		if (open_[i].refs)
			continue;
		open_[i] = o;
		open_[i].refs = 1;
		return i;
	}
	host_fail(__FILE__, __LINE__, "the model has no open file left");
}

int fd_free(const struct mclient *c, u32 min)
{
	for (u32 i = min; i < FD_MAX; i++)
		if (!c->fd[i])
			return (int)i;
	return -1;
}

struct mopen *fd_get(struct mclient *c, u64 fd)
{
	return fd < FD_MAX && c->fd[fd] ? &open_[c->fd[fd] - 1] : NULL;
}

// Pipes

static struct expected *expected_new(const struct mwait *m, err_t err, u64 done)
{
	struct expected *e = &expect[expects++];

	*e = (struct expected){
		.reply = m->reply, .err = err, .done = done, .slot = m->slot, .small = m->small, .where = m->where
	};
	client[m->slot].waiting = false;
	return e;
}

static void dequeue(struct mqueue *q)
{
	memmove(&q->w[0], &q->w[1], sizeof(q->w[0]) * (size_t)--q->n);
}

void take(struct mpipe *p, u8 *out, u64 n)
{
	memcpy(out, p->q, n);
	memmove(p->q, p->q + n, p->n -= n);
}

void pump(struct mpipe *p)
{
	for (bool moved = true; moved;) {
		moved = false;
		while (p->readers.n && (p->n || !p->writer)) {
			struct mwait *m = &p->readers.w[0];
			u64 n = m->len < p->n ? m->len : p->n;
			struct expected *e = expected_new(m, 0, n);

			e->read = true;
			take(p, e->bytes, n);
			dequeue(&p->readers);
			moved = true;
		}
		if (p->writers.n) {
			struct mwait *m = &p->writers.w[0];
			u64 room = PIPE_BYTES - p->n, n = m->len - m->done < room ? m->len - m->done : room;

			if (!p->reader) {
				expected_new(m, -ERR_PIPE, m->done);
				dequeue(&p->writers);
				moved = true;
				continue;
			}
			if (m->small && n < m->len)
				continue;
			memcpy(p->q + p->n, m->bytes + m->done, n);
			p->n += n;
			m->done += n;
			if (m->done == m->len) {
				expected_new(m, 0, m->done);
				dequeue(&p->writers);
				moved = true;
			} else {
				moved |= n != 0;
			}
		}
	}
}

static void open_drop(int i)
{
	struct mopen *o = &open_[i];
	struct mpipe *p;

	if (--o->refs || o->pipe < 0)
		return;
	p = &pipe_[o->pipe];
	if (o->writes)
		p->writer = false;
	else
		p->reader = false;
	p->used = p->reader || p->writer;
	if (p->used)
		pump(p);
}

void fd_drop(struct mclient *c, u64 fd)
{
	int o = c->fd[fd] - 1;

	c->fd[fd] = 0;
	c->cloexec[fd] = false;
	open_drop(o);
}

void client_fresh(struct mclient *c)
{
	int o = open_new((struct mopen){ .node = -1, .pipe = -1, .reads = true, .writes = true, .console = true });

	c->known = true;
	c->cwd = 0;
	open_[o].refs = 3;
	for (int i = 0; i < 3; i++)
		c->fd[i] = o + 1;
}

static void queue_forget(struct mqueue *q, u32 slot)
{
	int n = 0;

	for (int i = 0; i < q->n; i++)
		if (q->w[i].slot != slot)
			q->w[n++] = q->w[i];
	q->n = n;
}

void snap_drop(struct msnapshot *s)
{
	s->used = false;
	for (int fd = 0; fd < FD_MAX; fd++)
		if (s->copy.fd[fd])
			open_drop(s->copy.fd[fd] - 1);
}

void reap(u32 slot)
{
	struct mclient *c = &client[slot];
	bool unknown = false;

	c->live = false;
	for (int i = 0; i < MPIPES; i++) {
		if (!pipe_[i].used)
			continue;
		queue_forget(&pipe_[i].readers, slot);
		queue_forget(&pipe_[i].writers, slot);
		pump(&pipe_[i]);
	}
	for (u32 fd = 0; fd < FD_MAX; fd++)
		if (c->fd[fd])
			fd_drop(c, fd);
	*c = (struct mclient){ 0 };
	for (u32 i = 0; i < SLOTS; i++)
		unknown |= client[i].live && !client[i].known;
	for (u32 i = 0; i < SNAPSHOTS && !unknown; i++) {
		struct msnapshot *s = &snap[i];
		bool parent_lives = client[s->parent].live && host_live[s->parent] == s->parent_pid;

		if (s->used && (!parent_lives || client[s->parent].requested))
			snap_drop(s);
	}
}

// Checks

void answers_check(void)
{
	for (u32 i = 0; i < expects; i++) {
		struct expected *e = &expect[i];
		struct host_answer *a = NULL;

		for (u32 k = 0; k < host_answer_count; k++)
			if (!host_answers[k].taken && host_answers[k].rq.reply == e->reply)
				a = &host_answers[k];
		EXPECT(a);
		a->taken = true;
		EXPECT((err_t)a->rq.label == e->err);
		EXPECT(a->rq.w[0] == e->done);
		if (e->read && e->small)
			EXPECT(!memcmp(&a->rq.w[1], e->bytes, e->done));
		else if (e->read)
			EXPECT(!memcmp(host_buffer(e->slot) + e->where, e->bytes, e->done));
	}
	EXPECT(expects == host_answer_count);
	expects = host_answer_count = 0;
}

err_t call(u32 slot, u64 label, u64 a, u64 b, u64 c)
{
	memset(w, 0, sizeof(w));
	w[0] = a;
	w[1] = b;
	w[2] = c;
	client[slot].requested = true;
	return host_call(slot, label, w, NULL);
}

static void node_check(int n)
{
	char path[PATH_BYTES] = "";
	u64 kind, fd;

	for (int i = n; i; i = node[i].parent) {
		u64 len = strlen(node[i].name);

		if (strlen(path) + len + 2 > sizeof(path))
			return; // too deep to be named
		memmove(path + len + 1, path, strlen(path) + 1);
		path[0] = '/';
		memcpy(path + 1, node[i].name, len);
	}
	snprintf(context, sizeof(context), "op %lu: check %.200s", (unsigned long)op_number, path);
	strcpy((char *)host_buffer(CHECKER), path);
	memset(w, 0, sizeof(w));
	EXPECT(host_call(CHECKER, OP_FILES_STAT, w, NULL) == 0);
	kind = w[0];
	EXPECT(node[n].dir == (kind == FD_DIR));
	if (node[n].dir)
		return;
	EXPECT(w[1] == node[n].size);
	strcpy((char *)host_buffer(CHECKER), path);
	memset(w, 0, sizeof(w));
	w[0] = OPEN_READ;
	EXPECT(host_call(CHECKER, OP_FILES_OPEN, w, NULL) == 0);
	fd = w[0];
	memset(w, 0, sizeof(w));
	w[0] = fd;
	w[1] = FILES_BUFFER_SIZE;
	EXPECT(host_call(CHECKER, OP_FILES_READ, w, NULL) == 0 && w[0] == node[n].size);
	EXPECT(!node[n].size || !memcmp(host_buffer(CHECKER), node[n].data, node[n].size));
	memset(w, 0, sizeof(w));
	w[0] = fd;
	EXPECT(host_call(CHECKER, OP_FILES_CLOSE, w, NULL) == 0);
}

void tree_check(void)
{
	u32 opens_now = 1; // the checker's console

	nodes_sweep();
	for (int i = 1; i < NODES; i++)
		if (node[i].used && node[i].linked)
			node_check(i);
	for (int i = 0; i < MOPENS; i++)
		opens_now += open_[i].refs > 0;
	EXPECT(opens_now == open_count());
}
