// SPDX-License-Identifier: MIT
/*
 * Tokens: entries whose page reclaim has taken out of memory. A token is the number of a swap slot; the slot table,
 * shared with reclaim, has the number of tokens that are out and the frame that has the page, if one has.
 *
 *	token, no frame   -> the fault waits for reclaim (wait.c)
 *	token, a frame    read: mapped read-only, it stays in the swap cache
 *	                  write, the last token: it leaves the swap cache and is written; else: a copy
 *	leaf in the swap cache, write: the same with 0 tokens
 *
 * Invariants: a count is never lower than the number of tokens: it grows before anybody runs who could give one up
 * (tokens_get after clone), and shrinks after the entry is gone. Who is killed in between leaves it too high, which
 * costs a slot and no page.
 */
#include "swap.h"

#include <abi/abi_names.h>
#include <base/log.h>
#include <base/string.h>

#define TELL_AFTER 64 // slots that came to nobody, until reclaim is told

struct swap swap;
struct frames frame_table;
struct rmap_share *rmap_share;
bool tokens_unsure;
static u32 emptied; // and not told yet

static const struct server_ring *ring_of(const struct server_info *info, const char *peer)
{
	for (u32 i = 0; i < info->rings && i < SERVER_RINGS; i++)
		if (!strcmp((const char *)info->ring[i].peer, peer))
			return &info->ring[i];
	return NULL;
}

static void rmap_open(const struct server_ring *ring)
{
	if (!ring || (u64)ring->pages * PAGE_SIZE < sizeof(struct rmap_share))
		return;
	rmap_share = (struct rmap_share *)ring->out;
	rmap_share->vmas = offsetof(struct vm_state, vma);
	vma_changed_all(rmap_share);
	__atomic_store_n(&rmap_share->ready, 1, __ATOMIC_RELEASE);
}

// A successor of reclaim would take a slot that is counted, without a page, for one that it never used.
static void giving_up(u64 slot)
{
	__atomic_store_n(&swap.share->giving_up, slot, __ATOMIC_RELEASE);
}

void swap_open(const struct server_info *info)
{
	u64 table = 0, first = 0, pages = 0;

	if (sys_aspace_ctl(SLOT_SELF_ASPACE, ASOP_OBSERVE, SLOT_SYSTEM, 0, 0, 0, 0, 0, &table, &first, &pages, NULL))
		panic("vm: no view of the frame table: `grants system observe` in user/boot.manifest");
	frame_table = (struct frames){ .table = (void *)table, .first = first, .end = first + pages };
	rmap_open(ring_of(info, "rmap"));
	if (info->view_pages * PAGE_SIZE < SWAP_TABLE ||
	    !channel_open(&reclaim, info, "reclaim", sizeof(struct swap_request) / sizeof(u64),
			  sizeof(struct swap_answer) / sizeof(u64)))
		return;
	swap_attach(&swap, (void *)VIEW_VA, &frame_table);
	giving_up(0); /* a predecessor's count stays too high */
	if (server_word(info, "rings=tiny")) {
		ring_limit(&reclaim.out, CHANNEL_TINY);
		ring_limit(&swap.news, CHANNEL_TINY);
		ring_limit(&swap.emptied, CHANNEL_TINY);
	}
}

void tokens_tell(void)
{
	if (!emptied)
		return;
	emptied = 0;
	(void)ipc_notify(reclaim.notify, reclaim.out_bits);
}

void token_kept(void)
{
	giving_up(0);
}

void token_put(u64 slot)
{
	if (swap_put(&swap, slot, 1) && ++emptied == TELL_AFTER)
		tokens_tell();
}

void token_replaced(u64 slot)
{
	token_put(slot);
	giving_up(0);
}

void tokens_get(u64 n)
{
	for (u64 i = 0; i < n; i++)
		swap_get(&swap, server_argument()[2 * i], 1);
}

void tokens_put(u64 n)
{
	for (u64 i = 0; i < n; i++) {
		const u64 *pair = &server_argument()[2 * i];

		if (pair[1] & UNMAP_FRAME)
			emptied += swap_left(&swap, pair[0]);
		else
			token_put(pair[0]);
	}
}

bool swap_leave(frame_t frame)
{
	const struct frame_view *view = frame_of(&frame_table, frame);
	u64 slot = view ? swap_word0_slot(view->word0) : 0;

	if (!swap_slot_valid(&swap, slot) || swap_count(&swap, slot))
		return false;
	/* BUSY: it is EVICTING by now. */
	if (sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_SWAPCACHE_CLEAR, 0, 0, NULL, NULL, NULL, NULL))
		return false;
	(void)ring_put(&swap.emptied, &slot); /* reclaim may have looked when it still had the frame */
	emptied++;
	return true;
}

