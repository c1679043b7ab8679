// SPDX-License-Identifier: MIT
// Address spaces: a root table, at most 8 windows, a stash of empty tables. One generic walker over the arch's <pte.h>.
//
// What all ranged operations promise: addresses are checked as a whole before anything is done (INVAL: not
// page-aligned, outside the window or the user half, overflow); tables that a call needs are taken before its first
// entry is written (NOMEM changes nothing); *done says how many pages of the range were handled, also with an error;
// *done < count without an error means that the call had enough work: go on there. A range that cuts a large leaf stops
// in front of it with INVAL (protect with PROTECT_SPLIT first). All flushes are done before they return.
#pragma once

#include <lib/base/trace.h>
#include <mm/frame.h>
#include <pte.h>

struct window {
	vaddr_t start, end; // empty window: both 0
	void *pager;        // endpoint, opaque here
	u64 badge;
	struct pool *pool; // tokens in this window are this pool's pager's
	u64 deadline;      // ns, 0 none
	void *fallback;    // endpoint
	u64 flags;         // WIN_*
};

#define LEAF_TABLE_BITS (PAGE_SHIFT + 9) // address bits below one leaf table
#define WALK_NONE       ~0ul

struct aspace {
	struct object obj;
	u64 root;          // value for the root register; 0: its ASID was recycled, get one before switching to it
	pte_t *table;      // root table in the direct map
	struct pool *pool; // pays for tables
	u32 asid;
	u32 asid_gen;
	u64 harts;  // harts that may hold translations of it; 0 since its ASID is new
	u64 tables; // tables in use, root included
	u64 leaves; // leaves and held entries
	u32 stash;  // pfn of the first stashed table (linked through word0), 0 none
	u32 stash_count;
	u32 stash_keep;             // tables to keep when emptied
	u32 observing;              // the frame table is mapped in the last root entry
	struct aspace *next, *prev; // all address spaces, newest first, for sweeps and the self-check
	u64 serial;                 // 1, 2, ... as they are made: a sweep goes on below the last one it finished
	u64 walk_tag;               // aspace_slot: va >> LEAF_TABLE_BITS of the leaf table found last; WALK_NONE
	pte_t *walk_table;
	vaddr_t destroy_va; // aspace_destroy_step goes on here
	struct window window[WINDOWS];
};
_Static_assert(sizeof(struct aspace) <= 1024, "ASPACE slot");

#define WINDOW_ANY WINDOWS // a capability that is not restricted to one window

extern struct aspace *aspaces; // the list

err_t aspace_init(struct aspace *as, struct pool *pool) must_check; // NOMEM
// One bounded step of teardown (all entries, tables, stash, root). AGAIN until done. Frames lose mappings, are not
// freed. No thread may run in it, and nothing may switch to it any more. AGAIN also while a hart still has its root
// loaded.
err_t aspace_destroy_step(struct aspace *as) must_check;
// One bounded step of taking every frame of `pool` out of the address space, from *va on (start with 0). AGAIN until
// done. Where the window is another pool's, its pager finds the token REVOKED.
err_t aspace_strip_pool(struct aspace *as, const struct pool *pool, vaddr_t *va) must_check;
// start == end == 0 removes it. INVAL range or overlap; BUSY: there are entries in what it would lose.
err_t aspace_set_window(struct aspace *as, u32 index, const struct window *w) must_check;
struct window *aspace_window(struct aspace *as, vaddr_t va);      // NULL: no window there
err_t aspace_set_stash(struct aspace *as, u64 tables) must_check; // NOMEM: as many as there were
// Map the frame table read-only at *va (struct page of pfn 0; the last root entry of the user half, the same in all
// address spaces).
err_t aspace_observe(struct aspace *as, vaddr_t *va) must_check;

