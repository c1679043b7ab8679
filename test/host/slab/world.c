// SPDX-License-Identifier: MIT
#include "world.h"

#include <abi/slab_server.h>
#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#define BLOCKS        65536
#define SEGMENT_PAGES 220
#define STATE_PAGES   16
#define OWN_PAGES     64 // of the pool: what the server has besides slabs and the segment
#define KEEP          10 // of user memory: stays free

char *fake_window;
u64 fake_argument[PAGE_SIZE / sizeof(u64)];
struct liveness fake_liveness;

u64 world_seed, world_frames, world_unmapped;
u32 world_nomem, world_kill, world_kills;
u64 world_user;
bool world_reclaim;
u32 world_parked, world_replies;

static _Alignas(16) char segment[SEGMENT_PAGES * PAGE_SIZE];
static u8 block_order[BLOCKS]; // by frame reference; order + 1 of a block in use, 0
static u32 block_next = 1;
static const char *boot_cmdline;
static u64 segment_pages, pool, base, most, memory; // pages; pool + world_user == memory
static u64 asked;
static struct request replied; // reply 0: none
static jmp_buf killed;
static u64 replies;

_Noreturn void world_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s (seed %lu)\n", file, line, what, (unsigned long)world_seed);
	abort();
}

_Noreturn void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	world_fail("panic", 0, "");
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

u64 rnd(u64 n)
{
	static u64 state;

	state = state ? state : world_seed * 0x9e3779b97f4a7c15ul | 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

// ---- sudden death

static void step(void)
{
	if (world_kill && !--world_kill)
		longjmp(killed, 1);
}

void __real_state_commit(struct state *state);
void __wrap_state_commit(struct state *state);

void __wrap_state_commit(struct state *state)
{
	step();
	state_seal(state);
	step();
	state_apply(state);
	step();
}

// ---- frames: a block is a number

err_t frames_take(u32 order, frame_t *first)
{
	step();
	if (world_nomem && !--world_nomem)
		return -ERR_NOMEM;
	check(OWN_PAGES + segment_pages + world_frames + (1ul << order) <= pool);
	while (block_order[block_next])
		block_next = block_next % (BLOCKS - 1) + 1;
	block_order[block_next] = (u8)(order + 1);
	*first = block_next;
	block_next = block_next % (BLOCKS - 1) + 1;
	world_frames += 1ul << order;
	step();
	return 0;
}

static void block_free(frame_t first)
{
	check(block_order[first]);
	world_frames -= 1ul << (block_order[first] - 1);
	block_order[first] = 0;
}

err_t frames_return(frame_t first, u32 order, u64 aspace, u64 va)
{
	u64 owner =
		sls->slab[(va - SLAB_WINDOW) / SLAB_STRIDE % SLAB_COUNT].owner; /* in the table: the server says so */

	step();
	check(va >= SLAB_WINDOW && (va - SLAB_WINDOW) % SLAB_STRIDE == 0 && block_order[first] == order + 1);
	/* A wrong address space; when the process is gone, nothing is mapped any more. */
	if (aspace != 7 && owner != world_unmapped && client_lives(owner))
		return -ERR_BUSY;
	block_free(first);
	ASAN_POISON_MEMORY_REGION((void *)va, SLAB_STRIDE);
	step();
	return 0;
}

bool frames_known(frame_t first)
{
	return first < BLOCKS && block_order[first];
}

static bool is_recorded(frame_t frame)
{
	for (u32 i = 0; i < slab_table; i++)
		if (sls->slab[i].owner && sls->slab[i].frame == frame)
			return true;
	return false;
}

void frames_recover(void)
{
	for (u32 i = 1; i < BLOCKS; i++)
		if (block_order[i] && !is_recorded(i))
			block_free(i);
}

// ---- user memory

// As init does it.
err_t init_pool_size(cptr_t ep, u64 pages, u64 *out_pages, u64 *out_wanted)
{
	check(ep == PEER_INIT);
	step();
	*out_pages = pool;
	*out_wanted = 0;
	if (!pages)
		return 0;
	if (pages > most)
		return -ERR_NOSPC;
	pages = MAX(pages, base);
	if (pages > pool && world_user < pages - pool + KEEP) {
		*out_wanted = pages - pool + KEEP;
		return -ERR_NOMEM;
	}
	check(OWN_PAGES + segment_pages + world_frames <= pages);
	world_user -= pages - pool;
	*out_pages = pool = pages;
	step();
	return 0;
}

// What comes is zero, what went is not looked at.
err_t init_state_size(cptr_t ep, u64 pages, u64 *out_pages)
{
	check(ep == PEER_INIT && pages && pages <= SEGMENT_PAGES);
	step();
	if (pages > segment_pages) {
		check(OWN_PAGES + pages + world_frames <= pool);
		ASAN_UNPOISON_MEMORY_REGION(segment, pages * PAGE_SIZE);
		memset(segment + segment_pages * PAGE_SIZE, 0, (pages - segment_pages) * PAGE_SIZE);
	} else {
		ASAN_POISON_MEMORY_REGION(segment + pages * PAGE_SIZE, (segment_pages - pages) * PAGE_SIZE);
	}
	*out_pages = segment_pages = pages;
	step();
	return 0;
}

bool frames_ask(u64 frames, u64 flow)
{
	(void)flow;
	step();
	asked = frames;
	return world_reclaim;
}

void world_unaccount(void)
{
	memory = pool + world_user;
}

void world_memory(void)
{
	world_user = rnd(3) ? rnd(2 * KEEP) : rnd(most);
	world_unaccount();
}

u64 world_reply(void)
{
	return ++replies;
}

// Reclaim has been asked. It brings out what was wanted, or less because somebody else took it, or can do nothing.
void world_answer(bool progress)
{
	u64 frames = progress ? asked : 0;

	asked = 0;
	check(frames || !progress);
	if (frames && rnd(4))
		frames = rnd(frames);
	world_user += frames;
	memory += frames;
	wait_answered(progress);
}

// ---- the machine

bool client_lives(u64 badge)
{
	return badge >> 16 && badge_slot(badge) < CLIENTS && fake_liveness.pid[badge_slot(badge)] == badge >> 16;
}

static void server_start(void)
{
	enum state_found found;

	check(share_open(base, most, segment_pages));
	found = record_open(segment, segment_pages * PAGE_SIZE);
	frames_recover();
	record_rebuild();
	wait_reset();
	asked = 0;
	caches_make(boot_cmdline);
	if (found == STATE_KEPT)
		share_read();
	clients_reap();
}

void world_restart(void)
{
	server_start();
	world_check();
}

void world_boot(const char *cmdline, u64 limit)
{
	if (!fake_window) {
		size_t bytes = (SLAB_COUNT + 1ul) * SLAB_STRIDE;
		char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				  0);

		check(area != MAP_FAILED);
		fake_window = (char *)(((u64)area + SLAB_STRIDE - 1) & -(u64)SLAB_STRIDE);
	}
	ASAN_POISON_MEMORY_REGION(fake_window, WORLD_SLABS * (size_t)SLAB_STRIDE);
	ASAN_UNPOISON_MEMORY_REGION(segment, sizeof(segment));
	memset(segment, 0, sizeof(segment));
	segment_pages = STATE_PAGES;
	memset(block_order, 0, sizeof(block_order));
	memset(&fake_liveness, 0, sizeof(fake_liveness));
	world_frames = 0;
	world_kill = world_nomem = 0;
	boot_cmdline = cmdline;
	pool = base = OWN_PAGES + STATE_PAGES + limit / 8;
	most = OWN_PAGES + STATE_PAGES + limit + limit / 38 + 15; /* the table of so many, too */
	world_user = most;
	memory = pool + world_user;
	server_start();
	check(share_most() >= limit && share_most() <= limit + limit / 200 + 2);
}

