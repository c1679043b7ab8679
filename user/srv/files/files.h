// SPDX-License-Identifier: MIT
// files: names, descriptors, the boot archive, RAM files, pipes.
//
//	main.c    receive loop, faults of the clients' buffer window, deaths
//	ops.c     the operations on names and descriptors  io.c      the operations on content
//	hot.h     a few bytes through a pipe, without detours
//	fd.c      clients, descriptors, open files        pipe.c    rings, parked readers and writers
//	snapshot.c what a fork hands to the child         names.c   the tree of names
//	ramfile.c content of RAM files                    path.c    from a path to a node
//	store.c   pages of RAM files and pipes  } the only files that talk to the kernel;
//	buffer.c  pages shared with clients     } the host tests bring their own
//
// Everything is wired and sized at start; a table that is full is an error of the caller's operation, never a wait.
#pragma once

#include <abi/abi.h>
#include <lib/base/types.h>
#include <pager/server.h>

#define CLIENTS     256  // process slots; as many as vm has
#define OPENS       1024 // open file descriptions
#define PIPES       128
#define SNAPSHOTS   64   // forks between fork_prepare and fork_attach
#define NEW_NODES   1024 // files and directories made while running
#define NAME_BYTES  96   // with NUL
#define PATH_BYTES  256  // with NUL
#define PIPE_BYTES  PAGE_SIZE
#define SMALL_READ  56 // bytes in a reply's words
#define SMALL_WRITE 48

#define NODE_NONE 0 // nodes, opens and pipes are indexes; 0 is none
#define NODE_ROOT 1

// A name and what it names. Linked nodes hang in the tree; one that was unlinked lives until its last reference goes.
struct node {
	u32 parent, first, last, next, prev; // tree: directory, its first and last entry, neighbours
	u32 hash_next;
	u32 refs;   // open files and working directories
	u32 serial; // grows in a directory's list: readdir goes on after it
	u8 kind;    // FD_ARCHIVE, FD_RAM, FD_DIR, FD_CONSOLE, FD_NULL; FD_NONE: the node is free
	bool linked;
	bool fixed; // part of the system: neither removed nor renamed
	u8 name_len;
	u32 mode;
	u64 mtime;
	u64 size;
	u64 page;  // FD_ARCHIVE: first page
	u32 root;  // FD_RAM: page of the store at the top of its index
	u32 depth; // FD_RAM: levels of index pages above the content
	char name[NAME_BYTES];
};

// An open file: offset and mode, shared by dup and fork.
struct open {
	u64 offset;
	u32 node; // FD_PIPE: none
	u16 refs; // descriptors that name it; 0: free
	u16 pipe;
	u16 next; // free list
	u8 kind;  // FD_*; a file that was opened as FD_ARCHIVE may be FD_RAM by now: look at the node
	u8 flags; // OPEN_READ, OPEN_WRITE, OPEN_APPEND
};

struct client {
	u64 badge;     // 0: free
	u64 open_mask; // descriptors in use
	u64 cloexec;
	u32 requests; // how many came, so that a snapshot knows whether its fork is over
	u32 cwd;
	u16 fd[FD_MAX]; // open files, where open_mask says so
};

struct pipe {
	u8 *ring;
	u32 head, tail;      // bytes taken out, bytes put in; both run free
	u32 page;            // of the store; 0: the pipe is free
	bool reader, writer; // the open files of its ends exist
	struct park_queue readers, writers;
};

struct path {
	char text[PATH_BYTES];
	u32 dir;          // directory of the last component
	u32 node;         // what the path names, or NODE_NONE
	const char *name; // last component
	u32 name_len;
	bool must_dir; // the path ends in /
};

// names.c
void names_init(struct node *nodes, u32 count, const u8 *archive, u64 archive_pages);
struct node *node_at(u32 index);
u32 node_child(u32 dir, const char *name, u32 len);
err_t node_create(u32 dir, const char *name, u32 len, u8 kind, u32 mode, u32 *node);
void node_ref(u32 index);
void node_unref(u32 index);
void node_unlink(u32 index);
err_t node_move(u32 index, u32 dir, const char *name, u32 len);
bool node_inside(u32 index, u32 dir); // is `index` the directory `dir` or something below it?
u64 node_path(u32 index, char *out, u64 size);
u64 node_list(u32 dir, u64 *cursor, u8 *out, u64 size);
const u8 *node_archive_bytes(const struct node *n);