err_t token_resolve(struct proc *p, const struct vma *v, u64 page, u64 slot, frame_t frame)
{
	u64 prot = v->prot & ~(u64)PROT_WRITE;
	err_t err = sys_map(proc_cap(proc_slot(p), CAP_ASPACE), ADDRESS_OF(page), SLOT_CLIENT_POOL, frame, 1,
			    prot ? prot | MAP_IF_TOKEN : MAP_HELD | MAP_IF_TOKEN, 0, swap_word0(vma_word0(v), slot),
			    vma_word1(v, page), NULL, NULL);

	if (err)
		return err;
	token_put(slot);
	wait_entry_changed(p);
	return 0;
}

static enum fault_plan map_read_only(const struct vma *v, u64 page, u64 slot, frame_t frame, struct map_reply *map)
{
	*map = (struct map_reply){
		.prot = (v->prot & ~(u64)PROT_WRITE) | MAP_IF_TOKEN,
		.pool = SLOT_CLIENT_POOL,
		.frame = frame,
		.word0 = swap_word0(vma_word0(v), slot),
		.word1 = vma_word1(v, page),
	};
	return FAULT_TOKEN;
}

// The last token, and the frame is mapped nowhere: it leaves the swap cache and is written.
static enum fault_plan map_again(const struct vma *v, u64 page, u64 slot, frame_t frame, struct map_reply *map)
{
	giving_up(slot);
	*map = (struct map_reply){
		.prot = v->prot | MAP_IF_TOKEN | MAP_UNCACHE | MAP_TOUCH,
		.pool = SLOT_CLIENT_POOL,
		.frame = frame,
		.word0 = vma_word0(v),
		.word1 = vma_word1(v, page),
	};
	return FAULT_TOKEN;
}

static enum fault_plan map_copy(struct proc *p, const struct vma *v, u64 page, const struct fault *f, frame_t frame,
				struct map_reply *map)
{
	enum fault_plan plan = frame_need(p, f, 1);

	if (plan != FAULT_MAP)
		return plan;
	stats[VMSTAT_COW_COPY]++;
	*map = (struct map_reply){
		.prot = v->prot | MAP_COPY | MAP_TOUCH | MAP_IF_TOKEN,
		.pool = SLOT_CLIENT_POOL,
		.frame = magazine_take(),
		.source = frame,
		.word0 = vma_word0(v),
		.word1 = vma_word1(v, page),
	};
	return FAULT_TOKEN;
}

enum fault_plan swap_fault(struct proc *p, const struct vma *v, u64 page, const struct fault *f, struct map_reply *map)
{
	u64 slot = f->what;
	const struct frame_view *view;
	frame_t frame;

	frame = swap_cached(&swap, slot);
	if (!frame)
		return wait_page(p, f, slot, v->flags & VMA_RANDOM) ? FAULT_PARKED : FAULT_RETRY;
	stats[VMSTAT_SWAP_MINOR]++;
	swap.share->found++;
	if (f->access != ACCESS_WRITE)
		return map_read_only(v, page, slot, frame, map);
	view = frame_of(&frame_table, frame);
	if (view && !view->mapcount && swap_count(&swap, slot) == 1)
		return map_again(v, page, slot, frame, map);
	return map_copy(p, v, page, f, frame, map);
}

enum fault_plan swap_arrived(const struct fault *f, struct map_reply *map)
{
	struct proc *p = badge_proc(f->badge);
	u64 page = PAGE_OF(f->addr);
	u16 i = vma_find(p, page);
	const struct vma *v = &vmas[i];

	if (!f->what || !i || v->start > page || v->kind == VMA_SHARED)
		return FAULT_RETRY;
	return swap_fault(p, v, page, f, map);
}

// ---- ranges

// The shadow comes first: a process has no entry that the shadow has not.
static err_t shared_again(struct proc *p, const struct vma *v, u64 page)
{
	frame_t frame;
	err_t err;

	entries_unmap(p, page, 1, 0);
	if (!v->prot)
		return 0; /* it may not show what the shadow shows */
	err = shared_frame(v, page, &frame);
	return err ? err : shared_map(p, v, page);
}

