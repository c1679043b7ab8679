// SPDX-License-Identifier: MIT
// init's pure parts: the manifest's rules, the graph of who waits for whom, the archive's table.
#include <user/init/archive.h>
#include <user/init/manifest.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(cond) ((cond) ? (void)0 : fail(__FILE__, __LINE__, #cond))

static _Noreturn void fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
	abort();
}

static struct manifest m;
static struct manifest_error error;

// The smallest manifest that is right, with something put into its second server.
static bool parse(const char *more)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "server a /sbin/a\n\tpriority 45\n\tpool 5 pages # comment\n\n"
		 "server vm /sbin/vm\n\tpriority 40\n\tpool 10 percent\n\tuser-pool rest\n\tliveness write\n%s\nfirst "
		 "/bin/sh\n",
		 more);
	memset(&error, 0, sizeof(error));
	return manifest_parse(text, strlen(text), &m, &error) && graph_check(&m, &error);
}

static void refuse(const char *more, u32 line, const char *what, const char *word)
{
	bool good = parse(more);

	if (good || error.line != line || !strstr(error.what, what) || strcmp(error.word, word)) {
		fprintf(stderr, "\"%s\" gave line %u: %s: \"%s\"\n", more, error.line, good ? "no error" : error.what,
			error.word);
		fail(__FILE__, __LINE__, what);
	}
}

static void test_manifest(void)
{
	EXPECT(parse("\tcall a\n\tpass a\n\tnotify a\n\tcall init\n\tgrants system observe event\n\tdevice "
		     "serial\n\tarchive\n"
		     "\theap 3 pages\n\tstate 7 pages\n\tstack 2 pages"));
	EXPECT(m.servers == 2 && !strcmp(m.first, "/bin/sh"));
	EXPECT(m.server[0].pool_pages == 5 && m.server[0].stack_pages == 4 && m.server[0].liveness == LIVENESS_NONE);
	EXPECT(m.server[1].pool_percent == 10 && m.server[1].user_pool && m.server[1].archive &&
	       m.server[1].heap_pages == 3);
	EXPECT(m.server[1].state_pages == 7 && m.server[1].stack_pages == 2 &&
	       !strcmp(m.server[1].device[0].name, "serial") && !m.server[1].device[0].all);
	EXPECT(m.server[1].system == (RIGHT_SYSTEM_OBSERVE | RIGHT_SYSTEM_EVENT));
	EXPECT(m.server[1].peers == 4 && m.server[1].peer[2].kind == PEER_NOTIFY && m.server[1].peer[0].server == 0);
	EXPECT(m.server[1].peer[3].server == PEER_INIT);
	EXPECT(parse("\tareas a") && m.server[1].peer[0].kind == PEER_AREAS && m.server[1].peer[0].server == 0);
	refuse("\tareas a\n\tareas a", 11, "one window of areas", "a");
	refuse("\tareas b", 10, "no server of this name", "b");
	refuse("\tareas init", 10, "init can only be called", "vm");

	refuse("\tpriority high", 10, "not a priority", "high");
	refuse("\tpriority 64", 10, "not a priority", "64");
	refuse("\tpriority 20", 5, "between programs", "vm");
	refuse("\tpool 5 bytes", 10, "so many pages or percent", "bytes");
	refuse("\tpool 95 percent", 10, "share of memory", "95");
	refuse("\theap 99999999999 pages", 10, "number of pages", "99999999999");
	refuse("\tstate 5", 10, "too few or too many words", "state");
	refuse("\tfly", 10, "not a statement", "fly");
	refuse("\tcall b", 10, "no server of this name", "b");
	refuse("\tnotify init", 10, "init can only be called", "vm");
	refuse("\tgrants system fly", 10, "not a right", "fly");
	refuse("\tgrants pool observe", 10, "only rights on the system", "pool");
	refuse("\tgrow 10 pages", 10, "share of user memory, in percent", "pages");
	refuse("\tgrow 0 percent", 10, "not a share", "0");
	refuse("\tgrow 91 percent", 10, "not a share", "91");
	refuse("\tgrow 10", 10, "too few", "grow");
	EXPECT(parse("\tgrow 50 percent") && m.server[1].grow_percent == 50);
	refuse("\tuser-pool rest", 10, "one server only", "vm");
	refuse("\tuser-pool rest map", 10, "has all rights", "map");
	refuse("\tuser-pool map all", 10, "not a right", "all");
	refuse("\tdevice disk some", 10, "the first of its name", "some");
	refuse("\tliveness maybe", 10, "for read or write", "maybe");
	refuse("first sh", 10, "starts with /", "sh");
	refuse("first /bin/a", 11, "one first program only", "/bin/sh");
	refuse("server a /sbin/b", 10, "same name", "a");
	refuse("server init /sbin/b", 10, "no description", "init");
	refuse("server abcdefghijklmnop /sbin/b", 10, "too long", "abcdefghijklmnop");
	refuse("server b /sbin/b\n\tpriority 41", 10, "no pool", "b");
	refuse("a b c d e f g", 10, "too many words", "");
	EXPECT(!manifest_parse("priority 4", 10, &m, &error) && error.line == 1);
	EXPECT(!manifest_parse("", 0, &m, &error) && error.line == 0 && strstr(error.what, "no first program"));
}

