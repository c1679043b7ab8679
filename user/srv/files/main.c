// SPDX-License-Identifier: MIT
// The shell of files: it sets the tables up, receives requests, serves the faults of the clients' buffer window, and
// hears of deaths.
#include <abi/files_server.h>

#include "buffer.h"
#include "files.h"
#include "hot.h"
#include "store.h"

#include <counter.h>
#include <lib/base/log.h>
#include <lib/base/string.h>
#include <server/main.h>

#define OWN_PAGES    88 // image, stack, page tables
#define BUFFER_PAGES 24 // for buffers, and an eighth of the pool; at most half of what is left
#define LEAST_PAGES  16

static struct {
	u64 timer_hz;
	u64 epoch; // seconds since 1970 when the machine was started, as far as the archive tells
} clock;

u64 time_now(void)
{
	return clock.epoch + arch_time() / clock.timer_hz;
}

u64 time_ticks(void)
{
	return arch_time();
}

bool client_lives(u64 badge)
{
	return badge >> 16 && badge_alive(badge);
}

bool process_unknown(void)
{
	const struct liveness *live = (const struct liveness *)LIVENESS_VA;

	for (u64 slot = 0; slot < CLIENTS; slot++)
		if (live->pid[slot] && clients[slot].badge != ((u64)live->pid[slot] << 16 | slot))
			return true;
	return false;
}

void request_answer(struct request *rq)
{
	u64 badge = rq->badge;
	err_t err = ipc_reply(SLOT_SELF_ENDPOINT,
			      rq); // caps is 0 in all requests: files takes and sends no capabilities

	if (err && err != -ERR_STALE) // stale: it was killed, and files will hear of it
		log_line("files: cannot answer process %lu: error %d", badge >> 16, -err);
}

// A client touched its buffer: the page is made if need be, and the answer maps it. False: the address is not in the
// buffer, the client is unknown, or there is no memory; then the client's pager gets the error.
static bool buffer_fault(const struct request *rq, struct map_reply *map)
{
	u64 addr = rq->w[0], access = rq->w[1];
	struct client *c = client_get(rq->badge);

	if (!c || addr - FILES_BUFFER >= FILES_BUFFER_SIZE || access > ACCESS_WRITE)
		return false;
	*map = (struct map_reply){ .prot = PROT_READ | PROT_WRITE | (access == ACCESS_WRITE ? MAP_TOUCH : 0),
				   .pool = SLOT_SELF_POOL,
				   .frame = buffer_frame(badge_slot(rq->badge), (addr - FILES_BUFFER) / PAGE_SIZE) };
	if (!map->frame)
		log_line("files: no memory for the buffer of process %lu", rq->badge >> 16);
	return map->frame != 0;
}

// Answers the fault and receives the next request. When the mapping cannot be made the fault gets the error; NOMEM: the
// client's own pool has no page table for it, and vm enlarges that.
static err_t fault_reply_recv(struct request *rq)
{
	struct map_reply map;
	err_t err = -ERR_FAULT;

	if (rq->label == OP_PAGER_FAULT && buffer_fault(rq, &map)) {
		err = ipc_reply_map_recv(SLOT_SELF_ENDPOINT, &map, rq);
		if (err >= 0)
			return err;
		if (err != -ERR_NOMEM)
			log_line("files: cannot map the buffer of process %lu: error %d", rq->badge >> 16, -err);
	}
	reply_set_status(rq, err == -ERR_NOMEM ? err : -ERR_FAULT);
	return ipc_reply_recv(SLOT_SELF_ENDPOINT, rq);
}

static void notified(u64 bits)
{
	if (!(bits & NOTIFY_DEATH))
		return;
	clients_reap();
	buffers_reap();
}

// What is not hot. The request of the loop is copied, so that it can live in registers.
static __attribute__((noinline)) void request_serve(struct request *rq)
{
	files_dispatch(rq);
}

static always_inline err_t serve(struct request *rq)
{
	if (likely(hot_request(rq)))
		return ipc_reply_recv(SLOT_SELF_ENDPOINT, rq);
	struct request copy = *rq;
	err_t err;

	if (request_protocol(&copy) == PROTO_PAGER) {
		err = fault_reply_recv(&copy);
	} else {
		request_serve(&copy);
		err = ipc_reply_recv(SLOT_SELF_ENDPOINT, &copy);
	}
	*rq = copy;
	return err;
}

static _Noreturn void serve_for_ever(void)
{
	struct request rq = { 0 };
	err_t err = ipc_recv(SLOT_SELF_ENDPOINT, 0, 0, &rq);

	for (;;) {
		if (likely(!err)) {
			err = serve(&rq);
			continue;
		}
		if (err == RECEIVED_BITS)
			notified(rq.w[0]);
		else if (err != -ERR_STALE)
			panic("files: receive failed with error %d", -err);
		err = ipc_recv(SLOT_SELF_ENDPOINT, 0, 0, &rq);
	}
}

static void clock_set(const struct archive_header *h, u64 timer_hz)
{
	const struct archive_entry *e = (const struct archive_entry *)(h + 1);

	clock.timer_hz = timer_hz ? timer_hz : ARCH_TIMER_HZ;
	for (u32 i = 0; i < h->count; i++)
		if (e[i].mtime > clock.epoch)
			clock.epoch = e[i].mtime;
}

// How the pool is shared out: what the server is made of, the names, the clients' buffers, and the rest is the store's.
static void pages_share(u64 pool, u64 nodes)
{
	u64 own = OWN_PAGES + (nodes * sizeof(struct node) + PAGE_SIZE - 1) / PAGE_SIZE;
	u64 left = pool > own ? pool - own : 0, buffers = BUFFER_PAGES + pool / 8;

	if (left < LEAST_PAGES)
		panic("files: its pool of %lu pages is too small: give more with MEM=", pool);
	buffers = buffers < left / 2 ? buffers : left / 2;
	buffers_init(buffers);
	store_init(left - buffers);
}

_Noreturn void server_main(const struct server_info *info)
{
	const struct archive_header *h = (const struct archive_header *)ARCHIVE_VA;
	u64 count = 1 + h->count + h->count / 2 + NEW_NODES; // a directory for every other file that the archive lists
	struct node *nodes;

	if (info->magic != SERVER_INFO_MAGIC || !info->archive_pages)
		panic("files: init gave it no boot archive");
	pages_share(info->pool_pages, count);
	nodes = arena_make(count * sizeof(*nodes));
	if (!nodes)
		panic("files: no memory for %lu names: give it a larger pool in user/boot.manifest", count);
	clock_set(h, info->timer_hz);
	fd_init();
	pipe_init();
	snapshot_init();
	names_init(nodes, (u32)count, (const u8 *)h, info->archive_pages);
	serve_for_ever();
}
