// SPDX-License-Identifier: MIT
/*
 * vmalloc's core: random operations of several clients against a simple oracle, with memory refused at random, and with
 * the server killed at any system call and started again; then the errors one by one.
 *
 * The oracle knows each client's areas and what is written in each page. After every operation: areas are disjoint,
 * each has a guard page that is not mapped, content is as it was written and nobody else's, an address that was freed
 * has been unmapped before it is given out again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define CLIENTS_USED 4
#define AREAS        400
#define BADGE(i)     ((u64)(100 + (i)) << 16 | (i))

static _Alignas(64) u8 segment[sizeof(struct vmalloc_state)];
static struct fake_aspace aspace[CLIENTS_USED];
static struct fake_pool pool[CLIENTS_USED];
static bool strict; // no refusals, no kills: every error is a failure
static u64 replies;
static u64 made, freed, aliased, kills, nomems;

static struct area {
	u64 addr;
	u32 pages;
	bool ram;
	u64 stamp; // of its first page; RAM areas: none of their own
	u32 source[VMALLOC_RAM_PAGES];
} area[CLIENTS_USED][AREAS];
static u32 areas[CLIENTS_USED];

static u32 rnd(u32 n)
{
	return (u32)(fake_random() % n);
}

static u32 page_at(u64 addr)
{
	return (u32)((addr - VMALLOC_START) >> PAGE_SHIFT);
}

// ---- asking

// One request; the server may be killed in it, then its successor gets it again. Answers the label, words in w.
static err_t ask(u64 badge, u64 label, u64 a, u64 b, u64 c, u64 *w)
{
	struct request rq, again = { .label = label, .w = { a, b, c }, .badge = badge, .reply = ++replies << 32 | 7 };

	rq = again;
	if (setjmp(fake_killed)) {
		fake_kill_in = 0;
		kills++;
		(void)clients_open(segment);
		rq = again;
		vmalloc_request(&rq);
	} else {
		if (!strict && rnd(20) == 0)
			fake_kill_in = 1 + rnd(6);
		vmalloc_request(&rq);
		fake_kill_in = 0;
	}
	memcpy(w, rq.w, sizeof(rq.w));
	return (err_t)rq.label;
}

static bool client_known(u32 i)
{
	return clients[i].badge == BADGE(i);
}

// Capabilities do not travel twice in this test: a client begins without kills.
static void client_make(u32 i)
{
	u64 w[8], nomem = fake_nomem;
	struct request rq = { .label = OP_VMALLOC_ATTACH, .badge = 3 };

	fake_nomem = 0;
	memset(&aspace[i], 0, sizeof(aspace[i]));
	fake_liveness.pid[i] = (u32)(BADGE(i) >> 16);
	pool[i] = (struct fake_pool){ 0, 0, false };
	rq.w[0] = BADGE(i);
	rq.w[1] = VMALLOC_START;
	rq.w[2] = VMALLOC_START + (u64)WINDOW_PAGES * PAGE_SIZE;
	fake_send_aspace(&aspace[i]);
	vmalloc_request(&rq);
	CHECK(!rq.label, "attach: %ld", (s64)rq.label);
	rq = (struct request){ .label = OP_VMALLOC_FUND, .badge = 3, .w = { BADGE(i) } };
	fake_send_pool(&pool[i]);
	vmalloc_request(&rq);
	CHECK(!rq.label, "fund: %ld", (s64)rq.label);
	areas[i] = 0;
	fake_nomem = (u32)nomem;
	(void)w;
}

static void client_end(u32 i)
{
	struct request rq = { .label = OP_VMALLOC_DETACH, .badge = 3, .w = { BADGE(i) } };

	vmalloc_request(&rq);
	CHECK(!rq.label, "detach: %ld", (s64)rq.label);
	fake_client_end(&aspace[i], &pool[i]);
	areas[i] = 0;
}

// ---- the oracle

static void area_verify(u32 c, const struct area *a)
{
	u32 page = page_at(a->addr);

	CHECK(!aspace[c].pfn[page + a->pages], "the guard page of %lx is mapped", a->addr);
	for (u32 i = 0; i < a->pages; i++) {
		const u64 *content = fake_content(&aspace[c], page + i);

		CHECK(content, "page %u of area %lx is not mapped", i, a->addr);
		if (a->ram)
			CHECK(aspace[c].pfn[page + i] == a->source[i], "page %u of %lx is another one", i, a->addr);
		else
			CHECK(content[0] == a->stamp + i, "page %u of %lx has %lx, not %lx", i, a->addr, content[0],
			      a->stamp + i);
	}
}

static void verify(u32 c)
{
	CHECK(!span_check(&clients[c]), "the spans of client %u", c);
	for (u32 i = 0; i < areas[c]; i++)
		area_verify(c, &area[c][i]);
}

static void verify_all(void)
{
	u64 n = 0, lazy = 0, prepared = 0;

	for (u32 c = 0; c < CLIENTS_USED; c++) {
		if (!client_known(c))
			continue;
		verify(c);
		n += areas[c];
		lazy += clients[c].lazy;
		prepared += clients[c].prepared;
	}
	CHECK(vmalloc_count(VMALLOCSTAT_LAZY) == lazy && vmalloc_count(VMALLOCSTAT_PREPARED) == prepared,
	      "counters of pages");
	CHECK(!n || vmalloc_count(VMALLOCSTAT_AREAS) == n, "counters: %lu areas of %lu",
	      vmalloc_count(VMALLOCSTAT_AREAS), n);
	fake_check();
}

// A new area of a client: where nothing is, all unmapped before, content nobody else's.
static void area_new(u32 c, u64 addr, u32 pages, bool zero, struct area *a)
{
	u32 page = page_at(addr);

	CHECK(addr % PAGE_SIZE == 0 && page < WINDOW_PAGES && pages < WINDOW_PAGES - page, "area at %lx", addr);
	for (u32 i = 0; i < areas[c]; i++) {
		const struct area *o = &area[c][i];

		CHECK(addr > o->addr + (u64)o->pages * PAGE_SIZE || addr + (u64)pages * PAGE_SIZE < o->addr,
		      "area %lx + %u lies in %lx + %u", addr, pages, o->addr, o->pages);
	}
	*a = (struct area){ .addr = addr, .pages = pages, .stamp = (u64)(c + 1) << 56 | ++replies << 16 };
	for (u32 i = 0; i < pages; i++) {
		u64 *content = fake_content(&aspace[c], page + i);

		CHECK(content, "page %u of a new area is not mapped", i);
		CHECK(!aspace[c].stale[page + i], "page %u of %lx was freed and never unmapped", i, addr);
		if (!a->ram && zero)
			CHECK(!content[0], "page %u of a zeroed area has %lx", i, content[0]);
		else
			CHECK(!content[0] || content[0] >> 56 == c + 1, "client %u sees %lx", c, content[0]);
	}
}

static void area_write(u32 c, const struct area *a)
{
	for (u32 i = 0; i < a->pages; i++)
		fake_content(&aspace[c], page_at(a->addr) + i)[0] = a->stamp + i;
}

// ---- operations

static void refused(err_t err, const char *what)
{
	CHECK(err == -ERR_NOMEM || err == -ERR_NOSPC || err == -ERR_NFILE || (err == -ERR_NOENT && !strict),
	      "%s: error %d", what, err);
	CHECK(!strict, "%s: error %d", what, err);
	nomems++;
}

static void purge_all(u32 c)
{
	u64 w[8] = { 1 };

	for (u32 i = 0; w[0]; i++)
		CHECK(!ask(BADGE(c), OP_VMALLOC_PURGE, 0, 0, 0, w) && i < 1000, "purge");
}

static void op_alloc(u32 c)
{
	u32 shape = rnd(20), pages = shape < 12   ? 1 + rnd(3)
				     : shape < 17 ? 1 + rnd(20)
				     : shape < 19 ? 1 + rnd(200)
						  : 1 + rnd(1400);
	bool zero = rnd(3) == 0;
	u64 w[8], addr;
	err_t err;

	if (areas[c] == AREAS)
		return;
	err = ask(BADGE(c), OP_VMALLOC_ALLOC, (u64)pages * PAGE_SIZE - rnd(PAGE_SIZE), zero ? VMALLOC_ZERO : 0, 0, w);
	addr = w[0];
	for (u64 left = err ? 0 : w[1]; left && !err; left = w[0])
		err = ask(BADGE(c), OP_VMALLOC_FILL, addr, 0, 0, w);
	if (err) {
		refused(err, "alloc");
		purge_all(c);
		return;
	}
	struct area *a = &area[c][areas[c]];

	area_new(c, addr, pages, zero, a);
	area_write(c, a);
	areas[c]++;
	made++;
}

static void op_ram(u32 c)
{
	struct area *list = NULL, *a = &area[c][areas[c]];
	u32 count = rnd(4) ? 1 + rnd(20) : 1 + rnd(300);
	u64 w[8], *content, at = rnd(PAGE_SIZE / 8 - count + 1);
	u32 source[VMALLOC_RAM_PAGES];
	err_t err;

	for (u32 i = 0; i < areas[c] && !list; i++)
		list = area[c][rnd(areas[c])].ram ? NULL : &area[c][rnd(areas[c])];
	if (!list || list->ram || areas[c] == AREAS)
		return;
	content = fake_content(&aspace[c], page_at(list->addr));
	u64 kept = content[0];
	for (u32 i = 0; i < count;) {
		const struct area *from = &area[c][rnd(areas[c])];
		u32 page = rnd(from->pages), run = 1 + rnd(8);

		for (u32 k = 0; k < run && page + k < from->pages && i < count; k++)
			content[at + i++] = from->addr + (u64)(page + k) * PAGE_SIZE;
	}
	for (u32 i = 0; i < count; i++)
		source[i] = aspace[c].pfn[page_at(content[at + i])];
	err = ask(BADGE(c), OP_VMALLOC_MAP_RAM, list->addr + at * 8, count, 0, w);
	content[0] = kept;
	if (err) {
		refused(err, "map_ram");
		return;
	}
	for (u32 i = 0; i < areas[c]; i++)
		CHECK(w[0] > area[c][i].addr + (u64)area[c][i].pages * PAGE_SIZE ||
			      w[0] + (u64)count * PAGE_SIZE < area[c][i].addr,
		      "a RAM area lies in another");
	*a = (struct area){ .addr = w[0], .pages = count, .ram = true };
	memcpy(a->source, source, count * sizeof(*source));
	for (u32 i = 0; i < count; i++)
		CHECK(!aspace[c].stale[page_at(w[0]) + i], "freed and never unmapped");
	area_verify(c, a);
	areas[c]++;
	aliased++;
}

static void op_free(u32 c)
{
	u32 i = areas[c] ? rnd(areas[c]) : 0;
	struct area a = area[c][i];
	u64 w[8];
	err_t err;

	if (!areas[c])
		return;
	for (u32 k = 0; k < a.pages; k++)
		aspace[c].stale[page_at(a.addr) + k] = true;
	area[c][i] = area[c][--areas[c]];
	if (a.ram)
		err = ask(BADGE(c), OP_VMALLOC_UNMAP_RAM, a.addr, a.pages, 0, w);
	else
		err = ask(BADGE(c), OP_VMALLOC_FREE, a.addr, 0, 0, w);
	CHECK(!err, "free: error %d", err);
	if (w[0] && rnd(2))
		purge_all(c);
	CHECK(ask(BADGE(c), a.ram ? OP_VMALLOC_UNMAP_RAM : OP_VMALLOC_FREE, a.addr, a.pages, 0, w) == -ERR_NOENT,
	      "freed twice");
	freed++;
}

static void op_wrong(u32 c)
{
	u64 w[8], addr = VMALLOC_START + (u64)rnd(WINDOW_PAGES) * PAGE_SIZE + (rnd(2) ? rnd(PAGE_SIZE) : 0);

	for (u32 i = 0; i < areas[c]; i++)
		if (area[c][i].addr == addr)
			return;
	CHECK(ask(BADGE(c), OP_VMALLOC_FREE, addr, 0, 0, w) == -ERR_NOENT, "free of %lx", addr);
	CHECK(ask(BADGE(c), OP_VMALLOC_UNMAP_RAM, addr, 1, 0, w) == -ERR_NOENT, "unmap_ram of %lx", addr);
}

static void restart(void)
{
	CHECK(clients_open(segment) == STATE_KEPT, "the segment is not kept");
	for (u32 c = 0; c < CLIENTS_USED; c++) {
		u64 pages = 0;

		for (u32 i = 0; i < areas[c]; i++)
			pages += area[c][i].pages;
		if (client_known(c))
			CHECK(fake_mapped(&aspace[c]) == pages, "client %u: %lu pages of areas, %lu mapped", c, pages,
			      fake_mapped(&aspace[c]));
	}
}

static void random_run(u64 seed, u32 rounds, u32 nomem, bool calm)
{
	u64 total = calm ? FAKE_FRAMES - 1 : 3000;

	fake_reset(seed, total);
	memset(segment, 0, sizeof(segment));
	strict = calm;
	CHECK(clients_open(segment) == STATE_FRESH, "fresh");
	for (u32 c = 0; c < CLIENTS_USED; c++)
		client_make(c);
	fake_nomem = nomem;
	for (u32 round = 0; round < rounds; round++) {
		u32 c = rnd(CLIENTS_USED), what = rnd(100), bias = round / 500 % 2 ? 30 : 50;
		u64 pages = 0;

		for (u32 i = 0; i < areas[c]; i++)
			pages += area[c][i].pages;
		if (calm && pages > 400)
			bias = 0;
		if (what < bias)
			op_alloc(c);
		else if (what < 85)
			op_free(c);
		else if (what < 92)
			op_ram(c);
		else if (what < 98)
			op_wrong(c);
		else if (what == 98 && !rnd(4))
			client_end(c), client_make(c);
		else if (!calm && !rnd(4))
			restart();
		verify(c);
		if (round % 64 == 0)
			verify_all();
	}
	fake_nomem = 0;
	strict = true;
	for (u32 c = 0; c < CLIENTS_USED; c++) {
		while (areas[c])
			op_free(c);
		purge_all(c);
		CHECK(clients[c].spans == 1 && !fake_mapped(&aspace[c]), "client %u: not everything came back", c);
		/* What a killed server had taken and not yet mapped goes with the client. */
		if (calm)
			CHECK(pool[c].usage == 0, "client %u still has %lu frames", c, pool[c].usage);
		client_end(c);
	}
	verify_all();
	CHECK(fake_free == total, "%lu frames are missing", total - fake_free);
	CHECK(vmalloc_count(VMALLOCSTAT_AREAS) + vmalloc_count(VMALLOCSTAT_PAGES) +
			      vmalloc_count(VMALLOCSTAT_RAM_PAGES) + vmalloc_count(VMALLOCSTAT_LAZY) +
			      vmalloc_count(VMALLOCSTAT_PREPARED) + vmalloc_count(VMALLOCSTAT_LARGE) ==
		      0,
	      "counters do not come back to 0");
}

