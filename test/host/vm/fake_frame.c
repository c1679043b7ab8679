// SPDX-License-Identifier: MIT
// The fake kernel's frames, entries and the calls on them.
#include "fake_kernel.h"

#include <stdlib.h>
#include <string.h>

static u32 scratch_pfn; // the frame vm has mapped at its scratch page

// ---- pools and frames

bool charge(struct pool *pool, u64 n)
{
	if (pool->usage + pool->children + n > pool->limit)
		return false;
	pool->usage += n;
	return true;
}

struct frame *frame_get(struct pool *pool, u64 ref, u32 state)
{
	u32 pfn = (u32)ref;

	if (pfn >= FAKE_FRAMES || frames[pfn].v->gen != ref >> 32 || frames[pfn].pool != pool ||
	    frames[pfn].v->state != state)
		return NULL;
	return &frames[pfn];
}

struct frame *frame_any(struct pool *pool, u64 ref)
{
	struct frame *f = frame_get(pool, ref, FRAME_OWNED);

	return f ? f : frame_get(pool, ref, FRAME_EVICTING);
}

u32 pfn_of(const struct frame *f)
{
	return (u32)(f - frames);
}

frame_t fake_ref(u32 pfn)
{
	return (u64)frames[pfn].v->gen << 32 | pfn;
}

struct frame *frame_new(struct pool *pool)
{
	struct frame *f;

	if (!free_top || !charge(pool, 1))
		return NULL;
	f = &frames[free_list[--free_top]];
	f->v->state = FRAME_OWNED;
	f->pool = pool;
	return f;
}

void frame_release(struct frame *f)
{
	if (f->v->mapcount || f->v->state == FRAME_FREE)
		abort();
	f->pool->usage--;
	f->v->gen++;
	f->v->marks = 0;
	f->v->word0 = f->v->word1 = 0;
	f->v->state = FRAME_FREE;
	f->pool = NULL;
	memset(content[pfn_of(f)], 0xee, PAGE_SIZE);
	free_list[free_top++] = pfn_of(f);
}

// ---- entries

struct fake_entry *entry_at(struct aspace *as, u64 page, bool make)
{
	u64 index = page / (LEAVES * ENTRIES), l = page / ENTRIES % LEAVES, m = index % MIDS;

	while (as->mid[m] && as->mid[m]->index != index)
		m = (m + 1) % MIDS; /* never full: a test is in a few places */
	if (!as->mid[m]) {
		if (!make || !charge(as->pool, 1))
			return NULL;
		as->tables++;
		as->mid[m] = calloc(1, sizeof(struct mid));
		as->mid[m]->index = index;
	}
	if (!as->mid[m]->leaf[l]) {
		if (!make || !charge(as->pool, 1))
			return NULL;
		as->tables++;
		as->mid[m]->leaf[l] = calloc(ENTRIES, sizeof(struct fake_entry));
	}
	return &as->mid[m]->leaf[l][page % ENTRIES];
}

struct fake_entry *entry_used(struct aspace *as, u64 page)
{
	struct fake_entry *e = entry_at(as, page, false);

	return e && e->kind ? e : NULL;
}

struct fake_entry *entry_next(struct aspace *as, u64 *position)
{
	for (u64 i = *position; i < (u64)MIDS * LEAVES * ENTRIES; i++) {
		const struct mid *mid = as->mid[i / (LEAVES * ENTRIES)];
		struct fake_entry *leaf = mid ? mid->leaf[i / ENTRIES % LEAVES] : NULL;

		if (!mid)
			i |= LEAVES * ENTRIES - 1;
		else if (!leaf)
			i |= ENTRIES - 1;
		else if (leaf[i % ENTRIES].kind) {
			*position = i + 1;
			return &leaf[i % ENTRIES];
		}
	}
	return NULL;
}

u64 entry_page(const struct aspace *as, u64 position)
{
	return as->mid[(position - 1) / (LEAVES * ENTRIES)]->index * LEAVES * ENTRIES +
	       (position - 1) % (LEAVES * ENTRIES);
}

