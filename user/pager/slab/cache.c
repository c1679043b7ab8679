// SPDX-License-Identifier: MIT
/*
 * Caches. A cache says how objects are cut; slabs of it belong to processes one by one.
 *
 *	free --cache_open by its first user--> open --cache_close by its last--> free;   kmalloc's are always there
 *
 * Invariants: a cache that is not built in has a user; a user is counted once, however often it opens; what is set by
 * slub_debug= for a cache's name is set when the cache is made and never changes, for its objects lie accordingly.
 */
#include "slab.h"

#include <lib/base/string.h>

#define OPTION_BYTES 128

static struct {
	char debug[OPTION_BYTES]; // FLAGS or FLAGS,NAME,NAME ...
	bool no_merge;
} options;

void cache_layout_set(u32 id)
{
	const struct cache_record *r = &sls->cache[id];

	caches[id] = (struct cache){ 0 };
	if (r->size && !slab_layout(r->size, r->align, r->flags, &caches[id].layout))
		panic("slab: the record of cache %u makes no sense", id);
}

// ---- options

// The value of a word "name=value" or "name" in the command line; NULL: it is not there.
static const char *option_find(const char *cmdline, const char *name)
{
	u64 n = strlen(name);

	for (const char *s = cmdline; *s;) {
		while (*s == ' ')
			s++;
		if (!strncmp(s, name, n) && (s[n] == '=' || s[n] == ' ' || !s[n]))
			return s + n + (s[n] == '=');
		while (*s && *s != ' ')
			s++;
	}
	return NULL;
}

static void options_read(const char *cmdline)
{
	const char *debug = option_find(cmdline, "slub_debug");
	u32 n = 0;

	memset(&options, 0, sizeof(options));
	options.no_merge = option_find(cmdline, "slab_nomerge") != NULL;
	for (; debug && debug[n] && debug[n] != ' ' && n + 1 < OPTION_BYTES; n++)
		options.debug[n] = debug[n];
	if (debug && !n)
		memcpy(options.debug, "ZPU", 4); /* as Linux: all checks */
}

static u32 debug_letters(const char *s)
{
	u32 flags = 0;

	for (; *s && *s != ','; s++) {
		flags |= *s == 'Z' ? SLAB_RED_ZONE : 0;
		flags |= *s == 'P' ? SLAB_POISON : 0;
		flags |= *s == 'U' ? SLAB_STORE_USER : 0;
	}
	return flags;
}

// "name," or "name" at s, a * at its end standing for the rest.
static bool name_matches(const char *s, const u8 name[NAME_BYTES])
{
	u32 i = 0;

	for (; i < NAME_BYTES && name[i]; i++) {
		if (s[i] == '*')
			return true;
		if (s[i] != name[i])
			return false;
	}
	return !s[i] || s[i] == ',' || s[i] == '*';
}

// What slub_debug= asks for a cache of this name.
static u32 debug_flags(const u8 name[NAME_BYTES])
{
	const char *s = options.debug;
	u32 flags = debug_letters(s);

	while (*s && *s != ',')
		s++;
	if (!*s)
		return flags;
	while (*s == ',') {
		if (name_matches(++s, name))
			return flags;
		while (*s && *s != ',')
			s++;
	}
	return 0;
}

// ---- making

static void record_write(u32 id, const struct cache_record *record)
{
	record_stage(&sls->cache[id], record, sizeof(*record));
	record_commit();
	cache_layout_set(id);
}

static void name_write(u8 name[NAME_BYTES], u32 size)
{
	static const char prefix[] = "kmalloc-";
	u32 n = sizeof(prefix) - 1, digits = 0;
	char text[8];

	memcpy(name, prefix, n);
	if (size >= 1024)
		size /= 1024, name[n + 1] = 'k'; /* 1k, 2k, 4k, 8k */
	for (; size; size /= 10)
		text[digits++] = (char)('0' + size % 10);
	while (digits)
		name[n++] = (u8)text[--digits];
}

