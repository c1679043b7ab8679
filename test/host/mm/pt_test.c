// SPDX-License-Identifier: MIT
// Page tables, case by case: windows and bounds, NOMEM at every table, faults, device memory, dying pools, observers.
// What random operations reach is tested in pt_random.c.
#include <stdio.h>
#include <string.h>

#include <mm/buddy.h>
#include <mm/observe.h>
#include <mm/pgtable.h>
#include <test/host/mm/machine.h>

#define MIB2 (PAGE_SIZE * LARGE_PAGES)

static struct pool root, user, other, tables;
static struct aspace *as, *as2;

static frame_t object_frame;

static struct aspace *aspace_object(u32 slot)
{
	void *object;
	err_t err = object_take(&root, object_frame, slot, TYPE_ASPACE, 1024, &object);
	assert(!err);
	return object;
}

static struct aspace *aspace_new(u32 slot)
{
	struct aspace *a = aspace_object(slot);
	err_t err = aspace_init(a, &tables);
	assert(!err);
	return a;
}

static void boot(u32 levels)
{
	machine_boot(2048, levels);
	trace_mask = 0;
	pool_root_init(&root, mem.frames - 1);
	err_t err = pool_init(&user, &root, 800);
	err |= pool_init(&other, &root, 300);
	err |= pool_init(&tables, &root, 100);
	u64 done;
	err |= frame_alloc(&root, 0, 1, 0, &object_frame, &done);
	assert(!err);
	as = aspace_new(0);
	as2 = aspace_new(1);
}

static void destroy(struct aspace *a)
{
	err_t err;
	for (u32 steps = 0; (err = aspace_destroy_step(a)); steps++)
		assert(err == -ERR_AGAIN && steps < 100);
	assert(!a->table);
}

static frame_t frame_new(struct pool *pool, u32 order)
{
	frame_t frame;
	u64 done;
	err_t err = frame_alloc(pool, order, 1, 0, &frame, &done);
	assert(!err && done == 1);
	return frame;
}

static struct page *page_of(frame_t frame)
{
	return pfn_to_page((u32)frame);
}

static err_t map_one(struct aspace *a, vaddr_t va, struct pool *pool, frame_t frame, u64 flags)
{
	u64 done;
	struct map_request rq = {
		.va = va, .pool = pool, .count = 1, .frame = frame, .flags = flags, .window = WINDOW_ANY
	};
	err_t err;
	do {
		err = aspace_map(a, &rq, &done);
		assert(done == !err);
	} while (err == -ERR_AGAIN && flags & MAP_LARGE); // frames are made presentable, 32 a call
	return err;
}

static void unmap_all(struct aspace *a, u64 flags)
{
	struct unmap_result r;
	vaddr_t va = 0, end = pt_user_limit();
	for (u32 calls = 0; va < end; va += r.done * PAGE_SIZE, calls++) {
		err_t err = aspace_unmap(a, WINDOW_ANY, va, (end - va) / PAGE_SIZE, flags ? &user : NULL, flags, 0,
					 NULL, &r);
		assert(!err && r.done && calls < 40); // nothing is looked at that is not there
	}
	assert(a->leaves == 0 && a->tables == 1);
}

// ---- windows and bounds

static void test_windows(void)
{
	frame_t frame = frame_new(&user, 0);
	struct window w = { .start = MIB2, .end = 4 * MIB2, .pool = &user }, none = { 0 };
	assert(!aspace_set_window(as, 2, &w) && aspace_window(as, MIB2) == &as->window[2] &&
	       !aspace_window(as, 4 * MIB2));
	assert(aspace_set_window(as, 1, &w) == -ERR_INVAL); // overlap
	assert(aspace_set_window(as, WINDOWS, &w) == -ERR_INVAL);
	w = (struct window){ .start = 3 * MIB2, .end = 5 * MIB2 };
	assert(aspace_set_window(as, 1, &w) == -ERR_INVAL);
	w = (struct window){ .start = 5 * MIB2, .end = 4 * MIB2 };
	assert(aspace_set_window(as, 1, &w) == -ERR_INVAL);
	w = (struct window){ .start = 5 * MIB2 + 1, .end = 6 * MIB2 };
	assert(aspace_set_window(as, 1, &w) == -ERR_INVAL);
	w = (struct window){ .start = 5 * MIB2, .end = pt_user_limit() + PAGE_SIZE };
	assert(aspace_set_window(as, 1, &w) == -ERR_INVAL);
	w = (struct window){ .start = 4 * MIB2, .end = pt_user_limit() };
	assert(!aspace_set_window(as, 1, &w) && !aspace_set_window(as, 1, &none));
	assert(!map_one(as, 2 * MIB2, &user, frame, PROT_READ));
	assert(aspace_set_window(as, 2, &none) == -ERR_BUSY);
	w = (struct window){ .start = 2 * MIB2 + PAGE_SIZE, .end = 8 * MIB2, .pool = &user };
	assert(aspace_set_window(as, 2, &w) == -ERR_BUSY);
	w.start = 2 * MIB2;
	assert(!aspace_set_window(as, 2, &w)); // grows and shrinks, keeps the entry
	w.end = 2 * MIB2 + PAGE_SIZE;
	assert(!aspace_set_window(as, 2, &w));
	w.end = 2 * MIB2 + 2 * PAGE_SIZE;
	assert(!aspace_set_window(as, 2, &w));
	unmap_all(as, UNMAP_FREE);
	assert(!aspace_set_window(as, 2, &none));
}

