// SPDX-License-Identifier: MIT
// The generic page-table walker: inside of mm/ only. The format of an entry is the arch's <pte.h>.
//
// Invariants, between two calls:
//	- a table other than the root has at least one entry that is not empty (so skipping over nothing is fast, and
// nothing is wasted);
//	- word0 of a table's page counts these entries; the root's count leaves out the kernel half and the observer
// entry;
//	- tables in the stash, and tables handed back, are all zero;
//	- leaves and held entries sit at level 0 or ARCH_LARGE_LEVEL, tokens at level 0;
//	- mapcount of a frame == leaves and held entries that cover it.
// Entries are changed by the kernel under its lock; the only other writer is a page walker that sets A and D. So an
// entry that is present is taken out or weakened atomically, and what comes out is harvested: D and A reach struct page
// before the entry is forgotten.
#pragma once

#include <lib/base/trace.h>
#include <mm/aspace.h>
#include <mm/tlb.h>

#define PT_SHIFT   9
#define PT_ENTRIES 512
#define PROT_ALL   (PROT_READ | PROT_WRITE | PROT_EXEC)

// Work is counted in instructions, roughly, so that a call stays below the 20,000 for which interrupts may be off. An
// entry costs at least so much that a call never handles more than BATCH of them.
#define WORK_CALL  10500
#define WORK_ENTRY (WORK_CALL / BATCH + 1)
#define WORK_STEP  20              // of a walk
#define WORK_EMPTY 7               // an empty entry looked at
#define WORK_WHOLE (WORK_CALL / 2) // must be left for a large entry: its 512 frames are the better part of a call

static always_inline u64 pt_size(u32 level)
{
	return (u64)PAGE_SIZE << PT_SHIFT * level;
}

static always_inline u64 pt_pages(u32 level)
{
	return 1ul << PT_SHIFT * level;
}

// First address that no window may reach: the last root entry of the user half is the observers'.
static always_inline vaddr_t pt_user_limit(void)
{
	return arch_user_end - pt_size(arch_levels - 1);
}

// ---- the words of a table's struct page. A stashed table has level TABLE_STASHED, and the next one's pfn in word1.
#define TABLE_STASHED   7
#define TABLE_ENTRY_ONE (1ul << 32)

static always_inline u64 table_word0(u32 aspace_id, u32 level)
{
	return aspace_id | (u64)level << 42;
}

static always_inline u32 table_aspace(const struct page *table)
{
	return table->word0;
}

static always_inline u32 table_entries(const struct page *table)
{
	return table->word0 >> 32 & 1023;
}

static always_inline u32 table_level(const struct page *table)
{
	return table->word0 >> 42 & 7;
}

static always_inline void table_count(struct page *table, s64 delta)
{
	table->word0 += (u64)delta << 32;
}

// Entries of the table that `slot` lies in were filled or emptied.
static always_inline void pt_counted(pte_t *slot, s64 delta)
{
	table_count(virt_to_page(slot), delta);
}

static always_inline pte_t *pt_child(pte_t e)
{
	return arch_p2v(pfn_to_paddr(pte_pfn(e)));
}

// ---- entries
// The protection that an entry gets of what was asked: never more, but that write implies read. 0: this CPU has no
// entry that is present and gives no more (execute only, on some): it becomes held, and says what was asked.
static always_inline u64 pt_prot(u64 flags)
{
	return pte_prot_possible(flags & PROT_ALL);
}

// A leaf covers a frame of the frame table, or device memory, which has no struct page.
static always_inline bool pte_has_page(pte_t e)
{
	return !pte_is_device(e);
}

static always_inline struct page *pte_page(pte_t e)
{
	return pfn_to_page(pte_pfn(e));
}

// Whether a leaf or held entry names this frame.
static always_inline bool pte_names(pte_t e, pfn_t pfn)
{
	if (pte_pfn(e) != pfn)
		return false;
	return likely(pte_is_leaf(e)) ? pte_has_page(e) : pte_kind(e) == ENTRY_HELD;
}