void caches_make(const char *cmdline)
{
	options_read(cmdline);
	for (u32 class = 0; class < KMALLOC_CLASSES; class ++) {
		struct cache_record r = { .size = kmalloc_size[class], .builtin = true };

		if (sls->cache[1 + class].size)
			continue; /* a predecessor made it */
		r.align = MAX(kmalloc_align(r.size), SLAB_ALIGN_MIN);
		name_write(r.name, r.size);
		r.flags = debug_flags(r.name);
		record_write(1 + class, &r);
	}
}

// ---- opening and closing

static bool is_open(const struct client_record *c, u32 id)
{
	return c->caches[id / 64] >> id % 64 & 1;
}

bool cache_usable(const struct client_record *c, u64 id)
{
	return id && id < SLAB_CACHES && (is_open(c, (u32)id) || sls->cache[id].builtin);
}

// May objects that were asked for be taken from this cache? By Linux's rule: less than a word is lost.
static bool cache_fits(const struct cache_record *r, const struct cache_record *wanted)
{
	return r->size >= wanted->size && r->size - wanted->size < sizeof(u64) && !r->flags &&
	       r->align % wanted->align == 0;
}

// The record to use: one that fits, a free one, 0: none.
static u32 cache_choose(const struct cache_record *wanted)
{
	u32 spare = 0;

	for (u32 id = 1; id < SLAB_CACHES; id++) {
		if (!sls->cache[id].size)
			spare = spare ? spare : id;
		else if (!wanted->flags && !options.no_merge && cache_fits(&sls->cache[id], wanted))
			return id;
	}
	return spare;
}

static u32 opened(const struct client_record *c)
{
	u32 n = 0;

	for (u32 id = 1; id < SLAB_CACHES; id++)
		n += is_open(c, id);
	return n;
}

static void open_set(struct client_record *c, u32 id, bool open)
{
	u64 word = c->caches[id / 64], bit = 1ul << id % 64;

	word = open ? word | bit : word & ~bit;
	record_stage(&c->caches[id / 64], &word, sizeof(word));
}

err_t cache_open(struct client_record *c, const struct cache_record *wanted, const struct request *rq, u32 *out)
{
	struct cache_record record = *wanted;
	struct slab_layout layout;
	bool made;
	u32 id;

	record.flags |= debug_flags(record.name);
	if (!slab_layout(record.size, record.align, record.flags, &layout))
		return -ERR_INVAL;
	record.align = MAX(record.align, SLAB_ALIGN_MIN);
	id = cache_choose(&record);
	if (id && is_open(c, id)) {
		*out = id;
		return 0;
	}
	if (!id)
		return -ERR_NFILE;
	if (opened(c) >= SLAB_CLIENT_CACHES)
		return -ERR_MFILE;
	made = !sls->cache[id].size;
	open_set(c, id, true);
	if (made)
		record_stage(&sls->cache[id], &record, sizeof(record));
	result_stage(rq, id, NULL, 0);
	record_commit();
	if (made)
		cache_layout_set(id);
	column_take(c->badge, id);
	caches[id].users++;
	*out = id;
	return 0;
}

err_t cache_close(struct client_record *c, u32 id, const struct request *rq)
{
	const struct cache_record none = { 0 };

	if (!id || id >= SLAB_CACHES || !is_open(c, id))
		return -ERR_NOENT;
	if (!sls->cache[id].builtin) {
		slabs_shrink(c->badge, id, SLAB_COUNT);
		if (slabs_held(c->badge, id)) /* objects are handed out, or pages cannot be taken back */
			return -ERR_BUSY;
	}
	open_set(c, id, false);
	if (caches[id].users == 1 && !sls->cache[id].builtin)
		record_stage(&sls->cache[id], &none, sizeof(none));
	if (rq)
		result_stage(rq, 0, NULL, 0);
	record_commit();
	column_drop(c->badge, id);
	caches[id].users--;
	slabs_settle();
	return 0;
}