struct map_request {
	vaddr_t va;
	struct pool *pool; // owner of the frames
	u64 count;         // 1 .. BATCH (entries that zero or copy: BATCH_FILL)
	const u64 *list;   // NULL: run or single from `frame`; else references
	const u64 *pairs;  // reply_map with n > 1: {frame, signed page offset from va} pairs; list NULL
	frame_t frame;
	u64 flags; // PROT_* | MAP_*
	frame_t source;
	u64 word0, word1; // word0 0: the frames keep their words; else frame i gets {word0, word1 + i}
	u32 window;       // index the caller is restricted to, or WINDOW_ANY
};
// Entries are written up to the first error, *done says how many. A run names its first frame by reference, the others
// by pool and state. A frame that loses its mapping by replacement (IF_SAME, or plain map over a leaf) keeps living in
// its pool. LARGE: count 1; EXIST when there is a table. AGAIN: part of its frames was made presentable, call again.
err_t aspace_map(struct aspace *as, const struct map_request *rq, u64 *done) must_check;
struct unmap_result {
	u64 done, removed, freed, tokens;
};
// list: {token, va} pairs, room for BATCH of them (UNMAP_TOKENS).
err_t aspace_unmap(struct aspace *as, u32 window, vaddr_t va, u64 count, struct pool *free_pool, u64 flags, u64 token,
		   u64 *list, struct unmap_result *r) must_check;
err_t aspace_protect(struct aspace *as, u32 window, vaddr_t va, u64 count, u64 prot, u64 *done,
		     u64 *changed) must_check;
// list: SCAN_LIST: four words an entry, room for SCAN_LIST_MAX of them:
// va | ENTRY_* ; prot | SCAN_INFO_* ; frame reference or token (device: pfn) ; marks | mapcount << 32
#define SCAN_LIST_MAX    (PAGE_SIZE / 32)
#define SCAN_INFO_YOUNG  (1u << 8)
#define SCAN_INFO_DIRTY  (1u << 9)
#define SCAN_INFO_LARGE  (1u << 10)
#define SCAN_INFO_DEVICE (1u << 11)
err_t aspace_scan(struct aspace *as, u32 window, vaddr_t va, u64 count, u64 flags, u64 *list, u64 *done,
		  u64 *entries) must_check;
// list: {token, va in the source} pairs, room for BATCH of them. Stops with BUSY at a pinned frame (COW, SHARE) or
// device memory (COW), with EXIST at an entry of dst, with INVAL at a token when the two windows are not of the same
// pool, with DYING at a frame of a dying pool.
err_t aspace_clone(struct aspace *dst, u32 dwin, vaddr_t dva, struct aspace *src, u32 swin, vaddr_t sva, u64 count,
		   u64 op, u64 *list, u64 *done, u64 *copied, u64 *tokens) must_check;
// Map a device's register page range (uncached), for device(MAP).
err_t aspace_map_device(struct aspace *as, u32 window, vaddr_t va, paddr_t pa, u64 pages) must_check;

// What a fault finds: entry kind, protection, frame or token, exclusivity. *spurious: the walk shows that the access is
// allowed now (A/D updated where the CPU leaves that to software).
struct fault_entry {
	u32 kind; // ENTRY_*
	u32 prot;
	bool exclusive;
	bool same_pool; // the frame's pool is the window's
	u64 what;       // frame reference or token
};
bool aspace_fault(struct aspace *as, const struct window *w, vaddr_t va, u32 access,
		  struct fault_entry *e); // true: spurious, just resume
// One step of a walk for vtop: the raw entry of `level` on the way to va.
err_t aspace_walk(struct aspace *as, vaddr_t va, u32 level, u64 out[4]) must_check;