// ---- one by one

static err_t alloc(u32 c, u64 bytes, u64 flags, u64 *addr)
{
	u64 w[8];
	err_t err = ask(BADGE(c), OP_VMALLOC_ALLOC, bytes, flags, 0, w);

	*addr = w[0];
	while (!err && w[1]) {
		err = ask(BADGE(c), OP_VMALLOC_FILL, *addr, 0, 0, w);
		w[1] = w[0];
	}
	return err;
}

static void begin(u64 total)
{
	fake_reset(1, total);
	memset(segment, 0, sizeof(segment));
	strict = true;
	CHECK(clients_open(segment) == STATE_FRESH, "fresh");
	client_make(0);
	client_make(1);
}

static void test_errors(void)
{
	u64 addr, other, w[8];

	begin(2000);
	CHECK(alloc(0, 0, 0, &addr) == -ERR_INVAL, "size 0");
	CHECK(alloc(0, 1, 2, &addr) == -ERR_INVAL, "unknown flag");
	CHECK(alloc(0, ~0ul, 0, &addr) == -ERR_RANGE, "overflow");
	CHECK(alloc(0, ~0ul - PAGE_SIZE + 2, 0, &addr) == -ERR_RANGE, "overflow by rounding");
	CHECK(alloc(0, (u64)WINDOW_PAGES * PAGE_SIZE, 0, &addr) == -ERR_RANGE, "larger than the window");
	CHECK(alloc(3, 1, 0, &addr) == -ERR_PERM, "a client that was never attached");
	CHECK(!alloc(0, 1, 0, &addr) && !alloc(1, 1, 0, &other) && addr == other, "the same address in two windows");
	CHECK(ask(BADGE(0), OP_VMALLOC_FREE, addr + 8, 0, 0, w) == -ERR_NOENT, "inside an area");
	CHECK(ask(BADGE(0), OP_VMALLOC_FREE, addr + PAGE_SIZE, 0, 0, w) == -ERR_NOENT, "the guard page");
	CHECK(ask(BADGE(0), OP_VMALLOC_FREE, 0, 0, 0, w) == -ERR_NOENT, "nothing");
	CHECK(ask(BADGE(0), OP_VMALLOC_FREE, addr | 1ul << 44, 0, 0, w) == -ERR_NOENT, "far away");
	CHECK(ask(BADGE(0), OP_VMALLOC_UNMAP_RAM, addr, 1, 0, w) == -ERR_NOENT, "of the other kind");
	CHECK(ask(BADGE(0), OP_VMALLOC_UNMAP_RAM, addr, 0, 0, w) == -ERR_INVAL, "no pages");
	CHECK(!ask(BADGE(0), OP_VMALLOC_FREE, addr, 0, 0, w), "free");
	CHECK(ask(BADGE(0), OP_VMALLOC_FREE, addr, 0, 0, w) == -ERR_NOENT, "twice");
	CHECK(!ask(BADGE(1), OP_VMALLOC_FREE, other, 0, 0, w), "the other client's is still there");
	CHECK(ask(BADGE(0), OP_VMALLOC_FILL, addr, 0, 0, w) == -ERR_NOENT, "fill of nothing");
	CHECK(ask(BADGE(0), OP_VMALLOC_ATTACH, BADGE(2), VMALLOC_START, VMALLOC_END, w) == -ERR_PERM,
	      "attach by a client");
	CHECK(ask(BADGE(0), OP_VMALLOC_DETACH, BADGE(1), 0, 0, w) == -ERR_PERM, "detach by a client");
	CHECK(ask(VMALLOC_SERVER | 1, OP_VMALLOC_DETACH, BADGE(1), 0, 0, w) == -ERR_PERM,
	      "detach by a server's client");
	CHECK(ask(3, OP_VMALLOC_DETACH, BADGE(2), 0, 0, w) == -ERR_NOENT, "detach of nobody");
	CHECK(ask(3, OP_VMALLOC_ATTACH, 5, VMALLOC_START, VMALLOC_END, w) == -ERR_INVAL, "not a badge of a client");
	CHECK(ask(3, OP_VMALLOC_ATTACH, BADGE(2), VMALLOC_START, VMALLOC_END, w) == -ERR_INVAL, "no capability came");
	CHECK(ask(BADGE(0), 9 << 16 | 99, 0, 0, 0, w) == -ERR_NOSYS, "no such operation");
	CHECK(ask(BADGE(0), OP_VMALLOC_INFO, CLIENTS, 0, 0, w) == -ERR_RANGE, "info");
	CHECK(ask(BADGE(0), OP_VMALLOC_INFO, 0, ~0ul, 0, w) == -ERR_NOENT, "info");
	CHECK(ask(BADGE(0), OP_VMALLOC_STAT, 99, 0, 0, w) == -ERR_INVAL, "stat");
	verify_all();
}