// Tokens of one list of entries that have a frame, with slots in [first, last). The slot of one that has none, or 0.
static u64 tokens_resolve(struct proc *p, u64 entries, u64 first, u64 last)
{
	static u64 token[SCAN_ENTRIES][2]; /* the argument page is used again by nobody, but who knows */
	u64 missing = 0, n = 0;

	for (u64 i = 0; i < entries; i++) {
		const u64 *entry = &server_argument()[4 * i];

		if ((entry[0] & (PAGE_SIZE - 1)) != ENTRY_TOKEN || entry[2] < first || entry[2] >= last)
			continue;
		token[n][0] = PAGE_OF(entry[0]);
		token[n++][1] = entry[2];
	}
	for (u64 i = 0; i < n; i++) {
		u64 page = token[i][0], slot = token[i][1];
		u16 index = vma_find(p, page);
		frame_t frame = swap_slot_valid(&swap, slot) ? swap_cached(&swap, slot) : 0;

		if (!frame || !index)
			missing = slot;
		else if (vmas[index].kind == VMA_SHARED && proc_slot(p))
			missing = shared_again(p, &vmas[index], page) ? slot : missing;
		else if (token_resolve(p, &vmas[index], page, slot, frame))
			missing = slot;
	}
	return missing;
}

// One list of entries from *page on; *page moves. true: there may be more before `end`.
static u64 tokens_list(const struct proc *p, u64 *page, u64 end)
{
	u64 done = 0, entries = 0;

	if (sys_scan(proc_cap(proc_slot(p), CAP_ASPACE), ADDRESS_OF(*page), end - *page, SCAN_LIST, &done, &entries) ||
	    !done)
		done = end - *page;
	*page += done;
	return entries;
}

static u64 tokens_among(u64 entries)
{
	u64 n = 0;

	for (u64 i = 0; i < entries; i++)
		n += (server_argument()[4 * i] & (PAGE_SIZE - 1)) == ENTRY_TOKEN;
	return n;
}

// A list that had tokens is looked at once more: reclaim may have taken a page out of the shadow just before it came.
err_t swap_bring_in(struct proc *p, u64 start, u64 end)
{
	while (swap_there() && start < end) {
		u64 page = start, entries = tokens_list(p, &page, end), tokens = tokens_among(entries);
		u64 missing = tokens_resolve(p, entries, 1, ~0ul);

		if (missing) {
			page_missing = (u32)missing;
			return -ERR_AGAIN;
		}
		if (!tokens)
			start = page;
	}
	return 0;
}

u64 swap_held(const struct proc *p)
{
	u64 held = 0;

	for (u16 i = swap_there() ? p->first : 0; i; i = nodes[i].next) {
		u64 page = vmas[i].start;

		while (nodes[i].touched && page < vmas[i].end)
			held += tokens_among(tokens_list(p, &page, vmas[i].end));
	}
	return held;
}

// ---- swapoff: a walk over all address spaces, one list at a time

static struct {
	bool on;
	u32 slot;
	u64 page;  // of the address space of `slot`
	u64 round; // that the walk was begun for, or the last one was
} unuse;

void unuse_begin(void)
{
	unuse.on = true;
	unuse.round = swap.share->unuse_round;
	unuse.slot = 0;
	unuse.page = 0;
	unuse_go_on();
}

void unuse_lost(void)
{
	if (unuse.round != swap.share->unuse_round)
		unuse_begin();
}

static void unuse_end(void)
{
	struct swap_request done = { .what = SWAPREQ_UNUSED, .arg = unuse.round };

	if (!channel_put(&reclaim, (const u64 *)&done))
		return; /* reclaim empties its ring; once more */
	channel_flush(&reclaim);
	unuse.on = false;
}

// One VMA's entries at or after the place where the walk is. false: the process has no more.
static bool unuse_step(struct proc *p)
{
	u16 i = vma_find(p, unuse.page);
	u64 start, entries;

	while (i && !nodes[i].touched && proc_slot(p))
		i = nodes[i].next;
	if (!i)
		return false;
	start = vmas[i].start;
	if (unuse.page < start)
		unuse.page = start;
	entries = tokens_list(p, &unuse.page, vmas[i].end);
	(void)tokens_resolve(p, entries, swap.share->unuse_first, swap.share->unuse_end);
	return true;
}

void unuse_go_on(void)
{
	if (!unuse.on)
		return;
	if (unuse.slot < PROCS && !unuse_step(&procs[unuse.slot])) {
		unuse.page = 0;
		do {
			unuse.slot++;
		} while (unuse.slot < PROCS && !procs[unuse.slot].first);
	}
	if (unuse.slot == PROCS) {
		unuse_end();
		tokens_tell();
	}
	if (unuse.on)
		(void)ipc_notify(SLOT_SELF_NOTIFY, VM_NOTIFY_AGAIN);
}