// Every operation refuses the range.
static void refuse(u32 window, vaddr_t va, u64 count)
{
	u64 done, x, y;
	struct unmap_result r;
	struct map_request rq = {
		.va = va, .pool = &user, .count = count > BATCH ? BATCH : count, .flags = PROT_READ, .window = window
	};
	if (count <= BATCH)
		assert(aspace_map(as, &rq, &done) == -ERR_INVAL);
	assert(aspace_map_device(as, window, va, 0x10000000, count) == -ERR_INVAL);
	assert(aspace_unmap(as, window, va, count, NULL, 0, 0, NULL, &r) == -ERR_INVAL && r.done == 0);
	assert(aspace_protect(as, window, va, count, PROT_READ, &done, &x) == -ERR_INVAL);
	assert(aspace_scan(as, window, va, count, 0, NULL, &done, &x) == -ERR_INVAL);
	assert(aspace_clone(as, window, va, as2, WINDOW_ANY, 0, count, CLONE_COW, NULL, &done, &x, &y) == -ERR_INVAL);
	assert(aspace_clone(as2, WINDOW_ANY, 0, as, window, va, count, CLONE_COW, NULL, &done, &x, &y) == -ERR_INVAL);
}

static void test_bounds(void)
{
	vaddr_t limit = pt_user_limit();
	struct window w = { .start = MIB2, .end = 2 * MIB2, .pool = &user };
	assert(!aspace_set_window(as, 0, &w));
	refuse(WINDOW_ANY, 1, 1);
	refuse(WINDOW_ANY, 0, 0);
	refuse(WINDOW_ANY, limit, 1);
	refuse(WINDOW_ANY, limit - PAGE_SIZE, 2);
	refuse(WINDOW_ANY, arch_user_end - PAGE_SIZE, 1);
	refuse(WINDOW_ANY, arch_user_end, 1);
	refuse(WINDOW_ANY, -arch_user_end, 1);
	refuse(WINDOW_ANY, -PAGE_SIZE, 1);
	refuse(WINDOW_ANY, PAGE_SIZE, ~0ul);
	refuse(WINDOW_ANY, PAGE_SIZE, ~0ul / PAGE_SIZE + 1);
	refuse(WINDOW_ANY, MIB2, 1ul << 52);
	refuse(0, 0, 1);
	refuse(0, MIB2 - PAGE_SIZE, 2);
	refuse(0, 2 * MIB2 - PAGE_SIZE, 2);
	refuse(1, MIB2, 1); // a window that is not there
	refuse(WINDOWS + 1, MIB2, 1);
	frame_t frame = frame_new(&user, 0);
	u64 done, pairs[4] = { frame, 0, frame, -(s64)1 };
	struct map_request rq = {
		.va = MIB2, .pool = &user, .count = 2, .pairs = pairs, .flags = PROT_READ, .window = 0
	};
	assert(aspace_map(as, &rq, &done) == -ERR_INVAL && done == 0); // one page before the window
	pairs[3] = 512;
	assert(aspace_map(as, &rq, &done) == -ERR_INVAL && done == 0);
	pairs[3] = 1ul << 52;
	assert(aspace_map(as, &rq, &done) == -ERR_INVAL && done == 0);
	pairs[3] = 511;
	rq.word0 = 7;
	rq.word1 = 100;
	assert(!aspace_map(as, &rq, &done) && done == 2 && page_of(frame)->word0 == 7 &&
	       page_of(frame)->word1 == 100 + 511);
	assert(!aspace_map(as,
			   &(struct map_request){ .va = limit - PAGE_SIZE,
						  .pool = &user,
						  .count = 1,
						  .frame = frame,
						  .flags = PROT_READ,
						  .window = WINDOW_ANY },
			   &done));
	unmap_all(as, UNMAP_FREE);
	assert(user.usage == 0);
}