u64 world_process(u32 slot)
{
	static u32 pid = 100;

	check(!fake_liveness.pid[slot]);
	fake_liveness.pid[slot] = ++pid;
	return (u64)pid << 16 | slot;
}

void world_end(u64 badge)
{
	fake_liveness.pid[badge_slot(badge)] = 0;
	if (setjmp(killed)) {
		world_kills++;
		world_kill = 0;
		world_restart();
	}
	clients_reap();
}

err_t world_call(u64 badge, u64 label, u64 w[MSG_WORDS])
{
	u64 reply = ++replies;
	struct request rq;

	if (setjmp(killed)) {
		world_kills++;
		world_kill = 0;
		world_restart();
	}
	rq = (struct request){ .label = label, .badge = badge, .reply = reply };
	memcpy(rq.w, w, sizeof(rq.w));
	replied.reply = 0;
	slab_dispatch(&rq);
	while (!rq.reply) {
		check(label == OP_SLAB_REFILL);
		world_parked++;
		world_answer(rnd(3));
		if (replied.reply == reply)
			rq = replied;
	}
	memcpy(w, rq.w, sizeof(rq.w));
	return (err_t)rq.label;
}

void world_check(void)
{
	check(!record_check());
	check(world_frames == stats[SLABSTAT_FRAMES]);
	check(pool + world_user == memory && pool - base == share_grown());
	check(slab_table == (segment_pages * PAGE_SIZE - sizeof(struct slab_state)) / sizeof(struct slab_record));
}

// Nothing is in use: everything that came is back.
void world_check_empty(void)
{
	world_check();
	check(!world_frames && !clients_count() && !stats[SLABSTAT_SLABS]);
	check(pool == base && segment_pages == STATE_PAGES);
}

// The core answers what was parked; it receives only in main.c.
err_t ipc_reply(cptr_t endpoint, struct request *rq)
{
	check(endpoint == SLOT_SELF_ENDPOINT && rq->reply);
	replied = *rq;
	world_replies++;
	return 0;
}

err_t ipc_reply_recv(cptr_t endpoint, struct request *rq)
{
	(void)endpoint;
	(void)rq;
	world_fail("ipc_reply_recv", 0, "not here");
}

err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq)
{
	(void)flags;
	(void)deadline;
	return ipc_reply_recv(endpoint, rq);
}
