// SPDX-License-Identifier: MIT
// Fork: the parent asks for a snapshot of its descriptors, forks, and the child takes it with the token. vm does not
// tell files who is whose child, so the token is hard to guess, and it can be used once.
//
// A snapshot keeps pipes open, so one that nobody will take must go, or a reader waits for ever: the parent may take
// back its own (the fork failed); otherwise it goes when its fork is over (the parent has sent another request or is
// dead) and there is no living process that files has not heard of: the child's first request is the one that takes
// it.
//
//	free --fork_prepare--> waiting --child attaches, parent takes back, nobody left (snapshots_reap)--> free
#include "files.h"

static struct snapshot {
	u64 token; // 0: free
	u64 parent;
	u64 open_mask;
	u64 cloexec;
	u32 requests; // of the parent, when it was made
	u32 cwd;
	u16 fd[FD_MAX];
} snapshots[SNAPSHOTS];
static u64 token_state = 0x9e3779b97f4a7c15ull;

// splitmix64 over a counter and the clock; the low bits are the index.
static u64 token_make(u32 index)
{
	u64 z = token_state += (time_ticks() << 8) + 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return ((z ^ z >> 31) & ~(u64)(SNAPSHOTS - 1)) | index | 1ull << 63;
}

static void snapshot_drop(struct snapshot *s)
{
	for (u64 mask = s->open_mask; mask; mask &= mask - 1)
		open_unref(s->fd[__builtin_ctzll(mask)]);
	node_unref(s->cwd);
	s->token = 0;
}

err_t snapshot_make(const struct client *c, u64 *token)
{
	u32 i = 0;
	struct snapshot *s;

	while (i < SNAPSHOTS && snapshots[i].token)
		i++;
	if (i == SNAPSHOTS)
		return -ERR_NFILE;
	s = &snapshots[i];
	*s = (struct snapshot){ .token = token_make(i),
				.parent = c->badge,
				.open_mask = c->open_mask,
				.cloexec = c->cloexec,
				.requests = c->requests,
				.cwd = c->cwd };
	node_ref(s->cwd);
	for (u64 mask = s->open_mask; mask; mask &= mask - 1) {
		u32 fd = (u32)__builtin_ctzll(mask);

		s->fd[fd] = c->fd[fd];
		open_ref(s->fd[fd]);
	}
	*token = s->token;
	return 0;
}

err_t snapshot_take(struct client *c, u64 token)
{
	struct snapshot *s = &snapshots[token % SNAPSHOTS];

	if (!token || s->token != token)
		return -ERR_NOENT;
	if (s->parent == c->badge) { // its fork failed
		snapshot_drop(s);
		return 0;
	}
	fd_close_all(c, ~0ull);
	node_unref(c->cwd);
	for (u64 mask = s->open_mask; mask; mask &= mask - 1)
		c->fd[__builtin_ctzll(mask)] = s->fd[__builtin_ctzll(mask)];
	c->open_mask = s->open_mask;
	c->cloexec = s->cloexec;
	c->cwd = s->cwd;
	s->token = 0;
	return 0;
}

static bool fork_over(const struct snapshot *s)
{
	const struct client *c = client_at(badge_slot(s->parent));

	return c->badge != s->parent || c->requests != s->requests;
}

// After a death: nobody else will take the snapshots whose forks are over when every living process is known.
void snapshots_reap(void)
{
	bool stranger = process_unknown();

	for (u32 i = 0; i < SNAPSHOTS && !stranger; i++)
		if (snapshots[i].token && fork_over(&snapshots[i]))
			snapshot_drop(&snapshots[i]);
}

void snapshot_init(void)
{
	for (u32 i = 0; i < SNAPSHOTS; i++)
		snapshots[i].token = 0;
}
