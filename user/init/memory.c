// SPDX-License-Identifier: MIT
// Memory of init: kernel objects, pages for servers, the boot archive.
//
// Objects of all servers lie in object frames of the root pool, one type per frame, slots given out in order and
// never taken back: endpoints, tables and pools outlive the programs that use them.
//
// The archive is the kernel's until archive_take hands its frames to the pool of user memory, a few hundred at a time
// (the pool grows with them, so nothing is needed twice). A frame that moves must not be mapped, and init's own
// image, the first file, is mapped where it lies: its frames stay with the root pool.
#include "init.h"

#include <abi/stubs.h>
#include <lib/base/string.h>

#define SCRATCH_VA 0x3500000000 // where init fills pages before their owner gets them
#define RESERVE    32           // pages of the root pool that stay with init
#define REFS       ((const u64 *)ARGUMENT_VA)
#define TYPES      (TYPE_CAPLEAF + 1)

static struct {
	frame_t frame;
	u32 used; // slots of it
} bins[TYPES];

static u32 type_size(u32 type)
{
	switch (type) {
	case TYPE_POOL:
		return OBJECT_SIZE_POOL;
	case TYPE_CAPTABLE:
		return OBJECT_SIZE_CAPTABLE;
	case TYPE_ASPACE:
		return OBJECT_SIZE_ASPACE;
	case TYPE_THREAD:
		return OBJECT_SIZE_THREAD;
	case TYPE_CAPLEAF:
		return OBJECT_SIZE_CAPLEAF;
	default:
		return OBJECT_SIZE_ENDPOINT; // as large as a notification
	}
}

err_t frame_take(cptr_t pool, frame_t *frame)
{
	return sys_frame_alloc(pool, 0, 1, 0, NULL, frame);
}

// name: for the trace and for ps; NULL for objects nobody looks at.
err_t object_make(u32 type, cptr_t table, cptr_t slot, cptr_t arg, const char *name)
{
	u64 id, text[2] = { 0, 0 };
	err_t err;

	if (!bins[type].frame || bins[type].used == PAGE_SIZE / type_size(type)) {
		err = frame_take(SLOT_SELF_POOL, &bins[type].frame);
		if (err)
			return err;
		bins[type].used = 0;
	}
	err = sys_object_create(SLOT_SELF_POOL, bins[type].frame, bins[type].used, type, table, slot, arg, &id);
	if (err)
		return err;
	bins[type].used++;
	if (!name)
		return 0;
	memcpy(text, name, strlen(name) < sizeof(text) ? strlen(name) : sizeof(text));
	return sys_system(SLOT_SYSTEM, SYS_NAME, id, text[0], text[1], NULL, NULL, NULL, NULL);
}

void memory_open(void)
{
	frame_t frame;

	check_step("init", "cannot take its argument page", frame_take(SLOT_SELF_POOL, &frame), "raise MEM=");
	check_step("init", "cannot map its argument page",
		   sys_map(SLOT_SELF_ASPACE, ARGUMENT_VA, SLOT_SELF_POOL, frame, 1, PROT_READ | PROT_WRITE, 0, 0, 0,
			   NULL, NULL),
		   "raise MEM=");
	check_step(
		"init", "cannot use its argument page",
		sys_thread_ctl(SLOT_SELF_THREAD, THREAD_ARGUMENT, SLOT_SELF_POOL, frame, 0, 0, NULL, NULL, NULL, NULL),
		"a kernel error");
	check_step("init", "cannot enlarge its capability table",
		   object_make(TYPE_CAPLEAF, SLOT_SELF_CAPTABLE, SLOT_BLOCKS / CAP_PER_LEAF, 0, NULL), "raise MEM=");
}

// The part of `g` that the first `n` frames in the argument page hold: content through a window of init's own.
static err_t pages_fill(const struct give *g, u64 done, u64 n)
{
	u64 first = done * PAGE_SIZE, end = first + n * PAGE_SIZE;
	u64 from = g->skip > first ? g->skip : first;
	u64 to = g->skip + g->bytes < end ? g->skip + g->bytes : end;
	err_t err;

	if (from >= to)
		return 0;
	err = sys_map(SLOT_SELF_ASPACE, SCRATCH_VA, g->pool, REFS[0], n, PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL);
	if (err)
		return err;
	memcpy((u8 *)SCRATCH_VA + (from - first), g->source + (from - g->skip), to - from);
	return sys_unmap(SLOT_SELF_ASPACE, SCRATCH_VA, n, CAP_NULL, 0, 0, NULL, NULL, NULL, NULL);
}

err_t frames_take(cptr_t pool, u64 wanted, u64 *taken)
{
	return sys_frame_alloc(pool, 0, wanted < BATCH_FILL ? wanted : BATCH_FILL, 0, taken, NULL);
}

err_t frames_map(cptr_t aspace, vaddr_t va, cptr_t pool, u64 n)
{
	return sys_map(aspace, va, pool, REFS[0], n, PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL);
}

err_t pages_give(const struct give *g)
{
	for (u64 done = 0; done < g->pages;) {
		u64 n;
		err_t err = frames_take(g->pool, g->pages - done, &n);

		if (err)
			return err;
		err = pages_fill(g, done, n);
		if (err)
			return err;
		err = sys_map(g->aspace, g->va + done * PAGE_SIZE, g->pool, REFS[0], n, g->prot, 0, 0, 0, NULL, NULL);
		if (err)
			return err;
		done += n;
	}
	return 0;
}

