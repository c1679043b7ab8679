// SPDX-License-Identifier: MIT
// The oracle: what must be true after every operation, whatever the servers tried.
//
// Content. Every store of a program writes a new version number. A frame's content is `safe` when it is 0, or the
// version that its owner's write-out has brought to disk, or what the frame held when it was allocated. Unsafe content
// must be marked: DIRTY, or WRITEBACK while what is being written out is still what the frame holds, or D in an entry
// that maps it. A frame may only end with unsafe content if the operation said so (DISCARD, UNMAP_FREE, pool_destroy,
// an explicit fill). Owners. A version belongs to the pools that wrote it or were given it by frame_move. What a pool
// can see (mapped, or PAGE_ZEROED) is its own or zero. Authority. An operation changes frames only of the pools it was
// given, and nothing at all when it fails (but for progress of ranged ones).
#include <stdlib.h>
#include <string.h>

#include <test/model/oracle.h>

struct view before, now;
u64 safe[FRAMES_MAX], begun[FRAMES_MAX];
bool wrote[FRAMES_MAX], writable_before[FRAMES_MAX];
u64 version;
u8 *owners;
u32 total;
u32 op_pools;
u16 ids[POOLS_MAX];

static u64 owners_size;
static u32 mapped[FRAMES_MAX];
static bool dirty_entry[FRAMES_MAX];

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
	// Between the freeing of a frame and the flush at the end of the operation a program may still read it: that is
	// its own old page.
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
	op_pools = acting(op);
	for (u32 p = 0; p < config.pools; p++)
		ids[p] = pool[p].id;
	before = now;
	memset(wrote, 0, sizeof(wrote));
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
	if (page->state == PAGE_EVICTING && !(page->marks & PAGE_SWAPCACHE))
		model_fail("frame %lx: EVICTING, marks %x", pfn, page->marks);
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
			model_fail("pool %u: usage %lu, limit %lu, owns %lu", p, pool[p].usage, pool[p].limit,
				   usage[p]);
	if (table_pool.usage != tables)
		model_fail("table pool: usage %lu, owns %lu", table_pool.usage, tables);
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

void oracle_after(const struct op *op, err_t err, u64 done)
{
	view_take(&now);
	count_entries();
	check_changes(op, err, done);
	learn(op, err);
	for (u32 i = 0; i < total; i++)
		check_page(i);
	check_usage();
}
