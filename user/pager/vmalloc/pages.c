// SPDX-License-Identifier: MIT
/*
 * Pages of windows: the only file that maps and unmaps, and that asks clients' pools for frames.
 *
 * A client whose capabilities were taken away (vm ends it) answers BADCAP to everything; its records go with the
 * detach that follows.
 */
#include "vmalloc.h"

#include <base/log.h>
#include <base/string.h>

#define GROW    32 // frames by which a pool grows at least
#define RETRIES 8  // times a pool is enlarged for the page tables of one call

static cptr_t aspace_of(const struct client *c)
{
	return client_cap(client_index(c), CAP_ASPACE);
}

static cptr_t pool_of(const struct client *c)
{
	return client_cap(client_index(c), CAP_POOL);
}

// ---- the pool: a process' grows out of user memory; a server's is what the boot manifest says (PERM)

// Room for `want` more frames, or at least for `least`.
static err_t pool_grow(struct client *c, u32 want, u32 least)
{
	const u32 steps[] = { want < GROW ? GROW : want, want, least };
	u64 limit = 0, usage = 0;

	if (sys_pool_ctl(pool_of(c), POOLOP_STAT, 0, 0, 0, &limit, &usage, NULL, NULL))
		return -ERR_NOMEM;
	for (u32 i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (limit >= usage + steps[i] ||
		    !sys_pool_ctl(pool_of(c), POOLOP_LIMIT, usage + steps[i], 0, 0, NULL, NULL, NULL, NULL))
			return 0;
	return -ERR_NOMEM;
}

u64 pages_trim(struct client *c, u32 most, u32 keep)
{
	u64 limit = 0, usage = 0;

	if (sys_pool_ctl(pool_of(c), POOLOP_STAT, 0, 0, 0, &limit, &usage, NULL, NULL) || limit <= usage + most)
		return 0;
	if (sys_pool_ctl(pool_of(c), POOLOP_LIMIT, usage + keep, 0, 0, NULL, NULL, NULL, NULL))
		return 0;
	return limit - usage - keep;
}

// Frames that nothing maps, from place `first` of the argument page on; holes are passed over. What stands before them
// stays there.
static void frames_return(struct client *c, u64 first, u64 n)
{
	u64 *refs = server_argument(), kept[PREPARED_MAX], left = 0;

	assert(first <= PREPARED_MAX);
	memcpy(kept, refs, first * sizeof(u64));
	for (u64 i = first; i < first + n; i++)
		if (refs[i])
			refs[left++] = refs[i];
	while (left) {
		u64 done = 0;
		err_t err = sys_frame_free(pool_of(c), left, 0, FREE_DISCARD, &done);

		if (err || !done) {
			log_line("vmalloc: cannot give back %lu frames of client %lx: error %d", (unsigned long)left,
				 (unsigned long)c->badge, err);
			break;
		}
		left -= done; /* from the end */
	}
	memcpy(refs, kept, first * sizeof(u64));
}

// Up to `want` single frames into the argument page, at least `least`.
static err_t frames_take(struct client *c, u32 want, u32 least, bool zero, u64 *got)
{
	u64 flags = ALLOC_LAZY | (zero ? 0 : ALLOC_NOZERO);

	for (u32 attempt = 0; attempt < 2; attempt++) {
		err_t err;

		if (c->short_of || least > SMALL)
			(void)pool_grow(c, want, least); /* refused: it may have room for some */
		*got = 0;
		err = sys_frame_alloc(pool_of(c), 0, want, flags, got, NULL);
		if (err && err != -ERR_NOMEM)
			break; /* the capability is gone, or the pool dies */
		c->short_of = *got < want;
		if (*got >= least)
			return 0;
		frames_return(c, 0, *got);
	}
	return -ERR_NOMEM;
}

// ---- mapping

// n slots of `area` frames each follow each other in the argument page: open a hole behind each for its guard page.
static void list_spread(u32 n, u32 area)
{
	u64 *refs = server_argument();

	for (u32 slot = n; slot-- > 1;) {
		for (u32 i = area; i--;)
			refs[slot * (area + 1) + i] = refs[slot * area + i];
		refs[slot * (area + 1) - 1] = 0;
	}
}

// The first `count` places of the argument page at consecutive pages. On an error nothing stays.
static err_t list_map(struct client *c, u32 page, u32 count, bool zero)
{
	u64 *refs = server_argument(), prot = PROT_READ | PROT_WRITE | MAP_IF_EMPTY | (zero ? MAP_ZERO : 0);
	u32 at = 0, retries = 0;

	for (;;) {
		u64 done = 0;
		err_t err = sys_map(aspace_of(c), ADDRESS_OF(page + at), pool_of(c), refs[0], count - at, prot, 0, 0, 0,
				    &done, NULL);

		at += (u32)done;
		if (at == count)
			return 0;
		memmove(refs, refs + done, (count - at) * sizeof(u64));
		if (!err && done)
			continue;
		if (err == -ERR_NOMEM && retries++ < RETRIES && !pool_grow(c, GROW, 1))
			continue;
		frames_return(c, 0, count - at);
		if (at)
			pages_unmap(c, page, at);
		return -ERR_NOMEM;
	}
}

err_t pages_map(struct client *c, u32 page, u32 slots, u32 area, bool zero, u32 *done)
{
	u64 got = 0;
	u32 n;
	err_t err = frames_take(c, slots * area, area, zero, &got);

	if (err)
		return err;
	n = (u32)got / area;
	if (got > n * area)
		frames_return(c, n * area, got - n * area);
	list_spread(n, area);
	err = list_map(c, page, n * (area + 1) - 1, zero);
	*done = err ? 0 : n;
	return err;
}

err_t pages_map_large(struct client *c, u32 page, bool zero)
{
	u64 flags = ALLOC_LAZY | (zero ? 0 : ALLOC_NOZERO), frame = 0;
	u32 retries = 0;
	err_t err;

	(void)pool_grow(c, LARGE_PAGES, LARGE_PAGES);
	err = sys_frame_alloc(pool_of(c), 9, 1, flags, NULL, &frame);
	if (err)
		return err;
	/* AGAIN: some more of its frames were zeroed. */
	do {
		err = sys_map(aspace_of(c), ADDRESS_OF(page), pool_of(c), frame, 1, PROT_READ | PROT_WRITE | MAP_LARGE,
			      0, 0, 0, NULL, NULL);
	} while (err == -ERR_AGAIN || (err == -ERR_NOMEM && retries++ < RETRIES && !pool_grow(c, GROW, 1)));
	if (err)
		for (u32 at = 0; at < LARGE_PAGES; at += BATCH) {
			for (u32 i = 0; i < BATCH; i++)
				server_argument()[i] = frame + at + i;
			frames_return(c, 0, BATCH);
		}
	return err;
}

void pages_unmap(struct client *c, u32 page, u32 pages)
{
	while (pages) {
		u64 done = 0;
		err_t err = sys_unmap(aspace_of(c), ADDRESS_OF(page), pages, pool_of(c), UNMAP_FREE, 0, &done, NULL,
				      NULL, NULL);

		if (err == -ERR_BADCAP)
			return; /* the client is being ended */
		if ((err && err != -ERR_AGAIN) || (!err && !done) || done > pages)
			panic("vmalloc: unmap of page 0x%x of client %lx: error %d", page, (unsigned long)c->badge,
			      err);
		page += (u32)done;
		pages -= (u32)done;
	}
}

// ---- pages that are mapped already

static err_t clone_all(struct client *c, cptr_t dst, u64 dva, u32 source, u32 pages)
{
	u32 retries = 0;

	while (pages) {
		u64 done = 0;
		err_t err = sys_clone(dst, dva, aspace_of(c), ADDRESS_OF(source), pages, CLONE_SHARE, &done, NULL,
				      NULL);

		if (err == -ERR_INVAL && !done && retries++ < RETRIES)
			/* it lies under a 2 MiB leaf, of which part is wanted */
			err = sys_protect(aspace_of(c), ADDRESS_OF(source), pages,
					  PROT_READ | PROT_WRITE | PROTECT_SPLIT, NULL, NULL, NULL);
		else if (err == -ERR_NOMEM && retries++ < RETRIES)
			err = pool_grow(c, GROW, 1);
		if (err && err != -ERR_AGAIN)
			return err == -ERR_NOMEM ? err : -ERR_FAULT;
		dva += done * PAGE_SIZE;
		source += (u32)done;
		pages -= (u32)done;
	}
	return 0;
}

err_t pages_alias(struct client *c, u32 page, u32 source, u32 pages)
{
	return clone_all(c, aspace_of(c), ADDRESS_OF(page), source, pages);
}

err_t page_open(struct client *c, u32 page, const u64 **out)
{
	*out = (const u64 *)LIST_VIEW;
	return clone_all(c, SLOT_SELF_ASPACE, LIST_VIEW, page, 1);
}

void page_close(void)
{
	(void)sys_unmap(SLOT_SELF_ASPACE, LIST_VIEW, 1, CAP_NULL, 0, 0, NULL, NULL, NULL, NULL);
}
