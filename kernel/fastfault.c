// SPDX-License-Identifier: MIT
// The hot path of a page fault: the fault becomes a call to the window's pager, and the pager's reply carries the
// mapping. One trap and one system call per fault. Same rules as fastpath.c: inlined, no stack frame, nothing written
// before every check has passed.
//
// Here it serves: 4K entries that are empty, present or a token, and replies that fill an empty entry with one frame
// (zeroing it on the way), replace a leaf (copy on write: the copy, or the reuse of an exclusive page), or replace a
// token by its page of the swap cache. The rest (tables to allocate, lists) takes the slow path: kernel/fault.c and
// ipc_reply_map_recv.
#include <kernel/fastpath.h>

register struct thread *self asm(FASTPATH_SELF);
register u64 in_flow asm(FASTPATH_FLOW);
register u64 in_reply asm(FASTPATH_REPLY);
register u64 in_count asm(FASTPATH_COUNT);

// What the fault message says about a present entry: kind, protection, exclusivity, whether the frame is of the
// window's pool.
static always_inline u64 fault_old(pte_t entry, const struct page *page, const struct window *w)
{
	return ENTRY_LEAF | (u64)pte_prot(entry) << 8 | (u64)(page->mapcount == 1) << 16 |
	       (u64)(page->pool == w->pool->id) << 17;
}

void fastpath_fault(struct thread *t, u64 access, vaddr_t addr)
{
	kernel_lock();
	struct aspace *as = t->aspace;
	const struct window *w = &as->window[0];
	if (unlikely(addr < w->start || addr >= w->end || w->deadline))
		goto slow;
	struct endpoint *ep = w->pager;
	struct thread *server = ep->receivers;
	if (unlikely(!server || server->next != server || server->deadline))
		goto slow;
	struct aspace *server_as = server->aspace;
	if (!fastpath_may_run(server, server_as))
		goto slow;
	const pte_t *slot = aspace_slot(as, addr);
	if (unlikely(!slot))
		goto slow;
	pte_t entry = *slot;
	u64 old = ENTRY_EMPTY, what = 0;
	if (entry && likely(pte_is_leaf(entry))) {
		// Present and allowing the access: spurious, or A/D left to software.
		if (unlikely(pte_prot(entry) >> access & 1 || pte_is_device(entry)))
			goto slow;
		const struct page *page = pfn_to_page(pte_pfn(entry));
		old = fault_old(entry, page, w);
		what = frame_ref(page);
	} else if (entry) {
		if (unlikely(pte_kind(entry) != ENTRY_TOKEN))
			goto slow;
		old = ENTRY_TOKEN;
		what = pte_token(entry);
	}

	// Point of no return.
	ep->receivers = NULL;
	t->in_fault = FAULT_PAGE;
	t->fault_addr = addr;
	t->fault_window = w;
	t->fault_access = access;
	server->fault_calls = 0;
	u64 reply = fastpath_await_reply(t, ep, server);
	fastpath_switch(t, server, server_as);
	u64 badge = w->badge, flow = thread_new_flow(t), pc = ctx_pc(&t->ctx);
	t->badge = badge;
	t->flow = flow;
	fastpath_leave();
	arch_fast_deliver(&server->ctx, RECEIVED_MESSAGE, OP_PAGER_FAULT, flow, badge, reply, addr, access, old, what,
			  (u32)reply, pc);
slow:
	fastpath_decline();
	trap_slow_fault(t, access, addr);
}

#define FAST_MAP \
	(PROT_READ | PROT_WRITE | PROT_EXEC | MAP_ZERO | MAP_COPY | MAP_IF_EMPTY | MAP_IF_SAME | MAP_IF_EXCLUSIVE | \
	 MAP_TOUCH)
#define TOKEN_MAP (PROT_READ | PROT_WRITE | PROT_EXEC | MAP_TOUCH | MAP_UNCACHE)
#define NOT_FAST  (PAGE_SWAPCACHE | PAGE_SECRET | PAGE_WRITEBACK)

// May `page` fill the empty entry: it is nobody's yet, or has content that it keeps (a shared zero page, program text).
static always_inline bool fill_allowed(const struct page *page, pte_t entry, u64 flags)
{
	if (entry || flags & (MAP_COPY | MAP_IF_EXCLUSIVE))
		return false;
	return !page->mapcount || (!(flags & MAP_ZERO) && page->marks & PAGE_ZEROED && page->mapcount != ~0u);
}

// May `page` replace the entry, which must be a leaf of the source frame: the same page with another protection (COW
// reuse: exclusive), or a fresh one that gets a copy of it (or zeroes, when the source is the page of zeroes).
static always_inline bool replace_allowed(const struct page *page, const struct page *source, pte_t entry, u64 flags)
{
	if (flags & MAP_IF_EMPTY)
		return false; // contradicts MAP_IF_SAME: the slow path says so
	if (!source || !source->mapcount || source->marks & PAGE_SECRET || !pte_is_leaf(entry) ||
	    pte_is_device(entry) || pfn_to_page(pte_pfn(entry)) != source)
		return false;
	if (flags & (MAP_COPY | MAP_ZERO))
		return !page->mapcount && !page->pins && !(flags & MAP_IF_EXCLUSIVE) &&
		       (flags & (MAP_COPY | MAP_ZERO)) != (MAP_COPY | MAP_ZERO);
	return page == source && (page->mapcount == 1 || !(flags & MAP_IF_EXCLUSIVE));
}