// path.c
err_t path_find(u32 cwd, struct path *p); // p->text is filled in
err_t path_existing(u32 cwd, struct path *p);

// ramfile.c
err_t ram_write(struct node *n, u64 offset, const u8 *bytes, u64 len, u64 *done);
void ram_read(const struct node *n, u64 offset, u8 *out, u64 len); // within the size
err_t ram_resize(struct node *n, u64 size);
err_t ram_from_archive(struct node *n, bool content); // the first write to an archive file

// store.c: pages by number, zeroed when taken; 0: no room
u32 store_take(void);
void store_put(u32 page);
u8 *store_at(u32 page);
u64 store_used(void);
void store_trim(void); // give unused pages back to the pool

// buffer.c: the client's shared buffer, as files sees it. NULL: outside of it or no memory for its pages
u8 *buffer_at(const struct client *c, u64 where, u64 len);
// Makes pages from its start on. Returns how many bytes of `want` are there, whole pages: fewer when memory is short.
u64 buffer_make(u64 slot, u64 want);
void buffer_release(u64 slot);

// main.c
void request_answer(struct request *rq); // uses rq up
bool client_lives(u64 badge);
bool process_unknown(void); // a living process that has no client record
u64 time_now(void);         // seconds since 1970
u64 time_ticks(void);       // finer, from any start

// fd.c
void fd_init(void);
struct client *client_begin(struct client *c, u64 badge);
void client_end(struct client *c);
struct client *client_at(u64 slot);
void clients_reap(void);
u32 clients_count(void);
u32 open_make(u8 kind, u8 flags, u32 node, u32 pipe); // 0: the table is full
struct open *open_at(u32 index);
void open_ref(u32 index);
void open_unref(u32 index);
u32 open_count(void);
err_t fd_take(struct client *c, u32 open, u32 min, u64 *fd);
err_t fd_dup(struct client *c, u64 fd, u64 to, u64 min, u64 *out);
err_t fd_close(struct client *c, u64 fd);
void fd_close_all(struct client *c, u64 mask);

extern struct client clients[CLIENTS];
extern struct open opens[OPENS + 1];

// The client of a request; one that was never seen before starts with the console as 0, 1 and 2. NULL: not a living
// process.
static always_inline struct client *client_get(u64 badge)
{
	u64 slot = badge_slot(badge);
	struct client *c = &clients[slot];

	if (unlikely(slot >= CLIENTS))
		return NULL;
	if (unlikely(c->badge != badge)) {
		c = client_begin(c, badge);
		if (!c)
			return NULL;
	}
	c->requests++;
	return c;
}

static always_inline struct open *fd_open(const struct client *c, u64 fd)
{
	if (unlikely(fd >= FD_MAX || !(c->open_mask >> fd & 1)))
		return NULL;
	return &opens[c->fd[fd]];
}

// snapshot.c
err_t snapshot_make(const struct client *c, u64 *token);
err_t snapshot_take(struct client *c, u64 token);
void snapshots_reap(void);
void snapshot_init(void);

// pipe.c
extern struct pipe pipes[PIPES + 1];
extern struct park pipe_park;

void pipe_init(void);
err_t pipe_make(u32 *index);
void pipe_close(u32 index, bool writer);                                           // an end's open file is gone
err_t pipe_read(u32 index, const struct request *rq, u8 *out, u64 len, u64 *done); // PARKED
err_t pipe_write(u32 index, const struct request *rq, const u8 *bytes, u64 len, u64 *done); // PARKED
void pipe_pump(struct pipe *p);
void pipes_forget(u64 badge); // requests of a client that is gone
u32 pipe_count(void);
u32 pipe_parked(void);

static always_inline u32 pipe_used(const struct pipe *p)
{
	return p->tail - p->head;
}

static always_inline void pipe_put(struct pipe *p, const u8 *bytes, u64 n)
{
	for (u64 i = 0; i < n; i++)
		p->ring[p->tail++ % PIPE_BYTES] = bytes[i];
}

static always_inline void pipe_get(struct pipe *p, u8 *out, u64 n)
{
	for (u64 i = 0; i < n; i++)
		out[i] = p->ring[p->head++ % PIPE_BYTES];
}
