// SPDX-License-Identifier: MIT
/*
 * reclaim and rmap as vm sees them, in the simplest form that keeps docs/pagers.md: frames are taken out of every place
 * that maps them, lie in the swap cache, go, and come back; a disk is an array of slots. Places are found as rmap finds
 * them: through copies of vm's VMA records that are read again only when vm has marked them. A frame that is mapped
 * where those records do not lead is a failure of vm.
 */
#include "fake_kernel.h"
#include "model.h"

#include "../../../user/pager/vm/request.h"

#include <pager/channel.h>
#include <pager/swap.h>
#include <stdio.h>
#include <string.h>

#define RING_PAGES 2

u64 _Alignas(4096) fake_view[(SWAP_TABLE + FAKE_SLOTS * sizeof(struct swap_slot)) / 8];
static u64 _Alignas(4096) requests_memory[RING_PAGES * PAGE_SIZE / 8], answers_memory[RING_PAGES * PAGE_SIZE / 8];
static struct rmap_share _Alignas(4096) marks;
static u64 disk[FAKE_SLOTS][PAGE_SIZE / 8];
static struct vma seen[VMAS];
static struct ring requests, answers, news, emptied;
static struct swap_share *share = (void *)((char *)fake_view + SWAP_SHARE);
static struct swap_slot *table = (void *)((char *)fake_view + SWAP_TABLE);
static struct swap_request waiting[PROCS + 1]; // reads and wants that are not answered yet
static u32 waiting_count;
static bool busy;  // no reclaim within reclaim
static u32 pinned; // a frame that a device has

u32 fake_meddling, fake_io_errors;
u64 fake_evictions, fake_reads;
static u64 answered_bits;

void fake_swap_boot(struct server_info *info, bool on)
{
	struct server_ring *ring = info->ring;

	if (!on)
		return;
	ring[0] = (struct server_ring){ .peer = "reclaim",
					.out = (u64)requests_memory,
					.in = (u64)answers_memory,
					.pages = RING_PAGES,
					.notify = PEER_FILES_NOTIFY,
					.out_bits = 1ul << 32,
					.in_bits = 1ul << 33 };
	ring[1] = (struct server_ring){ .peer = "rmap",
					.out = (u64)&marks,
					.pages = 1,
					.notify = PEER_FILES_NOTIFY,
					.out_bits = 1ul << 34,
					.in_bits = 1ul << 35 };
	info->rings = 2;
	info->view_pages = (u32)(sizeof(fake_view) / PAGE_SIZE);
	ring_attach_consumer(&requests, (void *)requests_memory, channel_records(RING_PAGES, 4), 4);
	ring_attach_producer(&answers, (void *)answers_memory, channel_records(RING_PAGES, 4), 4);
	ring_attach_consumer(&news, (void *)((char *)fake_view + SWAP_NEWS), SWAP_RING_RECORDS, 1);
	ring_attach_consumer(&emptied, (void *)((char *)fake_view + SWAP_EMPTIED), SWAP_RING_RECORDS, 1);
	share->slots = FAKE_SLOTS;
	share->starts = 1;
	share->magic = SWAP_MAGIC;
}

static u32 frame_of_slot(u64 slot)
{
	return table[slot].frame & SWAPSLOT_FRAME;
}

// ---- rmap

static void marks_follow(void)
{
	for (u32 i = 0; i < VMAS; i++) {
		if (!(marks.changed[i / 64] >> i % 64 & 1))
			continue;
		check(marks.summary[i / 4096] >> i / 64 % 64 & 1);
		marks.changed[i / 64] &= ~(1ul << i % 64);
		seen[i] = vms->vma[i];
		if (!seen[i].kind || seen[i].check != vma_sum(&seen[i]))
			seen[i].kind = VMA_FREE;
	}
	memset(marks.summary, 0, sizeof(marks.summary));
}

struct place {
	u32 slot;
	u64 page;
	struct fake_entry *entry;
	u16 flags;
};

// Every place that maps the frame.
static u32 places_find(u32 pfn, struct place *place)
{
	u64 key = views[pfn].word0 & ((1ul << SWAP_WORD_SHIFT) - 1), index = views[pfn].word1;
	u32 n = 0;

	marks_follow();
	for (u32 i = 1; i < VMAS; i++) {
		const struct vma *v = &seen[i];
		u64 page = v->start + (index - v->pgoff);
		struct aspace *as;
		struct fake_entry *e;

		if (v->kind == VMA_FREE || vma_word0(v) != key || index - v->pgoff >= v->end - v->start)
			continue;
		as = own_as(proc_cap(v->owner, CAP_ASPACE));
		e = as && marks.aspace[v->owner] ? entry_used(as, page) : NULL;
		if (!e || e->kind == ENTRY_TOKEN || e->pfn != pfn)
			continue;
		for (u32 k = 0; k < n && e; k++) /* two records overlap while one changes */
			if (place[k].entry == e)
				e = NULL;
		if (e && n < PROCS)
			place[n++] = (struct place){ v->owner, page, e, v->flags };
	}
	return n;
}

