// SPDX-License-Identifier: MIT
// The self-check: walks all page tables and the whole frame table and compares. It shares no code with the operations
// it checks, and needs no memory: it borrows the counters themselves. First every leaf found takes one off its frame's
// mapcount and every frame one off its pool's usage; what is left then is the difference, logged; a second walk puts
// everything back. Runs under the kernel lock, so nobody sees it.
//
// Not bounded: for tests, power-off and people who ask.
#include <lib/base/log.h>
#include <mm/buddy.h>
#include <mm/pgtable.h>

struct walk {
	const struct aspace *as;
	u32 delta;  // added to the mapcount of each frame a leaf names: -1, then +1
	bool quiet; // the second time
	u64 tables, leaves;
	u64 bad;
};

static u64 tables_found; // page tables and stashed ones seen in all address spaces

static u64 differs(struct walk *walk, pfn_t pfn, const char *what, u64 expected, u64 found)
{
	if (expected == found || walk->quiet)
		return 0;
	log_line("check: address space %x: frame %lx: %s: expected %lx, found %lx", object_id(walk->as), pfn, what,
		 expected, found);
	walk->bad++;
	return 1;
}

static void check_leaf(struct walk *walk, pte_t e, vaddr_t va, u32 level)
{
	u64 frames = level ? LARGE_PAGES : 1;
	walk->leaves++;
	differs(walk, pte_pfn(e), "level of a leaf", level ? ARCH_LARGE_LEVEL : 0, level);
	if (!pte_has_page(e))
		return;
	for (pfn_t pfn = pte_pfn(e); pfn < pte_pfn(e) + frames; pfn++) {
		if (pfn < mem.base || pfn >= mem.limit) {
			differs(walk, pfn, "mapped outside RAM", 0, va);
			continue;
		}
		struct page *page = pfn_to_page(pfn);
		page->mapcount += walk->delta;
		differs(walk, pfn, "state of a mapped frame", PAGE_OWNED, page->state);
		differs(walk, pfn, "presentable while mapped", PAGE_ZEROED, page->marks & PAGE_ZEROED);
	}
}

static void check_table_page(struct walk *walk, const struct page *table, u32 level, vaddr_t va, u32 entries)
{
	pfn_t pfn = page_to_pfn(table);
	walk->tables++;
	differs(walk, pfn, "state of a page table", PAGE_TABLE, table->state);
	differs(walk, pfn, "address space of a table", object_id(walk->as), table_aspace(table));
	differs(walk, pfn, "level of a table", level, table_level(table));
	differs(walk, pfn, "entries of a table", entries, table_entries(table));
	differs(walk, pfn, "address of a table", va, table->word1);
	differs(walk, pfn, "pool of a table", walk->as->pool->id, table->pool);
}

// Recursion is bounded by the number of levels.
static void check_table(struct walk *walk, const pte_t *table, u32 level, vaddr_t va)
{
	bool root = level == arch_levels - 1;
	u32 used = 0, end = root ? pte_index(pt_user_limit(), level) : PT_ENTRIES;
	for (u32 i = 0; i < end; i++) {
		vaddr_t at = va + i * pt_size(level);
		pte_t e = table[i];
		u32 kind = pte_kind(e);
		used += e != 0;
		if (kind == ENTRY_TABLE && level > 0)
			check_table(walk, pt_child(e), level - 1, at);
		else if (kind == ENTRY_LEAF || kind == ENTRY_HELD)
			check_leaf(walk, e, at, level);
		else if (e && !(kind == ENTRY_TOKEN && level == 0))
			differs(walk, page_to_pfn(virt_to_page(table)), "entry of no kind that may be there", 0, e);
	}
	check_table_page(walk, virt_to_page(table), level, va, used);
}

static void check_stash(struct walk *walk)
{
	u64 found = 0;
	for (u32 pfn = walk->as->stash; pfn && found <= walk->as->stash_count; pfn = pfn_to_page(pfn)->word1, found++) {
		const struct page *page = pfn_to_page(pfn);
		const u64 *words = page_address(page);
		differs(walk, pfn, "state of a stashed table", PAGE_TABLE, page->state);
		for (u32 i = 0; i < PT_ENTRIES; i++)
			differs(walk, pfn, "word of a stashed table", 0, words[i]);
	}
	differs(walk, 0, "tables in the stash", walk->as->stash_count, found);
	tables_found += found;
}

