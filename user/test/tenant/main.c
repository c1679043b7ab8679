// SPDX-License-Identifier: MIT
// tenant: a server that has areas. It makes and frees some, sees its pool's end, and keeps one.
#include <abi/stubs.h>
#include <abi/vmalloc_client.h>
#include <base/log.h>
#include <base/string.h>
#include <pager/server.h>
#include <server/main.h>

#define VMALLOC SLOT_PEER0
#define ROUNDS  2000
#define KEPT    64

static const struct server_info *self;

static void expect(bool condition, const char *what, u64 value)
{
	if (condition)
		return;
	log_line("FAILED: tenant: %s (%lu)", what, value);
	for (;;)
		;
}

static err_t area_make(u64 pages, u64 flags, u64 **out)
{
	u64 addr = 0, left = 0;
	err_t err = vmalloc_alloc(VMALLOC, pages * PAGE_SIZE, flags, &addr, &left);

	while (!err && left)
		err = vmalloc_fill(VMALLOC, addr, &left);
	*out = (u64 *)addr;
	return err;
}

static void area_end(u64 *area)
{
	u64 left;

	expect(!vmalloc_free(VMALLOC, (u64)area, &left), "free", (u64)area);
	while (left)
		expect(!vmalloc_purge(VMALLOC, &left), "purge", left);
}

static void content(void)
{
	static u64 *kept[KEPT];
	static u64 pages[KEPT];

	for (u64 i = 0; i < ROUNDS; i++) {
		u64 k = i * 7 % KEPT;

		for (u64 page = 0; kept[k] && page < pages[k]; page++)
			expect(kept[k][page * 512] == (k << 32 | page), "content", page);
		if (kept[k])
			area_end(kept[k]);
		pages[k] = 1 + i % 3 + (i % 50 == 0) * 20;
		expect(!area_make(pages[k], i & 1 ? VMALLOC_ZERO : 0, &kept[k]), "alloc", i);
		for (u64 page = 0; page < pages[k]; page++) {
			expect(!(i & 1) || !kept[k][page * 512 + 5], "zero", page);
			kept[k][page * 512] = k << 32 | page;
		}
	}
	for (u64 k = 0; k < KEPT; k++)
		area_end(kept[k]);
}

// The pool of a server does not grow: its end is an error, and what was begun is undone.
static void exhaustion(void)
{
	u64 *area = NULL, left = 1;

	expect(area_make(self->pool_pages, 0, &area) == -ERR_NOMEM, "more than the pool has", 0);
	while (left)
		expect(!vmalloc_purge(VMALLOC, &left), "purge", left);
	expect(!area_make(50, 0, &area), "alloc after that", 0);
	area_end(area);
	expect(vmalloc_attach(VMALLOC, VMALLOC_SERVER | 1, VMALLOC_START, VMALLOC_END) == -ERR_PERM, "attach", 0);
}

static void request(struct request *rq)
{
	reply_set_status(rq, -ERR_NOSYS);
}

static void notified(u64 bits)
{
	(void)bits;
}

_Noreturn void server_main(const struct server_info *info)
{
	u64 *area = NULL;

	self = info;
	content();
	exhaustion();
	expect(!area_make(3, 0, &area), "the area that stays", 0);
	log_line("tenant: ok");
	server_run(SLOT_SELF_ENDPOINT, SERVER_FRESH, request, notified);
}