static void test_ram_errors(void)
{
	u64 page, list, w[8], *at;

	begin(2000);
	CHECK(!alloc(0, PAGE_SIZE, 0, &list) && !alloc(0, 2 * PAGE_SIZE, 0, &page), "two areas");
	at = fake_content(&aspace[0], page_at(list));
	at[0] = page;
	at[1] = page + PAGE_SIZE;
	at[2] = page + 2 * PAGE_SIZE; /* its guard page */
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, list, 0, 0, w) == -ERR_INVAL, "no pages");
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, list, 513, 0, w) == -ERR_BIG, "too many");
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, list + 4, 1, 0, w) == -ERR_INVAL, "a crooked list");
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, list + PAGE_SIZE - 8, 2, 0, w) == -ERR_INVAL,
	      "over the end of the page");
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, page + 2 * PAGE_SIZE, 1, 0, w) == -ERR_FAULT,
	      "a list that is not there");
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, list, 3, 0, w) == -ERR_FAULT, "a guard page");
	at[1] = page + 8;
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, list, 2, 0, w) == -ERR_FAULT, "no page's address");
	at[1] = 0x10000;
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, list, 2, 0, w) == -ERR_FAULT, "a page outside of the window");
	CHECK(ask(BADGE(1), OP_VMALLOC_MAP_RAM, list, 1, 0, w) == -ERR_FAULT, "another client's page");
	at[1] = page;
	CHECK(!ask(BADGE(0), OP_VMALLOC_MAP_RAM, list, 2, 0, w), "one page twice");
	CHECK(ask(BADGE(0), OP_VMALLOC_UNMAP_RAM, w[0], 1, 0, w) == -ERR_INVAL, "another number of pages");
	verify_all();
}