static void test_map_arguments(void)
{
	frame_t frame = frame_new(&user, 0), big = frame_new(&user, 9);
	assert(map_one(as, 0, &user, frame, 0) == -ERR_INVAL);
	assert(map_one(as, 0, &user, frame, PROT_READ | MAP_IF_EMPTY | MAP_IF_SAME) == -ERR_INVAL);
	assert(map_one(as, 0, &user, frame, PROT_READ | MAP_DEVICE) == -ERR_INVAL);
	assert(map_one(as, 0, &user, frame, PROT_READ | MAP_COPY) == -ERR_INVAL);
	assert(map_one(as, 0, &user, frame, PROT_READ | 1ul << 40) == -ERR_INVAL);
	assert(map_one(as, 0, &other, frame, PROT_READ) == -ERR_STALE);
	assert(map_one(as, 0, &user, frame + (1ul << 32), PROT_READ) == -ERR_STALE);
	assert(map_one(as, 0, &user, ~0ul, PROT_READ) == -ERR_STALE);
	assert(map_one(as, PAGE_SIZE, &user, big, PROT_READ | MAP_LARGE) == -ERR_INVAL);
	assert(map_one(as, 0, &user, big + 1, PROT_READ | MAP_LARGE) == -ERR_INVAL);
	assert(as->tables == 1 && as->leaves == 0);
	assert(!map_one(as, 0, &user, frame, MAP_HELD));
	struct unmap_result r;
	assert(aspace_unmap(as, WINDOW_ANY, 0, 1, NULL, UNMAP_FREE, 0, NULL, &r) == -ERR_INVAL);
	assert(aspace_unmap(as, WINDOW_ANY, 0, 1, NULL, UNMAP_TOKENS, 0, NULL, &r) == -ERR_INVAL);
	assert(aspace_unmap(as, WINDOW_ANY, 0, 1, NULL, 0, TOKEN_REVOKED, NULL, &r) == -ERR_INVAL);
	assert(aspace_unmap(as, WINDOW_ANY, 0, 1, NULL, 8, 0, NULL, &r) == -ERR_INVAL);
	user.dying = true;
	assert(map_one(as, PAGE_SIZE, &user, frame, PROT_READ) == -ERR_DYING);
	u64 done, copied, tokens;
	assert(aspace_clone(as2, WINDOW_ANY, 0, as, WINDOW_ANY, 0, 1, CLONE_SHARE, NULL, &done, &copied, &tokens) ==
		       -ERR_DYING &&
	       as2->tables == 1);
	user.dying = false;
	unmap_all(as, UNMAP_FREE);
}

// ---- NOMEM at each table that a call takes: nothing has happened

struct state {
	u64 tables1, tables2, leaves1, leaves2, usage, free, mapcount;
};

static struct state state_now(frame_t frame)
{
	return (struct state){ as->tables,
			       as2->tables,
			       as->leaves,
			       as2->leaves,
			       tables.usage,
			       zone[0].free_frames,
			       page_of(frame)->mapcount };
}

// Runs the operation with the 1st, 2nd ... table allocation failing, until it succeeds; returns how many tables it
// takes.
static u32 starve(err_t (*operation)(frame_t), frame_t frame)
{
	for (u32 n = 1;; n++) {
		struct state before = state_now(frame), after;
		tables.inject = n;
		err_t err = operation(frame);
		bool fired = tables.inject == 0;
		tables.inject = 0;
		if (!fired) {
			assert(!err);
			return n - 1;
		}
		after = state_now(frame);
		assert(err == -ERR_NOMEM && !memcmp(&before, &after, sizeof(before)));
		assert(mm_check() == 0);
	}
}

static vaddr_t edge(void) // where a new table is needed at every level
{
	return pt_size(arch_levels - 1);
}

static err_t starve_map(frame_t frame)
{
	u64 done, list[6] = { frame, frame, frame, frame, frame, frame };
	struct map_request rq = { .va = edge() - 3 * PAGE_SIZE,
				  .pool = &user,
				  .count = 6,
				  .list = list,
				  .flags = PROT_READ,
				  .window = WINDOW_ANY };
	err_t err = aspace_map(as, &rq, &done);
	assert(done == (err ? 0 : 6));
	return err;
}

static err_t starve_pairs(frame_t frame)
{
	u64 done, pairs[8] = { frame, 0, frame, 600, frame, 5000, frame, 300000 };
	struct map_request rq = {
		.va = 0, .pool = &user, .count = 4, .pairs = pairs, .flags = PROT_READ, .window = WINDOW_ANY
	};
	err_t err = aspace_map(as, &rq, &done);
	assert(done == (err ? 0 : 4));
	return err;
}

static err_t starve_large(frame_t frame)
{
	return map_one(as, 3 * MIB2, &user, frame, PROT_READ | PROT_WRITE | MAP_LARGE);
}

static err_t starve_device(frame_t frame)
{
	(void)frame;
	return aspace_map_device(as, WINDOW_ANY, edge() + MIB2 - PAGE_SIZE, 0x10000000, 2);
}

static err_t starve_clone(frame_t frame)
{
	u64 done, copied, n;
	(void)frame;
	err_t err = aspace_clone(as2, WINDOW_ANY, MIB2 - PAGE_SIZE, as, WINDOW_ANY, edge() - 3 * PAGE_SIZE, 6,
				 CLONE_MOVE, NULL, &done, &copied, &n);
	assert(err || (done == 6 && copied == 6));
	return err;
}

static err_t starve_split(frame_t frame)
{
	u64 done, changed;
	(void)frame;
	err_t err = aspace_protect(as, WINDOW_ANY, 3 * MIB2 + PAGE_SIZE, LARGE_PAGES, PROT_READ | PROTECT_SPLIT, &done,
				   &changed);
	assert(err || changed == 255 || changed == 256 || changed == 511 || changed == 0 || done);
	return err;
}

static err_t starve_init(frame_t frame)
{
	(void)frame;
	struct aspace *a = aspace_object(2);
	err_t err = aspace_init(a, &tables);
	if (!err)
		destroy(a);
	object_put(a);
	return err;
}

