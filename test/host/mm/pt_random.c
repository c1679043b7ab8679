// SPDX-License-Identifier: MIT
// Random page-table operations against a simple oracle: for each address space an array of what each page should be,
// for each frame what its struct page should say and what its memory should hold. After each operation the pages it
// named are compared with the tables; now and then everything is, and the kernel's self-check runs. A call may stop
// early where it says so; then the oracle follows as far as it came.
//
// What the oracle does not follow: A bits (they may be lost to a flush that is not needed), and where a bounded call
// stops without an error.
#include <stdlib.h>
#include <string.h>

#include <mm/buddy.h>
#include <test/host/mm/pt_oracle.h>

#define EPOCH 2000 // operations until everything is freed and starts afresh

static u64 made[16]; // operations that did something, by kind

// ---- operations

static void op_alloc(void)
{
	u32 p = rnd(POOLS_USED), order = rnd(8) ? 0 : rnd(2) ? 4 : 9;
	u64 done, flags = rnd(3) ? 0 : ALLOC_LAZY;
	frame_t ref;
	if (owned_count + (1u << order) > FRAMES || frame_alloc(&pool[p], order, 1, flags, &ref, &done))
		return;
	made[0]++;
	for (u32 i = 0; i < 1u << order; i++) {
		u32 pfn = (u32)ref + i;
		CHECK(!frame[pfn].ref, "frame %x given out twice", pfn);
		const struct page *page = pfn_to_page(pfn);
		frame[pfn] = (struct frame_model){ .ref = frame_ref(page),
						   .pool = p,
						   .presentable = page->marks & PAGE_ZEROED };
		if (frame[pfn].presentable)
			frame[pfn].value = *(u64 *)page_address(page);
		CHECK(flags & ALLOC_LAZY || order > 5 || (frame[pfn].presentable && !frame[pfn].value),
		      "frame %x not zeroed", pfn);
		owned[owned_count++] = pfn;
	}
}

static void op_free(void)
{
	u32 p;
	frame_t ref = pick_frame(&p);
	struct frame_model *f = named(ref, p);
	bool ok = f && !f->mapcount && !f->pins;
	err_t err = ref ? frame_free(&pool[p], ref, FREE_DISCARD | FRAME_FREE_EVICT) : -ERR_STALE;
	CHECK(!err == ok, "frame_free %lx: %d", ref, err);
	made[1] += ok;
	if (ok)
		model_gone(ref);
}

static void op_pin(void)
{
	u32 p;
	u64 done;
	frame_t ref = pick_frame(&p);
	struct frame_model *f = named(ref, p);
	if (!f)
		return;
	s64 delta = f->pins ? -1 : rnd(4) ? 0 : 1;
	if (!delta || frame_pin(&pool[p], &ref, 1, 1, delta, &done))
		return;
	f->pins += delta;
	if (!f->presentable) {
		f->presentable = true;
		f->value = 0;
	}
}

// The frame of a map that is about to be made: the error it must give, in the order in which the kernel looks.
static err_t expect_entry(const struct page_model *m, struct frame_model *f, u64 flags, struct frame_model *source,
			  u64 filled)
{
	if (!f)
		return -ERR_STALE;
	u32 pfn = f - frame;
	if (flags & MAP_IF_EMPTY && m->kind != ENTRY_EMPTY)
		return -ERR_EXIST;
	if (flags & MAP_IF_TOKEN && counts(m))
		return -ERR_EXIST;
	struct frame_model *same = source ? source : f;
	if (flags & MAP_IF_SAME && (!counts(m) || m->pfn != same - frame || m->device))
		return -ERR_STALE;
	if (flags & MAP_IF_EXCLUSIVE && (f->mapcount != 1 || !counts(m) || m->pfn != pfn))
		return -ERR_BUSY;
	bool fill = flags & (MAP_ZERO | MAP_COPY) || !f->presentable;
	if (fill && filled >= BATCH_FILL)
		return -ERR_AGAIN;
	if (flags & MAP_COPY && source == f)
		return -ERR_INVAL;
	if (flags & (MAP_ZERO | MAP_COPY) && (f->mapcount || f->evicting || f->swapcache))
		return -ERR_BUSY;
	return 0;
}

