// SPDX-License-Identifier: MIT
// The oracle: what must be true after every operation, whatever the servers tried.
//
// Content. Every store of a program writes a new version number. A frame's content is `safe` when it is 0, or the version that its owner's
// write-out has brought to disk, or what the frame held when it was allocated. Unsafe content must be marked: DIRTY, or WRITEBACK while what is
// being written out is still what the frame holds, or D in an entry that maps it. A frame may only end with unsafe content if the operation
// said so (DISCARD, UNMAP_FREE, pool_destroy, an explicit fill).
// Owners. A version belongs to the pools that wrote it or were given it by frame_move. What a pool can see (mapped, or PAGE_ZEROED) is its own
// or zero.
// Authority. An operation changes frames only of the pools it was given, and nothing at all when it fails (but for progress of ranged ones).
#include <stdlib.h>
#include <string.h>

#include <test/model/world.h>

struct view {
	struct page page[FRAMES_MAX];
	u64 word[FRAMES_MAX]; // content
	pte_t entry[ASPACES_MAX][VAS_MAX];
};

static struct view before, now;
static u64 safe[FRAMES_MAX], begun[FRAMES_MAX];
static bool wrote[FRAMES_MAX]; // a program wrote to it during this operation
static u64 version;
static u8 *owners; // by version: mask of pool slots
static u64 owners_size;
static u32 total;  // frames of RAM, all of them seen
static u32 mapped[FRAMES_MAX];
static bool dirty_entry[FRAMES_MAX], writable_before[FRAMES_MAX];
static u32 mask;            // of pool slots the operation was given
static u16 ids[POOLS_MAX];  // pool ids before the operation

static u32 index_of(pfn_t pfn)
{
	return pfn - mem.base;
}

static struct page *page_at(u32 i)
{
	return pfn_to_page(mem.base + i);
}

u32 owner_of(const struct page *page)
{
	for (u32 p = 0; p < config.pools; p++)
		if (pool[p].id && pool[p].id == page->pool)
			return p;
	return NONE;
}

static bool alive(const struct page *page)
{
	return page->state == PAGE_OWNED || page->state == PAGE_EVICTING;
}

static u64 content(u32 i)
{
	const u64 *words = page_address(page_at(i));
	return words[0];
}

// ---- versions

static void version_new(u8 mask)
{
	if (++version >= owners_size) {
		owners_size = 2 * owners_size + 1024;
		owners = realloc(owners, owners_size);
		assert(owners);
	}
	owners[version] = mask;
}

u64 oracle_wrote(pfn_t pfn)
{
	u32 i = index_of(pfn), owner = owner_of(pfn_to_page(pfn));
	version_new(owner == NONE ? 0 : 1u << owner);
	wrote[i] = true;
	return version;
}

void oracle_read(pfn_t pfn, u64 seen)
{
	const struct page *page = pfn_to_page(pfn);
	u32 owner = owner_of(page);
	// Between the freeing of a frame and the flush at the end of the operation a program may still read it: that is its own old page.
	if (page->state == PAGE_FREE)
		return;
	if (seen && (owner == NONE || !(owners[seen] >> owner & 1)))
		model_fail("frame %lx: a program reads version %lu, which is not its pool's", pfn, seen);
}

void oracle_pool_gone(u32 p)
{
	for (u32 i = 0; i < total; i++)
		if (pfn_to_page(mem.base + i)->state != PAGE_TABLE && content(i) <= version)
			owners[content(i)] &= ~(1u << p);
}

// ---- looking

static void view_take(struct view *v)
{
	for (u32 i = 0; i < total; i++) {
		v->page[i] = *page_at(i);
		v->word[i] = content(i);
	}
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++) {
			pte_t *slot = slot_of(as, va);
			v->entry[as][va] = slot ? *slot : 0;
		}
}

void oracle_boot(void)
{
	total = mem.limit - mem.base;
	assert(total <= FRAMES_MAX);
	version = 0;
	if (!owners)
		version_new(0);
	version = 0;
	owners[0] = 0xff;
	memset(safe, 0, sizeof(safe));
	memset(begun, 0, sizeof(begun));
	view_take(&now);
}

