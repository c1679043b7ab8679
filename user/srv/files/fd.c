// SPDX-License-Identifier: MIT
// Clients, their descriptors, and open files.
//
// Invariants: opens[i].refs == descriptors of clients and snapshots that name i (plus its maker's while it is being
// made); an open file holds a reference on its node, or is an end of its pipe; a client's record exists from its
// first request to clients_reap after its death, and holds a reference on its working directory.
//
//	client: free --first request of a living badge--> known --death, or its slot's next owner--> free
//	open:   free --open_make (refs 1)--> open --open_unref (last)--> free; the node is released, or the pipe's end
// closes
#include "files.h"

struct client clients[CLIENTS];
struct open opens[OPENS + 1];
static u32 open_free;
static u32 opens_used;
static u32 clients_used;

void fd_init(void)
{
	for (u32 i = 0; i < CLIENTS; i++)
		clients[i] = (struct client){ 0 };
	for (u32 i = 0; i <= OPENS; i++)
		opens[i] = (struct open){ .next = (u16)(i < OPENS ? i + 1 : 0) };
	open_free = 1;
	opens_used = clients_used = 0;
}

struct open *open_at(u32 index)
{
	return &opens[index];
}

u32 open_count(void)
{
	return opens_used;
}

u32 open_make(u8 kind, u8 flags, u32 node, u32 pipe)
{
	u32 index = open_free;

	if (!index)
		return 0;
	open_free = opens[index].next;
	opens_used++;
	opens[index] = (struct open){ .node = node, .refs = 1, .pipe = (u16)pipe, .kind = kind, .flags = flags };
	if (node)
		node_ref(node);
	return index;
}

void open_ref(u32 index)
{
	opens[index].refs++;
}

void open_unref(u32 index)
{
	struct open *o = &opens[index];

	assert(o->refs);
	if (--o->refs)
		return;
	if (o->kind == FD_PIPE)
		pipe_close(o->pipe, o->flags & OPEN_WRITE);
	else
		node_unref(o->node);
	o->kind = FD_NONE;
	o->next = (u16)open_free;
	open_free = index;
	opens_used--;
}

// The lowest free descriptor from `min` on names the open file; the caller's reference goes over to it.
err_t fd_take(struct client *c, u32 open, u32 min, u64 *fd)
{
	u64 free = min < FD_MAX ? ~c->open_mask & ~0ull << min : 0;
	u32 lowest;

	if (!free)
		return -ERR_MFILE;
	lowest = (u32)__builtin_ctzll(free);
	c->open_mask |= 1ull << lowest;
	c->cloexec &= ~(1ull << lowest);
	c->fd[lowest] = (u16)open;
	*fd = lowest;
	return 0;
}

err_t fd_close(struct client *c, u64 fd)
{
	if (!fd_open(c, fd))
		return -ERR_BADF;
	c->open_mask &= ~(1ull << fd);
	c->cloexec &= ~(1ull << fd);
	open_unref(c->fd[fd]);
	return 0;
}

void fd_close_all(struct client *c, u64 mask)
{
	err_t err;

	for (mask &= c->open_mask; mask; mask &= mask - 1) {
		err = fd_close(c, (u64)__builtin_ctzll(mask));
		assert(!err);
	}
}

// to == -1: the lowest free one from `min` on.
err_t fd_dup(struct client *c, u64 fd, u64 to, u64 min, u64 *out)
{
	struct open *o = fd_open(c, fd);
	u32 index = o ? c->fd[fd] : 0;
	err_t err;

	if (!o || (to != ~0ull && to >= FD_MAX))
		return -ERR_BADF;
	*out = to;
	if (to == fd)
		return 0;
	open_ref(index);
	if (to == ~0ull) {
		err = fd_take(c, index, min < FD_MAX ? (u32)min : FD_MAX, out);
		if (err)
			open_unref(index);
		return err;
	}
	fd_close_all(c, 1ull << to);
	return fd_take(c, index, (u32)to, out);
}

// The console as 0, 1 and 2: the first program gets that, and whoever comes without a snapshot.
static bool console_open(struct client *c)
{
	struct path p = { .text = "/dev/console" };
	u64 fd;
	u32 open;
	err_t err = path_existing(NODE_ROOT, &p);

	assert(!err);
	open = open_make(FD_CONSOLE, OPEN_READ | OPEN_WRITE, p.node, 0);
	if (!open)
		return false;
	for (u32 i = 0; i < 3; i++) {
		if (i)
			open_ref(open);
		err = fd_take(c, open, i, &fd);
		assert(!err);
	}
	return true;
}

// c: the record of the badge's slot, which perhaps still has a dead owner. NULL: the badge's process is dead, or no
// room.
struct client *client_begin(struct client *c, u64 badge)
{
	if (!client_lives(badge))
		return NULL;
	if (c->badge)
		client_end(c);
	c->badge = badge;
	c->cwd = NODE_ROOT;
	c->open_mask = c->cloexec = 0;
	c->requests = 0;
	node_ref(c->cwd);
	clients_used++;
	if (console_open(c))
		return c;
	client_end(c);
	return NULL;
}

void client_end(struct client *c)
{
	u64 badge = c->badge;

	pipes_forget(badge); // first: nobody must be answered on its behalf while its descriptors close
	fd_close_all(c, ~0ull);
	node_unref(c->cwd);
	buffer_release(badge_slot(badge));
	c->badge = 0;
	clients_used--;
}

struct client *client_at(u64 slot)
{
	return &clients[slot];
}

u32 clients_count(void)
{
	return clients_used;
}

// Somebody died: who?
void clients_reap(void)
{
	for (u32 i = 0; i < CLIENTS; i++)
		if (clients[i].badge && !client_lives(clients[i].badge))
			client_end(&clients[i]);
	snapshots_reap();
}
