// SPDX-License-Identifier: MIT
// The parser of the boot manifest: one statement per line, words divided by blanks, # starts a comment.
//
// Every limit of struct manifest is checked here, so that the rest of init can trust the records.
#include "manifest.h"

#include <lib/base/string.h>
#include <server/text.h>

#define LINE_WORDS 6
#define LINE_BYTES 160

struct line {
	u32 number;
	u32 words;
	char *word[LINE_WORDS];
	char text[LINE_BYTES];
};

struct parser {
	struct manifest *m;
	struct manifest_server *server; // the one being described
	struct manifest_error *error;
	const struct line *line;
};

static bool fail(struct parser *p, const char *what, const char *word)
{
	p->error->line = p->line ? p->line->number : 0;
	p->error->what = what;
	string_copy(p->error->word, word, sizeof(p->error->word));
	return false;
}

static bool number(const char *s, u32 limit, u32 *out)
{
	u64 n = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (u64)(*s - '0');
		if (n > limit)
			return false;
	}
	*out = (u32)n;
	return true;
}

static bool name_take(struct parser *p, char *dst, u64 size, const char *word)
{
	if (strlen(word) >= size)
		return fail(p, "this name is too long", word);
	string_copy(dst, word, size);
	return true;
}

// "server NAME PATH" opens a description; what follows belongs to it.
static bool parse_server(struct parser *p)
{
	const struct line *l = p->line;
	struct manifest *m = p->m;
	struct manifest_server *s;

	if (m->servers == MANIFEST_SERVERS)
		return fail(p, "there are too many servers (at most 16)", l->word[1]);
	if (!strcmp(l->word[1], "init"))
		return fail(p, "init needs no description", l->word[1]);
	for (u32 i = 0; i < m->servers; i++)
		if (!strcmp(m->server[i].name, l->word[1]))
			return fail(p, "two servers have the same name", l->word[1]);
	if (l->word[2][0] != '/')
		return fail(p, "a program's path starts with /", l->word[2]);
	s = &m->server[m->servers++];
	s->line = l->number;
	s->stack_pages = 4;
	p->server = s;
	return name_take(p, s->name, sizeof(s->name), l->word[1]) && name_take(p, s->path, sizeof(s->path), l->word[2]);
}

static bool parse_first(struct parser *p)
{
	if (p->m->first[0])
		return fail(p, "there is one first program only", p->line->word[1]);
	if (p->line->word[1][0] != '/')
		return fail(p, "a program's path starts with /", p->line->word[1]);
	return name_take(p, p->m->first, sizeof(p->m->first), p->line->word[1]);
}

static bool parse_priority(struct parser *p)
{
	if (!number(p->line->word[1], PRIORITIES - 1, &p->server->priority))
		return fail(p, "this is not a priority (0 to 63)", p->line->word[1]);
	return true;
}

// "pool N pages" or "pool N percent".
static bool parse_pool(struct parser *p)
{
	const struct line *l = p->line;

	if (!strcmp(l->word[2], "percent")) {
		if (!number(l->word[1], 90, &p->server->pool_percent))
			return fail(p, "this is not a share of memory (1 to 90 percent)", l->word[1]);
		return true;
	}
	if (strcmp(l->word[2], "pages"))
		return fail(p, "a pool is so many pages or percent", l->word[2]);
	if (!number(l->word[1], MANIFEST_PAGES, &p->server->pool_pages))
		return fail(p, "this is not a number of pages", l->word[1]);
	return true;
}

// "grow N percent"
static bool parse_grow(struct parser *p)
{
	const struct line *l = p->line;

	if (strcmp(l->word[2], "percent"))
		return fail(p, "a pool grows by a share of user memory, in percent", l->word[2]);
	if (!number(l->word[1], 90, &p->server->grow_percent) || !p->server->grow_percent)
		return fail(p, "this is not a share of user memory (1 to 90 percent)", l->word[1]);
	return true;
}

static bool parse_pages(struct parser *p, u32 *out)
{
	if (strcmp(p->line->word[2], "pages"))
		return fail(p, "this is measured in pages", p->line->word[2]);
	if (!number(p->line->word[1], MANIFEST_PAGES, out))
		return fail(p, "this is not a number of pages", p->line->word[1]);
	return true;
}

static bool parse_stack(struct parser *p)
{
	return parse_pages(p, &p->server->stack_pages);
}

static bool parse_heap(struct parser *p)
{
	return parse_pages(p, &p->server->heap_pages);
}