static void apply_entry(struct page_model *m, struct frame_model *f, u64 flags, struct frame_model *source, u64 *filled)
{
	if (flags & (MAP_ZERO | MAP_COPY) || !f->presentable)
		++*filled;
	if (flags & MAP_COPY) {
		if (!source->presentable) {
			source->presentable = true;
			source->value = 0;
		}
		f->value = source->value;
		f->dirty = true;
	} else if (flags & MAP_ZERO || !f->presentable) {
		f->value = 0;
	}
	f->presentable = true;
	f->evicting = false;
	f->mapcount++;
	model_drop(m);
	bool held = flags & MAP_HELD || !pt_prot(flags); // a protection that this format cannot give becomes held
	u64 prot = pt_prot(flags) ? pt_prot(flags) : flags & PROT_ALL;
	if (f->swapcache)
		prot &= ~PROT_WRITE;
	*m = (struct page_model){ .kind = held ? ENTRY_HELD : ENTRY_LEAF, .prot = prot, .pfn = f - frame };
	m->dirty = !held && flags & MAP_TOUCH && prot & PROT_WRITE;
}

static u64 pick_map_flags(void)
{
	static const u64 conditions[] = { 0, 0, 0, MAP_IF_EMPTY, MAP_IF_TOKEN, MAP_IF_SAME };
	u64 flags = 1 + rnd(7);
	flags |= conditions[rnd(6)];
	flags |= rnd(8) ? 0 : MAP_ZERO;
	flags |= rnd(8) ? 0 : MAP_HELD;
	flags |= rnd(16) ? 0 : MAP_IF_EXCLUSIVE;
	flags |= rnd(4) ? 0 : MAP_TOUCH;
	return flags;
}

static void op_map(void)
{
	u32 s = rnd(SPACES), from, p = rnd(POOLS_USED), n = pick_range(&from, BATCH), fp;
	u64 list[BATCH], pairs[2 * BATCH_FILL], done, filled = 0, flags = pick_map_flags(), shape = rnd(3);
	frame_t first = pick_frame(&fp);
	if (!first)
		return;
	p = fp;
	struct map_request rq = {
		.va = page_va(from), .pool = &pool[p], .count = n, .flags = flags, .window = WINDOW_ANY, .frame = first
	};
	struct frame_model *source = NULL;
	if (flags & MAP_IF_SAME && rnd(2) && counts(&model[s][from])) { // as a COW fault does
		source = &frame[model[s][from].pfn];
		p = source->pool;
		rq.pool = &pool[p];
		rq.source = source->ref;
		rq.count = n = 1;
		rq.flags = flags = (flags & ~(u64)MAP_ZERO) | (rnd(2) ? MAP_COPY : 0);
		shape = 2;
	}
	u32 at[BATCH];
	n = shape == 1 && n > BATCH_FILL ? BATCH_FILL : n;
	rq.count = n;
	for (u32 i = 0; i < n; i++) {
		list[i] = shape == 2 ? first + i : pick_frame_of(p);
		if (shape == 0 && n > 1 && rnd(4) == 0)
			list[i] = 0; // a hole
		at[i] = from + i;
		if (shape == 1) {
			at[i] = from / PT_ENTRIES * PT_ENTRIES + rnd(PT_ENTRIES);
			pairs[2 * i] = list[i];
			pairs[2 * i + 1] = (u64)at[i] - from;
		}
	}
	if (shape == 0)
		rq.list = list;
	else if (shape == 1)
		rq.pairs = pairs;
	bool large = false;
	for (u32 i = 0; i < n; i++)
		large |= model[s][at[i]].large;
	maybe_inject(s);
	struct counts before = count_space(s);
	err_t err = aspace_map(space[s], &rq, &done);
	CHECK(done <= n, "map did %lu of %u", done, n);
	if (err == -ERR_NOMEM) {
		CHECK(done == 0 && table_pool[s].inject == 0, "NOMEM after %lu", done);
		same_counts(s, before);
	} else if (large) {
		CHECK(err == -ERR_EXIST && !done, "map under a large leaf: %d", err);
		same_counts(s, before);
	} else {
		for (u32 i = 0; i < n; i++) {
			struct frame_model *f = named(list[i], p);
			if (shape == 0 && !list[i]) {
				CHECK(done > i, "map stopped at the hole %u of %u: %d", i, n, err);
				continue;
			}
			if (done == i && !err && i >= 8) // it had enough work
				break;
			err_t expected = expect_entry(&model[s][at[i]], f, flags, source, filled);
			if (expected) {
				CHECK(done == i && err == (expected == -ERR_AGAIN ? 0 : expected),
				      "map entry %u of %u: %d after %lu, expected %d", i, n, err, done, expected);
				break;
			}
			CHECK(done > i, "map stopped at %u of %u: %d", i, n, err);
			apply_entry(&model[s][at[i]], f, flags, source, &filled);
		}
		made[2] += done;
	}
	table_pool[s].inject = 0;
	compare_range(s, from, from + 1);
	for (u32 i = 0; i < n; i++)
		compare_range(s, at[i], at[i] + 1);
}