// The page of a frame of the swap cache, if it may take the place of the entry, which must be a token.
static always_inline struct page *token_page(frame_t frame, u16 pool, pte_t entry, u64 flags)
{
	struct page *page = frame_check(frame, pool, PAGE_EVICTING);
	if (!page)
		page = frame_check(frame, pool, PAGE_OWNED);
	if (!page || pte_kind(entry) != ENTRY_TOKEN || (flags & ~TOKEN_MAP) != MAP_IF_TOKEN)
		return NULL;
	if ((page->marks & (PAGE_SWAPCACHE | PAGE_ZEROED | PAGE_SECRET)) != (PAGE_SWAPCACHE | PAGE_ZEROED))
		return NULL;
	return page->mapcount < (flags & MAP_UNCACHE ? 1 : ~0u) ? page : NULL;
}

void fastpath_reply_map_recv(u64 index, u64 flags, u64 pool_index, frame_t frame, frame_t source, u64 word0, u64 word1)
{
	kernel_lock();
	const struct cap *cap = cap_get(self->captable, index, RIGHT_ENDPOINT_RECV);
	const struct cap *pool_cap = cap_get(self->captable, pool_index, RIGHT_POOL_MAP);
	if (unlikely(!cap || !pool_cap || in_count > 1 || in_flow || flags & ~(FAST_MAP | MAP_IF_TOKEN | MAP_UNCACHE)))
		goto slow;
	struct endpoint *ep = cap->obj;
	if (unlikely(ep->senders || ep->signals || ep->receivers || self->fault_calls))
		goto slow;
	struct thread *client = fastpath_reply_target(self, in_reply, ep);
	if (unlikely(!client || client->in_fault != FAULT_PAGE))
		goto slow;
	struct aspace *as = client->aspace;
	const struct pool *pool = pool_cap->obj;
	const struct window *w = client->fault_window;
	if (unlikely(!fastpath_may_run(client, as) || pool->dying || w->pager != ep))
		goto slow;
	// The window may have changed since: what it lost is not its pager's any more.
	if (unlikely(client->fault_addr < w->start || client->fault_addr >= w->end))
		goto slow;
	pte_t *slot = aspace_slot(as, client->fault_addr);
	if (unlikely(!slot || !(flags & PROT_READ)))
		goto slow;
	// The frame: reference, pool and state in one compare; with nothing pending (secrets): that is checked slowly.
	struct page *page = frame_check(frame, pool->id, PAGE_OWNED);
	if (unlikely(!page || page->marks & NOT_FAST)) {
		page = token_page(frame, pool->id, *slot, flags);
		if (!page || (flags & MAP_UNCACHE && !(pool_cap->rights & RIGHT_POOL_EVICT)))
			goto slow;
		// Point of no return.
		aspace_token_slot(as, slot, page, flags, word0, word1);
	} else if (unlikely(flags & (MAP_IF_SAME | MAP_IF_TOKEN | MAP_UNCACHE))) {
		if (flags & (MAP_IF_TOKEN | MAP_UNCACHE))
			goto slow;
		struct page *from = frame_check(source, pool->id, PAGE_OWNED);
		// Other harts would have to be told: that is the slow path's.
		if (!replace_allowed(page, from, *slot, flags) || as->harts != 1ul << arch_hart()->id)
			goto slow;
		// Point of no return.
		if (flags & MAP_COPY) {
			arch_page_copy_fast(page_address(page), page_address(from));
			page->marks |= PAGE_DIRTY;
		} else if (flags & MAP_ZERO) {
			arch_page_clear_fast(page_address(page));
		}
		aspace_replace_slot(slot, from, page, flags | PROT_READ, word0, word1);
		arch_flush_page(client->fault_addr, as->asid);
	} else {
		if (!fill_allowed(page, *slot, flags))
			goto slow;
		// Point of no return.
		if (flags & MAP_ZERO || !(page->marks & PAGE_ZEROED))
			arch_page_clear_fast(page_address(page));
		// Readable, as checked; said again so that the compiler sees that the entry cannot be an invalid one.
		aspace_fill_slot(as, slot, page, flags | PROT_READ, word0, word1);
		// No fence: the entry was invalid. A hart that caches invalid entries faults once more, and the slow
		// path resolves that with one.
	}
	fastpath_wait(self, ep, 0);
	client->in_fault = FAULT_NONE;
	fastpath_switch(self, client, as);
	arch_hart()->fault_calls[1]++;
	fastpath_leave();
	arch_fast_resume(&client->ctx);
slow:
	fastpath_decline();
	trap_slow_reply_map_recv(index, flags, pool_index, frame, source, word0, word1);
}