// A run of archive pages, mapped read-only.
static err_t run_map(cptr_t aspace, cptr_t pool, frame_t first, u64 page, u64 pages)
{
	while (pages) {
		u64 n = pages < BATCH ? pages : BATCH;
		err_t err = sys_map(aspace, ARCHIVE_VA + page * PAGE_SIZE, pool, first + page, n, PROT_READ | MAP_RUN,
				    0, 0, 0, &n, NULL);

		if (err)
			return err;
		page += n;
		pages -= n;
	}
	return 0;
}

// init's image is `image_pages` pages from `image_page` on. A frame that moved has the next generation.
static u64 image_page, image_pages;

err_t archive_map(cptr_t aspace)
{
	u64 after = image_page + image_pages;
	err_t err = run_map(aspace, SLOT_USER_POOL, init.archive_frame, 0, image_page);

	if (!err)
		err = run_map(aspace, SLOT_SELF_POOL, init.info->archive_frame, image_page, image_pages);
	if (!err)
		err = run_map(aspace, SLOT_USER_POOL, init.archive_frame, after, init.info->archive_pages - after);
	return err;
}

static u64 user_pool_limit(void)
{
	u64 limit = 0;
	err_t err = sys_pool_ctl(SLOT_USER_POOL, POOLOP_STAT, 0, 0, 0, &limit, NULL, NULL, NULL);

	check_step("vm", "cannot look at the pool of user memory", err, "a kernel error");
	return limit;
}

static err_t run_move(u64 page, u64 pages)
{
	while (pages) {
		u64 n = pages < BATCH ? pages : BATCH;
		err_t err = sys_pool_ctl(SLOT_USER_POOL, POOLOP_LIMIT, user_pool_limit() + n, 0, 0, NULL, NULL, NULL,
					 NULL);

		if (err)
			return err;
		err = sys_frame_move(SLOT_SELF_POOL, SLOT_USER_POOL, n, init.info->archive_frame + page, &n);
		if (err)
			return err;
		page += n;
		pages -= n;
	}
	return 0;
}

// The first pages are looked at before they move: they tell where init's image lies.
static void image_find(void)
{
	const struct archive_header *h = (const void *)ARCHIVE_VA;
	const struct archive_entry *e = (const void *)(h + 1);

	check_step("archive", "cannot be mapped",
		   run_map(SLOT_SELF_ASPACE, SLOT_SELF_POOL, init.info->archive_frame, 0, 1), "a kernel error");
	if (h->magic != ARCHIVE_MAGIC || h->pages > init.info->archive_pages || e->page > h->pages)
		fatal("archive", "its first page makes no sense", -ERR_INVAL, "build it again: make clean, make");
	image_page = e->page;
	image_pages = (e->size + PAGE_SIZE - 1) / PAGE_SIZE;
	if (image_pages > h->pages - image_page)
		fatal("archive", "its first file lies outside", -ERR_INVAL, "build it again: make clean, make");
	check_step("archive", "cannot be unmapped",
		   sys_unmap(SLOT_SELF_ASPACE, ARCHIVE_VA, 1, CAP_NULL, 0, 0, NULL, NULL, NULL, NULL),
		   "a kernel error");
}

void archive_take(void)
{
	u64 after, pages = init.info->archive_pages;

	image_find();
	after = image_page + image_pages;
	check_step("vm", "cannot make the pool of user memory",
		   object_make(TYPE_POOL, SLOT_SELF_CAPTABLE, SLOT_USER_POOL, 0, "pool.user"), "raise MEM=");
	check_step("archive", "cannot go to the pool of user memory", run_move(0, image_page), "raise MEM=");
	check_step("archive", "cannot go to the pool of user memory", run_move(after, pages - after), "raise MEM=");
	init.archive_frame = init.info->archive_frame + (1ull << 32);
	check_step("archive", "cannot be mapped", archive_map(SLOT_SELF_ASPACE), "raise MEM=");
	check_step("archive", "is not a boot archive", archive_open(&init.archive, (const void *)ARCHIVE_VA, pages),
		   "build it again: make clean, make");
}

u64 pages_left(void)
{
	u64 limit = 0, usage = 0, children = 0;
	err_t err = sys_pool_ctl(SLOT_SELF_POOL, POOLOP_STAT, 0, 0, 0, &limit, &usage, NULL, &children);

	check_step("init", "cannot look at the root pool", err, "a kernel error");
	return limit - usage - children;
}

void user_pool_grow(void)
{
	u64 left = pages_left();

	if (left <= RESERVE)
		fatal("vm", "no memory is left for programs", -ERR_NOMEM,
		      "raise MEM= or give servers less in user/boot.manifest");
	init.user_pages = user_pool_limit() + left - RESERVE;
	check_step("vm", "cannot grow the pool of user memory",
		   sys_pool_ctl(SLOT_USER_POOL, POOLOP_LIMIT, init.user_pages, 0, 0, NULL, NULL, NULL, NULL),
		   "a kernel error");
}
