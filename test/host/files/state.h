// SPDX-License-Identifier: MIT
// The model's state and its rules; model.c has the operations.
#pragma once

#include "host.h"

#define NODES      3000
#define MOPENS     900
#define MPIPES     40 // more are never made at once
#define SLOTS      24
#define CHECKER    200 // a client that only looks
#define SIZE_LIMIT 24000

struct mnode {
	bool used, dir, linked;
	int parent;
	char name[8];
	u8 *data;
	u64 size;
};

struct mopen {
	int refs, node, pipe; // node -1: none
	bool reads, writes, append, console, null;
	u64 offset;
};

struct mwait {
	u32 slot;
	u64 reply, len, done, where;
	bool small;
	u8 bytes[FILES_BUFFER_SIZE / 8];
};

struct mqueue {
	struct mwait w[SLOTS];
	int n;
};

struct mpipe {
	bool used, reader, writer;
	u8 q[PIPE_BYTES];
	u64 n;
	struct mqueue readers, writers;
};

struct mclient {
	bool live, known, waiting;
	int fd[FD_MAX]; // open + 1
	bool cloexec[FD_MAX];
	int cwd;
	u32 child_of_snapshot; // + 1: it will attach first
	bool requested;        // since its last fork_prepare
};

struct msnapshot {
	bool used;
	u64 token;
	u32 parent, parent_pid;
	struct mclient copy;
};

struct expected {
	u64 reply;
	err_t err;
	u64 done;
	u32 slot;
	bool small, read;
	u64 where;
	u8 bytes[PIPE_BYTES];
};

struct mpath {
	int dir, node;
	char name[8];
	int len;
	bool must_dir;
};

extern struct mnode node[NODES];
extern struct mopen open_[MOPENS];
extern struct mpipe pipe_[MPIPES];
extern struct mclient client[SLOTS];
extern struct msnapshot snap[SNAPSHOTS];
extern struct expected expect[4 * SLOTS];
extern u32 expects, next_pid;
extern u64 seed_state, op_number;
extern u64 w[MSG_WORDS];
extern char context[300];

u32 rnd(u32 n);
int node_new(int parent, const char *name, int len, bool dir);
void nodes_sweep(void);
bool has_children(int dir);
err_t walk(int cwd, const char *s, struct mpath *p);
void path_random(char *out);
void resize(int n, u64 size);
int open_new(struct mopen o);
int fd_free(const struct mclient *c, u32 min);
struct mopen *fd_get(struct mclient *c, u64 fd);
void take(struct mpipe *p, u8 *out, u64 n);
void pump(struct mpipe *p);
void fd_drop(struct mclient *c, u64 fd);
void client_fresh(struct mclient *c);
void snap_drop(struct msnapshot *s);
void reap(u32 slot);
void answers_check(void);
err_t call(u32 slot, u64 label, u64 a, u64 b, u64 c);
void tree_check(void);
