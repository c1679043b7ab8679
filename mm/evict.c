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
#include <mm/pgtable.h>

#define TOKEN_LIMIT (1ul << 54)

// The places taken so far and what was in them. One list is enough: it is used under the kernel lock within one call.
static struct taken {
	struct place place;
	pte_t old;
} taken[BATCH];

// Tokens mean something to the pager of the frame's pool only; in another pool's window the page is simply gone.
static u64 place_token(const struct place *place, const struct page *page, u64 token)
{
	const struct window *w = aspace_window(place->as, place->va);
	return w && w->pool && w->pool->id == page->pool ? token : TOKEN_REVOKED;
}

// Returns how many places were taken: fewer than n means that the next one does not map the page.
static u64 places_take(const struct page *page, u64 token, const u64 *places, u64 n)
{
	u64 i;
	for (i = 0; i < n; i++) {
		struct taken *t = &taken[i];
		u64 id = places[2 * i];
		if (id >> 32 || aspace_place(id, places[2 * i + 1], page, &t->place))
			break;
		t->old = pte_exchange(t->place.slot, pte_make_token(place_token(&t->place, page, token)));
	}
	return i;
}

static void places_put_back(u64 n)
{
	for (u64 i = 0; i < n; i++)
		pte_fill(taken[i].place.slot, taken[i].old);
}

static bool taken_dirty(u64 n)
{
	for (u64 i = 0; i < n; i++)
		if (pte_dirty(taken[i].old))
			return true;
	return false;
}

// No way back from here: counts and sticky bits, then the translations.
static void places_commit(struct page *page, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		struct place *place = &taken[i].place;
		place->as->leaves--;
		page_unmapped(page, pte_dirty(taken[i].old), pte_young(taken[i].old));
		if (pte_is_leaf(taken[i].old))
			tlb_flush_page(place->as, place->va);
	}
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
static err_t evict_verdict(const struct page *page, u64 got, u64 n, u64 flags)
{
	if (got < n)
		return -ERR_EXIST;
	assert(got <= page->mapcount);
	if (got == page->mapcount)
		return 0;
	bool clean = !(page->marks & (PAGE_DIRTY | PAGE_WRITEBACK)) && !taken_dirty(got);
	return flags & EVICT_PARTIAL && clean ? 0 : -ERR_BUSY;
}

err_t frame_evict(struct pool *pool, frame_t frame, u64 token, const u64 *places, u64 n, u64 flags, u64 *left)
{
	struct page *page = frame_lookup(pool, frame);
	*left = 0;
	if (!page)
		return -ERR_STALE;
	if (n > BATCH || flags & ~(u64)(EVICT_PARTIAL | EVICT_CANCEL))
		return -ERR_INVAL;
	if (flags & EVICT_CANCEL)
		return evict_cancel(page, n);
	if (!token || token >= TOKEN_LIMIT || token == TOKEN_REVOKED)
		return -ERR_INVAL;
	*left = page->mapcount;
	if (page->state == PAGE_EVICTING || page->pins)
		return -ERR_BUSY;
	u64 got = places_take(page, token, places, n);
	err_t err = evict_verdict(page, got, n, flags);
	*left = got < n ? got : page->mapcount - got;
	if (err) {
		places_put_back(got);
		return err;
	}
	places_commit(page, got);
	page->marks |= PAGE_SWAPCACHE;
	if (!page->mapcount) {
		page->state = PAGE_EVICTING;
		page->word0 = token;
	}
	trace(EVENT_EVICT, frame, token, got);
	return 0;
}

// A leaf loses its write right and its dirty bit, which is harvested; the page walker of another hart may race for A
// and D.
static void place_write_protect(const struct place *place, struct page *page)
{
	pte_t old = *place->slot, set;
	if (!pte_is_leaf(old))
		return; // held: it was harvested when it became so, and protect will ask before it is writable again
	do {
		set = pte_clear_dirty(pte_set_prot(old, pte_prot(old) & ~(u64)PROT_WRITE));
	} while (!pte_change(place->slot, &old, set));
	if (pte_dirty(old))
		page->marks |= PAGE_DIRTY;
	if (old != set)
		tlb_flush_page(place->as, place->va);
}

// Taking the places finds one that is named twice, which would leave another one writable; then they go back, and are
// weakened one by one.
err_t page_write_protect(struct page *page, const u64 *places, u64 n)
{
	if (n > BATCH || n != page->mapcount)
		return -ERR_BUSY;
	u64 got = places_take(page, TOKEN_REVOKED, places, n);
	bool dirty = page->marks & PAGE_DIRTY || taken_dirty(got);
	places_put_back(got);
	if (got < n)
		return -ERR_BUSY;
	if (!dirty)
		return -ERR_INVAL;
	for (u64 i = 0; i < n; i++)
		place_write_protect(&taken[i].place, page);
	return 0;
}
