// SPDX-License-Identifier: MIT
// Unit tests of the frame table: buddy against a page array, pools, frames, object frames. Page tables: pt_test.c;
// everything together: model.c.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mm/aspace.h>
#include <mm/buddy.h>
#include <test/host/mm/machine.h>

static struct pool root;

static void boot(u64 frames, u64 limit)
{
	machine_boot(frames, 3);
	pool_root_init(&root, limit);
}

static bool page_is(frame_t frame, u8 byte)
{
	const u8 *p = page_address(pfn_to_page((u32)frame));
	for (u32 i = 0; i < PAGE_SIZE; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void page_fill(frame_t frame, u8 byte)
{
	memset(page_address(pfn_to_page((u32)frame)), byte, PAGE_SIZE);
}

static frame_t alloc_one(struct pool *pool, u64 flags)
{
	frame_t frame;
	u64 done;
	err_t err = frame_alloc(pool, 0, 1, flags, &frame, &done);
	assert(!err && done == 1);
	return frame;
}

// ---- buddy

#define BLOCKS 3000

static struct block {
	struct page *page;
	u32 order;
} block[BLOCKS];

static void buddy_round(pfn_t base, pfn_t limit, u32 ops)
{
	struct buddy buddy;
	u64 boot_blocks[MAX_ORDER + 1], blocks = 0, used = 0;
	static u8 taken[8192];
	memset(taken, 0, sizeof(taken));
	machine_boot(8192, 3);
	for (pfn_t pfn = mem.base; pfn < mem.limit; pfn++)
		pfn_to_page(pfn)->state = PAGE_RESERVED;
	buddy_init(&buddy, "test", mem.base + base, mem.base + limit);
	buddy_add(&buddy, mem.base + base, mem.base + limit);
	assert(buddy.free_frames == limit - base && !buddy_check(&buddy));
	memcpy(boot_blocks, buddy.blocks, sizeof(boot_blocks));
	for (u32 i = 0; i < ops; i++) {
		bool grow = blocks < BLOCKS && rnd(100) < (i / 2000 % 2 ? 65u : 40u);
		if (grow) {
			u32 order = rnd(4) ? rnd(3) : rnd(MAX_ORDER + 1);
			struct page *page = buddy_alloc(&buddy, order, rnd(3));
			if (!page) {
				assert(limit - base - used < 1ul << order || buddy.blocks[MAX_ORDER] == 0);
				continue;
			}
			pfn_t at = page_to_pfn(page) - mem.base;
			assert(page_to_pfn(page) % (1ul << order) == 0 && at >= base && at + (1ul << order) <= limit);
			for (u64 k = 0; k < 1ul << order; k++) {
				assert(!taken[at + k]++ && page[k].state == PAGE_FREE && page[k].order == 0);
				page[k].state = PAGE_OWNED;
				page[k].pool = rnd(3);
			}
			block[blocks++] = (struct block){ page, order };
			used += 1ul << order;
		} else if (blocks) {
			u64 b = rnd(blocks);
			pfn_t at = page_to_pfn(block[b].page) - mem.base;
			memset(taken + at, 0, 1ul << block[b].order);
			used -= 1ul << block[b].order;
			if (rnd(2)) {
				buddy_free(&buddy, block[b].page, block[b].order);
			} else { // piece by piece
				for (u64 k = 1ul << block[b].order; k-- > 0;)
					buddy_free(&buddy, block[b].page + k, 0);
			}
			block[b] = block[--blocks];
		}
		assert(buddy.free_frames == limit - base - used);
		if (i % 64 == 0)
			assert(!buddy_check(&buddy));
	}
	while (blocks--)
		buddy_free(&buddy, block[blocks].page, block[blocks].order);
	assert(!buddy_check(&buddy) && !memcmp(boot_blocks, buddy.blocks, sizeof(boot_blocks)));
}

static void test_buddy(void)
{
	buddy_round(0, 8192, 20000);
	buddy_round(1, 64, 4000);
	buddy_round(517, 7003, 20000);
	buddy_round(1023, 1025, 200);
}

// The check finds what is broken.
static void test_buddy_check(void)
{
	boot(256, 200);
	struct page *page = pfn_to_page(zone[0].head[3] ? zone[0].head[3] : zone[0].head[8]);
	machine_expect_log(true);
	page->order ^= 1;
	assert(buddy_check(&zone[0]) > 0);
	page->order ^= 1;
	assert(buddy_check(&zone[0]) == 0);
	zone[0].free_frames++;
	assert(buddy_check(&zone[0]) == 1);
	zone[0].free_frames--;
	(page + 1)->state = PAGE_OWNED;
	assert(buddy_check(&zone[0]) > 0);
	(page + 1)->state = PAGE_FREE;
	machine_expect_log(false);
	assert(mm_check() == 0);
}

// ---- pools

static void test_pool_limits(void)
{
	struct pool a = { 0 }, b = { 0 }, c = { 0 };
	boot(256, 100);
	assert(pool_init(&a, &root, 101) == -ERR_NOMEM);
	assert(!pool_init(&a, &root, 60) && pool_room(&root) == 40 && pool_room(&a) == 60);
	assert(!pool_init(&b, &a, 50) && pool_room(&a) == 10);
	assert(pool_init(&c, &a, 11) == -ERR_NOMEM);
	assert(pool_charge(&a, 11, false) == -ERR_NOMEM && !pool_charge(&a, 10, false));
	assert(pool_set_limit(&b, 51) == -ERR_NOMEM && !pool_set_limit(&b, 30) && pool_room(&a) == 20);
	assert(pool_set_limit(&a, 39) == -ERR_NOMEM && !pool_set_limit(&a, 100) && pool_room(&root) == 0);
	assert(pool_set_limit(&root, 5) == -ERR_INVAL);
	assert(!pool_set_marks(&b, 5, 8, 4));
	assert(pool_charge(&b, 27, false) == -ERR_NOMEM && !pool_charge(&b, 26, false));
	assert(pool_charge(&b, 1, false) == -ERR_NOMEM && !pool_charge(&b, 4, true) &&
	       pool_charge(&b, 1, true) == -ERR_NOMEM);
	pool_uncharge(&b, 30);
	b.inject = 3;
	assert(!pool_charge(&b, 1, false) && !pool_charge(&b, 1, false) && pool_charge(&b, 1, false) == -ERR_NOMEM);
	assert(!pool_charge(&b, 1, false) && !b.inject);
	assert(pool_set_marks(&b, 9, 8, 0) == -ERR_INVAL);
	pool_uncharge(&b, 3);
	pool_uncharge(&a, 10);
	u64 left, steps = 0;
	while (pool_destroy_step(&a, &left) == -ERR_AGAIN)
		assert(++steps < 10);
	assert(!a.id && !b.id && !left && pool_room(&root) == 100 && !root.child && !pool_check());
	assert(pool_charge(&b, 1, true) == -ERR_DYING && pool_set_limit(&b, 1) == -ERR_DYING &&
	       pool_init(&c, &a, 0) == -ERR_DYING);
	assert(!pool_destroy_step(&a, &left));
}

static void test_pool_events(void)
{
	struct pool a = { 0 }, b = { 0 };
	struct pool_event event;
	boot(256, 200);
	assert(!pool_init(&a, &root, 20) && !pool_init(&b, &root, 20));
	assert(!pool_set_marks(&a, 5, 10, 0) && !pool_set_marks(&b, 5, 10, 0));
	pool_set_notify(&a, &a, 1, 2);
	pool_set_notify(&b, &b, 4, 8);
	assert(!pool_charge(&a, 15, false) && !pool_event_take(&event));
	assert(!pool_charge(&b, 16, false) && !pool_charge(&a, 1, false) && !pool_charge(&a, 1, false));
	assert(pool_event_take(&event) && event.pool == &b && event.bits == 4);
	pool_uncharge(&a, 6); // room 9: not yet
	assert(pool_event_take(&event) && event.pool == &a && event.bits == 1 && !pool_event_take(&event));
	pool_uncharge(&a, 2); // room 11: risen; and falls again before anyone looks
	assert(!pool_charge(&a, 8, false));
	assert(pool_event_take(&event) && event.pool == &a && event.bits == 3 && !pool_event_take(&event));
	// A destroyed pool leaves no event behind.
	pool_uncharge(&b, 16);
	pool_uncharge(&a, 17);
	u64 left;
	assert(pool_events == &b && !pool_destroy_step(&b, &left));
	assert(pool_event_take(&event) && event.pool == &a && !pool_event_take(&event));
}

// Pool ids come back only after the frames that name them as last owner were swept.
static void test_pool_ids(void)
{
	struct pool old = { 0 }, p = { 0 };
	u64 left, failed = 0;
	boot(8192, 8000);
	assert(!pool_init(&old, &root, 10));
	frame_t secret = alloc_one(&old, 0);
	page_fill(secret, 0x5a);
	u16 id = old.id;
	assert(!frame_free(&old, secret, 0) && !pool_destroy_step(&old, &left));
	assert(pfn_to_page((u32)secret)->pool == id);
	bool seen = false;
	for (u32 i = 0; i < 20000; i++) {
		if (pool_init(&p, &root, 1)) {
			failed++;
			continue;
		}
		if (p.id == id) {
			seen = true;
			assert(pfn_to_page((u32)secret)->pool != id);
		}
		assert(!pool_destroy_step(&p, &left));
	}
	assert(seen && !failed && !pool_check());
	// All ids alive: no more, and nothing breaks.
	static struct pool many[POOLS];
	u32 n = 0;
	memset(many, 0, sizeof(many));
	for (u32 tries = 0; tries < 3 * POOLS && n < POOLS; tries++)
		n += pool_init(&many[n], &root, 1) == 0;
	assert(n == POOLS - 2);
	while (n)
		assert(!pool_destroy_step(&many[--n], &left));
	assert(!mm_check());
}

// ---- frames

static void test_frame_zeroing(void)
{
	struct pool a = { 0 }, b = { 0 };
	boot(64, 40);
	assert(!pool_init(&a, &root, 10) && !pool_init(&b, &root, 10));
	for (pfn_t pfn = zone[0].base; pfn < zone[0].limit; pfn++)
		page_fill(pfn, 0xee);
	frame_t f = alloc_one(&a, ALLOC_NOZERO); // not a's before
	assert(page_is(f, 0));
	page_fill(f, 0xaa);
	assert(!frame_free(&a, f, 0) && frame_free(&a, f, 0) == -ERR_STALE);
	frame_t g = alloc_one(&a, ALLOC_NOZERO | ALLOC_LAZY);
	assert((u32)g == (u32)f && g != f && page_is(g, 0xaa) && pfn_to_page((u32)g)->marks == PAGE_ZEROED);
	assert(!frame_free(&a, g, 0));
	g = alloc_one(&b, ALLOC_NOZERO | ALLOC_LAZY);
	assert((u32)g == (u32)f && !pfn_to_page((u32)g)->marks);
	// Freed without ever being shown, it does not count as b's own.
	assert(!frame_free(&b, g, 0));
	g = alloc_one(&b, ALLOC_NOZERO);
	assert(page_is(g, 0));
	// A copy of a frame that was never filled copies zeroes.
	page_fill(g, 0xbb);
	assert(!frame_free(&b, g, 0));
	frame_t src = alloc_one(&a, ALLOC_LAZY), dst = alloc_one(&a, ALLOC_LAZY);
	assert(page_is(src, 0xbb) && !frame_fill(&a, dst, src) && page_is(dst, 0) && page_is(src, 0));
	assert(frame_free(&a, dst, 0) == -ERR_BUSY && !frame_free(&a, dst, FREE_DISCARD)); // nobody wrote the copy out
	assert(frame_fill(&a, src, src) == -ERR_INVAL && frame_fill(&a, src, dst) == -ERR_STALE &&
	       frame_fill(&b, src, 0) == -ERR_STALE);
	assert(!frame_free(&a, src, 0) && !mm_check() && !mm_check_rest(0));
}

static void test_frame_blocks(void)
{
	struct pool a = { 0 };
	frame_t out[BATCH], again;
	u64 done;
	boot(4096, 4000);
	assert(!pool_init(&a, &root, 3000));
	assert(frame_alloc(&a, MAX_ORDER + 1, 1, 0, out, &done) == -ERR_INVAL &&
	       frame_alloc(&a, 0, 0, 0, out, &done) == -ERR_INVAL);
	assert(frame_alloc(&a, 0, BATCH + 1, 0, out, &done) == -ERR_INVAL &&
	       frame_alloc(&a, 2, 5, ALLOC_RUN, out, &done) == -ERR_INVAL);
	assert(frame_alloc(&a, 0, 1, 16, out, &done) == -ERR_INVAL);
	// At most 32 zeroed frames, or 1024 in all, a call.
	assert(!frame_alloc(&a, 1, 100, 0, out, &done) && done > BATCH_FILL / 4 && done <= BATCH_FILL / 2);
	u64 pairs = done;
	assert(!frame_alloc(&a, 9, 3, 0, out + pairs, &done) && done == 2);
	// Frames of a block share their generation, whatever they had.
	frame_t f = alloc_one(&a, 0);
	for (u32 i = 0; i < 5; i++) {
		assert(!frame_free(&a, f, 0));
		f = alloc_one(&a, 0);
	}
	assert(f >> 32 >= 5 && !frame_free(&a, f, 0));
	assert(!frame_alloc(&a, 9, 1, ALLOC_RUN, &again, &done) && done == 1);
	assert(!frame_free(&a, again, 0));
	for (u64 i = 0; i < pairs; i++)
		for (u64 k = 0; k < 2; k++)
			assert(!frame_free(&a, out[i] + k, 0));
	for (u64 i = 0; i < 2; i++)
		for (u64 k = 0; k < 512; k++)
			assert(!frame_free(&a, out[pairs + i] + k, 0));
	// A run keeps what was asked for and gives back the rest.
	u64 before = zone[0].free_frames;
	assert(!frame_alloc(&a, 8, 200, ALLOC_RUN, out, &done) && done == 1 && zone[0].free_frames == before - 200 &&
	       a.usage == 200);
	for (u64 k = 0; k < 200; k++)
		assert(!frame_free(&a, out[0] + k, 0));
	assert(!a.usage && zone[0].free_frames == before && zone[0].blocks[0] == 0 && !mm_check());
	// NOMEM after the first block is no error.
	assert(!pool_set_limit(&a, 3) && !frame_alloc(&a, 0, 5, ALLOC_LAZY, out, &done) && done == 3);
	assert(frame_alloc(&a, 0, 5, ALLOC_LAZY, out + 3, &done) == -ERR_NOMEM && done == 0);
	while (a.usage)
		assert(!frame_free(&a, out[a.usage - 1], 0));
	assert(!mm_check());
}

static err_t pin(struct pool *pool, frame_t frame, u32 device, s64 delta, paddr_t *paddr)
{
	u64 done;
	*paddr = frame;
	return frame_pin(pool, paddr, 1, device, delta, &done);
}

// A list is pinned up to the first that cannot be, which is told; and unpinned from its end.
static void test_frame_pin_list(void)
{
	struct pool a = { 0 };
	u64 list[4], refs[4], done;
	boot(64, 40);
	assert(!pool_init(&a, &root, 4));
	for (u32 i = 0; i < 4; i++)
		refs[i] = alloc_one(&a, 0);
#define LIST(n, delta) (memcpy(list, refs, sizeof(list)), frame_pin(&a, list, n, 1, delta, &done))
#define PINS(i)        page_pins(pfn_to_page((u32)refs[i]))
	assert(!LIST(4, 1) && done == 4);
	for (u32 i = 0; i < 4; i++)
		assert(list[i] == (u64)(u32)refs[i] << PAGE_SHIFT && PINS(i) == 1);
	assert(LIST(4, 2) == -ERR_INVAL && !done && LIST(4, 0) == -ERR_INVAL && !done);
	assert(!LIST(2, -1) && done == 2 && !PINS(0) && !PINS(1) && PINS(2) == 1 && !memcmp(list, refs, sizeof(list)));
	assert(LIST(4, -1) == -ERR_BUSY && done == 2 && !PINS(2) && !PINS(3));
	refs[2] += 1ul << 32;
	assert(LIST(4, 1) == -ERR_STALE && done == 2 && list[1] >> PAGE_SHIFT == (u32)refs[1] && list[2] == refs[2]);
	assert(PINS(0) == 1 && PINS(1) == 1 && !PINS(2) && !PINS(3) && !LIST(done, -1) && done == 2 && !PINS(0));
	refs[2] = refs[1]; // twice in a list counts twice
	assert(!LIST(3, 1) && PINS(1) == 2 && !LIST(3, -1) && !PINS(1));
	assert(!LIST(2, 1) && LIST(4, 1) == 0 && done == 4);
	a.dying = true;
	assert(LIST(1, 1) == -ERR_DYING && !done && !LIST(4, -1) && !LIST(2, -1) && !PINS(0));
#undef LIST
#undef PINS
	assert(!mm_check());
}

static void test_frame_move(void)
{
	struct pool a = { 0 }, b = { 0 };
	paddr_t paddr;
	frame_t out;
	boot(64, 40);
	assert(!pool_init(&a, &root, 4) && !pool_init(&b, &root, 1));
	frame_t f = alloc_one(&a, 0), g = alloc_one(&a, 0);
	assert(!pin(&a, f, 1, 1, &paddr) && paddr == (u64)(u32)f << PAGE_SHIFT);
	assert(pin(&a, f, 1, 2, &paddr) == -ERR_INVAL && pin(&b, f, 1, 1, &paddr) == -ERR_STALE);
	assert(frame_move(&a, &b, f, &out) == -ERR_BUSY && frame_free(&a, f, FREE_DISCARD) == -ERR_BUSY);
	assert(!pin(&a, f, 1, -1, &paddr) && pin(&a, f, 1, -1, &paddr) == -ERR_BUSY);
	// A pin is its device's alone, and an argument page's is nobody's; a reset drops what is left of one device.
	struct page *page = pfn_to_page((u32)f);
	pfn_t at = 0;
	page->pins += PIN_ARGUMENT;
	assert(pin(&a, f, 1, -1, &paddr) == -ERR_BUSY && !pin(&a, f, 2, 1, &paddr));
	assert(pin(&a, f, 1, 1, &paddr) == -ERR_BUSY && pin(&a, f, 1, -1, &paddr) == -ERR_BUSY);
	assert(!pin(&a, f, 2, 1, &paddr) && page_pins(page) == 3);
	assert(frame_unpin_device(&at, 1, 64) == 0 && frame_unpin_device(&at, 2, 64) == 2 && page_pins(page) == 1);
	assert(pin(&a, f, 2, -1, &paddr) == -ERR_BUSY && frame_free(&a, f, FREE_DISCARD) == -ERR_BUSY);
	page->pins -= PIN_ARGUMENT;
	assert(frame_move(&a, &a, f, &out) == -ERR_INVAL && !frame_move(&a, &b, f, &out));
	assert(out >> 32 == (f >> 32) + 1 && a.usage == 1 && b.usage == 1);
	assert(frame_move(&a, &b, f, &out) == -ERR_STALE && frame_move(&a, &b, g, &out) == -ERR_NOMEM);
	assert(frame_free(&a, out, 0) == -ERR_STALE && !frame_free(&b, out, 0) && !frame_free(&a, g, 0) && !mm_check());
	assert(frame_free(&a, ~0ul, 0) == -ERR_STALE && frame_free(&a, 0, 0) == -ERR_STALE &&
	       frame_free(&a, g, 64) == -ERR_INVAL);
}

static void test_frame_marks(void)
{
	struct pool a = { 0 };
	u64 out[4], left;
	paddr_t paddr;
	boot(64, 40);
	assert(!pool_init(&a, &root, 4));
	frame_t f = alloc_one(&a, 0), g = alloc_one(&a, 0);
	assert(!frame_fill(&a, g, f)); // DIRTY
	assert(!frame_mark(&a, g, MARK_WORDS, 7, 8, NULL, 0, out) && out[2] == 7 && out[3] == 8);
	assert(!frame_mark(&a, g, MARK_FLAGS, 5ul << FRAME_WORD_PAGER | (u64)PAGE_YOUNG << FRAME_WORD_MARKS, 0, NULL, 0,
			   out));
	assert(!frame_mark(&a, g, MARK_FLAGS, 0, 1ul << FRAME_WORD_PAGER, NULL, 0, out) &&
	       out[0] >> FRAME_WORD_PAGER == 4);
	assert(out[0] >> FRAME_WORD_MARKS & PAGE_YOUNG);
	assert(frame_mark(&a, g, MARK_FLAGS, 0, (u64)PAGE_DIRTY << FRAME_WORD_MARKS, NULL, 0, out) == -ERR_INVAL);
	assert(frame_mark(&a, g, MARK_END, 0, 0, NULL, 0, out) == -ERR_INVAL &&
	       frame_mark(&a, g, 99, 0, 0, NULL, 0, out) == -ERR_INVAL);
	assert(!frame_mark(&a, g, MARK_BEGIN, 0, 0, NULL, 0, out) &&
	       frame_mark(&a, g, MARK_BEGIN, 0, 0, NULL, 0, out) == -ERR_BUSY);
	assert(frame_free(&a, g, 0) == -ERR_BUSY && !frame_mark(&a, g, MARK_FAIL, 0, 0, NULL, 0, out));
	assert(out[0] >> FRAME_WORD_MARKS & PAGE_DIRTY);
	assert(!frame_mark(&a, g, MARK_BEGIN, 0, 0, NULL, 0, out) && !frame_mark(&a, g, MARK_END, 0, 0, NULL, 0, out));
	assert(!frame_mark(&a, g, MARK_BEGIN, 0, 0, NULL, 0, out) && !frame_mark(&a, g, MARK_END, 0, 0, NULL, 0, out));
	// Eviction of an unmapped frame, its cancellation, and who may free it.
	assert(frame_evict(&a, g, 0, NULL, 0, 0, &left) == -ERR_INVAL &&
	       frame_evict(&a, g, 1ul << 54, NULL, 0, 0, &left) == -ERR_INVAL);
	assert(frame_evict(&a, g, 5, NULL, 0, EVICT_CANCEL, &left) == -ERR_BUSY &&
	       !frame_evict(&a, g, 5, NULL, 0, 0, &left));
	assert(frame_evict(&a, g, 5, NULL, 0, 0, &left) == -ERR_BUSY &&
	       frame_mark(&a, g, MARK_SWAPCACHE_CLEAR, 0, 0, NULL, 0, out) == -ERR_BUSY);
	assert(frame_mark(&a, g, MARK_WORDS, 1, 1, NULL, 0, out) == -ERR_BUSY && frame_fill(&a, g, 0) == -ERR_BUSY);
	assert(frame_free(&a, g, 0) == -ERR_PERM && !frame_evict(&a, g, 0, NULL, 0, EVICT_CANCEL, &left));
	assert(frame_free(&a, g, 0) == -ERR_PERM && !frame_mark(&a, g, MARK_SWAPCACHE_CLEAR, 0, 0, NULL, 0, out));
	assert(out[0] >> FRAME_WORD_MARKS & PAGE_DIRTY && frame_free(&a, g, 0) == -ERR_BUSY);
	assert(!frame_free(&a, g, FREE_DISCARD) && !frame_evict(&a, f, 6, NULL, 0, 0, &left));
	// What is on its way out is pinned for the device that writes it, and stays until that has finished.
	assert(!pin(&a, f, 1, 1, &paddr) && frame_free(&a, f, FRAME_FREE_EVICT) == -ERR_BUSY);
	assert(!pin(&a, f, 1, -1, &paddr) && !frame_free(&a, f, FRAME_FREE_EVICT));
	assert(!mm_check() && !mm_check_rest(0));
}

static void test_pool_destroy(void)
{
	struct pool a = { 0 };
	frame_t out[BATCH];
	void *object;
	u64 done, left, steps = 0;
	boot(8192, 8000);
	u64 before = zone[0].free_frames;
	assert(!pool_init(&a, &root, 6000));
	for (u32 i = 0; i < 20; i++)
		assert(!frame_alloc(&a, 0, BATCH, ALLOC_LAZY, out, &done) && done == BATCH);
	assert(!object_take(&a, out[0], 3, TYPE_ENDPOINT, 64, &object));
	struct page *table = frame_table_alloc(&a);
	assert(table && page_is(frame_ref(table), 0));
	err_t err;
	while ((err = pool_destroy_step(&a, &left)) == -ERR_AGAIN)
		assert(++steps < 1000);
	assert(err == -ERR_BUSY && left == 2 && steps > 20);
	assert(frame_alloc(&a, 0, 1, 0, out, &done) == -ERR_DYING &&
	       object_take(&a, out[0], 4, TYPE_ENDPOINT, 64, &object) == -ERR_DYING);
	frame_table_free(table);
	object_put(object);
	while ((err = pool_destroy_step(&a, &left)) == -ERR_AGAIN)
		assert(++steps < 1000);
	assert(!err && !left && zone[0].free_frames == before && !mm_check());
}

static void test_adopt(void)
{
	boot(64, 40);
	struct page *page = buddy_alloc(&zone[0], 2, 0);
	for (u32 i = 0; i < 4; i++)
		page[i].state = PAGE_RESERVED;
	page_fill(page_to_pfn(page) + 1, 0x11);
	frame_adopt(&root, page_to_pfn(page), page_to_pfn(page) + 4);
	assert(root.usage == 4 && page_is(page_to_pfn(page) + 1, 0x11) && !mm_check());
	for (u32 i = 0; i < 4; i++)
		assert(!frame_free(&root, frame_ref(page + i), 0));
	assert(!root.usage && !mm_check());
}

// ---- objects

static void test_objects(void)
{
	struct pool a = { 0 }, b = { 0 };
	void *o[64], *x;
	boot(64, 40);
	assert(!pool_init(&a, &root, 4) && !pool_init(&b, &root, 4));
	frame_t f = alloc_one(&a, ALLOC_LAZY), g = alloc_one(&a, 0);
	page_fill(f, 0x77);
	assert(object_take(&b, f, 0, TYPE_ENDPOINT, 64, &x) == -ERR_STALE &&
	       object_take(&a, f, 64, TYPE_ENDPOINT, 64, &x) == -ERR_INVAL);
	for (u32 i = 0; i < 64; i++) {
		assert(!object_take(&a, f, i, TYPE_ENDPOINT, 64, &o[i]));
		struct object *header = o[i];
		assert(!header->refs && header->type == TYPE_ENDPOINT &&
		       object_find(object_id(o[i]), TYPE_ENDPOINT) == o[i]);
		memset(header + 1, 0x99, 64 - sizeof(*header));
	}
	assert(object_take(&a, f, 7, TYPE_ENDPOINT, 64, &x) == -ERR_EXIST &&
	       object_take(&a, f, 7, TYPE_THREAD, 1024, &x) == -ERR_INVAL);
	assert(object_take(&a, f, 7, TYPE_NOTIFICATION, 64, &x) == -ERR_INVAL);
	assert(frame_free(&a, f, FREE_DISCARD) == -ERR_STALE && !object_find(object_id(o[0]), TYPE_THREAD));
	assert(!object_find(object_id(o[0]) + 64 * 1000, TYPE_ENDPOINT) && !object_find(0, TYPE_ENDPOINT) &&
	       !object_find(-1u, TYPE_ENDPOINT));
	object_put(o[7]);
	assert(!object_find(object_id(o[7]), TYPE_ENDPOINT) && !object_take(&a, f, 7, TYPE_ENDPOINT, 64, &x) &&
	       x == o[7]);
	for (u32 i = 0; i < 64; i++)
		object_put(o[i]);
	assert(page_is(f, 0) && !frame_free(&a, f, 0));
	// A dirty frame is no gift; a whole-frame slot has no header.
	frame_t h = alloc_one(&a, 0);
	assert(!frame_fill(&a, h, g) && object_take(&a, h, 0, TYPE_ENDPOINT, 64, &x) == -ERR_BUSY &&
	       !frame_free(&a, h, FREE_DISCARD));
	assert(!object_take(&a, g, 0, TYPE_CAPLEAF, PAGE_SIZE, &x) && page_is(g, 0) &&
	       object_take(&a, g, 1, TYPE_CAPLEAF, PAGE_SIZE, &x));
	assert(object_find(object_id(x), TYPE_CAPLEAF) == x && !object_find(object_id(x) + 1, TYPE_CAPLEAF) &&
	       !mm_check());
	object_put(x);
	assert(!frame_free(&a, g, 0) && !a.usage && !mm_check());
}

int main(void)
{
	test_buddy();
	test_buddy_check();
	test_pool_limits();
	test_pool_events();
	test_pool_ids();
	test_frame_zeroing();
	test_frame_blocks();
	test_frame_pin_list();
	test_frame_move();
	test_frame_marks();
	test_pool_destroy();
	test_adopt();
	test_objects();
	puts("mm: OK");
	return 0;
}
