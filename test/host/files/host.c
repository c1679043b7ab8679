// SPDX-License-Identifier: MIT
#include <abi/files_server.h>

#include "host.h"

#include <user/srv/files/hot.h>

#include <sanitizer/asan_interface.h>
#include <stdarg.h>

u32 host_quota, host_pages_used;
u32 host_live[CLIENTS];
const char *host_context = "";
struct host_answer host_answers[2 * CLIENTS];
u32 host_answer_count;

static u8 *pages;
static bool page_taken[HOST_PAGES];
static u8 *buffers[CLIENTS];
static struct node *nodes;
static u8 *archive;
static u64 now, replies;

_Noreturn void host_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s\n%s\n", file, line, what, host_context);
	abort();
}

_Noreturn void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n%s\n", host_context);
	abort();
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

_Noreturn void host_syscall(u64 nr)
{
	fprintf(stderr, "the core made system call %lu\n", (unsigned long)nr);
	abort();
}

u32 store_take(void)
{
	if (host_pages_used >= host_quota)
		return 0;
	for (u32 i = 0; i < HOST_PAGES; i++) {
		if (page_taken[i])
			continue;
		page_taken[i] = true;
		host_pages_used++;
		ASAN_UNPOISON_MEMORY_REGION(pages + i * PAGE_SIZE, PAGE_SIZE);
		memset(pages + i * PAGE_SIZE, 0, PAGE_SIZE);
		return i + 1;
	}
	return 0;
}

void store_put(u32 page)
{
	EXPECT(page && page <= HOST_PAGES && page_taken[page - 1]);
	page_taken[page - 1] = false;
	host_pages_used--;
	ASAN_POISON_MEMORY_REGION(pages + (page - 1) * PAGE_SIZE, PAGE_SIZE);
}

u8 *store_at(u32 page)
{
	EXPECT(page && page <= HOST_PAGES && page_taken[page - 1]);
	return pages + (page - 1) * PAGE_SIZE;
}

u64 store_used(void)
{
	return host_pages_used;
}

void store_trim(void)
{
}

u8 *host_buffer(u64 slot)
{
	if (!buffers[slot])
		buffers[slot] = calloc(1, FILES_BUFFER_SIZE);
	return buffers[slot];
}

u8 *buffer_at(const struct client *c, u64 where, u64 len)
{
	if (where > FILES_BUFFER_SIZE || len > FILES_BUFFER_SIZE - where)
		return NULL;
	return host_buffer(badge_slot(c->badge)) + where;
}

u64 buffer_make(u64 slot, u64 want)
{
	(void)host_buffer(slot);
	return want < FILES_BUFFER_SIZE ? (want + PAGE_SIZE - 1) & -(u64)PAGE_SIZE : FILES_BUFFER_SIZE;
}

void buffer_release(u64 slot)
{
	free(buffers[slot]);
	buffers[slot] = NULL;
}

bool client_lives(u64 badge)
{
	return badge >> 16 && badge_slot(badge) < CLIENTS && host_live[badge_slot(badge)] == badge >> 16;
}

bool process_unknown(void)
{
	for (u64 slot = 0; slot < CLIENTS; slot++)
		if (host_live[slot] && clients[slot].badge != ((u64)host_live[slot] << 16 | slot))
			return true;
	return false;
}

u64 time_now(void)
{
	return ++now;
}

u64 time_ticks(void)
{
	return ++now;
}

void request_answer(struct request *rq)
{
	EXPECT(client_lives(rq->badge));
	host_reply(rq);
}

void host_reply(struct request *rq)
{
	EXPECT(rq->reply && !rq->caps);
	EXPECT(host_answer_count < sizeof(host_answers) / sizeof(host_answers[0]));
	host_answers[host_answer_count++] = (struct host_answer){ .rq = *rq };
}

u64 host_badge(u32 slot)
{
	return (u64)host_live[slot] << 16 | slot;
}

err_t host_call(u32 slot, u64 label, u64 w[MSG_WORDS], u64 *reply)
{
	struct request rq = { .label = label, .badge = host_badge(slot), .reply = ++replies };

	memcpy(rq.w, w, sizeof(rq.w));
	if (!hot_request(&rq))
		files_dispatch(&rq);
	if (reply)
		*reply = replies;
	if (!rq.reply)
		return PARKED;
	memcpy(w, rq.w, sizeof(rq.w));
	return (err_t)rq.label;
}

static void entry(u32 i, const char *path, u64 page, u64 size, u32 flags)
{
	struct archive_entry *e = (struct archive_entry *)(archive + sizeof(struct archive_header)) + i;

	snprintf((char *)e->path, sizeof(e->path), "%s", path);
	e->page = page;
	e->size = size;
	e->mode = 0755;
	e->mtime = 1000;
	e->flags = flags;
}

u8 host_archive_byte(u32 i)
{
	return (u8)(i * 7 + i / 251);
}

void host_start(u32 count)
{
	archive = aligned_alloc(PAGE_SIZE, 8 * PAGE_SIZE);
	memset(archive, 0, 8 * PAGE_SIZE);
	*(struct archive_header *)archive = (struct archive_header){ .magic = ARCHIVE_MAGIC, .count = 6, .pages = 8 };
	entry(0, "/sbin/init", 1, 5, 0);
	entry(1, "/etc/", 0, 0, 1);
	entry(2, "/etc/words", 2, 3 * PAGE_SIZE + 17, 0);
	entry(3, "/a/b/deep", 6, 100, 0);
	entry(4, "/bad/entry", 7, 2 * PAGE_SIZE, 0); // longer than the archive: left out
	entry(5, "/empty", 8, 0, 0);
	for (u32 i = PAGE_SIZE; i < 8 * PAGE_SIZE; i++)
		archive[i] = host_archive_byte(i);
	pages = aligned_alloc(PAGE_SIZE, HOST_PAGES * PAGE_SIZE);
	ASAN_POISON_MEMORY_REGION(pages, HOST_PAGES * PAGE_SIZE);
	memset(page_taken, 0, sizeof(page_taken));
	memset(host_live, 0, sizeof(host_live));
	host_quota = HOST_PAGES;
	host_pages_used = host_answer_count = 0;
	nodes = calloc(count, sizeof(*nodes));
	fd_init();
	pipe_init();
	snapshot_init();
	names_init(nodes, count, archive, 8);
}

void host_stop(void)
{
	memset(host_live, 0, sizeof(host_live));
	clients_reap();
	EXPECT(clients_count() == 0 && open_count() == 0 && pipe_count() == 0 && pipe_parked() == 0);
	ASAN_UNPOISON_MEMORY_REGION(pages, HOST_PAGES * PAGE_SIZE);
	free(pages);
	free(nodes);
	free(archive);
}