// Where a range that must not cut a large entry has to stop: the first page of a large entry that is not in it as a
// whole.
static u32 cut_at(u32 s, u32 from, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		u32 at = from + i;
		if (model[s][at].large && (at % PT_ENTRIES ? i == 0 : n - i < PT_ENTRIES))
			return i;
		if (model[s][at].large)
			i += PT_ENTRIES - 1;
	}
	return n;
}

// Returns how far it came.
static u32 unmap_pages(u32 s, u32 from, u32 n, u32 p, u64 flags, u64 token)
{
	u64 list[2 * BATCH];
	struct unmap_result r;
	u32 cut = cut_at(s, from, n);
	if (token) {
		for (u32 i = cut; i-- > 0;) // a large entry cannot become tokens: it stops the call also as a whole
			cut = model[s][from + i].large ? i : cut;
	}
	err_t err = aspace_unmap(space[s], WINDOW_ANY, page_va(from), n, flags & UNMAP_FREE ? &pool[p] : NULL, flags,
				 token, list, &r);
	CHECK(r.done <= cut &&
		      (err ? err == -ERR_INVAL && r.done == cut && cut < n : r.done == n || r.removed + r.tokens >= 1),
	      "unmap: %d, %lu of %u, cut %u", err, r.done, n, cut);
	u64 removed = 0, tokens = 0, freed = 0;
	for (u32 i = 0; i < r.done; i++) {
		struct page_model *m = &model[s][from + i];
		bool first = !m->large || (from + i) % PT_ENTRIES == 0;
		u32 pfn = m->pfn;
		if (m->kind == ENTRY_EMPTY)
			continue;
		bool frees = counts(m) && flags & UNMAP_FREE;
		removed += counts(m) && first;
		if (m->kind == ENTRY_TOKEN && m->token != TOKEN_REVOKED) {
			if (flags & UNMAP_TOKENS)
				CHECK(list[2 * tokens] == m->token && list[2 * tokens + 1] == page_va(from + i),
				      "token %lu of the list", tokens);
			tokens++;
		}
		model_drop(m);
		struct frame_model *f = &frame[pfn];
		if (frees && !f->mapcount && f->pool == p && !f->pins && !f->swapcache) {
			model_gone(pfn);
			freed++;
		} else if (frees && !f->mapcount && f->pool == p && f->swapcache && flags & UNMAP_TOKENS &&
			   tokens < BATCH) {
			CHECK(list[2 * tokens] == f->ref && list[2 * tokens + 1] == (page_va(from + i) | UNMAP_FRAME),
			      "frame %lu of the list", tokens);
			tokens++;
		}
		if (token)
			*m = (struct page_model){ .kind = ENTRY_TOKEN, .token = token };
	}
	CHECK(r.removed == removed && r.tokens == tokens && r.freed == freed,
	      "unmap: removed %lu %lu, tokens %lu %lu, freed %lu %lu", r.removed, removed, r.tokens, tokens, r.freed,
	      freed);
	made[4] += removed;
	compare_range(s, from, from + n);
	return r.done;
}

static void op_unmap(void)
{
	u32 s = rnd(SPACES), from, n = rnd(12) ? pick_range(&from, 600) : pick_block_range(&from);
	u64 flags = (rnd(3) ? 0 : UNMAP_FREE) | (rnd(2) ? UNMAP_TOKENS : 0);
	unmap_pages(s, from, n, rnd(POOLS_USED), flags, rnd(6) ? 0 : 1 + rnd(1000));
}