static u64 check_aspace(const struct aspace *as, u32 delta, bool quiet)
{
	struct walk walk = { .as = as, .delta = delta, .quiet = quiet };
	check_table(&walk, as->table, arch_levels - 1, 0);
	differs(&walk, 0, "tables", as->tables, walk.tables);
	differs(&walk, 0, "leaves and held entries", as->leaves, walk.leaves);
	if (!quiet) {
		check_stash(&walk);
		tables_found += walk.tables;
	}
	return walk.bad;
}

static u64 frame_bad(const struct page *page, const char *what)
{
	log_line("check: frame %lx: %s: %s, pool %u, marks %x, mappings beyond those found %d, pins %u",
		 page_to_pfn(page), what, page_state_name(page->state), page->pool, page->marks, (s32)page->mapcount,
		 page_pins(page));
	return 1;
}

static bool pool_alive(u16 id)
{
	return pool_find(id) != NULL;
}

// One frame on its own; its mapcount is what the walk left over.
static u64 check_frame(const struct page *page)
{
	if (page->mapcount)
		return frame_bad(page, "expected as many leaves and held entries as its mapcount");
	switch (page->state) {
	case PAGE_RESERVED:
		return page->pins || page->marks ? frame_bad(page, "expected no pins, no marks") : 0;
	case PAGE_FREE:
		return page->pins || page->marks ? frame_bad(page, "expected no pins, no marks") : 0;
	case PAGE_OWNED:
		return pool_alive(page->pool) ? 0 : frame_bad(page, "expected a living pool");
	case PAGE_EVICTING:
		if (!(page->marks & PAGE_SWAPCACHE))
			return frame_bad(page, "expected SWAPCACHE");
		return pool_alive(page->pool) ? 0 : frame_bad(page, "expected a living pool");
	case PAGE_TABLE:
		return pool_alive(page->pool) && !page->pins ? 0 : frame_bad(page, "expected a living pool, no pins");
	case PAGE_OBJECT:
		return pool_alive(page->pool) && page->word0 && !page->pins
			       ? 0
			       : frame_bad(page, "expected a living pool, objects, no pins");
	default:
		return frame_bad(page, "expected a legal state");
	}
}

static u64 check_frames(u64 *tables)
{
	u64 bad = 0;
	for (pfn_t pfn = mem.base; pfn < mem.limit; pfn++) {
		const struct page *page = pfn_to_page(pfn);
		bad += check_frame(page);
		*tables += page->state == PAGE_TABLE;
	}
	return bad;
}

// Add `delta` to the usage of each frame's pool.
static void count_usage(u64 delta)
{
	for (pfn_t pfn = mem.base; pfn < mem.limit; pfn++) {
		const struct page *page = pfn_to_page(pfn);
		if (page->state != PAGE_FREE && page->state != PAGE_RESERVED && pool_alive(page->pool))
			pool_by_id(page->pool)->usage += delta;
	}
}

static u64 check_usage(void)
{
	u64 bad = 0;
	count_usage(-1ul);
	for (u32 id = 1; id < POOLS; id++) {
		const struct pool *pool = pool_find(id);
		if (pool && pool->usage) {
			log_line("check: pool %u: expected as many frames as its usage, found %ld fewer", id,
				 (s64)pool->usage);
			bad++;
		}
	}
	count_usage(1);
	return bad;
}

u64 mm_check(void)
{
	u64 bad = 0, tables = 0;
	tables_found = 0;
	for (const struct aspace *as = aspaces; as; as = as->next)
		bad += check_aspace(as, -1u, false);
	bad += check_frames(&tables);
	for (const struct aspace *as = aspaces; as; as = as->next)
		check_aspace(as, 1, true);
	if (tables != tables_found) {
		log_line("check: page tables: expected %lu in use or in a stash, found %lu frames", tables_found,
			 tables);
		bad++;
	}
	for (u32 i = 0; i < zones; i++)
		bad += buddy_check(&zone[i]);
	return bad + pool_check() + check_usage();
}

u64 mm_check_rest(u64 pins)
{
	u64 bad = 0, found = 0;
	for (pfn_t pfn = mem.base; pfn < mem.limit; pfn++) {
		const struct page *page = pfn_to_page(pfn);
		found += page_pins(page);
		if (page->marks & PAGE_WRITEBACK && !(page->marks & PAGE_SWAPCACHE))
			bad += frame_bad(page, "expected no write-out at rest of what lies in no slot");
	}
	if (found != pins) {
		log_line("check: pins: expected %lu at rest, found %lu", pins, found);
		bad++;
	}
	return bad;
}