// The pools an operation has a capability for.
static u32 acting(const struct op *op)
{
	u32 p = op->p;
	if (p == OWNER) {
		u32 i = index_of(frame_pfn[op->f]);
		p = owner_of(&now.page[i]);
		p = p == NONE ? 0 : p;
	}
	switch (op->kind) {
	case OP_MOVE:
		return 1u << p | 1u << op->q;
	case OP_PUT:
		return ~0u; // the object's own: whoever made the frame
	case OP_UNMAP:
		return op->flags & UNMAP_FREE ? 1u << p : 0;
	case OP_PROTECT:
	case OP_SCAN:
	case OP_CLONE:
	case OP_ACCESS:
	case OP_SWITCH:
	case OP_AS_DESTROY:
	case OP_AS_CREATE:
	case OP_LIMIT:
	case OP_CREATE:
		return 0;
	default:
		return 1u << p;
	}
}

void oracle_before(const struct op *op)
{
	mask = acting(op);
	for (u32 p = 0; p < config.pools; p++)
		ids[p] = pool[p].id;
	before = now;
	memset(wrote, 0, sizeof(wrote));
}

static bool keeps_frame(pte_t e)
{
	return pte_kind(e) == ENTRY_LEAF || pte_kind(e) == ENTRY_HELD;
}

static void count_entries(void)
{
	memset(mapped, 0, sizeof(mapped));
	memset(dirty_entry, 0, sizeof(dirty_entry));
	memset(writable_before, 0, sizeof(writable_before));
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++) {
			pte_t e = now.entry[as][va], old = before.entry[as][va];
			if (keeps_frame(e)) {
				mapped[index_of(pte_pfn(e))]++;
				dirty_entry[index_of(pte_pfn(e))] |= pte_is_leaf(e) && pte_dirty(e);
			}
			if (pte_is_leaf(old) && pte_prot(old) & PROT_WRITE)
				writable_before[index_of(pte_pfn(old))] = true;
		}
}

// ---- what is true in every state

static void check_content(u32 i, const struct page *page)
{
	pfn_t pfn = mem.base + i;
	u64 word = now.word[i];
	const u64 *words = page_address(page);
	u32 owner = owner_of(page);
	if (page->marks & PAGE_ZEROED || page->mapcount) {
		if (words[PAGE_SIZE / 8 - 1] != word)
			model_fail("frame %lx: start and end differ: %lx %lx", pfn, word, words[PAGE_SIZE / 8 - 1]);
		if (word > version || (word && !(owners[word] >> owner & 1)))
			model_fail("frame %lx of pool %u shows version %lu of another pool", pfn, owner, word);
	} else {
		return;
	}
	bool known = page->marks & PAGE_DIRTY || dirty_entry[i] || (page->marks & PAGE_WRITEBACK && begun[i] == word);
	if (word && word != safe[i] && !known)
		model_fail("frame %lx: version %lu is in no place but here, and nothing says so", pfn, word);
}

static void check_page(u32 i)
{
	const struct page *page = page_at(i);
	pfn_t pfn = mem.base + i;
	if (page->mapcount != mapped[i])
		model_fail("frame %lx: mapcount %u, mapped in %u places", pfn, page->mapcount, mapped[i]);
	if (mapped[i] && page->state != PAGE_OWNED)
		model_fail("frame %lx: mapped while %s", pfn, page_state_name(page->state));
	if (mapped[i] && !(page->marks & PAGE_ZEROED))
		model_fail("frame %lx: mapped with somebody else's content", pfn);
	if (page->state == PAGE_EVICTING && (!(page->marks & PAGE_SWAPCACHE) || page->pins))
		model_fail("frame %lx: EVICTING, marks %x pins %u", pfn, page->marks, page->pins);
	if (page->state == PAGE_FREE && (page->marks || page->pins))
		model_fail("frame %lx: FREE with marks %x pins %u", pfn, page->marks, page->pins);
	if (alive(page) && page->pool != table_pool.id) {
		if (owner_of(page) == NONE)
			model_fail("frame %lx: owned by no pool (%u)", pfn, page->pool);
		check_content(i, page);
	}
}

static void check_usage(void)
{
	u64 usage[POOLS_MAX] = { 0 }, tables = 0;
	for (u32 i = 0; i < total; i++) {
		u32 owner = owner_of(page_at(i));
		bool used = page_at(i)->state != PAGE_FREE && page_at(i)->state != PAGE_RESERVED;
		if (used && owner != NONE)
			usage[owner]++;
		tables += used && page_at(i)->pool == table_pool.id;
	}
	for (u32 p = 0; p < config.pools; p++)
		if (pool[p].usage != usage[p] || usage[p] > pool[p].limit)
			model_fail("pool %u: usage %lu, limit %lu, owns %lu", p, pool[p].usage, pool[p].limit, usage[p]);
	if (table_pool.usage != tables)
		model_fail("table pool: usage %lu, owns %lu", table_pool.usage, tables);
}