static void empty_block(u32 s, u32 from)
{
	for (u32 done = 0; done < PT_ENTRIES;)
		done += unmap_pages(s, from + done, PT_ENTRIES - done, 0, 0, 0);
}

// 512 frames that lie together, in small leaves: what collapse wants.
static void op_fill_block(void)
{
	u32 s = rnd(SPACES), from, pfn = pick_large();
	u64 done, flags = pt_prot(1 + rnd(7)) | PROT_READ | MAP_RUN;
	if (!pfn)
		return;
	pick_block_range(&from);
	empty_block(s, from);
	for (u32 i = 0; i < PT_ENTRIES; i += done) {
		struct map_request rq = { .va = page_va(from + i),
					  .pool = &pool[frame[pfn].pool],
					  .count = PT_ENTRIES - i < BATCH ? PT_ENTRIES - i : BATCH,
					  .flags = flags,
					  .window = WINDOW_ANY,
					  .frame = frame[pfn + i].ref };
		err_t err = aspace_map(space[s], &rq, &done);
		u64 filled = 0;
		CHECK((err == 0 && done > 0) || err == -ERR_STALE || err == -ERR_NOMEM, "fill: %d", err);
		for (u32 k = 0; k < done; k++)
			apply_entry(&model[s][from + i + k], &frame[pfn + i + k], flags, NULL, &filled);
		if (err)
			break;
	}
	compare_range(s, from, from + PT_ENTRIES);
}

static void op_map_large(void)
{
	u32 s = rnd(SPACES), from;
	u64 done, filled = 0, flags = (1 + rnd(7)) | MAP_LARGE | (rnd(3) ? 0 : MAP_IF_EMPTY) | (rnd(8) ? 0 : MAP_HELD);
	pick_block_range(&from);
	u32 pfn = pick_large();
	if (!pfn)
		return;
	if (rnd(2))
		empty_block(s, from);
	u32 p = frame[pfn].pool;
	struct map_request rq = { .va = page_va(from),
				  .pool = &pool[p],
				  .count = 1,
				  .flags = flags,
				  .window = WINDOW_ANY,
				  .frame = frame[pfn].ref };
	err_t expected = 0;
	if (model[s][from].large) {
		expected = flags & MAP_IF_EMPTY ? -ERR_EXIST : 0;
	} else {
		for (u32 i = 0; i < PT_ENTRIES; i++)
			expected = model[s][from + i].kind ? -ERR_EXIST : expected;
	}
	for (u32 i = 0; i < PT_ENTRIES && !expected; i++) {
		if (!named(frame[pfn].ref + i, p)) {
			expected = -ERR_STALE;
		} else if (!frame[pfn + i].presentable || frame[pfn + i].evicting) {
			if (filled >= 12)
				expected = -ERR_AGAIN;
			filled += !frame[pfn + i].presentable && !expected;
		}
	}
	if (filled && !expected)
		expected = -ERR_AGAIN;
	err_t err = aspace_map(space[s], &rq, &done);
	CHECK(err == expected && done == !err, "large map: %d, expected %d", err, expected);
	bool swapcache = false;
	for (u32 i = 0; i < PT_ENTRIES; i++) { // what was made presentable stays so
		struct frame_model *f = &frame[pfn + i];
		const struct page *page = pfn_to_page(pfn + i);
		if (f->ref && !f->presentable && page->marks & PAGE_ZEROED) {
			f->presentable = true;
			f->value = 0;
		}
		if (f->ref && f->evicting && page->state == PAGE_OWNED)
			f->evicting = false;
		swapcache |= f->swapcache;
	}
	if (err)
		return;
	made[3]++;
	bool held = flags & MAP_HELD || !pt_prot(flags);
	u8 prot = (pt_prot(flags) ? pt_prot(flags) : flags & PROT_ALL) & (swapcache ? ~PROT_WRITE : ~0);
	for (u32 i = 0; i < PT_ENTRIES; i++) {
		struct page_model *m = &model[s][from + i];
		frame[pfn + i].mapcount++;
		model_drop(m);
		*m = (struct page_model){
			.kind = held ? ENTRY_HELD : ENTRY_LEAF, .prot = prot, .pfn = pfn + i, .large = true
		};
	}
	compare_range(s, from, from + PT_ENTRIES);
}