// Now and then rmap is wrong: a place is missing, or one is named that is another page's.
err_t rmap_few(cptr_t ep, u64 frame, u64 from, u64 *count, u64 *aspace0, u64 *va0, u64 *aspace1, u64 *va1, u64 *aspace2,
	       u64 *va2)
{
	u64 *out[][2] = { { aspace0, va0 }, { aspace1, va1 }, { aspace2, va2 } };
	static struct place place[PROCS];
	u32 pfn = (u32)frame, n;

	call_begin();
	check(ep == PEER_RMAP_CALL);
	if (pfn >= FAKE_FRAMES || views[pfn].gen != frame >> 32)
		return -ERR_STALE;
	if (views[pfn].state != FRAME_OWNED || !views[pfn].word0)
		return -ERR_NOENT;
	n = places_find(pfn, place);
	for (u32 i = 0; i < n; i++) /* rmap names no place that mlock keeps */
		if (place[i].flags & VMA_LOCKED)
			place[i--] = place[--n];
	if (!rnd(10) && n)
		n--;
	*count = n > from ? n - from : 0;
	for (u64 i = 0; i < 3 && from + i < n; i++) {
		*out[i][0] = marks.aspace[place[from + i].slot];
		*out[i][1] = ADDRESS_OF(place[from + i].page + !rnd(40));
	}
	return call_end(0);
}

// The entry of a place that the kernel is told, if it maps the frame.
struct fake_entry *fake_place(u64 aspace, u64 va, u32 pfn)
{
	for (u32 slot = 0; slot < PROCS; slot++) {
		struct aspace *as = marks.aspace[slot] == aspace ? own_as(proc_cap(slot, CAP_ASPACE)) : NULL;
		struct fake_entry *e = as ? entry_used(as, PAGE_OF(va)) : NULL;

		if (e && aspace)
			return e->kind != ENTRY_TOKEN && e->pfn == pfn ? e : NULL;
	}
	return NULL;
}

// ---- page-out

static bool is_swappable(u32 pfn)
{
	const struct frame_view *view = &views[pfn];

	return view->state == FRAME_OWNED && frames[pfn].pool == &user_pool.pool && view->mapcount && !view->pins &&
	       view->word0 && pfn < FAKE_FRAMES - ARCHIVE_PAGES;
}

static u32 slot_free(void)
{
	static u32 next = 1;

	for (u32 i = 1; i < FAKE_SLOTS; i++) {
		next = next + 1 < FAKE_SLOTS ? next + 1 : 1;
		if (!table[next].frame && !table[next].count)
			return next;
	}
	return 0;
}

static bool evict(u32 pfn)
{
	static struct place place[PROCS];
	bool cached = views[pfn].marks & FRAME_SWAPCACHE;
	u64 slot = cached ? views[pfn].word0 >> SWAP_WORD_SHIFT : slot_free();
	u32 n = slot ? places_find(pfn, place) : 0;

	if (!slot)
		return false;
	if (n != views[pfn].mapcount)
		panic("frame %u (words %lx %lx) is mapped %u times, the records lead to %u", pfn,
		      (unsigned long)views[pfn].word0, (unsigned long)views[pfn].word1, views[pfn].mapcount, n);
	for (u32 i = 0; i < n; i++)
		if (place[i].flags & VMA_LOCKED)
			return false;
	check(!cached || frame_of_slot(slot) == pfn);
	check(!cached || !memcmp(disk[slot], content[pfn], PAGE_SIZE)); /* nobody has written it */
	memcpy(disk[slot], content[pfn], PAGE_SIZE);
	table[slot].frame = SWAPSLOT_USED | pfn;
	table[slot].count += n;
	for (u32 i = 0; i < n; i++) {
		own_as(proc_cap(place[i].slot, CAP_ASPACE))->leaves--;
		*place[i].entry = (struct fake_entry){ .kind = ENTRY_TOKEN, .pfn = (u32)slot };
	}
	views[pfn].mapcount = 0;
	views[pfn].marks |= FRAME_SWAPCACHE;
	views[pfn].state = FRAME_EVICTING;
	views[pfn].word0 = slot;
	fake_evictions++;
	return true;
}

// The table may name a frame that vm has taken out of the swap cache, and that is somebody else's by now.
static bool slot_has(u64 slot, u32 pfn)
{
	const struct frame_view *view = &views[pfn];

	return pfn && view->marks & FRAME_SWAPCACHE &&
	       slot == (view->state == FRAME_EVICTING ? view->word0 : view->word0 >> SWAP_WORD_SHIFT);
}