// Pool exhausted: what was done is undone; range exhausted: though memory is there.
static void test_exhaustion(void)
{
	u64 addr, last = 0, w[8], n;

	begin(700);
	CHECK(alloc(0, 800ul * PAGE_SIZE, 0, &addr) == -ERR_NOMEM, "more than there is");
	purge_all(0);
	CHECK(!fake_mapped(&aspace[0]) && !pool[0].usage && clients[0].spans == 1, "partial work stays");
	CHECK(!alloc(0, 600ul * PAGE_SIZE, 0, &addr), "what there is");
	for (n = 0; !alloc(1, PAGE_SIZE, 0, &addr); n++)
		last = addr;
	CHECK(n > 90 && !fake_free, "%lu pages of the rest", n);
	for (u32 i = 0; i < n / 2; i++)
		CHECK(!ask(BADGE(1), OP_VMALLOC_FREE, last - i * 2 * PAGE_SIZE, 0, 0, w), "free");
	/* What is lazy comes back by itself when it is needed. */
	CHECK(!alloc(1, (n / 2 - 4) * PAGE_SIZE, 0, &addr), "the lazy ones are not used again");

	begin(4000);
	CHECK(!alloc(0, PAGE_SIZE, 0, &addr), "a page");
	fake_content(&aspace[0], page_at(addr))[0] = addr;
	for (u32 i = 1; i < 512; i++)
		fake_content(&aspace[0], page_at(addr))[i] = addr;
	n = 0;
	while (!ask(BADGE(0), OP_VMALLOC_MAP_RAM, addr, 512, 0, w))
		n++;
	CHECK(n == (WINDOW_PAGES - 64) / 513, "%lu areas of 512 pages", n);
	CHECK(ask(BADGE(0), OP_VMALLOC_MAP_RAM, addr, 512, 0, w) == -ERR_NOSPC, "the window is full");
	CHECK(fake_free > 3900 && !span_check(&clients[0]), "memory is not");
}

