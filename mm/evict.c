// SPDX-License-Identifier: MIT
// evict: a frame leaves all the places that map it, or none. The caller's reverse map is a hint: every place is walked
// and must name the frame, and together they must be as many as its mapcount. So a wrong list costs a retry, never
// data.
//
//	OWNED, mapcount n --evict, n places--> EVICTING (SWAPCACHE, word0 = token, entries hold the token)
//	EVICTING --map (rescue) or CANCEL--> OWNED, SWAPCACHE;   EVICTING --frame_free--> FREE
//
// Each place is taken as it is checked (one walk per place; a place named twice finds the token the second time). If
// the list turns out wrong, all entries are put back as they were. Nobody else sees the gap: a hart that faults on it
// waits for the kernel lock and finds the entry back, and translations that are still cached are of entries that are
// valid again.
//
// A call names at most EVICT_PLACES places: that many fit into the instructions for which interrupts may be off,
// whatever the walks cost. A frame that is mapped more often goes in pieces, while it is clean (EVICT_PARTIAL).
#include <mm/pgtable.h>

#define TOKEN_LIMIT (1ul << 54)

// More translations than this: one flush of everything is cheaper, and other harts are waited for once.
#define EVICT_FLUSHES 16

// A place that maps a frame with a 4K entry, present or held.
struct place {
	struct aspace *as;
	vaddr_t va;
	pte_t *slot;
};

// The places taken so far and what was in them. One list is enough: it is used under the kernel lock within one call.
static struct taken {
	struct place place;
	pte_t old;
} taken[EVICT_PLACES];

struct harvest {
	u64 leaves; // of the places, those that were present
	bool dirty, young;
};

// False: {id, va} does not map or hold the page with a 4K entry. `limit` is pt_user_limit(). Short, since a call asks
// for many.
static always_inline bool place_find(u64 id, vaddr_t va, vaddr_t limit, const struct page *page, struct place *place)
{
	pfn_t pfn = id >> (PAGE_SHIFT - 6);
	if (unlikely(pfn >= mem.limit || id % (OBJECT_SIZE_ASPACE / 64)))
		return false;
	const struct page *holder = pfn_to_page(pfn);
	if (unlikely(holder->state != PAGE_OBJECT || (u8)holder->word1 != TYPE_ASPACE))
		return false;
	// A freed slot is zeroed: an address space that has a root table lives.
	struct aspace *as = arch_p2v(id << 6);
	if (unlikely(!as->table || va % PAGE_SIZE || va >= limit))
		return false;
	pte_t *slot = aspace_slot(as, va);
	if (unlikely(!slot || !pte_names(*slot, page_to_pfn(page))))
		return false;
	*place = (struct place){ .as = as, .va = va, .slot = slot };
	return true;
}

// Tokens mean something to the pager of the frame's pool only; in another pool's window the page is simply gone.
static always_inline u64 place_token(const struct place *place, const struct pool *pool, u64 token)
{
	if (token == TOKEN_REVOKED)
		return token;
	const struct window *w = &place->as->window[0];
	if (unlikely(place->va < w->start || place->va >= w->end))
		w = aspace_window(place->as, place->va);
	return w && w->pool == pool ? token : TOKEN_REVOKED;
}

// Take the n places out. Returns how many were taken: fewer than n means that the next one does not map the page.
static u64 places_take(const struct page *page, const struct pool *pool, u64 token, const u64 *places, u64 n,
		       struct harvest *h)
{
	const vaddr_t limit = pt_user_limit();
	struct harvest sum = { 0 };
	u64 i;
	for (i = 0; i < n; i++) {
		struct taken *t = &taken[i];
		if (!place_find(places[2 * i], places[2 * i + 1], limit, page, &t->place))
			break;
		pte_t old = pte_exchange(t->place.slot, pte_make_token(place_token(&t->place, pool, token)));
		t->old = old;
		sum.leaves += pte_is_leaf(old);
		sum.dirty |= pte_dirty(old);
		sum.young |= pte_young(old);
	}
	*h = sum;
	return i;
}

static void places_put_back(u64 n)
{
	for (u64 i = 0; i < n; i++)
		pte_fill(taken[i].place.slot, taken[i].old);
}

// The entries of n places have changed: their translations go.
static void places_flush(u64 n, const struct harvest *h)
{
	if (h->leaves > EVICT_FLUSHES) {
		tlb_flush_everything();
		return;
	}
	for (u64 i = 0; i < n; i++)
		if (pte_is_leaf(taken[i].old))
			tlb_flush_page(taken[i].place.as, taken[i].place.va);
}