// The host's addresses of vm's own pages (test/host/vm/fake/abi/stubs.h) are folded to the size of a page table.
static u64 page_folded(cptr_t aspace, u64 va)
{
	return PAGE_OF(aspace == SLOT_SELF_ASPACE ? va & 0x3ffffffffff : va);
}

static bool tables_for(struct aspace *as, u64 page, u64 n)
{
	if (nomem())
		return false;
	for (u64 i = 0; i < n; i++)
		if (!entry_at(as, page + i, true))
			return false;
	return true;
}

void entry_drop(struct aspace *as, struct fake_entry *e)
{
	if (e->kind != ENTRY_TOKEN) {
		frames[e->pfn].v->mapcount--;
		as->leaves--;
	}
	memset(e, 0, sizeof(*e));
}

static err_t condition(struct fake_entry *e, struct frame *f, u64 flags, u64 source)
{
	if (flags & MAP_IF_EMPTY && e->kind)
		return -ERR_EXIST;
	if (flags & MAP_IF_TOKEN && e->kind && e->kind != ENTRY_TOKEN)
		return -ERR_EXIST;
	if (flags & MAP_IF_SAME &&
	    (!e->kind || e->kind == ENTRY_TOKEN || e->pfn != (u32)(source ? source : fake_ref(pfn_of(f)))))
		return -ERR_STALE;
	if (flags & MAP_IF_EXCLUSIVE &&
	    !(f->v->mapcount == 1 && e->kind && e->kind != ENTRY_TOKEN && e->pfn == pfn_of(f)))
		return -ERR_BUSY;
	if (flags & MAP_UNCACHE && f->v->mapcount)
		return -ERR_BUSY;
	/* The last mapping of the source must not vanish under a copy: its frame would be nobody's. */
	if (flags & MAP_COPY && flags & MAP_IF_SAME && frames[(u32)source].v->mapcount == 1 &&
	    !(views[(u32)source].marks & FRAME_SWAPCACHE))
		return -ERR_BUSY;
	return 0;
}

static err_t map_entry(struct aspace *as, u64 page, struct pool *pool, u64 ref, u64 flags, u64 source, u64 word0,
		       u64 word1)
{
	struct frame *f = frame_any(pool, ref);
	struct fake_entry *e = entry_at(as, page, false);
	u32 prot = flags & 7;
	err_t err;

	if (!f || (source && !frame_any(pool, source)))
		return -ERR_STALE;
	err = condition(e, f, flags, source);
	if (err)
		return err;
	if (flags & (MAP_ZERO | MAP_COPY) && (f->v->mapcount || f->v->marks & FRAME_SWAPCACHE))
		return -ERR_BUSY;
	if (f->v->state == FRAME_EVICTING) { /* rescue */
		f->v->state = FRAME_OWNED;
		f->v->word0 = 0;
	}
	if (flags & MAP_UNCACHE && f->v->marks & FRAME_SWAPCACHE)
		f->v->marks = (u8)((f->v->marks & ~FRAME_SWAPCACHE) | FRAME_DIRTY);
	if (f->v->marks & FRAME_SWAPCACHE)
		prot &= ~(u32)PROT_WRITE;
	if (flags & MAP_COPY)
		memcpy(content[pfn_of(f)], content[(u32)source], PAGE_SIZE);
	else if (flags & MAP_ZERO || (f->dirtyful && !f->v->mapcount))
		memset(content[pfn_of(f)], 0, PAGE_SIZE);
	f->dirtyful = false;
	f->v->mapcount++;
	if (word0) {
		f->v->word0 = word0;
		f->v->word1 = word1;
	}
	if (e->kind)
		entry_drop(as, e);
	as->leaves++;
	*e = (struct fake_entry){ .kind = flags & MAP_HELD ? ENTRY_HELD : ENTRY_LEAF, .prot = prot, .pfn = pfn_of(f) };
	return 0;
}