static void test_lazy(void)
{
	u64 addr[200], w[8], w2[8], n;

	begin(2000);
	for (u32 i = 0; i < 100; i++)
		CHECK(!alloc(0, PAGE_SIZE, 0, &addr[i]), "alloc");
	for (u32 i = 0; i < 100; i++) {
		CHECK(!ask(BADGE(0), OP_VMALLOC_FREE, addr[i], 0, 0, w), "free");
		CHECK(fake_content(&aspace[0], page_at(addr[i])), "unmapped at once");
	}
	CHECK(vmalloc_count(VMALLOCSTAT_LAZY) == 100 && !vmalloc_count(VMALLOCSTAT_PURGES), "they wait");
	CHECK(!ask(BADGE(0), OP_VMALLOC_INFO, 0, 0, 0, w2) && w2[3] == VMALLOC_KIND_UNPURGED && w2[2] == 1 &&
		      w2[1] == 2 * PAGE_SIZE && w2[4] == BADGE(0),
	      "and are shown");
	purge_all(0);
	CHECK(!fake_mapped(&aspace[0]) && clients[0].spans == 1 && pool[0].limit < 2 * SLACK, "all went");
	vmalloc_notified(VMALLOC_NOTIFY_PRESSURE);
	CHECK(!alloc(0, 16 * PAGE_SIZE, 0, &addr[0]) && clients[0].prepared == 0, "one at first");
	for (n = 1; !clients[0].prepared; n++)
		CHECK(!alloc(0, 16 * PAGE_SIZE, 0, &addr[0]) && n < 5, "then more");
	vmalloc_notified(VMALLOC_NOTIFY_PRESSURE);
	CHECK(!clients[0].prepared && fake_mapped(&aspace[0]) == n * 16 && pool[0].limit == n * 16,
	      "nothing is kept under pressure");
	verify_all();
}