// The 4K-level slot of va when all tables above exist and no large leaf is in the way, else NULL. For the fast path:
// the last table found is remembered, so that neighbouring faults, and a fault and its answer, walk once. pt_table_give
// forgets it when a table goes.
static always_inline pte_t *aspace_slot(struct aspace *as, vaddr_t va)
{
	if (likely(va >> LEAF_TABLE_BITS == as->walk_tag))
		return &as->walk_table[pte_index(va, 0)];
	// Nine bits a level, eight bytes an entry: the offset into the table of level n is va >> 9 * (n + 1) & 0xff8.
	const char *table = (const char *)as->table;
	for (u32 shift = 9 * arch_levels; shift > 9; shift -= 9) {
		pte_t e = *(const pte_t *)(table + (va >> shift & 0xff8));
		if (unlikely(!pte_is_table(e)))
			return NULL;
		table = (const char *)pte_table(e);
	}
	as->walk_tag = va >> LEAF_TABLE_BITS;
	as->walk_table = (pte_t *)table;
	return &as->walk_table[pte_index(va, 0)];
}

// A new leaf for `page`, which is accounted for here.
static always_inline pte_t aspace_leaf(struct page *page, u64 flags, u64 word0, u64 word1)
{
	pte_t e = pte_make_leaf(page_to_pfn(page), flags & (PROT_READ | PROT_WRITE | PROT_EXEC), true, false);
	if (flags & MAP_TOUCH)
		e = flags & PROT_WRITE ? pte_set_dirty(e) : pte_set_young(e);
	page->marks |= PAGE_ZEROED;
	page->mapcount++;
	if (word0) {
		page->word0 = word0;
		page->word1 = word1;
	}
	return e;
}

// Write a leaf in place of the 4K leaf of `from` that the slot of aspace_slot holds. The caller has checked everything
// and flushes.
static always_inline void aspace_replace_slot(pte_t *slot, struct page *from, struct page *page, u64 flags, u64 word0,
					      u64 word1)
{
	pte_t old = __atomic_exchange_n(slot, aspace_leaf(page, flags, word0, word1), __ATOMIC_ACQ_REL);
	from->marks |= (pte_dirty(old) ? PAGE_DIRTY : 0) | (pte_young(old) ? PAGE_YOUNG : 0);
	from->mapcount--;
}

// Write a leaf into the empty slot of aspace_slot, and account for it. The caller has checked everything; no flush.
static always_inline void aspace_fill_slot(struct aspace *as, pte_t *slot, struct page *page, u64 flags, u64 word0,
					   u64 word1)
{
	pte_t e = aspace_leaf(page, flags, word0, word1);
	virt_to_page(slot)->word0 += 1ul << 32; // entries of the table: pgtable.h
	as->leaves++;
	__atomic_store_n(slot, e, __ATOMIC_RELEASE);
}

// Write a leaf of a page of the swap cache in place of the token in the slot of aspace_slot: read-only, unless it
// leaves the swap cache for it. If the page was on its way out it is rescued. The caller has checked everything; no
// flush.
static always_inline void aspace_token_slot(struct aspace *as, pte_t *slot, struct page *page, u64 flags, u64 word0,
					    u64 word1)
{
	if (page->state == PAGE_EVICTING) {
		page->state = PAGE_OWNED;
		page->word0 = 0;
	}
	if (flags & MAP_UNCACHE)
		page_uncache(page);
	else
		flags &= ~(u64)PROT_WRITE;
	pte_t e = aspace_leaf(page, flags | PROT_READ, word0, word1);
	as->leaves++;
	__atomic_store_n(slot, e, __ATOMIC_RELEASE);
}

// ASIDs with generations (asid.c): makes as->root valid. tlb.c: the shootdown protocol.
void aspace_activate(struct aspace *as);
void tlb_flush_page(struct aspace *as, vaddr_t va);
void tlb_flush_aspace(struct aspace *as);

// The self-check (check.c): walks all page tables and the frame table; returns the number of violations, each logged in
// a line.
u64 mm_check(void);
// And what must hold at rest: nothing being written out but to a slot, `pins` pins in all (those of
// devices).
u64 mm_check_rest(u64 pins);
