// SPDX-License-Identifier: MIT
// Pages of RAM files and pipes: frames of the server's pool, mapped at STORE_VA in chunks of 32, given out one by one.
//
// Invariants: used is a subset of mapped; a page that is mapped, unused and not `stale` is zero. At most `quota`
// pages are mapped, so that the clients' buffers (buffer.c), which come from the same pool, always find their share.
//
//	unmapped --chunk_grow--> fresh (zero) --store_take--> used --store_put--> stale --store_take (cleared)--> used
//	    ^------------------------- store_shrink -------------------------------'
#include "store.h"

#include "files.h"
#include "place.h"

#include <lib/base/log.h>
#include <lib/base/string.h>

#define CHUNK  32
#define CHUNKS (STORE_PAGES / CHUNK)
#define SPARE  256 // unused pages that stay mapped after a file shrank

static struct chunk {
	u32 mapped, used, stale; // a bit per page
} chunks[CHUNKS];

static struct {
	u64 quota;
	u64 mapped, used;
	u32 free_from; // no chunk below has an unused mapped page
	u32 grow_from; // no chunk below has an unmapped page
	vaddr_t arena;
} store;

void store_init(u64 quota)
{
	memset(chunks, 0, sizeof(chunks));
	memset(&store, 0, sizeof(store));
	store.quota = quota;
	store.arena = SERVER_HEAP;
}

static vaddr_t page_va(u32 chunk, u32 bit)
{
	return STORE_VA + ((u64)chunk * CHUNK + bit) * PAGE_SIZE;
}

// Frames at `va`, at most BATCH_FILL. Returns how many there are now: fewer when memory ran short.
static u64 frames_map(vaddr_t va, u64 pages)
{
	u64 got = 0, mapped = 0;
	err_t err = sys_frame_alloc(SLOT_SELF_POOL, 0, pages, 0, &got, NULL);

	if (err)
		return 0;
	err = sys_map(SLOT_SELF_ASPACE, va, SLOT_SELF_POOL, server_argument()[0], got, PROT_READ | PROT_WRITE, 0, 0, 0,
		      &mapped, NULL);
	if (!err)
		return got;
	// no memory for a page table: what was mapped stays, the other frames go back
	memmove(server_argument(), server_argument() + mapped, (got - mapped) * sizeof(u64));
	err = 0;
	for (u64 left = got - mapped, done = 0; !err && left; left -= done)
		err = sys_frame_free(SLOT_SELF_POOL, left, 0, 0, &done);
	if (err)
		log_line("files: cannot give back %lu frames: error %d", got - mapped, -err);
	return mapped;
}

// Maps the missing pages of a chunk, or the first of them.
static bool chunk_grow(void)
{
	u32 i = store.grow_from, from, n;

	while (i < CHUNKS && !~chunks[i].mapped)
		i++;
	store.grow_from = i;
	if (i == CHUNKS || store.mapped >= store.quota)
		return false;
	from = (u32)__builtin_ctz(~chunks[i].mapped);
	for (n = 1; from + n < CHUNK && !(chunks[i].mapped >> (from + n) & 1);)
		n++;
	if (n > store.quota - store.mapped)
		n = (u32)(store.quota - store.mapped);
	n = (u32)frames_map(page_va(i, from), n);
	if (!n)
		return false;
	chunks[i].mapped |= (u32)((1ull << n) - 1) << from;
	store.mapped += n;
	if (i < store.free_from)
		store.free_from = i;
	return true;
}

u32 store_take(void)
{
	u32 i = store.free_from, bit;

	if (store.used == store.mapped && !chunk_grow())
		return 0;
	i = store.free_from;
	while (!(chunks[i].mapped & ~chunks[i].used))
		i++;
	store.free_from = i;
	bit = (u32)__builtin_ctz(chunks[i].mapped & ~chunks[i].used);
	chunks[i].used |= 1u << bit;
	store.used++;
	if (chunks[i].stale >> bit & 1)
		memset((void *)page_va(i, bit), 0, PAGE_SIZE);
	return i * CHUNK + bit + 1;
}

void store_put(u32 page)
{
	u32 i = (page - 1) / CHUNK, bit = (page - 1) % CHUNK;

	assert(page && chunks[i].used >> bit & 1);
	chunks[i].used &= ~(1u << bit);
	chunks[i].stale |= 1u << bit;
	store.used--;
	if (i < store.free_from)
		store.free_from = i;
}

u8 *store_at(u32 page)
{
	return (u8 *)STORE_VA + (u64)(page - 1) * PAGE_SIZE;
}

u64 store_used(void)
{
	return store.used;
}

// Unmaps the unused pages of a chunk and frees their frames, run by run.
static void chunk_shrink(struct chunk *c)
{
	u32 unused;

	while ((unused = c->mapped & ~c->used) != 0) {
		u32 from = (u32)__builtin_ctz(unused), n = 1, run;
		err_t err;

		while (from + n < CHUNK && unused >> (from + n) & 1)
			n++;
		err = sys_unmap(SLOT_SELF_ASPACE, page_va((u32)(c - chunks), from), n, SLOT_SELF_POOL, UNMAP_FREE, 0,
				NULL, NULL, NULL, NULL);
		if (err)
			panic("files: cannot unmap %u of its own pages: error %d", n, -err);
		run = (u32)((1ull << n) - 1) << from;
		c->mapped &= ~run;
		c->stale &= ~run;
		store.mapped -= n;
		if ((u32)(c - chunks) < store.grow_from)
			store.grow_from = (u32)(c - chunks);
	}
}

bool store_shrink(void)
{
	u64 before = store.mapped;

	for (u32 i = 0; i < CHUNKS; i++)
		if (chunks[i].mapped != chunks[i].used)
			chunk_shrink(&chunks[i]);
	return store.mapped != before;
}

void store_trim(void)
{
	if (store.mapped - store.used > SPARE)
		store_shrink();
}

void *arena_make(u64 bytes)
{
	vaddr_t start = store.arena;

	for (u64 pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE; pages;) {
		u64 n = frames_map(store.arena, pages < BATCH_FILL ? pages : BATCH_FILL);

		if (!n)
			return NULL;
		store.arena += n * PAGE_SIZE;
		pages -= n;
	}
	return (void *)start;
}