static bool parse_state(struct parser *p)
{
	return parse_pages(p, &p->server->state_pages);
}

static bool parse_archive(struct parser *p)
{
	p->server->archive = true;
	return true;
}

static bool parse_liveness(struct parser *p)
{
	const char *how = p->line->word[1];

	if (!strcmp(how, "read"))
		p->server->liveness = LIVENESS_READ;
	else if (!strcmp(how, "write"))
		p->server->liveness = LIVENESS_WRITE;
	else
		return fail(p, "the liveness page is for read or write", how);
	return true;
}

static bool parse_device(struct parser *p)
{
	struct manifest_server *s = p->server;

	if (s->devices == MANIFEST_DEVICES)
		return fail(p, "a server has at most 8 devices", p->line->word[1]);
	if (p->line->words == 3 && strcmp(p->line->word[2], "all"))
		return fail(p, "a device is the first of its name, or all of them", p->line->word[2]);
	s->device[s->devices].all = p->line->words == 3;
	return name_take(p, s->device[s->devices++].name, sizeof(s->device[0].name), p->line->word[1]);
}

// "ring PEER N pages"
static bool parse_ring(struct parser *p)
{
	const struct line *l = p->line;
	struct manifest *m = p->m;
	struct manifest_ring *ring;

	if (m->rings == MANIFEST_RINGS)
		return fail(p, "there are too many rings (at most 16)", l->word[1]);
	if (strcmp(l->word[3], "pages"))
		return fail(p, "this is measured in pages", l->word[3]);
	ring = &m->ring[m->rings++];
	*ring = (struct manifest_ring){ .server = (u8)(p->server - m->server), .line = l->number };
	if (!number(l->word[2], RING_PAGES_MAX, &ring->pages) || !ring->pages)
		return fail(p, "a ring has 1 to 256 pages", l->word[2]);
	return name_take(p, ring->name, sizeof(ring->name), l->word[1]);
}

// "view PEER read" or "view PEER write"
static bool parse_view(struct parser *p)
{
	const struct line *l = p->line;
	struct manifest_server *s = p->server;

	if (s->view_line)
		return fail(p, "a server sees the state of one other", l->word[1]);
	s->view_line = l->number;
	s->view_write = !strcmp(l->word[2], "write");
	if (!s->view_write && strcmp(l->word[2], "read"))
		return fail(p, "a state segment is seen for read or write", l->word[2]);
	return name_take(p, s->view_name, sizeof(s->view_name), l->word[1]);
}

static bool parse_peer(struct parser *p, enum peer_kind kind)
{
	struct manifest_server *s = p->server;
	struct manifest_peer *peer;

	if (s->peers == MANIFEST_PEERS)
		return fail(p, "a server has at most 16 peers", p->line->word[1]);
	peer = &s->peer[s->peers++];
	peer->kind = (u8)kind;
	peer->line = p->line->number;
	return name_take(p, peer->name, sizeof(peer->name), p->line->word[1]);
}

static bool parse_call(struct parser *p)
{
	return parse_peer(p, PEER_CALL);
}

static bool parse_pass(struct parser *p)
{
	return parse_peer(p, PEER_PASS);
}

static bool parse_notify(struct parser *p)
{
	return parse_peer(p, PEER_NOTIFY);
}

static bool parse_areas(struct parser *p)
{
	for (u32 i = 0; i < p->server->peers; i++)
		if (p->server->peer[i].kind == PEER_AREAS)
			return fail(p, "a server has one window of areas", p->line->word[1]);
	return parse_peer(p, PEER_AREAS);
}

struct right {
	const char *name; // NULL ends the list
	u32 right;
};

// The words from `first` on are rights.
static bool rights_take(struct parser *p, const struct right *rights, u32 first, const char *what, u32 *out)
{
	const struct line *l = p->line;

	for (u32 w = first; w < l->words; w++) {
		const struct right *r = rights;

		while (r->name && strcmp(r->name, l->word[w]))
			r++;
		if (!r->name)
			return fail(p, what, l->word[w]);
		*out |= r->right;
	}
	return true;
}

// "grants system RIGHT ..."
static bool parse_grants(struct parser *p)
{
	static const struct right rights[] = {
		{ "observe", RIGHT_SYSTEM_OBSERVE },
		{ "trace", RIGHT_SYSTEM_TRACE },
		{ "event", RIGHT_SYSTEM_EVENT },
		{ "power", RIGHT_SYSTEM_POWER },
		{ NULL, 0 },
	};

	if (strcmp(p->line->word[1], "system"))
		return fail(p, "only rights on the system can be granted", p->line->word[1]);
	return rights_take(p, rights, 2, "this is not a right (observe, trace, event, power)", &p->server->system);
}