static void test_large(void)
{
	u64 addr, list, w[8];

	begin(4000);
	CHECK(!alloc(0, PAGE_SIZE, 0, &list), "a page");
	CHECK(!alloc(0, 1300ul * PAGE_SIZE, VMALLOC_ZERO, &addr) && addr % (LARGE_PAGES * PAGE_SIZE) == 0, "aligned");
	CHECK(vmalloc_count(VMALLOCSTAT_LARGE) == 2 && aspace[0].large[page_at(addr) + 1023], "two leaves");
	fake_content(&aspace[0], page_at(list))[0] = addr + 700 * PAGE_SIZE;
	CHECK(!ask(BADGE(0), OP_VMALLOC_MAP_RAM, list, 1, 0, w), "part of a leaf");
	CHECK(aspace[0].pfn[page_at(w[0])] == aspace[0].pfn[page_at(addr) + 700], "the same page");
	CHECK(!ask(BADGE(0), OP_VMALLOC_FREE, addr, 0, 0, w) && w[0], "more than one step");
	purge_all(0);
	CHECK(fake_mapped(&aspace[0]) == 2 && pool[0].usage == 2, "the page that is shown again lives on");
	fake_order9 = 0;
	CHECK(!alloc(0, 1300ul * PAGE_SIZE, 0, &addr) && !vmalloc_count(VMALLOCSTAT_LARGE),
	      "without blocks: single frames");
	verify_all();
}