static void slot_leave(u64 slot)
{
	u32 pfn = frame_of_slot(slot);

	if (slot_has(slot, pfn) && !views[pfn].mapcount && !views[pfn].pins) {
		frame_release(&frames[pfn]);
		table[slot].frame &= ~SWAPSLOT_FRAME;
	}
}

// A slot without tokens: its frame goes unless it is mapped; it is free when no frame holds it.
static void slot_emptied(u64 slot)
{
	u32 pfn = frame_of_slot(slot);

	if (table[slot].count || !(table[slot].frame & SWAPSLOT_USED))
		return;
	slot_leave(slot);
	if (!slot_has(slot, pfn))
		table[slot].frame &= ~SWAPSLOT_FRAME;
	if (!frame_of_slot(slot))
		table[slot].frame = 0;
}

bool fake_evict_one(void)
{
	u32 start = (u32)rnd(FAKE_FRAMES);

	for (u32 i = 0; i < FAKE_FRAMES; i++) {
		u32 pfn = (start + i) % FAKE_FRAMES;

		if (pfn && is_swappable(pfn) && evict(pfn))
			return true;
	}
	return false;
}

// Frames of the swap cache that nothing maps go to the disk.
u32 fake_drop(u32 want)
{
	u32 start = (u32)rnd(FAKE_SLOTS), n = 0;

	for (u32 i = 0; i < FAKE_SLOTS && n < want; i++) {
		u32 slot = (start + i) % FAKE_SLOTS, pfn = frame_of_slot(slot);

		if (!slot_has(slot, pfn) || views[pfn].mapcount || views[pfn].pins)
			continue;
		slot_leave(slot);
		n++;
	}
	return n;
}

static void emptied_take(void)
{
	bool lost = ring_overflowed(&emptied);
	u64 slot;

	while (ring_take(&emptied, &slot))
		slot_emptied(slot);
	for (u32 i = 1; i < FAKE_SLOTS && lost; i++)
		slot_emptied(i);
	while (ring_take(&news, &slot))
		;
}

// ---- page-in

static void answer(const struct swap_request *rq, u64 what, err_t status)
{
	struct swap_answer a = { .flow = rq->flow, .what = what, .slot = rq->slot, .status = (u64)(s64)status };

	(void)ring_put(&answers, (const u64 *)&a);
	answered_bits = 1ul << 33;
}

static bool page_read(u64 slot)
{
	struct frame *f;

	if (frame_of_slot(slot))
		return true;
	while (!(f = frame_new(&user_pool.pool)))
		if (!fake_evict_one() || !fake_drop(1))
			return false;
	memcpy(content[pfn_of(f)], disk[slot], PAGE_SIZE);
	f->dirtyful = false;
	f->v->state = FRAME_EVICTING;
	f->v->marks = FRAME_SWAPCACHE;
	f->v->word0 = slot;
	table[slot].frame = SWAPSLOT_USED | pfn_of(f);
	fake_reads++;
	return true;
}

static void page_serve(const struct swap_request *rq)
{
	if (!table[rq->slot].count || rnd(8) == 0)
		answer(rq, SWAPANS_PAGE, -ERR_AGAIN);
	else if (rnd(1000) < fake_io_errors && !frame_of_slot(rq->slot))
		answer(rq, SWAPANS_PAGE, -ERR_IO);
	else
		answer(rq, SWAPANS_PAGE, page_read(rq->slot) ? 0 : -ERR_AGAIN);
}

static void frames_serve(const struct swap_request *rq)
{
	u32 n = fake_drop((u32)rq->arg);

	while (n < rq->arg && fake_evict_one())
		n += fake_drop((u32)rq->arg - n);
	answer(rq,
	       n || user_pool.pool.usage + user_pool.pool.children < user_pool.pool.limit ? SWAPANS_FRAMES
											  : SWAPANS_NO_PROGRESS,
	       0);
}

void fake_swap_run(void)
{
	struct swap_request rq;

	if (busy || share->magic != SWAP_MAGIC)
		return;
	busy = true;
	emptied_take();
	while (waiting_count <= PROCS && ring_take(&requests, (u64 *)&rq))
		waiting[waiting_count++] = rq;
	/* In any order, some later. */
	for (u32 i = 0; i < waiting_count;) {
		if (!rnd(3)) {
			i++;
			continue;
		}
		rq = waiting[i];
		waiting[i] = waiting[--waiting_count];
		if (rq.what == SWAPREQ_PAGE)
			page_serve(&rq);
		else if (rq.what == SWAPREQ_FRAMES)
			frames_serve(&rq);
	}
	busy = false;
}