static void test_nomem(void)
{
	frame_t frame = frame_new(&user, 0), big = frame_new(&user, 9);
	u32 deep = arch_levels - 1; // tables below the root on one path
	assert(starve(starve_map, frame) == 2 * deep);
	assert(starve(starve_pairs, frame) ==
	       (arch_levels == 3 ? 4 : arch_levels + 2)); // four lowest tables and what is missing above
	assert(starve(starve_clone, frame) == deep + 1);
	assert(as->leaves == 4 && page_of(frame)->mapcount == 10);
	assert(starve(starve_device, frame) >= 2);
	assert(starve(starve_large, big) == 0);
	assert(!map_one(as, 4 * MIB2, &user, big, PROT_READ | PROT_WRITE | MAP_LARGE));
	assert(page_of(big)->mapcount == 2);
	assert(starve(starve_split, big) == 2); // both ends
	assert(as->leaves == 4 + 2 + 2 * LARGE_PAGES && page_of(big)->mapcount == 2);
	starve(starve_init, frame);
	tables.inject = 3;
	assert(aspace_set_stash(as, 5) == -ERR_NOMEM && as->stash_count == 0 && as->stash_keep == 0);
	assert(!aspace_set_stash(as, 3) && as->stash_count == 3 && aspace_set_stash(as, 1000) == -ERR_INVAL);
	tables.inject = 1; // the stash needs no frame
	assert(!map_one(as, 100 * MIB2, &user, frame, PROT_READ) && tables.inject == 1 && as->stash_count < 3);
	tables.inject = 0;
	unmap_all(as, UNMAP_FREE);
	unmap_all(as2, UNMAP_FREE);
	assert(as->stash_count == 3 && user.usage == 0 && mm_check() == 0);
}

// ---- what a fault finds

static struct fault_entry fault(vaddr_t va, u32 access, bool spurious)
{
	struct fault_entry e;
	bool found = aspace_fault(as, aspace_window(as, va), va, access, &e);
	assert(found == spurious);
	return e;
}

static void test_fault(void)
{
	struct window w = { .start = 0, .end = pt_user_limit(), .pool = &user };
	u64 done, changed, left, place[2] = { object_id(as), PAGE_SIZE };
	frame_t frame = frame_new(&user, 0), foreign = frame_new(&other, 0), big = frame_new(&user, 9);
	assert(!aspace_set_window(as, 0, &w));
	assert(fault(0x123, ACCESS_READ, false).kind == ENTRY_EMPTY);
	assert(!map_one(as, PAGE_SIZE, &user, frame, PROT_READ) &&
	       !map_one(as, 2 * PAGE_SIZE, &other, foreign, PROT_EXEC));
	struct fault_entry e = fault(PAGE_SIZE + 5, ACCESS_WRITE, false);
	assert(e.kind == ENTRY_LEAF && e.prot == PROT_READ && e.exclusive && e.same_pool && e.what == frame);
	fault(PAGE_SIZE + 5, ACCESS_READ, true);
	assert(pte_young(*aspace_slot(as, PAGE_SIZE)) && !pte_dirty(*aspace_slot(as, PAGE_SIZE)));
	e = fault(2 * PAGE_SIZE, ACCESS_READ, false);
	assert(e.prot == PROT_EXEC && !e.same_pool && e.what == foreign);
	fault(2 * PAGE_SIZE, ACCESS_EXEC, true);
	assert(!map_one(as2, 0, &user, frame, PROT_READ));
	assert(!fault(PAGE_SIZE, ACCESS_WRITE, false).exclusive);
	assert(!aspace_protect(as, WINDOW_ANY, PAGE_SIZE, 1, 0, &done, &changed) && changed == 1);
	e = fault(PAGE_SIZE, ACCESS_READ, false);
	assert(e.kind == ENTRY_HELD && e.prot == PROT_READ && e.what == frame && page_of(frame)->marks & PAGE_YOUNG);
	unmap_all(as2, 0);
	assert(!frame_evict(&user, frame, 77, place, 1, 0, &left));
	e = fault(PAGE_SIZE + 4095, ACCESS_READ, false);
	assert(e.kind == ENTRY_TOKEN && e.what == 77);
	assert(!map_one(as, PAGE_SIZE, &user, frame, PROT_READ | PROT_WRITE | MAP_IF_TOKEN)); // rescue: read-only
	e = fault(PAGE_SIZE, ACCESS_WRITE, false);
	assert(e.prot == PROT_READ && page_of(frame)->state == PAGE_OWNED);
	assert(!map_one(as, MIB2, &user, big, PROT_READ | MAP_LARGE));
	e = fault(MIB2 + 17 * PAGE_SIZE + 3, ACCESS_WRITE, false);
	assert(e.kind == ENTRY_LEAF && e.what == big + 17 && e.exclusive);
	fault(MIB2 + 17 * PAGE_SIZE, ACCESS_READ, true);
	assert(!map_one(as, 3 * PAGE_SIZE, &user, big, PROT_READ | PROT_WRITE));
	fault(3 * PAGE_SIZE, ACCESS_WRITE, true);
	assert(pte_dirty(*aspace_slot(as, 3 * PAGE_SIZE)) && !fault(MIB2, ACCESS_WRITE, false).exclusive);
	unmap_all(as, 0);
	assert(page_of(big)->marks & PAGE_DIRTY && !(page_of(big + 1)->marks & PAGE_DIRTY) &&
	       page_of(big + 17)->marks & PAGE_YOUNG);
}