struct fake_entry fake_lookup(u32 slot, u64 page)
{
	struct fake_entry none = { 0 };
	struct aspace *as = own_as(proc_cap(slot, CAP_ASPACE));
	struct fake_entry *e = as ? entry_used(as, page) : NULL;

	return e ? *e : none;
}

u64 *fake_content(u32 pfn)
{
	return content[pfn];
}

bool fake_exclusive(u32 pfn)
{
	return frames[pfn].v->mapcount == 1;
}

bool fake_in_fault;

err_t fake_reply_map(u32 slot, u64 addr, const struct map_reply *map)
{
	struct aspace *as = own_as(proc_cap(slot, CAP_ASPACE));
	struct pool *pool = own_pool(map->pool);
	u64 n = map->count > 1 ? map->count : 1;

	call_begin();
	if (!as || !pool || !(map->prot & 7) || !fake_in_fault)
		return -ERR_INVAL;
	for (u64 i = 0; i < n; i++)
		if (!tables_for(as, PAGE_OF(addr) + (n > 1 ? fake_argument[2 * i + 1] : 0), 1))
			return -ERR_NOMEM;
	for (u64 i = 0; i < n; i++) {
		u64 ref = n > 1 ? fake_argument[2 * i] : map->frame, off = n > 1 ? fake_argument[2 * i + 1] : 0;
		err_t err = map_entry(as, PAGE_OF(addr) + off, pool, ref, map->prot, map->source, map->word0,
				      map->word1 + off);

		if (err)
			return err;
	}
	return call_end(0);
}

err_t sys_map(cptr_t aspace, u64 va, cptr_t pool, u64 frame, u64 count, u64 prot, u64 source, u64 word0, u64 word1,
	      u64 *done, u64 *achieved)
{
	struct aspace *as = own_as(aspace);
	u64 n = count ? count : 1, i;

	if (achieved)
		*achieved = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	call_begin();
	if (done)
		*done = 0;
	if (!as || !own_pool(pool) || !(prot & (7 | MAP_HELD)))
		return -ERR_INVAL;
	if (!tables_for(as, page_folded(aspace, va), n))
		return -ERR_NOMEM;
	for (i = 0; i < n; i++) {
		u64 ref = prot & MAP_RUN ? frame + i : n > 1 ? fake_argument[i] : frame;
		err_t err = map_entry(as, page_folded(aspace, va) + i, own_pool(pool), ref, prot, source, word0,
				      word1 + i);

		if (err)
			return err;
		if (done)
			*done = i + 1;
	}
	if (aspace == SLOT_SELF_ASPACE && va == (u64)fake_heap) {
		scratch_pfn = (u32)frame;
		memcpy(fake_heap, content[scratch_pfn], PAGE_SIZE);
	}
	return call_end(0);
}

err_t sys_unmap(cptr_t aspace, u64 va, u64 count, cptr_t pool, u64 flags, u64 token, u64 *done, u64 *removed,
		u64 *freed, u64 *tokens)
{
	struct aspace *as = own_as(aspace);
	struct pool *owner = own_pool(pool);
	u64 n = 0, looked = 0, gone = 0, pairs = 0;

	(void)token;
	(void)freed;
	call_begin();
	if (!as || (flags & UNMAP_FREE && !owner))
		return -ERR_INVAL;
	if (aspace == SLOT_SELF_ASPACE && va == (u64)fake_heap && entry_used(as, page_folded(aspace, va)))
		memcpy(content[scratch_pfn], fake_heap, PAGE_SIZE);
	for (u64 page; n < count && looked < 256; n++, looked++) {
		struct fake_entry *e = entry_at(as, page = page_folded(aspace, va) + n, false);
		u32 pfn;

		if (!e) { /* no table there */
			n += ENTRIES - 1 - page % ENTRIES;
			looked += 7;
			continue;
		}
		if (!e->kind)
			continue;
		pfn = e->pfn;
		if (e->kind == ENTRY_TOKEN) {
			entry_drop(as, e);
			if (!(flags & UNMAP_TOKENS))
				abort(); /* its count would never be right again */
			fake_argument[2 * pairs] = pfn;
			fake_argument[2 * pairs++ + 1] = va + n * PAGE_SIZE;
			continue;
		}
		entry_drop(as, e);
		gone++;
		if (!(flags & UNMAP_FREE) || frames[pfn].pool != owner || frames[pfn].v->mapcount)
			continue;
		if (views[pfn].marks & FRAME_SWAPCACHE) {
			fake_argument[2 * pairs] = fake_ref(pfn);
			fake_argument[2 * pairs++ + 1] = (va + n * PAGE_SIZE) | UNMAP_FRAME;
		} else if (!views[pfn].pins) {
			frame_release(&frames[pfn]);
		}
	}
	n = n < count ? n : count;
	if (tokens)
		*tokens = pairs;
	if (done)
		*done = n;
	if (removed)
		*removed = gone;
	return call_end(n < count && fake_calls & 1 ? -ERR_AGAIN : 0);
}

