// SPDX-License-Identifier: MIT
// Who waits for whom. A server waits for the servers it calls, and for init when it faults; init waits for nobody.
//
// Rule 1: no circle, or all servers on it could wait for each other for ever. Rule 2: a call goes to a higher
// priority, so that a request never waits behind less urgent work. Notifications and endpoints that are only handed
// on wait for nobody and are free to go anywhere.
#include "manifest.h"

#include <lib/base/string.h>
#include <server/text.h>

struct walk {
	const struct manifest *m;
	u8 state[MANIFEST_SERVERS]; // 0 not seen, 1 on the path, 2 done
	u8 path[MANIFEST_SERVERS];
	u8 next[MANIFEST_SERVERS]; // peer to look at when the walk comes back
	u32 depth;
};

// Areas are asked for by calls, and faults in them go to that server.
static bool waits(const struct manifest_peer *peer)
{
	return peer->kind == PEER_CALL || peer->kind == PEER_AREAS;
}

static void word_append(struct manifest_error *e, const char *s)
{
	u64 n = strlen(e->word);

	string_copy(e->word + n, s, sizeof(e->word) - n);
}

// The path from its first visit of `server` to its end is the circle.
static bool circle(const struct walk *w, u8 server, const struct manifest_peer *peer, struct manifest_error *e)
{
	u32 i = 0;

	while (w->path[i] != server)
		i++;
	e->line = peer->line;
	e->what = "these servers wait for each other in a circle";
	e->word[0] = '\0';
	for (; i < w->depth; i++) {
		word_append(e, w->m->server[w->path[i]].name);
		word_append(e, " -> ");
	}
	word_append(e, w->m->server[server].name);
	return false;
}

// Depth first without recursion: init's stack is small.
static bool walk_from(struct walk *w, u8 start, struct manifest_error *e)
{
	w->depth = 0;
	w->path[w->depth++] = start;
	w->state[start] = 1;
	while (w->depth) {
		u8 at = w->path[w->depth - 1];
		const struct manifest_server *s = &w->m->server[at];
		const struct manifest_peer *peer;

		if (w->next[at] == s->peers) {
			w->state[at] = 2;
			w->depth--;
			continue;
		}
		peer = &s->peer[w->next[at]++];
		if (!waits(peer) || peer->server == PEER_INIT || w->state[peer->server] == 2)
			continue;
		if (w->state[peer->server] == 1)
			return circle(w, peer->server, peer, e);
		w->state[peer->server] = 1;
		w->path[w->depth++] = peer->server;
	}
	return true;
}

static bool uphill(const struct manifest *m, const struct manifest_server *s, struct manifest_error *e)
{
	for (u32 i = 0; i < s->peers; i++) {
		const struct manifest_peer *peer = &s->peer[i];

		if (!waits(peer) || peer->server == PEER_INIT || m->server[peer->server].priority > s->priority)
			continue;
		e->line = peer->line;
		e->what = "a call must go to a higher priority";
		e->word[0] = '\0';
		word_append(e, s->name);
		word_append(e, " -> ");
		word_append(e, peer->name);
		return false;
	}
	return true;
}

bool graph_check(const struct manifest *m, struct manifest_error *error)
{
	struct walk w = { .m = m };

	for (u32 i = 0; i < m->servers; i++)
		if (!w.state[i] && !walk_from(&w, (u8)i, error))
			return false;
	for (u32 i = 0; i < m->servers; i++)
		if (!uphill(m, &m->server[i], error))
			return false;
	return true;
}