static u8 grant(const struct page_model *m, u64 prot)
{
	const struct frame_model *f = &frame[m->pfn];
	u32 n = m->large ? PT_ENTRIES : 1;
	for (u32 i = 0; i < n; i++) {
		if (f[i].mapcount != 1 || f[i].swapcache)
			return prot & ~PROT_WRITE;
	}
	return prot;
}

static void model_split(u32 s, u32 at)
{
	for (u32 i = at & ~511u; i < (at & ~511u) + PT_ENTRIES; i++)
		model[s][i].large = false;
}

static void op_protect(void)
{
	u32 s = rnd(SPACES), from, n = rnd(12) ? pick_range(&from, 600) : pick_block_range(&from);
	u64 prot = rnd(8), flags = prot | (rnd(3) ? 0 : PROTECT_SPLIT), done, changed;
	bool low = model[s][from].large && from % PT_ENTRIES,
	     end_cut = (from + n) % PT_ENTRIES && model[s][from + n].large;
	maybe_inject(s);
	struct counts before = count_space(s);
	err_t err = aspace_protect(space[s], WINDOW_ANY, page_va(from), n, flags, &done, &changed);
	if (err == -ERR_NOMEM) {
		CHECK((low || end_cut) && done == 0 && !table_pool[s].inject, "protect NOMEM");
		same_counts(s, before);
	} else if ((low || end_cut) && !(flags & PROTECT_SPLIT)) {
		CHECK(err == -ERR_INVAL && done == 0, "protect cuts a large entry: %d", err);
	} else {
		CHECK(!err && done <= n, "protect: %d", err);
		if (low)
			model_split(s, from);
		if (end_cut)
			model_split(s, from + n);
		prot = pt_prot(prot);
		u64 would = 0;
		for (u32 i = 0; i < done; i++) {
			struct page_model *m = &model[s][from + i];
			if (!counts(m))
				continue;
			bool first = !m->large || (from + i) % PT_ENTRIES == 0;
			u8 get = m->large && !first ? model[s][from + i - 1].prot : grant(m, prot);
			if (!prot) {
				would += m->kind == ENTRY_LEAF && first;
				frame[m->pfn].dirty |= m->dirty;
				m->dirty = false;
				m->kind = ENTRY_HELD;
			} else {
				would += first && (m->kind == ENTRY_HELD || m->prot != get);
				m->kind = ENTRY_LEAF;
				m->prot = get;
			}
		}
		CHECK(would == changed, "protect changed %lu, expected %lu", changed, would);
		made[5] += changed;
	}
	table_pool[s].inject = 0;
	compare_range(s, from, from + n);
}

static void op_collapse(void)
{
	u32 s = rnd(SPACES), from;
	u64 done, changed;
	pick_block_range(&from);
	bool fits = true, dirty = false;
	const struct page_model *first = &model[s][from];
	for (u32 i = 0; i < PT_ENTRIES; i++) {
		const struct page_model *m = first + i;
		fits &= m->kind == ENTRY_LEAF && !m->large && m->pfn == first->pfn + i && m->prot == first->prot &&
			first->pfn % PT_ENTRIES == 0 && frame[m->pfn].pool == frame[first->pfn].pool;
		dirty |= m->dirty;
	}
	err_t err = aspace_protect(space[s], WINDOW_ANY, page_va(from), PT_ENTRIES, PROTECT_COLLAPSE, &done, &changed);
	CHECK(!err && done == PT_ENTRIES && changed == fits, "collapse: %d, %lu done, %lu changed, fits %u", err, done,
	      changed, fits);
	made[6] += fits;
	for (u32 i = 0; i < PT_ENTRIES && fits; i++) {
		model[s][from + i].large = true;
		model[s][from + i].dirty = dirty;
	}
	compare_range(s, from, from + PT_ENTRIES);
}