// No way back from here: counts and sticky bits, then the translations.
static void places_commit(struct page *page, u64 n, const struct harvest *h)
{
	for (u64 i = 0; i < n; i++)
		taken[i].place.as->leaves--;
	page->marks |= (h->dirty ? PAGE_DIRTY : 0) | (h->young ? PAGE_YOUNG : 0);
	page->mapcount -= n;
	places_flush(n, h);
}

static err_t evict_cancel(struct page *page, u64 n)
{
	if (n)
		return -ERR_INVAL;
	if (page->state != PAGE_EVICTING)
		return -ERR_BUSY;
	page->state = PAGE_OWNED; // SWAPCACHE stays: the tokens are out
	page->word0 = 0;
	return 0;
}

// Whether the places taken may go, and if not, why.
static err_t evict_verdict(const struct page *page, u64 got, u64 n, const struct harvest *h, u64 flags)
{
	if (got < n)
		return -ERR_EXIST;
	assert(got <= page->mapcount);
	if (got == page->mapcount)
		return 0;
	bool clean = !(page->marks & (PAGE_DIRTY | PAGE_WRITEBACK)) && !h->dirty;
	return flags & EVICT_PARTIAL && clean ? 0 : -ERR_BUSY;
}

err_t frame_evict(struct pool *pool, frame_t frame, u64 token, const u64 *places, u64 n, u64 flags, u64 *left)
{
	struct page *page = frame_lookup(pool, frame);
	*left = 0;
	if (!page)
		return -ERR_STALE;
	if (n > EVICT_PLACES || flags & ~(u64)(EVICT_PARTIAL | EVICT_CANCEL))
		return -ERR_INVAL;
	if (flags & EVICT_CANCEL)
		return evict_cancel(page, n);
	if (!token || token >= TOKEN_LIMIT || token == TOKEN_REVOKED)
		return -ERR_INVAL;
	*left = page->mapcount;
	if (page->state == PAGE_EVICTING || page->pins)
		return -ERR_BUSY;
	struct harvest h;
	u64 got = places_take(page, pool, token, places, n, &h);
	err_t err = evict_verdict(page, got, n, &h, flags);
	*left = got < n ? got : page->mapcount - got;
	if (err) {
		places_put_back(got);
		return err;
	}
	places_commit(page, got, &h);
	page->marks |= PAGE_SWAPCACHE;
	if (!page->mapcount) {
		page->state = PAGE_EVICTING;
		page->word0 = token;
	}
	trace(EVENT_EVICT, frame, token, got);
	return 0;
}

// Leaves come back without write right and dirty bit. Held entries come back as they were: they were harvested when
// they became so, and protect will ask before one is writable again.
static void places_put_back_protected(u64 n)
{
	for (u64 i = 0; i < n; i++) {
		pte_t old = taken[i].old;
		if (pte_is_leaf(old))
			old = pte_clear_dirty(pte_set_prot(old, pte_prot(old) & ~(u64)PROT_WRITE));
		pte_fill(taken[i].place.slot, old);
	}
}

// Taking the places finds one that is named twice, which would leave another one writable. Of a frame that is mapped
// more often than a list is long, a full list will do: what is written through the other places meanwhile stays in
// their D, and makes the frame dirty again when it is harvested.
err_t page_write_protect(struct page *page, const struct pool *pool, const u64 *places, u64 n)
{
	if (n > EVICT_PLACES || n != MIN(page->mapcount, (u32)EVICT_PLACES))
		return -ERR_BUSY;
	struct harvest h;
	u64 got = places_take(page, pool, TOKEN_REVOKED, places, n, &h);
	bool dirty = page->marks & PAGE_DIRTY || h.dirty;
	if (got < n) {
		places_put_back(got);
		return -ERR_BUSY;
	}
	places_put_back_protected(n);
	page->marks |= dirty ? PAGE_DIRTY : 0;
	places_flush(n, &h);
	return 0;
}

// A clear of A needs no flush: a stale translation costs one late harvest (scan.c).
u64 page_age(struct page *page, u64 *places, u64 n)
{
	const vaddr_t limit = pt_user_limit();
	u64 kept = 0;
	for (u64 i = 0; i < n; i++) {
		u64 id = places[2 * i], va = places[2 * i + 1];
		struct place place;
		if (!place_find(id, va, limit, page, &place))
			continue;
		pte_t old = *place.slot;
		while (pte_is_leaf(old) && pte_young(old) && !pte_change(place.slot, &old, pte_clear_young(old)))
			;
		page->marks |= pte_is_leaf(old) && pte_young(old) ? PAGE_YOUNG : 0;
		places[2 * kept] = id;
		places[2 * kept + 1] = va;
		kept++;
	}
	return kept;
}