// "user-pool RIGHT ..."
static bool parse_user_rights(struct parser *p)
{
	static const struct right rights[] = {
		{ "alloc", RIGHT_POOL_ALLOC },
		{ "map", RIGHT_POOL_MAP },
		{ "evict", RIGHT_POOL_EVICT },
		{ "control", RIGHT_POOL_CONTROL },
		{ NULL, 0 },
	};

	return rights_take(p, rights, 1, "this is not a right (rest; alloc, map, evict, control)",
			   &p->server->user_rights);
}

static bool parse_user_pool(struct parser *p)
{
	if (strcmp(p->line->word[1], "rest"))
		return parse_user_rights(p);
	if (p->line->words > 2)
		return fail(p, "who has the pool of user memory has all rights", p->line->word[2]);
	for (u32 i = 0; i < p->m->servers; i++)
		if (p->m->server[i].user_pool)
			return fail(p, "one server only has the pool of user memory", p->server->name);
	p->server->user_pool = true;
	return true;
}

static const struct statement {
	const char *name;
	u32 words_min, words_max;
	bool inside; // belongs to a server
	bool (*parse)(struct parser *p);
} statements[] = {
	{ "server", 3, 3, false, parse_server },
	{ "first", 2, 2, false, parse_first },
	{ "priority", 2, 2, true, parse_priority },
	{ "pool", 3, 3, true, parse_pool },
	{ "grow", 3, 3, true, parse_grow },
	{ "stack", 3, 3, true, parse_stack },
	{ "heap", 3, 3, true, parse_heap },
	{ "state", 3, 3, true, parse_state },
	{ "archive", 1, 1, true, parse_archive },
	{ "liveness", 2, 2, true, parse_liveness },
	{ "device", 2, 3, true, parse_device },
	{ "call", 2, 2, true, parse_call },
	{ "pass", 2, 2, true, parse_pass },
	{ "notify", 2, 2, true, parse_notify },
	{ "areas", 2, 2, true, parse_areas },
	{ "grants", 3, LINE_WORDS, true, parse_grants },
	{ "user-pool", 2, LINE_WORDS, true, parse_user_pool },
	{ "ring", 4, 4, true, parse_ring },
	{ "view", 3, 3, true, parse_view },
};

static bool statement_parse(struct parser *p)
{
	const struct line *l = p->line;

	for (u32 i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		const struct statement *s = &statements[i];

		if (strcmp(s->name, l->word[0]))
			continue;
		if (l->words < s->words_min || l->words > s->words_max)
			return fail(p, "this statement has too few or too many words", l->word[0]);
		if (s->inside && !p->server)
			return fail(p, "this belongs to a server, and none was named yet", l->word[0]);
		return s->parse(p);
	}
	return fail(p, "this is not a statement of the manifest", l->word[0]);
}

// Copies the line without its comment and cuts it into words. False: too long.
static bool line_split(struct line *l, const char *text, u64 size)
{
	u64 n = 0;

	l->words = 0;
	while (n < size && text[n] != '#')
		n++;
	if (n >= LINE_BYTES)
		return false;
	memcpy(l->text, text, n);
	l->text[n] = '\0';
	for (char *s = l->text;;) {
		while (*s == ' ' || *s == '\t' || *s == '\r')
			*s++ = '\0';
		if (!*s)
			return true;
		if (l->words == LINE_WORDS)
			return false;
		l->word[l->words++] = s;
		while (*s && *s != ' ' && *s != '\t' && *s != '\r')
			s++;
	}
}

bool manifest_parse(const char *text, u64 size, struct manifest *m, struct manifest_error *error)
{
	struct line line = { .number = 0 };
	struct parser p = { .m = m, .error = error, .line = &line };

	memset(m, 0, sizeof(*m));
	for (u64 at = 0; at < size;) {
		u64 n = 0;

		while (at + n < size && text[at + n] != '\n')
			n++;
		line.number++;
		if (!line_split(&line, text + at, n))
			return fail(&p, "this line is too long or has too many words", "");
		if (line.words && !statement_parse(&p))
			return false;
		at += n + 1;
	}
	return manifest_resolve(m, error);
}