static void test_walk(void)
{
	u64 out[4];
	frame_t frame = frame_new(&user, 0), big = frame_new(&user, 9);
	assert(!map_one(as, MIB2 + PAGE_SIZE, &user, frame, PROT_READ | PROT_EXEC) &&
	       !map_one(as, 2 * MIB2, &user, big, PROT_READ | MAP_LARGE));
	for (u32 level = arch_levels; level-- > 1;) {
		assert(!aspace_walk(as, MIB2 + PAGE_SIZE, level, out) && out[2] == ENTRY_TABLE &&
		       pfn_to_page(out[3])->state == PAGE_TABLE);
		assert(*(u64 *)arch_p2v(out[1]) == out[0]);
	}
	assert(!aspace_walk(as, MIB2 + PAGE_SIZE, 0, out) && out[2] == (ENTRY_LEAF | (PROT_READ | PROT_EXEC) << 8) &&
	       out[3] == frame);
	assert(!aspace_walk(as, MIB2, 0, out) && out[2] == ENTRY_EMPTY);
	assert(!aspace_walk(as, 2 * MIB2, 1, out) && out[2] == (ENTRY_LEAF | PROT_READ << 8) && out[3] == big);
	assert(aspace_walk(as, 2 * MIB2, 0, out) == -ERR_NOENT && aspace_walk(as, edge(), 0, out) == -ERR_NOENT);
	assert(aspace_walk(as, 0, arch_levels, out) == -ERR_INVAL &&
	       aspace_walk(as, arch_user_end, 0, out) == -ERR_INVAL);
	assert(aspace_walk(as, -arch_user_end - 1, 0, out) == -ERR_INVAL &&
	       aspace_walk(as, -arch_user_end, arch_levels - 1, out) == 0);
	unmap_all(as, UNMAP_FREE);
}

// ---- device memory: no frames

static void test_device(void)
{
	u64 done, x, y, list[4 * SCAN_LIST_MAX];
	vaddr_t va = MIB2 - 2 * PAGE_SIZE;
	assert(!aspace_map_device(as, WINDOW_ANY, va, 0x10000000, 4) && as->leaves == 4);
	assert(aspace_map_device(as, WINDOW_ANY, va + 3 * PAGE_SIZE, 0x10000000, 4) == -ERR_EXIST && as->leaves == 4);
	assert(aspace_map_device(as, WINDOW_ANY, 0, 0, BATCH + 1) == -ERR_INVAL);
	assert(!aspace_scan(as, WINDOW_ANY, va, 4, SCAN_LIST | SCAN_CLEAR_A | SCAN_CLEAR_D, list, &done, &x) && x == 4);
	assert(list[4] == (va + PAGE_SIZE + ENTRY_LEAF) && list[5] == (PROT_READ | PROT_WRITE | SCAN_INFO_DEVICE) &&
	       list[6] == 0x10001 && list[7] == 0);
	assert(!aspace_protect(as, WINDOW_ANY, va, 4, 0, &done, &x) && x == 0 && done == 4);
	assert(!aspace_protect(as, WINDOW_ANY, va, 4, PROT_READ, &done, &x) && x == 4);
	assert(aspace_clone(as2, WINDOW_ANY, va, as, WINDOW_ANY, va, 4, CLONE_COW, NULL, &done, &x, &y) == -ERR_BUSY &&
	       as2->tables == 1);
	assert(!aspace_clone(as2, WINDOW_ANY, va, as, WINDOW_ANY, va, 4, CLONE_SHARE, NULL, &done, &x, &y) && x == 4);
	assert(!aspace_clone(as2, WINDOW_ANY, 8 * MIB2, as2, WINDOW_ANY, va, 4, CLONE_MOVE, NULL, &done, &x, &y) &&
	       x == 4 && as2->leaves == 4);
	struct fault_entry e;
	assert(!aspace_fault(as, NULL, va, ACCESS_WRITE, &e) && e.kind == ENTRY_LEAF && e.what == 0x10000 &&
	       !e.exclusive);
	frame_t frame = frame_new(&user, 0);
	assert(!map_one(as, va, &user, frame, PROT_READ) && as->leaves == 4); // a mapping over it
	unmap_all(as, UNMAP_FREE);
	unmap_all(as2, UNMAP_FREE);
	assert(user.usage == 0);
}

// ---- a dying pool's frames are taken away; other pools' pagers find REVOKED