static void test_server_client(void)
{
	struct request rq = { .label = OP_VMALLOC_ATTACH, .badge = 1 };
	u64 w[8];

	begin(100);
	memset(&aspace[2], 0, sizeof(aspace[2]));
	pool[2] = (struct fake_pool){ 3, 0, true };
	rq.w[0] = VMALLOC_SERVER | 2;
	rq.w[1] = VMALLOC_START;
	rq.w[2] = VMALLOC_START + (u64)WINDOW_PAGES * PAGE_SIZE;
	fake_send_aspace(&aspace[2]);
	vmalloc_request(&rq);
	CHECK(!rq.label, "attach");
	CHECK(ask(VMALLOC_SERVER | 2, OP_VMALLOC_ALLOC, 1, 0, 0, w) == -ERR_PERM, "without a pool");
	rq = (struct request){ .label = OP_VMALLOC_FUND, .badge = 1, .w = { VMALLOC_SERVER | 2 } };
	fake_send_pool(&pool[2]);
	vmalloc_request(&rq);
	CHECK(!rq.label && !ask(VMALLOC_SERVER | 2, OP_VMALLOC_ALLOC, 3 * PAGE_SIZE, 0, 0, w), "three pages");
	CHECK(ask(VMALLOC_SERVER | 2, OP_VMALLOC_ALLOC, 1, 0, 0, w) == -ERR_NOMEM, "its pool is as large as it is");
	CHECK(!ask(BADGE(0), OP_VMALLOC_ALLOC, 1, 0, 0, w), "others are not concerned");
	verify_all();
}

// A capability that a client sends along stays nowhere.
static void test_gift(void)
{
	struct request rq = { .label = OP_VMALLOC_ALLOC, .badge = BADGE(0), .w = { 1 }, .reply = 9 };

	begin(100);
	fake_send_pool(&pool[0]);
	vmalloc_request_cap(&rq);
	CHECK(!rq.label && sys_cap_delete(SLOT_SELF_CAPTABLE, SLOT_RECEIVE) == -ERR_BADCAP, "it is still there");
}

// Spans without end: one client cannot take all records.
static void test_records(void)
{
	u64 addr, w[8], n = 0;

	begin(3000);
	CHECK(!alloc(0, PAGE_SIZE, 0, &addr), "a page");
	for (u32 i = 0; i < 17; i++)
		fake_content(&aspace[0], page_at(addr))[i] = addr;
	while (!ask(BADGE(0), OP_VMALLOC_MAP_RAM, addr, 17, 0, w))
		n++;
	CHECK(n > 400, "%lu spans", n);
	CHECK(!alloc(1, PAGE_SIZE, 0, &addr), "another client still finds some");
	verify_all();
}

int main(void)
{
	const char *mode = getenv("JJOK_TEST");
	u32 runs = mode && !strcmp(mode, "quick") ? 3 : 40;

	test_errors();
	test_ram_errors();
	test_exhaustion();
	test_lazy();
	test_large();
	test_server_client();
	test_gift();
	test_records();
	for (u32 i = 0; i < runs; i++) {
		random_run(i * 3 + 1, 3000, 0, true);
		random_run(i * 3 + 2, 3000, 0, false);
		random_run(i * 3 + 3, 3000, 12, false);
	}
	printf("vmalloc: %lu areas, %lu freed, %lu shown again, %lu refusals, %lu kills: OK\n", made, freed, aliased,
	       nomems, kills);
	return 0;
}
