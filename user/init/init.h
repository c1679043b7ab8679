// SPDX-License-Identifier: MIT
// init: the first process. It makes the servers that the manifest names, asks vm for the first program, and then
// waits for the end.
#pragma once

#include "archive.h"
#include "manifest.h"

#include <abi/abi.h>
#include <lib/base/types.h>

// init's capability table: the well-known slots (lib/abi/20-objects.idl) and, in a second leaf, one block of slots
// per server.
#define SLOT_USER_POOL  SLOT_SERVER_FREE
#define SLOT_STARTER    (SLOT_SERVER_FREE + 1)
#define SLOT_LENT       (SLOT_SERVER_FREE + 2)
#define SLOT_BLOCKS     CAP_PER_LEAF
#define SLOT_BLOCK_SIZE 8

enum block {
	BLOCK_POOL,
	BLOCK_CAPTABLE,
	BLOCK_ASPACE,
	BLOCK_THREAD,
	BLOCK_ENDPOINT,
	BLOCK_NOTIFY,
	BLOCK_PAGER, // init's endpoint with the server's badge: pager of its window, and what it calls for `call init`
	BLOCK_AREAS, // of one that has areas: vmalloc's endpoint with its badge
};

// Badges of servers are below 2^16 (index + 1); those of processes have their pid above.
static inline u64 server_badge(u32 index)
{
	return index + 1;
}

static inline cptr_t server_slot(u32 index, enum block what)
{
	return SLOT_BLOCKS + index * SLOT_BLOCK_SIZE + what;
}

struct init {
	const struct boot_info *info;
	struct archive archive;
	frame_t archive_frame;           // in the pool of user memory
	u64 user_pages;                  // limit of that pool
	u64 pool_base[MANIFEST_SERVERS]; // limits of the servers' pools at boot
	frame_t liveness;                // the page that vm writes and other servers read
	struct manifest manifest;
};

extern struct init init;

// fatal.c: something cannot be done. One line says what, for whom, why, and what helps; then the machine stops with
// status 126.
_Noreturn void fatal(const char *who, const char *what, err_t err, const char *help);
_Noreturn void power_off(u64 status);
void check_step(const char *who, const char *what, err_t err, const char *help);

// memory.c
struct give { // pages for somebody: `pages` at `va`, zero but for `bytes` bytes from `source` that start `skip` bytes
	      // into them
	cptr_t pool;
	cptr_t aspace;
	vaddr_t va;
	u64 pages;
	u64 prot;
	const u8 *source;
	u64 bytes;
	u64 skip;
};
err_t pages_give(const struct give *g);
err_t frame_take(cptr_t pool, frame_t *frame);
err_t frames_take(cptr_t pool, u64 wanted,
		  u64 *taken); // zeroed, references in the argument page; fewer than wanted is fine
err_t frames_map(cptr_t aspace, vaddr_t va, cptr_t pool, u64 n); // those, for reading and writing
void memory_open(void);           // init's argument page, and its second leaf of capabilities
void archive_take(void);          // the archive goes to the pool of user memory and is mapped
err_t archive_map(cptr_t aspace); // for a server
u64 pages_left(void);             // pages of the root pool that nobody has
void user_pool_grow(void);        // to all of them but a reserve
err_t object_make(u32 type, cptr_t table, cptr_t slot, cptr_t arg, const char *name);

// pool.c: servers' pools that change size
err_t pool_feed(u32 i,
		u64 pages); // room for so many; what it has not comes from user memory. NOMEM: nothing has changed
// op pool_size; pages 0: ask only. NOMEM: so many frames must be free in user memory; NOSPC: above pool_most
err_t pool_size(u32 i, u64 pages, u64 *limit, u64 *wanted);
u64 pool_most(u32 i);

// state.c: pages [from, to) of a server's state segment. On an error state_pages says how many it has
err_t state_give(u32 i, u64 from, u64 to);
err_t state_size(u32 i, u64 pages); // so many; its pool grows at the expense of user memory if it has to

// server.c
void servers_make(void);
void servers_start(void);

// areas.c: servers with a window of vmalloc's
err_t areas_window(u32 i, vaddr_t user_end); // nothing to do for the others
void areas_lend(void);

// serve.c
_Noreturn void init_serve(void);