static void op_scan(void)
{
	u32 s = rnd(SPACES), from, n = rnd(12) ? pick_range(&from, 600) : pick_block_range(&from),
	    cut = cut_at(s, from, n);
	u64 flags = rnd(8), list[SCAN_LIST_MAX * 4], done, entries, listed = 0;
	err_t err = aspace_scan(space[s], WINDOW_ANY, page_va(from), n, flags, list, &done, &entries);
	CHECK(done <= cut && (err ? err == -ERR_INVAL && done == cut && cut < n : true), "scan: %d, %lu of %u", err,
	      done, n);
	for (u32 i = 0; i < done; i++) {
		struct page_model *m = &model[s][from + i];
		bool first = !m->large || (from + i) % PT_ENTRIES == 0;
		if (flags & SCAN_CLEAR_D && m->dirty && m->kind == ENTRY_LEAF) {
			frame[m->pfn].dirty = true;
			m->dirty = false;
			m->prot &= ~PROT_WRITE;
		}
		if (!(flags & SCAN_LIST) || m->kind == ENTRY_EMPTY || !first)
			continue;
		const u64 *e = list + 4 * listed++;
		CHECK(e[0] == (page_va(from + i) | m->kind), "scan entry %lu: %lx", listed, e[0]);
		if (m->kind == ENTRY_TOKEN) {
			CHECK(e[2] == m->token, "scan entry %lu: token %lx", listed, e[2]);
			continue;
		}
		CHECK((e[1] & 7) == m->prot && !(e[1] & SCAN_INFO_LARGE) == !m->large &&
			      !(e[1] & SCAN_INFO_DIRTY) == !m->dirty,
		      "scan entry %lu: %lx", listed, e[1]);
		CHECK(e[2] == frame[m->pfn].ref && e[3] >> 32 == frame[m->pfn].mapcount, "scan entry %lu: %lx", listed,
		      e[2]);
	}
	CHECK(!(flags & SCAN_LIST) || listed == entries, "scan listed %lu, expected %lu", entries, listed);
	made[7] += entries;
	compare_range(s, from, from + n);
}

static err_t expect_clone(u32 s, u32 i, u32 d, u32 k, u64 op)
{
	const struct page_model *m = &model[s][i];
	if (model[d][k].kind != ENTRY_EMPTY)
		return -ERR_EXIST;
	if (m->kind == ENTRY_TOKEN)
		return m->token != TOKEN_REVOKED && page_pool(s, i) != page_pool(d, k) ? -ERR_INVAL : 0;
	for (u32 j = 0; op != CLONE_MOVE && j < (m->large ? PT_ENTRIES : 1); j++) {
		if (frame[m->pfn + j].pins)
			return -ERR_BUSY;
	}
	return 0;
}

static void apply_clone(struct page_model *to, struct page_model *m, u64 op)
{
	*to = *m;
	if (op == CLONE_MOVE) {
		*m = (struct page_model){ 0 };
		return;
	}
	if (!counts(m))
		return;
	frame[m->pfn].mapcount++;
	to->dirty = false;
	if (op == CLONE_COW)
		m->prot = to->prot = m->prot & ~PROT_WRITE;
}