static void test_strip(void)
{
	struct window mine = { .start = 0, .end = MIB2, .pool = &user },
		      theirs = { .start = 2 * MIB2, .end = 8 * MIB2, .pool = &other };
	assert(!aspace_set_window(as, 0, &mine) && !aspace_set_window(as, 1, &theirs));
	frame_t big = frame_new(&user, 9), keep = frame_new(&other, 0);
	u64 done, steps = 0;
	assert(!map_one(as, 4 * MIB2, &user, big, PROT_READ | MAP_LARGE));
	for (u32 i = 0; i < LARGE_PAGES; i += BATCH) {
		struct map_request rq = { .va = 2 * MIB2 + i * PAGE_SIZE,
					  .pool = &user,
					  .count = BATCH,
					  .frame = big + i,
					  .flags = PROT_READ | MAP_RUN,
					  .window = 1 };
		assert(!aspace_map(as, &rq, &done) && done == BATCH);
	}
	assert(!map_one(as, 0, &user, big, PROT_READ) && !map_one(as, PAGE_SIZE, &other, keep, PROT_READ));
	vaddr_t va = 0;
	while (aspace_strip_pool(as, &user, &va) == -ERR_AGAIN)
		steps++;
	assert(steps >= 2 && steps < 10 && as->leaves == 1 && page_of(big)->mapcount == 0 &&
	       page_of(keep)->mapcount == 1);
	assert(!*aspace_slot(as, 0) && pte_token(*aspace_slot(as, 2 * MIB2 + 511 * PAGE_SIZE)) == TOKEN_REVOKED &&
	       !pt_slot(as, 4 * MIB2, 0));
	struct unmap_result r;
	u64 list[2 * BATCH];
	assert(!aspace_unmap(as, 1, 2 * MIB2, 2 * BATCH, NULL, UNMAP_TOKENS, 0, list, &r) && r.tokens == 0 &&
	       r.removed == 0);
	destroy(as);
	assert(page_of(keep)->mapcount == 0 && mm_check() == 0);
	destroy(as2);
	assert(tables.usage == 0);
}

// ---- observers

static paddr_t observer_page(void)
{
	struct page *page = buddy_alloc(&zone[0], 0, 0);
	page->state = PAGE_RESERVED;
	arch_page_clear(page_address(page));
	return pfn_to_paddr(page_to_pfn(page));
}

// The kernel's own mapping of the array: one page of it, the others are holes there.
static paddr_t observer_map(vaddr_t at)
{
	pte_t *table = arch_p2v(arch_kernel_root());
	for (u32 level = arch_levels - 1; level > 0; level--) {
		pte_t *slot = &table[pte_index(at, level)];
		if (!*slot)
			*slot = pte_make_table(observer_page() / PAGE_SIZE);
		table = arch_p2v(pfn_to_paddr(pte_pfn(*slot)));
	}
	paddr_t pa = observer_page();
	table[pte_index(at, 0)] = pte_make_leaf(pa / PAGE_SIZE, PROT_READ | PROT_WRITE, false, false);
	return pa;
}

static void test_observe(void)
{
	vaddr_t va, limit = pt_user_limit();
	u64 first = mem.base * sizeof(struct page), last = first + 2 * PAGE_SIZE;
	assert(aspace_observe(as, &va) == -ERR_NOENT);
	paddr_t pa = observer_map(((vaddr_t)ARCH_MEM_MAP & -(u64)PAGE_SIZE) + last), found;
	observe_init(observer_page);
	assert(!aspace_observe(as, &va) && va == limit && as->observing && as->tables == 1);
	assert(!aspace_observe(as2, &va));
	pte_t *slot = aspace_slot(as, va + last);
	assert(slot && pte_is_leaf(*slot) && pte_prot(*slot) == PROT_READ);
	found = pfn_to_paddr(pte_pfn(*slot));
	assert(found == pa || found == pa + PAGE_SIZE); // the host's array is not page-aligned
	pte_t hole = *aspace_slot(as, va);
	for (u64 at = 0; at < last; at += PAGE_SIZE * 37)
		assert(*aspace_slot(as, va + at) == hole && aspace_slot(as, va + at) != NULL);
	assert(aspace_slot(as, va + last) == aspace_slot(as2, va + last)); // shared
	assert(!aspace_slot(as, va + pt_size(arch_levels - 1) - PAGE_SIZE));
	refuse(WINDOW_ANY, va, 1);
	destroy(as);
	assert(mm_check() == 0 && *aspace_slot(as2, va) == hole);
	destroy(as2);
	assert(mm_check() == 0);
}

// ---- eviction of a frame with more places than one call takes

enum { MANY = EVICT_PLACES + 40 };
static u64 many[MANY][2];

// The program on hart 0, in `as`, touches place i (even ones are there).
static bool many_touch(u32 i, bool write)
{
	machine_leave();
	bool done = machine_access(0, many[i][1], write) != NULL;
	machine_enter(0);
	return done;
}

static frame_t many_map(void)
{
	struct window w = { .start = 0, .end = pt_user_limit(), .pool = &user };
	frame_t frame = frame_new(&user, 0);
	assert(!aspace_set_window(as, 0, &w) && !aspace_set_window(as2, 7, &w));
	for (u32 i = 0; i < MANY; i++) {
		struct aspace *a = i % 2 ? as2 : as;
		many[i][0] = object_id(a);
		many[i][1] = (i + 1) * PAGE_SIZE;
		assert(!map_one(a, many[i][1], &user, frame, PROT_READ | PROT_WRITE));
	}
	aspace_activate(as);
	machine_switch(as);
	return frame;
}

