// SPDX-License-Identifier: MIT
// What can only be checked when the whole manifest is known: names of peers, rings, and what there must be one of.
#include "manifest.h"

#include <lib/base/string.h>
#include <server/text.h>

static bool fail(struct manifest_error *e, u32 line, const char *what, const char *word)
{
	e->line = line;
	e->what = what;
	string_copy(e->word, word, sizeof(e->word));
	return false;
}

// The index of a server, or m->servers.
static u32 server_find(const struct manifest *m, const char *name)
{
	u32 n = 0;

	while (n < m->servers && strcmp(m->server[n].name, name))
		n++;
	return n;
}

static bool peers_resolve(const struct manifest *m, struct manifest_server *s, struct manifest_error *e)
{
	for (u32 i = 0; i < s->peers; i++) {
		struct manifest_peer *peer = &s->peer[i];
		u32 n = server_find(m, peer->name);

		if (!strcmp(peer->name, "init")) {
			if (peer->kind != PEER_CALL)
				return fail(e, peer->line, "init can only be called", s->name);
			peer->server = PEER_INIT;
			continue;
		}
		if (n == m->servers)
			return fail(e, peer->line, "there is no server of this name", peer->name);
		peer->server = (u8)n;
	}
	return true;
}

static bool ring_joins(const struct manifest_ring *ring, u32 a, u32 b)
{
	return (ring->server == a && ring->peer == b) || (ring->server == b && ring->peer == a);
}

// A server finds a ring by its peer's name, so two servers share one.
static bool ring_resolve(struct manifest *m, u32 i, struct manifest_error *e)
{
	struct manifest_ring *ring = &m->ring[i];
	u32 own = 0, peers = 0, peer = server_find(m, ring->name);

	if (peer == m->servers)
		return fail(e, ring->line, "there is no server of this name", ring->name);
	if (peer == ring->server)
		return fail(e, ring->line, "a ring lies between two servers", ring->name);
	ring->peer = (u8)peer;
	for (u32 n = 0; n < i; n++) {
		if (ring_joins(&m->ring[n], ring->server, peer))
			return fail(e, ring->line, "these two servers share rings already", ring->name);
		own += m->ring[n].server == ring->server || m->ring[n].peer == ring->server;
		peers += m->ring[n].server == peer || m->ring[n].peer == peer;
	}
	if (own == SERVER_RINGS || peers == SERVER_RINGS)
		return fail(e, ring->line, "a server shares rings with at most 8 others", ring->name);
	return true;
}

// A state segment that grows is mapped in one other server, so that both get the new pages.
static bool view_resolve(struct manifest *m, u32 i, struct manifest_error *e)
{
	struct manifest_server *s = &m->server[i];
	u32 n = server_find(m, s->view_name);

	if (!s->view_line)
		return true;
	if (n == m->servers || n == i)
		return fail(e, s->view_line, "there is no other server of this name", s->view_name);
	if (!m->server[n].state_pages)
		return fail(e, s->view_line, "this server has no state segment", s->view_name);
	s->view = (u8)(n + 1);
	for (u32 k = 0; k < i; k++)
		if (m->server[k].view == s->view)
			return fail(e, s->view_line, "another server sees this one's state", s->view_name);
	return true;
}

static bool server_check(const struct manifest_server *s, struct manifest_error *e)
{
	if (s->priority <= PRIO_PROGRAM || s->priority >= PRIO_INIT)
		return fail(e, s->line, "a server's priority lies between programs (20) and init (60)", s->name);
	if (!s->pool_pages && !s->pool_percent)
		return fail(e, s->line, "this server has no pool", s->name);
	if (!s->stack_pages)
		return fail(e, s->line, "this server has no stack", s->name);
	return true;
}

bool manifest_resolve(struct manifest *m, struct manifest_error *e)
{
	u32 user_pools = 0, liveness_writers = 0;

	for (u32 i = 0; i < m->servers; i++) {
		if (!server_check(&m->server[i], e) || !peers_resolve(m, &m->server[i], e) || !view_resolve(m, i, e))
			return false;
		user_pools += m->server[i].user_pool;
		liveness_writers += m->server[i].liveness == LIVENESS_WRITE;
	}
	for (u32 i = 0; i < m->rings; i++)
		if (!ring_resolve(m, i, e))
			return false;
	if (!m->first[0])
		return fail(e, 0, "no first program is named", "first");
	if (user_pools != 1)
		return fail(e, 0, "one server must have the pool of user memory", "user-pool rest");
	if (liveness_writers != 1)
		return fail(e, 0, "one server must write the liveness page", "liveness write");
	return true;
}

// The number of rings before ring `i` that `server` has an end of.
static u32 ring_index(const struct manifest *m, u32 i, u32 server)
{
	u32 n = 0;

	while (i--)
		n += m->ring[i].server == server || m->ring[i].peer == server;
	return n;
}

u32 manifest_rings(const struct manifest *m, u32 server, struct server_ring *end)
{
	u32 n = 0;

	for (u32 i = 0; i < m->rings; i++) {
		const struct manifest_ring *ring = &m->ring[i];
		u32 peer = ring->server == server ? ring->peer : ring->server;

		if (ring->server != server && ring->peer != server)
			continue;
		end[n] = (struct server_ring){ .out = RING_VA + 2 * n * RING_STRIDE,
					       .in = RING_VA + (2 * n + 1) * RING_STRIDE,
					       .pages = ring->pages,
					       .notify = SLOT_RING0 + n,
					       .out_bits = 1ull << (RING_BIT0 + ring_index(m, i, peer)),
					       .in_bits = 1ull << (RING_BIT0 + n) };
		string_copy((char *)end[n].peer, m->server[peer].name, sizeof(end[n].peer));
		n++;
	}
	return n;
}

const struct server_ring *manifest_ring_end(const struct manifest *m, u32 ring, u32 server, struct server_ring *ends)
{
	manifest_rings(m, server, ends);
	return &ends[ring_index(m, ring, server)];
}