static void op_clone(void)
{
	u32 s = rnd(SPACES), d = rnd(SPACES), from, to, other,
	    n = rnd(8) ? pick_range(&from, 300) : pick_block_range(&from), m;
	if (rnd(8) || n == PT_ENTRIES) {
		m = n == PT_ENTRIES ? pick_block_range(&to) : pick_range(&to, 300);
		n = m < n ? m : n;
	} else {
		to = from;
	}
	other = to;
	u64 op = rnd(3), list[2 * BATCH], done, copied, tokens, expect_copied = 0, expect_tokens = 0;
	if (s == d && to < from + n && from < to + n)
		return;
	maybe_inject(d);
	struct counts before = count_space(d);
	err_t err = aspace_clone(space[d], WINDOW_ANY, page_va(to), space[s], WINDOW_ANY, page_va(from), n, op, list,
				 &done, &copied, &tokens);
	CHECK(done <= n, "clone: %lu of %u", done, n);
	for (u32 i = 0; i < done; i++) {
		struct page_model *source = &model[s][from + i], *target = &model[d][to + i];
		bool first = !source->large || (from + i) % PT_ENTRIES == 0;
		if (source->kind == ENTRY_EMPTY)
			continue;
		err_t expected = first ? expect_clone(s, from + i, d, to + i, op) : 0;
		CHECK(!expected, "clone went over page %u, expected %d", i, expected);
		if (source->kind == ENTRY_TOKEN && source->token != TOKEN_REVOKED) {
			CHECK(list[2 * expect_tokens] == source->token &&
				      list[2 * expect_tokens + 1] == page_va(from + i),
			      "clone: token %lu", expect_tokens);
			expect_tokens++;
		}
		expect_copied += counts(source) && first;
		apply_clone(target, source, op);
	}
	CHECK(copied == expect_copied && tokens == expect_tokens, "clone: copied %lu %lu, tokens %lu %lu", copied,
	      expect_copied, tokens, expect_tokens);
	if (err == -ERR_NOMEM) {
		CHECK(!copied && !tokens && !table_pool[d].inject, "clone NOMEM after %lu", done);
		same_counts(d, before);
	} else if (err) {
		const struct page_model *source = &model[s][from + done];
		bool cut = source->large && (cut_at(s, from + done, n - done) == 0 || (from ^ to) % PT_ENTRIES);
		bool under = model[d][to + done].large || source->large;
		err_t expected = cut ? -ERR_INVAL : expect_clone(s, from + done, d, to + done, op);
		// Tables come first: a large entry anywhere below the destination's next pages is in their way.
		CHECK(err == expected || (err == -ERR_EXIST && (under || !source->large)),
		      "clone at %lu: %d, expected %d", done, err, expected);
	}
	table_pool[d].inject = 0;
	made[8] += copied;
	compare_range(s, from, from + n);
	compare_range(d, other, other + n);
}

static void op_access(void)
{
	u32 s = rnd(SPACES), hart = rnd(MACHINE_HARTS), from, n = pick_range(&from, 64);
	machine_enter(hart);
	machine_switch(space[s]);
	machine_leave();
	for (u32 i = from; i < from + n; i++) {
		struct page_model *m = &model[s][i];
		bool write = rnd(2), allowed = m->kind == ENTRY_LEAF && m->prot & (write ? PROT_WRITE : PROT_READ);
		u64 *word = machine_access(hart, page_va(i), write);
		CHECK(!word == !allowed, "hart %u, space %u, page %u, write %u: %p, kind %u prot %x large %u", hart, s,
		      i, write, (void *)word, m->kind, m->prot, m->large);
		if (!word)
			continue;
		CHECK(*word == frame[m->pfn].value, "hart %u reads %lx, expected %lx", hart, *word,
		      frame[m->pfn].value);
		if (!write)
			continue;
		*word = frame[m->pfn].value = now * 100000 + i;
		u32 first = m->large ? i & ~511u : i;
		for (u32 k = first; k < first + (m->large ? PT_ENTRIES : 1); k++)
			model[s][k].dirty = true;
		made[9]++;
	}
}

static void op_evict(void)
{
	u32 p;
	u64 places[2 * BATCH], n = 0, left, token = 1 + rnd(100000);
	frame_t ref = pick_frame(&p);
	struct frame_model *f = named(ref, p);
	if (!f)
		return;
	bool large = false;
	for (u32 s = 0; s < SPACES; s++) {
		for (u32 i = 0; i < PAGES && n < BATCH; i++) {
			const struct page_model *m = &model[s][i];
			if (!counts(m) || m->pfn != (u32)ref)
				continue;
			large |= m->large;
			places[2 * n] = object_id(space[s]);
			places[2 * n++ + 1] = page_va(i);
		}
	}
	bool ok = !f->pins && !f->evicting && !large && n == f->mapcount && n <= EVICT_PLACES;
	if (n && !rnd(4)) { // a lie
		places[2 * rnd(n) + 1] ^= PAGE_SIZE << rnd(4);
		ok = false;
		if (rnd(2))
			places[0] ^= 1ul << rnd(32);
	}
	err_t err = frame_evict(&pool[p], ref, token, places, n, 0, &left);
	if (err) {
		CHECK(!ok, "evict of %lu places: %d", n, err);
		return;
	}
	if (!ok) // the lie was another place of the same frame
		return;
	made[10]++;
	f->evicting = f->swapcache = true;
	for (u64 k = 0; k < n; k++) {
		u32 s = 0, i = va_page(places[2 * k + 1]);
		while (object_id(space[s]) != places[2 * k])
			s++;
		model_drop(&model[s][i]);
		model[s][i] = (struct page_model){ .kind = ENTRY_TOKEN,
						   .token = page_pool(s, i) == p ? token : TOKEN_REVOKED };
		compare_range(s, i, i + 1);
	}
	compare_frame((u32)ref);
}