// A dirty frame goes as a whole or not at all, and is cleaned through full lists; a clean one may go in pieces. What is
// written through a place that no list has named makes it dirty again.
static void test_evict_many(void)
{
	frame_t frame = many_map();
	struct page *page = page_of(frame);
	u64 left, out[4];
	assert(many_touch(0, true) && many_touch(2, true));
	assert(frame_evict(&user, frame, 77, many[0], EVICT_PLACES + 1, 0, &left) == -ERR_INVAL);
	assert(frame_evict(&user, frame, 77, many[0], EVICT_PLACES, 0, &left) == -ERR_BUSY && left == 40);
	assert(frame_evict(&user, frame, 77, many[0], EVICT_PLACES, EVICT_PARTIAL, &left) == -ERR_BUSY);
	assert(frame_mark(&user, frame, MARK_BEGIN, 0, 0, many[0], EVICT_PLACES - 1, out) == -ERR_BUSY);
	assert(frame_mark(&user, frame, MARK_BEGIN, 0, 0, many[0], EVICT_PLACES + 1, out) == -ERR_BUSY);
	many[5][1] ^= many[7][1] ^ many[5][1]; // the same place twice
	assert(frame_mark(&user, frame, MARK_BEGIN, 0, 0, many[0], EVICT_PLACES, out) == -ERR_BUSY);
	assert(many_touch(0, true) && page->mapcount == MANY);
	many[5][1] = 6 * PAGE_SIZE;
	assert(!frame_mark(&user, frame, MARK_BEGIN, 0, 0, many[0], EVICT_PLACES, out));
	machine_check_tlbs();
	assert(page->marks & PAGE_WRITEBACK && !(page->marks & PAGE_DIRTY));
	assert(!many_touch(0, true) && many_touch(0, false) && !many_touch(EVICT_PLACES - 2, true));
	assert(!frame_mark(&user, frame, MARK_END, 0, 0, NULL, 0, out) && many_touch(MANY - 2, true));
	assert(!frame_evict(&user, frame, 77, many[0], EVICT_PLACES, EVICT_PARTIAL, &left) && left == 40);
	machine_check_tlbs();
	assert(!many_touch(0, false) && page->state == PAGE_OWNED && page->mapcount == 40);
	assert(pte_token(*aspace_slot(as, PAGE_SIZE)) == 77 && pte_token(*aspace_slot(as2, 2 * PAGE_SIZE)) == 77);
	assert(frame_evict(&user, frame, 77, many[EVICT_PLACES], 39, EVICT_PARTIAL, &left) == -ERR_BUSY);
	assert(!frame_evict(&user, frame, 77, many[EVICT_PLACES], 40, 0, &left) && page->state == PAGE_EVICTING);
	machine_check_tlbs();
	assert(page->marks & PAGE_DIRTY && as->leaves == 0 && as2->leaves == 0 && mm_check() == 0);
	assert(!frame_mark(&user, frame, MARK_BEGIN, 0, 0, NULL, 0, out) &&
	       !frame_mark(&user, frame, MARK_END, 0, 0, NULL, 0, out) && !frame_free(&user, frame, FRAME_FREE_EVICT));
}

// Places that do not map the frame leave the list; what the others have accessed is told once.
static void test_age(void)
{
	frame_t frame = many_map();
	struct page *page = page_of(frame);
	u64 out[4], list[5][2] = { { many[0][0], many[0][1] + PAGE_SIZE * MANY * 4 },
				   { many[1][0], many[1][1] },
				   { 12345, many[2][1] },
				   { many[2][0], many[2][1] },
				   { many[4][0], many[4][1] + 1 } };
	assert(!frame_mark(&user, frame, MARK_AGE, 0, 0, NULL, 0, out) && out[3] == 0 && out[1] == MANY);
	assert(many_touch(2, true) && !frame_mark(&user, frame, MARK_AGE, 0, 0, list[0], 5, out));
	assert(out[3] == 2 && out[0] >> FRAME_WORD_MARKS & PAGE_YOUNG && !(page->marks & PAGE_YOUNG));
	assert(list[0][0] == many[1][0] && list[0][1] == many[1][1] && list[1][0] == many[2][0] &&
	       list[1][1] == many[2][1]);
	assert(!frame_mark(&user, frame, MARK_AGE, 0, 0, list[0], 2, out) && out[3] == 2 &&
	       !(out[0] >> FRAME_WORD_MARKS & PAGE_YOUNG));
	assert(pte_dirty(*aspace_slot(as, many[2][1])) && page->mapcount == MANY && mm_check() == 0);
	assert(frame_mark(&user, frame, MARK_AGE, 0, 0, many[0], EVICT_PLACES + 1, out) == -ERR_INVAL);
}

