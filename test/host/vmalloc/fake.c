// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#include <base/log.h>
#include <base/panic.h>

u64 fake_argument[PAGE_SIZE / sizeof(u64)];
u64 fake_view[PAGE_SIZE / sizeof(u64)];
struct liveness fake_liveness;
u64 fake_free;
u32 fake_nomem, fake_kill_in, fake_order9;
jmp_buf fake_killed;

static u64 seed_now, seed_first;

static struct frame {
	struct fake_pool *pool, *last; // owner; whose content it holds
	u32 gen, mapcount;
	bool shown; // the owner may see what is in it
	u64 content[PAGE_SIZE / sizeof(u64)];
} frames[FAKE_FRAMES];

static struct cap {
	void *object;
	u32 type;
} caps[CAP_MAX];
static bool leaf_made[CAP_LEAVES]; // outlives the tests, as the server's memory of it does

void fake_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	va_list ap;

	printf("vmalloc: %s:%d: %s: ", file, line, what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (seed %lu)\n", (unsigned long)seed_first);
	exit(1);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (seed %lu)\n", (unsigned long)seed_first);
	abort();
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

u64 fake_random(void)
{
	seed_now ^= seed_now << 13;
	seed_now ^= seed_now >> 7;
	return seed_now ^= seed_now << 17;
}

void fake_reset(u64 seed, u64 total)
{
	memset(frames, 0, sizeof(frames));
	memset(caps, 0, sizeof(caps));
	memset(&fake_liveness, 0, sizeof(fake_liveness));
	seed_first = seed_now = seed * 2 + 1;
	fake_free = total;
	fake_nomem = fake_kill_in = 0;
	fake_order9 = 2;
	for (u32 i = 0; i < FAKE_FRAMES; i++)
		frames[i].content[0] = 0xdead0000; /* somebody's secret */
}

// Each system call is a place where the server can be killed.
static void call_begin(void)
{
	if (fake_kill_in && --fake_kill_in == 0)
		longjmp(fake_killed, 1);
}

static bool refused(void)
{
	return fake_nomem && fake_random() % fake_nomem == 0;
}

static struct fake_pool *pool_at(cptr_t slot)
{
	return caps[slot].type == TYPE_POOL ? caps[slot].object : NULL;
}

static struct fake_aspace *aspace_at(cptr_t slot)
{
	struct fake_aspace *as = caps[slot].type == TYPE_ASPACE ? caps[slot].object : NULL;

	return as && !as->revoked ? as : NULL;
}

// Page of a window; ~0: outside.
static u32 window_page(u64 va)
{
	u64 page = (va >> PAGE_SHIFT) - (VMALLOC_START >> PAGE_SHIFT);

	return page < WINDOW_PAGES ? (u32)page : ~0u;
}

static struct frame *frame_get(const struct fake_pool *pool, u64 ref)
{
	struct frame *f = &frames[(u32)ref % FAKE_FRAMES];

	return f->pool == pool && f->gen == ref >> 32 ? f : NULL;
}

static u64 frame_ref(const struct frame *f)
{
	return (u64)f->gen << 32 | (u64)(f - frames);
}

static void frame_release(struct frame *f)
{
	f->last = f->shown ? f->pool : NULL;
	f->pool->usage--;
	f->pool = NULL;
	f->gen++;
}

static void frame_show(struct frame *f)
{
	if (!f->shown)
		memset(f->content, 0, sizeof(f->content));
	f->shown = true;
}

// ---- capabilities

void fake_send_aspace(struct fake_aspace *as)
{
	caps[SLOT_RECEIVE] = (struct cap){ as, TYPE_ASPACE };
}

void fake_send_pool(struct fake_pool *pool)
{
	caps[SLOT_RECEIVE] = (struct cap){ pool, TYPE_POOL };
}

err_t sys_cap_copy(cptr_t dst, u64 dst_slot, cptr_t src, u64 src_slot, u64 rights, u64 badge, u64 op)
{
	call_begin();
	CHECK(dst == SLOT_SELF_CAPTABLE && src == dst && !rights && !badge && op == COPY_MOVE, "only moves are used");
	CHECK(leaf_made[dst_slot / CAP_PER_LEAF], "no leaf for slot %lu", dst_slot);
	if (!caps[src_slot].object)
		return -ERR_BADCAP;
	CHECK(!caps[dst_slot].object, "slot %lu is taken", dst_slot);
	caps[dst_slot] = caps[src_slot];
	caps[src_slot] = (struct cap){ 0 };
	return 0;
}

err_t sys_cap_delete(cptr_t table, u64 slot)
{
	call_begin();
	CHECK(table == SLOT_SELF_CAPTABLE, "its own table");
	if (!caps[slot].object)
		return -ERR_BADCAP;
	caps[slot] = (struct cap){ 0 };
	return 0;
}

err_t sys_object_create(cptr_t pool, u64 frame, u64 slot, u64 type, cptr_t dst, u64 dst_slot, u64 arg, u64 *id)
{
	(void)arg;
	(void)id;
	call_begin();
	CHECK(pool == SLOT_SELF_POOL && frame && !slot && type == TYPE_CAPLEAF && dst == SLOT_SELF_CAPTABLE, "a leaf");
	if (leaf_made[dst_slot])
		return -ERR_FULL;
	leaf_made[dst_slot] = true;
	return 0;
}

// ---- pools and frames

err_t sys_pool_ctl(cptr_t pool, u64 op, u64 a, u64 b, u64 c, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	struct fake_pool *p = pool_at(pool);

	(void)b;
	(void)c;
	(void)r2;
	(void)r3;
	call_begin();
	if (!p)
		return -ERR_BADCAP;
	if (p->fixed)
		return -ERR_PERM;
	if (op == POOLOP_STAT) {
		if (r0)
			*r0 = p->limit;
		if (r1)
			*r1 = p->usage;
		return 0;
	}
	CHECK(op == POOLOP_LIMIT, "operation %lu", op);
	if (a < p->usage)
		return -ERR_INVAL;
	if (a > p->limit && (a - p->limit > fake_free || refused()))
		return -ERR_NOMEM;
	fake_free -= a - p->limit;
	p->limit = a;
	return 0;
}

static struct frame *block_find(u32 n)
{
	for (u32 i = 1; i + n <= FAKE_FRAMES; i += n) {
		u32 k = 0;

		while (k < n && !frames[i + k].pool)
			k++;
		if (k == n)
			return &frames[i];
	}
	return NULL;
}

static void frame_own(struct frame *f, struct fake_pool *p, u64 flags)
{
	f->pool = p;
	f->shown = flags & ALLOC_NOZERO && f->last == p;
	p->usage++;
}

err_t sys_frame_alloc(cptr_t pool, u64 order, u64 count, u64 flags, u64 *done, u64 *first)
{
	static struct fake_pool own = { 100, 0, true };
	struct fake_pool *p = pool == SLOT_SELF_POOL ? &own : pool_at(pool);
	u64 n = 0, left;

	call_begin();
	if (!p)
		return -ERR_BADCAP;
	left = p->limit - p->usage;
	if (refused() || left < 1ul << order || (order && !fake_order9))
		return -ERR_NOMEM;
	if (order) {
		struct frame *f = block_find(LARGE_PAGES);

		if (!f)
			return -ERR_NOMEM;
		fake_order9--;
		for (u32 i = 0; i < LARGE_PAGES; i++) {
			frame_own(f + i, p, flags);
			f[i].gen = f->gen;
		}
		*first = frame_ref(f);
		return 0;
	}
	for (u32 i = 1; i < FAKE_FRAMES && n < count && n < left; i++) {
		struct frame *f = &frames[(i * 7919 + 13) % (FAKE_FRAMES - 1) + 1]; /* scattered */

		if (f->pool)
			continue;
		frame_own(f, p, flags);
		fake_argument[n++] = frame_ref(f);
	}
	CHECK(n, "the promised frames are not there");
	if (done)
		*done = n;
	if (first)
		*first = fake_argument[0];
	return 0;
}

err_t sys_frame_free(cptr_t pool, u64 count, u64 frame, u64 flags, u64 *done)
{
	struct fake_pool *p = pool_at(pool);

	(void)flags;
	(void)frame;
	call_begin();
	if (!p)
		return -ERR_BADCAP;
	for (*done = 0; *done < count && *done < 16; ++*done) {
		struct frame *f = frame_get(p, fake_argument[count - 1 - *done]);

		CHECK(f && !f->mapcount, "freed a frame that is none, or mapped");
		frame_release(f);
	}
	return 0;
}

// ---- mappings

static void entry_set(struct fake_aspace *as, u32 page, struct frame *f, bool large)
{
	CHECK(!as->pfn[page], "mapped over an entry");
	frame_show(f);
	f->mapcount++;
	as->pfn[page] = (u32)(f - frames) + 1;
	as->large[page] = large;
}

static void entry_clear(struct fake_aspace *as, u32 page, bool release)
{
	struct frame *f = &frames[as->pfn[page] - 1];

	as->pfn[page] = 0;
	as->large[page] = false;
	if (--f->mapcount == 0 && release)
		frame_release(f);
}

static err_t map_large(struct fake_aspace *as, u32 page, struct fake_pool *p, u64 frame)
{
	CHECK(page % LARGE_PAGES == 0 && page + LARGE_PAGES <= WINDOW_PAGES, "alignment of a large leaf");
	if (fake_random() % 3 == 0)
		return -ERR_AGAIN;
	if (refused())
		return -ERR_NOMEM;
	for (u32 i = 0; i < LARGE_PAGES; i++) {
		CHECK(frame_get(p, frame + i), "frame %u of a block", i);
		entry_set(as, page + i, frame_get(p, frame + i), true);
	}
	return 0;
}

err_t sys_map(cptr_t aspace, u64 va, cptr_t pool, u64 frame, u64 count, u64 prot, u64 source, u64 word0, u64 word1,
	      u64 *done, u64 *achieved)
{
	struct fake_aspace *as = aspace_at(aspace);
	struct fake_pool *p = pool_at(pool);
	u32 page = window_page(va), n = count > 1 ? (u32)count : 1, filled = 0;

	if (achieved)
		*achieved = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	(void)source;
	(void)word0;
	(void)word1;
	call_begin();
	if (!as || !p)
		return -ERR_BADCAP;
	CHECK(page != ~0u && page + n <= WINDOW_PAGES && n <= BATCH, "map outside of the window");
	if (prot & MAP_LARGE)
		return map_large(as, page, p, frame);
	if (done)
		*done = 0;
	if (refused())
		return -ERR_NOMEM;
	for (u32 i = 0; i < n; i++) {
		u64 ref = count > 1 ? fake_argument[i] : frame;
		struct frame *f = frame_get(p, ref);

		if (count > 1 && !ref) {
			*done += 1;
			continue;
		}
		CHECK(f, "a stale frame is mapped");
		if (prot & MAP_ZERO)
			f->shown = false;
		if (!f->shown && ++filled > BATCH_FILL)
			return 0;
		entry_set(as, page + i, f, false);
		*done += 1;
	}
	return 0;
}

err_t sys_unmap(cptr_t aspace, u64 va, u64 count, cptr_t pool, u64 flags, u64 token, u64 *done, u64 *removed,
		u64 *freed, u64 *tokens)
{
	struct fake_aspace *as = aspace_at(aspace);
	u32 page = window_page(va), most = 100 + fake_random() % 500;

	(void)token;
	(void)removed;
	(void)freed;
	(void)tokens;
	call_begin();
	if (aspace == SLOT_SELF_ASPACE) {
		memset(fake_view, 0xee, sizeof(fake_view));
		return 0;
	}
	if (!as || (flags & UNMAP_FREE && !pool_at(pool)))
		return -ERR_BADCAP;
	CHECK(page != ~0u && page + count <= WINDOW_PAGES, "unmap outside of the window");
	for (*done = 0; *done < count && *done < most; ++*done, page++) {
		if (as->pfn[page] && as->large[page] && page % LARGE_PAGES == 0) {
			CHECK(count - *done >= LARGE_PAGES, "a large leaf is cut");
			for (u32 i = 0; i < LARGE_PAGES; i++) {
				entry_clear(as, page + i, true);
				as->stale[page + i] = false;
			}
			*done += LARGE_PAGES;
			fake_order9++;
			return 0;
		}
		CHECK(!as->large[page], "a large leaf is cut");
		if (as->pfn[page])
			entry_clear(as, page, flags & UNMAP_FREE);
		as->stale[page] = false;
	}
	return 0;
}

err_t sys_protect(cptr_t aspace, u64 va, u64 count, u64 prot, u64 *done, u64 *changed, u64 *achieved)
{
	struct fake_aspace *as = aspace_at(aspace);
	u32 page = window_page(va), end;

	if (achieved)
		*achieved = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	(void)done;
	(void)changed;
	call_begin();
	if (!as)
		return -ERR_BADCAP;
	CHECK(prot & PROTECT_SPLIT && page != ~0u, "protect is used to split");
	end = ((page + (u32)count - 1) / LARGE_PAGES + 1) * LARGE_PAGES;
	for (u32 i = page / LARGE_PAGES * LARGE_PAGES; i < end && i < WINDOW_PAGES; i++)
		as->large[i] = false;
	return 0;
}

err_t sys_clone(cptr_t dst, u64 dva, cptr_t src, u64 sva, u64 count, u64 op, u64 *done, u64 *copied, u64 *tokens)
{
	struct fake_aspace *from = aspace_at(src), *to = aspace_at(dst);
	u32 spage = window_page(sva), dpage = window_page(dva), most = 1 + fake_random() % 40;

	(void)copied;
	(void)tokens;
	call_begin();
	if (!from || (dst != SLOT_SELF_ASPACE && !to))
		return -ERR_BADCAP;
	CHECK(op == CLONE_SHARE && spage != ~0u && spage + count <= WINDOW_PAGES, "clone");
	*done = 0;
	if (refused())
		return -ERR_NOMEM;
	for (; *done < count && *done < most; ++*done) {
		u32 pfn = from->pfn[spage + *done];

		CHECK(pfn, "a page that is not mapped is shown again");
		if (from->large[spage + *done])
			return -ERR_INVAL;
		if (dst == SLOT_SELF_ASPACE)
			memcpy(fake_view, frames[pfn - 1].content, PAGE_SIZE);
		else
			entry_set(to, dpage + (u32)*done, &frames[pfn - 1], false);
	}
	return 0;
}

err_t ipc_reply(cptr_t endpoint, const struct request *rq)
{
	(void)endpoint;
	(void)rq;
	return 0;
}

err_t ipc_reply_recv(cptr_t endpoint, struct request *rq)
{
	(void)endpoint;
	(void)rq;
	return -ERR_DEAD;
}

err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq)
{
	(void)endpoint;
	(void)flags;
	(void)deadline;
	(void)rq;
	return -ERR_NOENT;
}

// ---- what the test looks at

u64 *fake_content(const struct fake_aspace *as, u32 page)
{
	return as->pfn[page] ? frames[as->pfn[page] - 1].content : NULL;
}

u64 fake_mapped(const struct fake_aspace *as)
{
	u64 n = 0;

	for (u32 i = 0; i < WINDOW_PAGES; i++)
		n += as->pfn[i] != 0;
	return n;
}

void fake_client_end(struct fake_aspace *as, struct fake_pool *pool)
{
	for (u32 i = 0; i < WINDOW_PAGES; i++)
		if (as->pfn[i])
			entry_clear(as, i, true);
	/* What was allocated and not mapped when the server was killed: destroying the pool takes it. */
	for (u32 i = 0; i < FAKE_FRAMES; i++)
		if (frames[i].pool == pool)
			frame_release(&frames[i]);
	fake_free += pool->limit;
	pool->limit = 0;
}

void fake_check(void)
{
	for (u32 i = 1; i < FAKE_FRAMES; i++)
		CHECK(!frames[i].mapcount || frames[i].pool, "frame %u is mapped and free", i);
}