// ---- what may change

// Page tables and the objects of the world itself come and go with everything.
static bool acted_on(const struct page *page)
{
	if (page->pool == table_pool.id)
		return true;
	for (u32 p = 0; p < config.pools; p++)
		if (mask >> p & 1 && ids[p] == page->pool)
			return true;
	return false;
}

static bool may_discard(const struct op *op)
{
	return (op->kind == OP_FREE && op->flags & FREE_DISCARD) || (op->kind == OP_UNMAP && op->flags & UNMAP_FREE) || op->kind == OP_DESTROY;
}

static bool ranged(const struct op *op)
{
	switch (op->kind) {
	case OP_MAP:
		return op->n > 1;
	case OP_UNMAP:
	case OP_PROTECT:
	case OP_SCAN:
	case OP_CLONE:
	case OP_DESTROY:
	case OP_AS_DESTROY:
		return true;
	default:
		return false;
	}
}

static void check_gen(u32 i, const struct page *old, const struct page *page, const struct op *op)
{
	bool ended = old->state != PAGE_FREE && old->state != PAGE_RESERVED && page->state == PAGE_FREE;
	bool moved = alive(old) && alive(page) && old->pool != page->pool;
	s32 grown = page->gen - old->gen;
	bool good = grown >= 0 && (!(ended || moved) || grown >= 1);
	if (old->state == page->state && old->pool == page->pool && op->kind != OP_ALLOC && page->state != PAGE_FREE && !ended)
		good = good && (grown == 0 || page->state == PAGE_TABLE);
	good = good && !(grown && page->mapcount); // an old reference would name what is still mapped
	if (!good)
		model_fail("frame %lx: generation %u -> %u, %s -> %s", mem.base + i, old->gen, page->gen, page_state_name(old->state),
			   page_state_name(page->state));
}

// Bits that one operation alone may take away, in one life of a frame.
static void check_marks(u32 i, const struct page *old, const struct page *page, const struct op *op, err_t err)
{
	u8 lost = old->marks & ~page->marks, won = page->marks & ~old->marks;
	bool mark = op->kind == OP_MARK && !err && frame_pfn[op->f] == mem.base + i;
	u8 may = PAGE_YOUNG;
	if (mark && op->mark == MARK_BEGIN)
		may |= PAGE_DIRTY;
	if (mark && (op->mark == MARK_END || op->mark == MARK_FAIL))
		may |= PAGE_WRITEBACK;
	if (mark && op->mark == MARK_SWAPCACHE_CLEAR)
		may |= PAGE_SWAPCACHE;
	if (lost & ~may)
		model_fail("frame %lx: marks %x -> %x", mem.base + i, old->marks, page->marks);
	if (won & PAGE_SWAPCACHE && !(op->kind == OP_EVICT && !err))
		model_fail("frame %lx: marks %x -> %x without an evict", mem.base + i, old->marks, page->marks);
	if (won & PAGE_WRITEBACK && !(mark && op->mark == MARK_BEGIN))
		model_fail("frame %lx: marks %x -> %x without BEGIN", mem.base + i, old->marks, page->marks);
}

static void check_more_mappings(u32 i, const struct page *old, const struct page *page, const struct op *op)
{
	u32 owner = owner_of(page);
	if (old->pins && op->kind == OP_CLONE)
		model_fail("frame %lx: cloned while pinned", mem.base + i);
	if (owner != NONE && pool[owner].dying)
		model_fail("frame %lx: mapped once more while its pool is dying", mem.base + i);
}