#define SERVER_B "server b /sbin/b\n\tpriority 41\n\tpool 1 pages\n"

static const struct server_ring *end_of(u32 server, u32 n)
{
	static struct server_ring ends[SERVER_RINGS];

	EXPECT(manifest_rings(&m, server, ends) > n);
	return &ends[n];
}

// What one side writes the other reads, and each tells the other with the bits that it waits for.
static void rings_match(u32 a, u32 an, u32 b, u32 bn, u32 pages)
{
	struct server_ring x = *end_of(a, an), y = *end_of(b, bn);

	EXPECT(!strcmp((char *)x.peer, m.server[b].name) && !strcmp((char *)y.peer, m.server[a].name));
	EXPECT(x.out_bits == y.in_bits && x.in_bits == y.out_bits && x.out_bits && x.in_bits);
	EXPECT(x.pages == pages && y.pages == pages && x.notify == SLOT_RING0 + an && y.notify == SLOT_RING0 + bn);
	EXPECT(x.out == (u64)RING_VA + 2 * an * RING_STRIDE && x.in == x.out + RING_STRIDE);
}

static void test_views(void)
{
	EXPECT(parse("\tstate 2 pages\n\tview b read\n" SERVER_B
		     "\tstate 3 pages\n\tview vm write\n\tuser-pool alloc control\n"));
	EXPECT(!m.server[0].view && m.server[1].view == 3 && !m.server[1].view_write && m.server[2].view == 2 &&
	       m.server[2].view_write && m.server[2].user_rights == (RIGHT_POOL_ALLOC | RIGHT_POOL_CONTROL));
	refuse("\tview vm look", 10, "for read or write", "look");
	refuse("\tview vm read\n\tview vm read", 11, "sees the state of one other", "vm");
	refuse("\tview b read\n" SERVER_B, 10, "no state segment", "b");
	refuse("\tview a read", 10, "no state segment", "a");
	refuse("\tview vm read", 10, "no other server", "vm");
	refuse("\tview c read", 10, "no other server", "c");
	refuse("\tstate 1 pages\n" SERVER_B
	       "\tview vm read\nserver c /c\n\tpriority 30\n\tpool 1 pages\n\tview vm read",
	       18, "another server sees", "vm");
	refuse("\tview vm", 10, "too few or too many words", "view");
}