static void op_destroy(void)
{
	u32 s = rnd(SPACES);
	space_destroy(s);
	space_make(s);
	made[11]++;
}

static void op_stash(void)
{
	u32 s = rnd(SPACES);
	maybe_inject(s);
	u32 want = rnd(6), before = space[s]->stash_count;
	err_t err = aspace_set_stash(space[s], want);
	CHECK(err ? err == -ERR_NOMEM && space[s]->stash_count == before : space[s]->stash_count == want,
	      "stash %u: %d", want, err);
	table_pool[s].inject = 0;
}

static void step(void)
{
	static void (*const op[])(void) = { op_alloc, op_free,  op_map,    op_unmap,      op_protect,
					    op_scan,  op_clone, op_access, op_map_large,  op_collapse,
					    op_pin,   op_evict, op_stash,  op_fill_block, op_destroy };
	static const u32 weight[] = { 12, 6, 20, 12, 8, 6, 10, 16, 4, 2, 2, 1, 1, 2, 1 };
	u32 at = rnd(103), i = 0;
	for (; at >= weight[i]; i++)
		at -= weight[i];
	if (op[i] == op_destroy && rnd(20))
		return;
	op[i]();
	machine_check_tlbs();
	machine_enter(rnd(MACHINE_HARTS));
}

// Everything goes; the machine must be as it was before.
static void epoch_end(u64 free_frames)
{
	compare_all();
	CHECK(mm_check() == 0, "self-check");
	for (u32 s = 0; s < SPACES; s++)
		space_destroy(s);
	while (owned_count) {
		struct frame_model *f = &frame[owned[0]];
		u64 done;
		CHECK(!f->mapcount, "frame %x is still mapped", owned[0]);
		for (; f->pins; f->pins--)
			CHECK(!frame_pin(&pool[f->pool], &f->ref, 1, 1, -1, &done), "unpin");
		CHECK(!frame_free(&pool[f->pool], f->ref, FREE_DISCARD | FRAME_FREE_EVICT), "free");
		model_gone(owned[0]);
	}
	compare_frames();
	CHECK(zone[0].free_frames == free_frames, "%lu frames free, %lu before", zone[0].free_frames, free_frames);
	CHECK(!pool[0].usage && !pool[1].usage && mm_check() == 0 && mm_check_rest(0) == 0, "something is left");
}

static void run(u32 levels, u64 steps)
{
	oracle_boot(levels);
	u64 free_frames = zone[0].free_frames;
	for (u64 i = 0; i < steps; i++, now++) {
		if (i % EPOCH == 0) {
			trace_mask = i / EPOCH % 2 ? ~0ul : 0; // traced entries take a longer way
			for (u32 s = 0; s < SPACES; s++)
				space_make(s);
		}
		step();
		if (i % 500 == 0)
			compare_all();
		if (i % EPOCH == EPOCH - 1 || i == steps - 1)
			epoch_end(free_frames);
	}
}

int main(int argc, char **argv)
{
	const char *mode = getenv("JJOK_TEST");
	u64 steps = argc > 1 ? strtoul(argv[1], NULL, 0) : mode && !strcmp(mode, "quick") ? 30000 : 200000;
	rnd_state = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	printf("seed %lu, %lu operations in each of three modes\n", rnd_state, steps);
	for (u32 levels = 3; levels <= 5; levels++)
		run(levels, steps);
	printf("alloc %lu free %lu map %lu large %lu unmap %lu protect %lu collapse %lu scan %lu clone %lu access %lu "
	       "evict %lu destroy %lu\n",
	       made[0], made[1], made[2], made[3], made[4], made[5], made[6], made[7], made[8], made[9], made[10],
	       made[11]);
	return 0;
}