static void check_change(u32 i, const struct op *op, err_t err)
{
	const struct page *old = &before.page[i], *page = &now.page[i];
	pfn_t pfn = mem.base + i;
	bool same_life = alive(old) && alive(page) && old->pool == page->pool && old->gen == page->gen;
	bool moved = alive(old) && alive(page) && op->kind == OP_MOVE && !err && frame_pfn[op->f] == pfn;
	check_gen(i, old, page, op);
	bool head = old->gen != page->gen || old->pool != page->pool || old->state != page->state || old->pins != page->pins;
	if (head && old->state != PAGE_FREE && !acted_on(old))
		model_fail("frame %lx of pool %u: changed by an operation without authority over it", pfn, old->pool);
	if (head && page->state != PAGE_FREE && !acted_on(page))
		model_fail("frame %lx: given to pool %u by an operation without authority over it", pfn, page->pool);
	if (page->pins < old->pins && op->kind != OP_UNPIN)
		model_fail("frame %lx: pins %u -> %u", pfn, old->pins, page->pins);
	if (page->mapcount > old->mapcount)
		check_more_mappings(i, old, page, op);
	if (same_life)
		check_marks(i, old, page, op, err);
	if (moved) {
		owners[now.word[i]] |= 1u << op->q;
		if (old->marks & PAGE_DIRTY && !(page->marks & PAGE_DIRTY))
			model_fail("frame %lx: DIRTY lost by a move", pfn);
		return;
	}
	if (!alive(old) || old->pool == table_pool.id)
		return;
	// Unsafe content that is gone; content that programs look at.
	u64 was = before.word[i];
	if (same_life && old->mapcount && now.word[i] != was && !wrote[i])
		model_fail("frame %lx: content changed by the kernel while it was mapped", pfn);
	bool gone = !same_life || (now.word[i] != was && !wrote[i]);
	bool fill = op->kind == OP_FILL || (op->kind == OP_MAP && op->flags & (MAP_ZERO | MAP_COPY));
	bool said = same_life ? fill && (!err || ranged(op)) : may_discard(op) && acted_on(old);
	if (gone && was && was != safe[i] && old->marks & PAGE_ZEROED && !said)
		model_fail("frame %lx: version %lu dropped", pfn, was);
}

// New entries: where do they come from?
static void check_entry(u32 as, u32 va, const struct op *op)
{
	pte_t old = before.entry[as][va], e = now.entry[as][va];
	if (!keeps_frame(e))
		return;
	u32 i = index_of(pte_pfn(e));
	const struct page *page = &now.page[i];
	bool same = keeps_frame(old) && pte_pfn(old) == pte_pfn(e);
	if (!same && op->kind != OP_CLONE && !(op->kind == OP_MAP && acted_on(page)))
		model_fail("address space %u va %u: frame %lx of pool %u mapped without authority", as, va, pte_pfn(e), page->pool);
	if (!same && op->kind == OP_CLONE && before.page[i].mapcount == 0)
		model_fail("address space %u va %u: frame %lx cloned out of nothing", as, va, pte_pfn(e));
	bool writable = pte_is_leaf(e) && pte_prot(e) & PROT_WRITE;
	if (writable && page->marks & PAGE_SWAPCACHE && !writable_before[i])
		model_fail("address space %u va %u: frame %lx made writable while in the swap cache", as, va, pte_pfn(e));
}

static pte_t without_ad(pte_t e)
{
	return pte_is_leaf(e) ? pte_clear_young(pte_clear_dirty(e)) : e;
}

// A call that fails has changed nothing; a program's faults on the way may have set A and D.
static void check_nothing(const struct op *op)
{
	for (u32 i = 0; i < total; i++) {
		const struct page *old = &before.page[i], *page = &now.page[i];
		bool table = (old->state == PAGE_FREE || old->pool == table_pool.id) && // tables came and went
			     (page->state == PAGE_FREE || page->pool == table_pool.id);
		if (!table && memcmp(old, page, sizeof(*page)))
			model_fail("frame %lx: changed by a call that failed: %s marks %x -> %s marks %x", mem.base + i,
				   page_state_name(old->state), old->marks, page_state_name(page->state), page->marks);
		if (!table && before.word[i] != now.word[i] && !wrote[i])
			model_fail("frame %lx: content changed by a call that failed", mem.base + i);
	}
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++)
			if (without_ad(before.entry[as][va]) != without_ad(now.entry[as][va]))
				model_fail("address space %u va %u: changed by a call that failed (%u)", as, va, op->kind);
}

// ---- what the oracle learns

static void learn(const struct op *op, err_t err)
{
	for (u32 i = 0; i < total; i++) {
		const struct page *old = &before.page[i], *page = &now.page[i];
		if (!alive(old) && alive(page))
			safe[i] = now.word[i];
	}
	if (op->kind != OP_MARK || err)
		return;
	u32 i = index_of(frame_pfn[op->f]);
	if (op->mark == MARK_BEGIN)
		begun[i] = now.word[i];
	if (op->mark == MARK_END)
		safe[i] = begun[i];
}

