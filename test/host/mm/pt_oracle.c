// SPDX-License-Identifier: MIT
#include <string.h>

#include <test/host/mm/pt_oracle.h>

struct page_model model[SPACES][PAGES];
struct frame_model *frame;
static struct frame_model frames_of_ram[RAM + 1];
u32 owned[FRAMES], owned_count;
struct aspace *space[SPACES];
struct pool root, pool[POOLS_USED], table_pool[SPACES];
vaddr_t block_va[BLOCKS];
u64 now;

vaddr_t page_va(u32 i)
{
	return block_va[i / PT_ENTRIES] + i % PT_ENTRIES * PAGE_SIZE;
}

u32 va_page(vaddr_t va)
{
	for (u32 b = 0; b < BLOCKS; b++) {
		if (va >= block_va[b] && va < block_va[b] + LARGE_PAGES * PAGE_SIZE)
			return b * PT_ENTRIES + (va - block_va[b]) / PAGE_SIZE;
	}
	abort();
}

// ---- comparing

void compare_page(u32 s, u32 i)
{
	const struct page_model *m = &model[s][i];
	vaddr_t va = page_va(i);
	pte_t *slot = pt_slot(space[s], va, 0), e;
	if (m->large || !slot) {
		pte_t *large = pt_slot(space[s], va, ARCH_LARGE_LEVEL);
		e = large ? *large : 0;
		CHECK(!m->large == !e && !pte_is_table(e), "space %u page %u (%lx): large %u, entry %lx", s, i, va,
		      m->large, e);
		if (!m->large) {
			CHECK(m->kind == ENTRY_EMPTY, "space %u page %u (%lx): kind %u, no table", s, i, va, m->kind);
			return;
		}
	} else {
		e = *slot;
	}
	CHECK(pte_kind(e) == m->kind, "space %u page %u (%lx): kind %u, entry %lx", s, i, va, m->kind, e);
	if (m->kind == ENTRY_TOKEN)
		CHECK(pte_token(e) == m->token, "space %u page %u: token %lx, entry %lx", s, i, m->token, e);
	if (m->kind != ENTRY_LEAF && m->kind != ENTRY_HELD)
		return;
	u32 first = m->large ? m->pfn - i % PT_ENTRIES : m->pfn;
	CHECK(pte_pfn(e) == first, "space %u page %u: pfn %x, entry %lx", s, i, first, e);
	CHECK(pte_prot(e) == m->prot, "space %u page %u: prot %x, entry %lx", s, i, m->prot, e);
	CHECK(pte_dirty(e) == m->dirty, "space %u page %u: dirty %u, entry %lx", s, i, m->dirty, e);
}

void compare_frame(u32 pfn)
{
	const struct frame_model *f = &frame[pfn];
	const struct page *page = pfn_to_page(pfn);
	if (!f->ref) {
		CHECK(page->state != PAGE_OWNED || page->pool == root.id || page->pool > pool[1].id, "frame %x is lost",
		      pfn);
		return;
	}
	CHECK(frame_ref(page) == f->ref, "frame %x: reference", pfn);
	CHECK(page->mapcount == f->mapcount, "frame %x: mapcount %u, expected %u", pfn, page->mapcount, f->mapcount);
	CHECK(page->state == (f->evicting ? PAGE_EVICTING : PAGE_OWNED), "frame %x: state %u", pfn, page->state);
	CHECK(!(page->marks & PAGE_DIRTY) == !f->dirty, "frame %x: dirty %u", pfn, f->dirty);
	CHECK(!(page->marks & PAGE_SWAPCACHE) == !f->swapcache, "frame %x: swapcache %u", pfn, f->swapcache);
	CHECK(!(page->marks & PAGE_ZEROED) == !f->presentable, "frame %x: presentable %u", pfn, f->presentable);
	if (f->presentable)
		CHECK(*(u64 *)page_address(page) == f->value, "frame %x: content %lx, expected %lx", pfn,
		      *(u64 *)page_address(page), f->value);
}

void compare_range(u32 s, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++) {
		compare_page(s, i);
		if (model[s][i].kind == ENTRY_LEAF || model[s][i].kind == ENTRY_HELD)
			compare_frame(model[s][i].pfn);
	}
}

void compare_frames(void)
{
	for (u32 pfn = mem.base; pfn < mem.limit; pfn++)
		compare_frame(pfn);
}

void compare_all(void)
{
	for (u32 s = 0; s < SPACES; s++)
		compare_range(s, 0, PAGES);
	compare_frames();
	machine_check_tlbs();
}

// ---- what happens to a page in the oracle

bool counts(const struct page_model *m)
{
	return m->kind == ENTRY_LEAF || m->kind == ENTRY_HELD;
}

void model_drop(struct page_model *m)
{
	if (counts(m)) {
		frame[m->pfn].mapcount--;
		frame[m->pfn].dirty |= m->dirty;
	}
	*m = (struct page_model){ 0 };
}

void model_gone(u32 pfn)
{
	frame[pfn] = (struct frame_model){ 0 };
	for (u32 i = 0; i < owned_count; i++) {
		if (owned[i] == pfn) {
			owned[i] = owned[--owned_count];
			return;
		}
	}
}

u64 page_pool(u32 s, u32 i) // the window's pool: 0, 1, or 2 for none
{
	const struct window *w = aspace_window(space[s], page_va(i));
	return !w ? 2 : w->pool == &pool[1];
}

// ---- choosing