err_t sys_protect(cptr_t aspace, u64 va, u64 count, u64 prot, u64 *done, u64 *changed, u64 *achieved)
{
	struct aspace *as = own_as(aspace);
	u64 n = count < 256 ? count : 256;

	if (achieved)
		*achieved = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
	(void)changed;
	call_begin();
	for (u64 i = 0; i < n; i++) {
		struct fake_entry *e = entry_used(as, PAGE_OF(va) + i);

		if (!e || e->kind == ENTRY_TOKEN)
			continue;
		e->kind = prot ? ENTRY_LEAF : ENTRY_HELD;
		e->prot = (u32)(views[e->pfn].mapcount == 1 && !(views[e->pfn].marks & FRAME_SWAPCACHE)
					? prot
					: prot & ~(u64)PROT_WRITE);
	}
	if (done)
		*done = n;
	return call_end(0);
}

err_t sys_scan(cptr_t aspace, u64 va, u64 count, u64 flags, u64 *done, u64 *entries)
{
	struct aspace *as = own_as(aspace);
	u64 i, n = 0;

	call_begin();
	if (!as || flags != SCAN_LIST)
		return -ERR_INVAL;
	for (i = 0; i < count && n < 128; i++) {
		struct fake_entry *e = entry_at(as, PAGE_OF(va) + i, false);

		if (!e)
			i += ENTRIES - 1 - (PAGE_OF(va) + i) % ENTRIES; /* no table there */
		if (!e || !e->kind)
			continue;
		fake_argument[4 * n] = va + i * PAGE_SIZE + e->kind;
		fake_argument[4 * n + 1] = e->prot;
		fake_argument[4 * n + 2] = e->kind == ENTRY_TOKEN ? e->pfn : fake_ref(e->pfn);
		n++;
	}
	if (done)
		*done = i < count ? i : count;
	*entries = n;
	return call_end(0);
}

err_t sys_clone(cptr_t dst, u64 dva, cptr_t src, u64 sva, u64 count, u64 op, u64 *done, u64 *copied, u64 *tokens)
{
	struct aspace *d = own_as(dst), *s = own_as(src);
	u64 n = count < 256 ? count : 256, i, pairs = 0;

	(void)copied;
	call_begin();
	*done = *tokens = 0;
	if (!d || !s)
		return -ERR_INVAL;
	for (i = 0; i < n; i++, *done = i) {
		struct fake_entry *e = entry_used(s, PAGE_OF(sva) + i), *to;

		if (!e)
			continue;
		if (!tables_for(d, PAGE_OF(dva) + i, 1))
			return -ERR_NOMEM;
		to = entry_at(d, PAGE_OF(dva) + i, false);
		if (to->kind)
			return -ERR_EXIST;
		if (e->kind == ENTRY_TOKEN) {
			*to = *e;
			fake_argument[2 * pairs] = e->pfn;
			fake_argument[2 * pairs++ + 1] = sva + i * PAGE_SIZE;
			*tokens = pairs;
			if (op == CLONE_MOVE)
				entry_drop(s, e);
			continue;
		}
		if (op == CLONE_COW && views[e->pfn].pins)
			return -ERR_BUSY;
		if (op == CLONE_COW)
			e->prot &= ~(u32)PROT_WRITE;
		*to = *e;
		frames[e->pfn].v->mapcount++;
		d->leaves++;
		if (op == CLONE_MOVE)
			entry_drop(s, e);
	}
	return call_end(0);
}