// What an operation that succeeded has promised.
static void check_promise(const struct op *op, u64 done)
{
	u32 f = index_of(frame_pfn[op->f]);
	const struct page *page = &now.page[f];
	if (op->kind == OP_EVICT && !(op->flags & EVICT_CANCEL) && page->state != PAGE_EVICTING)
		if (!(op->flags & EVICT_PARTIAL) || page->marks & (PAGE_DIRTY | PAGE_WRITEBACK))
			model_fail("frame %lx: evicted, but still %s, mapped %u times", frame_pfn[op->f], page_state_name(page->state),
				   page->mapcount);
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++) {
			pte_t e = now.entry[as][va];
			bool cow = op->kind == OP_CLONE && op->clone == CLONE_COW;
			bool from = cow && as == op->as && va - op->va < done;
			bool to = cow && as == op->bs && va - op->vb < done && keeps_frame(before.entry[op->as][op->va + va - op->vb]);
			bool writing = op->kind == OP_MARK && op->mark == MARK_BEGIN && keeps_frame(e) && pte_pfn(e) == frame_pfn[op->f];
			if (pte_is_leaf(e) && pte_prot(e) & PROT_WRITE && (from || to || writing))
				model_fail("address space %u va %u: still writable", as, va);
		}
}

static void check_stale(const struct op *op, err_t err)
{
	bool named = op->kind == OP_FREE || op->kind == OP_MOVE || op->kind == OP_FILL || op->kind == OP_MARK || op->kind == OP_PIN ||
		     op->kind == OP_UNPIN || op->kind == OP_EVICT || op->kind == OP_TAKE || (op->kind == OP_MAP && op->n == 1);
	if (!named || err)
		return;
	const struct page *old = &before.page[index_of(frame_pfn[op->f])];
	if (op->gen || old->state == PAGE_FREE || old->pool == table_pool.id || !acted_on(old))
		model_fail("frame %lx: a reference that does not hold was honoured", frame_pfn[op->f]);
}

void oracle_after(const struct op *op, err_t err, u64 done)
{
	view_take(&now);
	count_entries();
	check_stale(op, err);
	for (u32 i = 0; i < total; i++)
		check_change(i, op, err);
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++)
			check_entry(as, va, op);
	if (err && !ranged(op))
		check_nothing(op);
	if (!err || op->kind == OP_CLONE)
		check_promise(op, done);
	learn(op, err);
	for (u32 i = 0; i < total; i++)
		check_page(i);
	check_usage();
}

// ---- hashing

static u64 mix(u64 h, u64 x)
{
	h = (h ^ x) * 0xff51afd7ed558ccdul;
	return h ^ h >> 32;
}

// Versions by order of appearance, so that states which differ in their numbers only are one.
static u64 renamed(u64 *names, u32 *n, u64 word)
{
	for (u32 i = 0; i < *n; i++)
		if (names[i] == word)
			return i;
	names[(*n)++] = word;
	return *n - 1;
}

static u64 hash_pool(u64 h, const struct pool *p)
{
	u64 swept = p->sweep_aspace && aspaces ? aspaces->serial - p->sweep_aspace + 1 : 0;
	h = mix(h, p->id | (u64)p->dying << 16 | (u64)p->sweep_phase << 20 | p->usage << 32);
	return mix(h, p->limit ^ p->sweep_frame << 20 ^ swept << 50 ^ p->sweep_va << 8);
}

// Everything but generations, which only grow, and what follows from the rest.
u64 oracle_hash(void)
{
	u64 h = 1, names[3 * FRAMES_MAX] = { 0 };
	u32 n = 1; // 0 is 0
	for (u32 i = 0; i < total; i++) {
		const struct page *page = &now.page[i];
		h = mix(h, page->pool | (u64)page->state << 16 | (u64)page->order << 20 | (u64)page->pager << 24 | (u64)page->mapcount << 32);
		h = mix(h, page->marks | page->pins << 8);
		h = mix(h, page->word0 * 31 + page->word1);
		if (page->pool == table_pool.id || (!alive(page) && page->state != PAGE_FREE))
			continue;
		h = mix(h, renamed(names, &n, now.word[i]) | (u64)owners[now.word[i]] << 32);
		if (alive(page))
			h = mix(h, renamed(names, &n, safe[i]) | renamed(names, &n, page->marks & PAGE_WRITEBACK ? begun[i] : 0) << 32);
	}
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++)
			h = mix(h, now.entry[as][va]);
	for (u32 p = 0; p < config.pools; p++)
		h = hash_pool(h, &pool[p]);
	for (u32 hart = 0; hart < MACHINE_HARTS; hart++)
		h = mix(h, machine_aspace(hart) ? object_id(machine_aspace(hart)) : 0);
	return mix(h, machine_tlb_hash());
}