// Some pages that follow each other: blocks 0-2 and 3-4 do.
u32 pick_range(u32 *from, u32 most)
{
	static const u32 start[] = { 0, 3, 5, 6 };
	u32 g = rnd(3), low = start[g] * PT_ENTRIES, high = start[g + 1] * PT_ENTRIES;
	*from = low + rnd(high - low);
	if (!rnd(4)) // near where tables meet
		*from = low + (rnd((high - low) / PT_ENTRIES) * PT_ENTRIES + (high - low) + rnd(16) - 8) % (high - low);
	u32 n = 1 + (rnd(8) ? rnd(24) : rnd(most));
	return n < high - *from ? n : high - *from;
}

u32 pick_block_range(u32 *from)
{
	*from = rnd(BLOCKS) * PT_ENTRIES;
	return PT_ENTRIES;
}

frame_t pick_frame(u32 *p)
{
	if (!owned_count)
		return 0;
	u32 pfn = owned[rnd(owned_count)];
	*p = frame[pfn].pool;
	frame_t ref = frame[pfn].ref;
	return rnd(50) ? ref : ref + (rnd(2) ? 1ul << 32 : -(1ul << 32)); // now and then stale
}

frame_t pick_frame_of(u32 p)
{
	u32 of;
	frame_t ref;
	for (u32 tries = 0; tries < 20; tries++) {
		ref = pick_frame(&of);
		if (of == p && (frame[(u32)ref].mapcount == 0 || rnd(2)))
			break;
	}
	return ref;
}

// The first of 512 frames of one pool that begin a large page; 0: none.
u32 pick_large(void)
{
	for (u32 tries = 0; tries < 4; tries++) {
		u32 pfn = mem.base + rnd(RAM / PT_ENTRIES) * PT_ENTRIES, i = 0;
		while (i < PT_ENTRIES && frame[pfn + i].ref && frame[pfn + i].pool == frame[pfn].pool)
			i++;
		if (i == PT_ENTRIES)
			return pfn;
	}
	return 0;
}

struct frame_model *named(frame_t ref, u32 p)
{
	u32 pfn = ref;
	if (pfn < mem.base || pfn >= mem.limit || frame[pfn].ref != ref || frame[pfn].pool != p)
		return NULL;
	return &frame[pfn];
}

void maybe_inject(u32 s)
{
	table_pool[s].inject = rnd(6) ? 0 : 1 + rnd(4);
}

struct counts count_space(u32 s)
{
	return (struct counts){ space[s]->tables, table_pool[s].usage - space[s]->stash_count, space[s]->leaves };
}

void same_counts(u32 s, struct counts before)
{
	struct counts after = count_space(s);
	CHECK(!memcmp(&before, &after, sizeof(before)), "space %u: tables %lu -> %lu, leaves %lu -> %lu", s,
	      before.tables, after.tables, before.leaves, after.leaves);
}

// ---- address spaces

struct aspace *space_object(void)
{
	frame_t ref;
	u64 done;
	void *object;
	err_t err = frame_alloc(&root, 0, 1, 0, &ref, &done);
	if (!err)
		err = object_take(&root, ref, 0, TYPE_ASPACE, 1024, &object);
	CHECK(!err, "no address space: %d", err);
	return object;
}

void space_make(u32 s)
{
	err_t err = aspace_init(space[s], &table_pool[s]);
	struct window low = { .start = 0, .end = block_va[2], .pool = &pool[0] },
		      high = { .start = block_va[3], .end = block_va[5], .pool = &pool[1] };
	CHECK(!err && !aspace_set_window(space[s], 0, &low) && !aspace_set_window(space[s], 3, &high),
	      "address space %u: %d", s, err);
	memset(model[s], 0, sizeof(model[s]));
}

void space_destroy(u32 s)
{
	for (u32 h = 0; h < MACHINE_HARTS; h++) {
		machine_enter(h);
		if (machine_aspace(h) == space[s])
			machine_switch(NULL);
	}
	err_t err;
	for (u32 steps = 0; (err = aspace_destroy_step(space[s])); steps++)
		CHECK(err == -ERR_AGAIN && steps < 1000, "destroy: %d", err);
	for (u32 i = 0; i < PAGES; i++)
		model_drop(&model[s][i]);
	CHECK(table_pool[s].usage == 0, "space %u: %lu frames left", s, table_pool[s].usage);
	memset(space[s], 0, sizeof(*space[s]));
	space[s]->obj.type = TYPE_ASPACE;
}

// A machine afresh, with pools, and objects for the address spaces.
void oracle_boot(u32 levels)
{
	machine_boot(RAM, levels);
	memset(frames_of_ram, 0, sizeof(frames_of_ram));
	frame = (void *)((u64)frames_of_ram - mem.base * sizeof(*frame));
	owned_count = 0;
	vaddr_t limit = pt_user_limit(), large = pt_size(ARCH_LARGE_LEVEL), root_entry = pt_size(levels - 1);
	vaddr_t va[BLOCKS] = { 0, large, 2 * large, root_entry - large, root_entry, limit - large };
	memcpy(block_va, va, sizeof(va));
	err_t err = 0;
	pool_root_init(&root, mem.frames);
	for (u32 i = 0; i < POOLS_USED; i++)
		err |= pool_init(&pool[i], &root, 1800);
	for (u32 s = 0; s < SPACES; s++)
		err |= pool_init(&table_pool[s], &root, 60);
	CHECK(!err, "pools");
	for (u32 s = 0; s < SPACES; s++)
		space[s] = space_object();
}