// A device begins to write out a page that was rescued, or ends. What nobody has any more goes then.
void fake_unpin(void)
{
	u32 pfn = pinned;

	if (!pinned)
		return;
	pinned = 0;
	views[pfn].pins = 0;
	if (views[pfn].state == FRAME_OWNED && !views[pfn].mapcount && !(views[pfn].marks & FRAME_SWAPCACHE))
		frame_release(&frames[pfn]);
}

static void pin(void)
{
	u32 pfn = (u32)rnd(FAKE_FRAMES);

	if (pinned) {
		fake_unpin();
		return;
	}
	for (u32 i = 0; i < FAKE_FRAMES && !pinned; i++) {
		pfn = (pfn + 1) % FAKE_FRAMES;
		if (is_swappable(pfn) && views[pfn].marks & FRAME_SWAPCACHE)
			pinned = pfn;
	}
	views[pinned].pins = pinned != 0;
}

void fake_swap_meddle(void)
{
	if (busy || rnd(1000) >= fake_meddling)
		return;
	busy = true;
	switch (rnd(6)) {
	case 0:
		(void)fake_drop(1 + (u32)rnd(3));
		break;
	case 1:
		emptied_take();
		break;
	case 2:
		pin();
		break;
	default:
		(void)fake_evict_one();
	}
	busy = false;
}

void fake_swap_deliver(void)
{
	u64 bits = answered_bits | fake_own_bits;

	answered_bits = fake_own_bits = 0;
	if (!bits)
		return;
	vm_notified(bits);
	fault_arrived();
}

void fake_swap_settle(void)
{
	fake_unpin();
	for (u32 i = 0; i < 1000 && (waiting_count || answered_bits || fake_own_bits || i < 3); i++) {
		fake_swap_run();
		fake_swap_deliver();
	}
	check(!waiting_count);
}

// Every token and every page of [first, end) comes back, as swapoff asks. Answers how many rounds it took.
u32 fake_unuse(u64 first, u64 end)
{
	u32 rounds = 0, turns;
	bool left = true;

	fake_unpin();
	busy = true;
	while (left) {
		struct swap_request rq = { 0 }, done;

		for (u64 slot = first; slot < end; slot++)
			if (table[slot].count)
				check(page_read(slot));
		share->unuse_first = first;
		share->unuse_end = end;
		share->unuse_round++;
		if (++rounds % 2) { /* the ring was full: vm learns no more than that */
			answers.shared->overflow = 1;
			answered_bits = 1ul << 33;
		} else {
			answer(&rq, SWAPANS_UNUSE, 0);
		}
		turns = 0;
		do {
			fake_swap_deliver();
			check(turns++ < 10000);
		} while (!ring_take(&requests, (u64 *)&done));
		check(done.what == SWAPREQ_UNUSED && done.arg == share->unuse_round);
		left = false;
		for (u64 slot = first; slot < end; slot++)
			left |= table[slot].count != 0;
		check(rounds < 4);
	}
	emptied_take();
	busy = false;
	return rounds;
}

// ---- checks

const char *fake_token_wrong(u64 token)
{
	return !token || token >= FAKE_SLOTS || !(table[token].frame & SWAPSLOT_USED) ? "token of a free slot" : NULL;
}

u64 fake_swap_used(void)
{
	u64 n = 0;

	for (u32 i = 1; i < FAKE_SLOTS; i++)
		n += (table[i].frame & SWAPSLOT_USED) != 0;
	return n;
}

static u32 tokens[FAKE_SLOTS];

static void tokens_count(void)
{
	memset(tokens, 0, sizeof(tokens));
	for (u32 slot = 0; slot < PROCS; slot++) {
		struct aspace *as = own_as(proc_cap(slot, CAP_ASPACE));
		const struct fake_entry *e;
		u64 position = 0;

		while (as && (e = entry_next(as, &position)))
			if (e->kind == ENTRY_TOKEN)
				tokens[e->pfn % FAKE_SLOTS]++;
	}
}

// What a vm that was killed leaves: counts may be too high, never too low. They are taken afresh.
void fake_swap_recount(void)
{
	tokens_count();
	for (u32 i = 0; i < FAKE_SLOTS; i++) {
		if (tokens[i] > table[i].count)
			panic("slot %u: count %u, %u tokens", i, table[i].count, tokens[i]);
		table[i].count = tokens[i];
		slot_emptied(i);
	}
}

u64 fake_swap_check(void)
{
	u64 bad = 0;

	tokens_count();
	for (u32 i = 0; i < FAKE_SLOTS; i++) {
		if (tokens[i] != table[i].count)
			bad++, printf("slot %u: count %u, %u tokens\n", i, table[i].count, tokens[i]);
	}
	return bad;
}