static void test_rings(void)
{
	char text[2048] = "";

	// 0 a, 1 vm, 2 b: vm-a, b-vm, a-b
	EXPECT(parse("\tring a 2 pages\n" SERVER_B "\tring vm 256 pages\n\tuser-pool map evict\n\tring a 1 pages\n"
		     "\tdevice disk all"));
	EXPECT(m.rings == 3 && m.server[2].user_rights == (RIGHT_POOL_MAP | RIGHT_POOL_EVICT) &&
	       !m.server[2].user_pool);
	EXPECT(m.server[2].device[0].all && !strcmp(m.server[2].device[0].name, "disk"));
	rings_match(1, 0, 0, 0, 2);
	rings_match(2, 0, 1, 1, 256);
	rings_match(2, 1, 0, 1, 1);
	EXPECT(manifest_ring_end(&m, 2, 0, (struct server_ring[SERVER_RINGS]){ 0 })->out == end_of(0, 1)->out);

	refuse("\tring a 0 pages", 10, "1 to 256", "0");
	refuse("\tring a 257 pages", 10, "1 to 256", "257");
	refuse("\tring a 1 bytes", 10, "measured in pages", "bytes");
	refuse("\tring a 1", 10, "too few or too many words", "ring");
	refuse("\tring c 1 pages\n" SERVER_B, 10, "no server of this name", "c");
	refuse("\tring init 1 pages", 10, "no server of this name", "init");
	refuse("\tring vm 1 pages", 10, "between two servers", "vm");
	refuse("\tring a 1 pages\n\tring a 2 pages", 11, "share rings already", "a");
	for (int i = 0; i < 9; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "server s%d /s\n\tpriority 41\n\tpool 1 pages\n\tring vm 1 pages\n", i);
	refuse(text, 10 + 9 * 4 - 1, "at most 8 others", "vm");
	for (int i = 0; i < 17; i++)
		snprintf(text + 16 * i, sizeof(text) - 16 * i, "\tring a 1 pages\n");
	refuse(text, 10 + 16, "too many rings", "a");
}

static void test_graph(void)
{
	refuse("server b /sbin/b\n\tpriority 41\n\tpool 1 pages\n\tcall vm", 13, "higher priority", "b -> vm");
	refuse("\tcall vm", 10, "circle", "vm -> vm");
	refuse("\tcall b\nserver b /sbin/b\n\tpriority 41\n\tpool 1 pages\n\tcall c\nserver c /s/c\n\tpriority "
	       "42\n\tpool 1 pages\n"
	       "\tcall a\n\tcall b",
	       19, "circle", "b -> c -> b");
	refuse("\tcall b\nserver b /sbin/b\n\tpriority 41\n\tpool 1 pages\n\tcall c\nserver c /s/c\n\tpriority "
	       "42\n\tpool 1 pages\n"
	       "\tcall vm",
	       18, "circle", "vm -> b -> c -> vm");
	// notifications and endpoints that are handed on do not wait
	EXPECT(parse("\tpass b\n\tnotify b\nserver b /sbin/b\n\tpriority 41\n\tpool 1 pages\n\tnotify vm\n\tpass vm"));
}

static void test_shipped(void)
{
	static char text[1 << 16];
	FILE *f = fopen("user/boot.manifest", "r");
	u64 n;

	EXPECT(f);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (!manifest_parse(text, n, &m, &error) || !graph_check(&m, &error)) {
		fprintf(stderr, "user/boot.manifest:%u: %s: %s\n", error.line, error.what, error.word);
		exit(1);
	}
}

// A program of two segments, good but for what a mutation does to it.
static void test_archive(void)
{
	static _Alignas(PAGE_SIZE) u8 bytes[4 * PAGE_SIZE];
	struct archive_header *h = (struct archive_header *)bytes;
	struct archive_entry *e = (struct archive_entry *)(h + 1);
	struct archive a;

	EXPECT(archive_open(&a, bytes, 4) == -ERR_INVAL);
	*h = (struct archive_header){ .magic = ARCHIVE_MAGIC, .count = 3, .pages = 4 };
	e[0] = (struct archive_entry){ .path = "/x", .page = 1, .size = 3 * PAGE_SIZE };
	e[1] = (struct archive_entry){ .path = "/y", .page = 2, .size = 3 * PAGE_SIZE }; // too long
	e[2] = (struct archive_entry){ .path = "/z/", .flags = 1 };
	EXPECT(archive_open(&a, bytes, 3) == -ERR_INVAL && archive_open(&a, bytes, 4) == 0);
	EXPECT(archive_find(&a, "/x") == &e[0] && archive_bytes(&a, &e[0]) == bytes + PAGE_SIZE);
	EXPECT(!archive_find(&a, "/y") && !archive_find(&a, "/z/") && !archive_find(&a, "/w"));
	h->count = 1000;
	EXPECT(archive_open(&a, bytes, 4) == -ERR_INVAL);
}

int main(void)
{
	test_manifest();
	test_rings();
	test_views();
	test_graph();
	test_shipped();
	test_archive();
	printf("init: OK\n");
	return 0;
}