// ---- frames

err_t sys_frame_alloc(cptr_t pool, u64 order, u64 count, u64 flags, u64 *done, u64 *first)
{
	u64 n;

	call_begin();
	if (order || count > BATCH)
		abort();
	if (nomem())
		return -ERR_NOMEM;
	for (n = 0; n < count; n++) {
		struct frame *f = frame_new(own_pool(pool));

		if (!f)
			break;
		f->dirtyful = flags & ALLOC_LAZY;
		if (!f->dirtyful)
			memset(content[pfn_of(f)], 0, PAGE_SIZE);
		fake_argument[n] = fake_ref(pfn_of(f));
		if (first && !n)
			*first = fake_argument[0];
	}
	if (done)
		*done = n;
	return call_end(n ? 0 : -ERR_NOMEM);
}

err_t sys_frame_free(cptr_t pool, u64 count, u64 frame, u64 flags, u64 *done)
{
	struct frame *f = frame_get(own_pool(pool), frame, FRAME_OWNED);

	(void)flags;
	(void)done;
	call_begin();
	if (count || !f)
		return -ERR_STALE;
	if (f->v->mapcount)
		return -ERR_BUSY;
	frame_release(f);
	return call_end(0);
}

err_t sys_frame_fill(cptr_t pool, u64 dst, u64 src)
{
	struct frame *to = frame_get(own_pool(pool), dst, FRAME_OWNED), *from = frame_any(own_pool(pool), src);

	call_begin();
	if (!to || !from)
		return -ERR_STALE;
	if (to->v->mapcount || to == from)
		return -ERR_BUSY;
	memcpy(content[pfn_of(to)], content[pfn_of(from)], PAGE_SIZE);
	to->dirtyful = false;
	return call_end(0);
}

// Places in the argument page that map the frame stay there.
static u64 mark_age(const struct frame *f, u64 n)
{
	u64 kept = 0;

	for (u64 i = 0; i < n; i++) {
		if (!fake_place(fake_argument[2 * i], fake_argument[2 * i + 1], pfn_of(f)))
			continue;
		fake_argument[2 * kept] = fake_argument[2 * i];
		fake_argument[2 * kept++ + 1] = fake_argument[2 * i + 1];
	}
	return kept;
}

err_t sys_frame_mark(cptr_t pool, u64 frame, u64 op, u64 a, u64 b, u64 *r0, u64 *r1, u64 *r2, u64 *r3)
{
	struct frame *f;

	(void)r0;
	call_begin();
	f = frame_any(own_pool(pool), frame);
	if (!f)
		return -ERR_STALE;
	switch (op) {
	case MARK_STAT:
		*r1 = f->v->mapcount;
		if (r2) {
			*r1 |= (u64)f->v->pins << 32;
			*r2 = f->v->word0;
			*r3 = f->v->word1;
		}
		break;
	case MARK_AGE:
		*r1 = f->v->mapcount | (u64)f->v->pins << 32;
		*r3 = mark_age(f, a);
		break;
	case MARK_WORDS:
		if (f->v->state == FRAME_EVICTING)
			return -ERR_BUSY;
		f->v->word0 = a;
		f->v->word1 = b;
		break;
	case MARK_SWAPCACHE_CLEAR:
		if (f->v->state == FRAME_EVICTING)
			return -ERR_BUSY;
		f->v->marks &= (u8)~FRAME_SWAPCACHE;
		break;
	default:
		abort();
	}
	return call_end(0);
}