// A frame that lies in a slot too is not freed by unmap, which says so instead.
static void test_unmap_kept(void)
{
	struct window w = { .start = 0, .end = pt_user_limit(), .pool = &user };
	frame_t frame = frame_new(&user, 0), other = frame_new(&user, 0);
	u64 list[2 * BATCH], left, out[4], place[2] = { object_id(as), PAGE_SIZE };
	struct unmap_result r;
	assert(!aspace_set_window(as, 0, &w) && !map_one(as, PAGE_SIZE, &user, frame, PROT_READ));
	assert(!map_one(as, 2 * PAGE_SIZE, &user, other, PROT_READ));
	assert(!frame_evict(&user, frame, 9, place, 1, 0, &left) && !map_one(as, PAGE_SIZE, &user, frame, PROT_READ));
	assert(!aspace_unmap(as, WINDOW_ANY, PAGE_SIZE, 2, &user, UNMAP_FREE | UNMAP_TOKENS, 0, list, &r));
	assert(r.done == 2 && r.removed == 2 && r.freed == 1 && r.tokens == 1);
	assert(list[0] == frame && list[1] == (PAGE_SIZE | UNMAP_FRAME) && page_of(frame)->state == PAGE_OWNED);
	assert(!frame_mark(&user, frame, MARK_SWAPCACHE_CLEAR, 0, 0, NULL, 0, out) &&
	       !frame_free(&user, frame, FREE_DISCARD) && mm_check() == 0);
}

// A call does bounded work and says how far it came.
// The work a call may do bounds it: from half a batch (the entries that cost most) to a whole one.
static void test_progress(void)
{
	frame_t big = frame_new(&user, 9);
	struct unmap_result r;
	u64 done, x, y;
	assert(!map_one(as, 0, &user, big, PROT_READ | PROT_WRITE | MAP_LARGE));
	assert(!aspace_protect(as, WINDOW_ANY, PAGE_SIZE, 1, PROT_READ | PROTECT_SPLIT, &done, &x) && done == 1 &&
	       as->leaves == 512);
	assert(!aspace_clone(as2, WINDOW_ANY, MIB2, as, WINDOW_ANY, 0, 4096, CLONE_COW, NULL, &done, &x, &y) &&
	       done > BATCH / 2 && done <= BATCH && x == done);
	assert(!aspace_unmap(as, WINDOW_ANY, 0, 4096, &user, UNMAP_FREE, 0, NULL, &r) && r.done >= BATCH / 2 &&
	       r.done <= BATCH + 1 && r.removed == r.done);
	assert(!aspace_protect(as, WINDOW_ANY, 0, 4096, 0, &done, &x) && done >= BATCH / 2 && x <= BATCH);
	unmap_all(as, UNMAP_FREE);
	unmap_all(as2, UNMAP_FREE);
	assert(user.usage == 0 && mm_check() == 0);
}

// ---- lists with holes: what lies there stays, and no table is made for holes alone

static void test_holes(void)
{
	vaddr_t va = MIB2 - 2 * PAGE_SIZE;
	frame_t a = frame_new(&user, 0), b = frame_new(&user, 0);
	u64 list[4] = { a, 0, 0, 0 }, done;
	struct map_request rq = { .va = va,
				  .pool = &user,
				  .count = 4,
				  .list = list,
				  .flags = PROT_READ | MAP_IF_EMPTY,
				  .window = WINDOW_ANY };
	assert(!aspace_map(as, &rq, &done) && done == 4);
	u64 tables = as->tables;
	assert(as->leaves == 1 && page_of(a)->mapcount == 1 && !aspace_slot(as, MIB2) && mm_check() == 0);
	rq.list = (u64[]){ 0, 0, b, 0 };
	assert(!aspace_map(as, &rq, &done) && done == 4 && as->leaves == 2 && as->tables == tables + 1);
	rq.list = (u64[]){ 0, b, 0, a };
	rq.flags |= MAP_ZERO;
	assert(aspace_map(as, &rq, &done) == -ERR_BUSY && done == 1); // ZERO of a mapped frame
	rq.flags = PROT_READ;
	rq.list = (u64[]){ 0, 0, 0, b + (1ul << 32) };
	assert(aspace_map(as, &rq, &done) == -ERR_STALE && done == 3 && as->leaves == 2 && mm_check() == 0);
	assert(map_one(as, va, &user, 0, PROT_READ) == -ERR_STALE); // one frame, or a run, has no holes
	rq.list = NULL;
	rq.count = 2;
	rq.flags |= MAP_RUN;
	assert(aspace_map(as, &rq, &done) == -ERR_STALE && !done);
	unmap_all(as, UNMAP_FREE);
	assert(user.usage == 0);
}

int main(void)
{
	static void (*const test[])(void) = { test_windows,   test_bounds,     test_map_arguments, test_nomem,
					      test_fault,     test_walk,       test_device,        test_progress,
					      test_strip,     test_evict_many, test_age,           test_holes,
					      test_unmap_kept };
	for (u32 levels = 3; levels <= 5; levels++) {
		for (u32 i = 0; i < sizeof(test) / sizeof(test[0]); i++) {
			boot(levels);
			test[i]();
			machine_check_tlbs();
		}
	}
	boot(4); // once: the subtree is built once
	test_observe();
	printf("ok\n");
	return 0;
}