// Change a present entry to `set`, unless a walker changed it meanwhile: then *old is what it is now.
static always_inline bool pte_change(pte_t *slot, pte_t *old, pte_t set)
{
	return __atomic_compare_exchange_n(slot, old, set, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

// Put `set` into a slot whose content matters no more, and harvest that: returns what was there, A and D included.
static always_inline pte_t pte_exchange(pte_t *slot, pte_t set)
{
	return __atomic_exchange_n(slot, set, __ATOMIC_ACQ_REL);
}

// Fill an empty slot. Release: another hart's walker that sees the entry sees the frame's new content.
static always_inline void pte_fill(pte_t *slot, pte_t set)
{
	__atomic_store_n(slot, set, __ATOMIC_RELEASE);
}

// The trace of one entry. Asked once per call: events of a call come together or not at all.
static always_inline bool pt_traced(void)
{
	return unlikely(trace_mask >> (EVENT_MAP >> 4) & 1);
}

// What a leaf or held entry names: a frame reference, or the bare pfn of device memory.
static always_inline frame_t pte_frame(pte_t e)
{
	return pte_has_page(e) && pte_pfn(e) < mem.limit ? frame_ref(pte_page(e)) : pte_pfn(e);
}

// ---- ranges
// A run of entries of one table: what a ranged operation handles at a time. The first entry is not empty.
struct pt_span {
	vaddr_t va; // of the first entry; when there is none: how far the search came
	pte_t *slot;
	pte_t *stop; // behind the last entry of the range in this table
	u32 level;   // 0; else one large leaf or held entry
};

// The next entries in [va, end). False: none, or `work` is used up (span->va < end).
bool pt_next(struct aspace *as, vaddr_t va, vaddr_t end, s64 *work, struct pt_span *span);
// Whether the large entry that a span begins with lies in [va, end) as a whole.
bool pt_span_whole(const struct pt_span *span, vaddr_t end);

// The slot of va at `level`, when all tables above exist, else NULL.
pte_t *pt_slot(const struct aspace *as, vaddr_t va, u32 level);
// Make the tables for a slot of va at `level`. NOMEM: pt_prune takes back what there is. EXIST: a large entry is in the
// way.
err_t pt_populate(struct aspace *as, vaddr_t va, u32 level) must_check;
void pt_prune_walk(struct aspace *as, vaddr_t va, struct tlb_batch *batch);
// Take out the tables on the way to va that are empty. Mostly the leaf table is the one remembered, and is not empty.
static always_inline void pt_prune(struct aspace *as, vaddr_t va, struct tlb_batch *batch)
{
	if (va >> LEAF_TABLE_BITS == as->walk_tag && table_entries(virt_to_page(as->walk_table)))
		return;
	pt_prune_walk(as, va, batch);
}

// Split the large entry `slot` of va into a table from pt_table_take.
void pt_split(struct aspace *as, vaddr_t va, pte_t *slot, struct page *table, struct tlb_batch *batch);
// Collapse the 512 leaves of the table in `slot` (for va) into a large one; false when they do not fit together.
bool pt_collapse(struct aspace *as, vaddr_t va, pte_t *slot, struct tlb_batch *batch);

// ---- tables
struct page *pt_table_take(struct aspace *as); // stash, else pool; NULL
void pt_table_give(struct aspace *as, struct page *table);
err_t pt_stash_resize(struct aspace *as, u32 tables) must_check; // NOMEM: as it was

// ---- what a call may touch
// va .. va + pages lies in the user half and in the window (or, WINDOW_ANY, anywhere in it). INVAL.
static always_inline must_check err_t aspace_check_range(const struct aspace *as, u32 window, vaddr_t va, u64 pages)
{
	vaddr_t start = 0, end = pt_user_limit();
	if (window != WINDOW_ANY) {
		if (window >= WINDOWS)
			return -ERR_INVAL;
		start = as->window[window].start;
		end = as->window[window].end;
	}
	if (va % PAGE_SIZE || va < start || va >= end || !pages || pages > (end - va) / PAGE_SIZE)
		return -ERR_INVAL;
	return 0;
}
// The pool whose pager's tokens live at va; NULL outside all windows.
const struct pool *aspace_window_pool(struct aspace *as, vaddr_t va);

// One frame (or 512) loses an entry that was taken out of a slot.
void pt_drop_large(pte_t old);

static always_inline void pt_drop(pte_t old)
{
	if (likely(pte_has_page(old)))
		page_unmapped(pte_page(old), pte_dirty(old), pte_young(old));
}
