// SPDX-License-Identifier: MIT
// Ranges of an address space: records by vma.c, entries by the kernel. Entries go before records, records come before
// entries.
#include "swap.h"

#include <base/log.h>

#define BUFFER_PAGES (FILES_BUFFER_SIZE / PAGE_SIZE)

u64 high_end = HIGH_START;

u64 window_end(u64 page)
{
	return page < HIGH_START ? LOW_END : high_end;
}

// A range of whole pages inside one of the two windows.
err_t region_check(u64 addr, u64 len, u64 *start, u64 *end)
{
	u64 page = PAGE_OF(addr), limit = ADDRESS_OF(window_end(page));

	if (addr % PAGE_SIZE || !len || page < LOW_START || addr >= limit || len > limit - addr)
		return -ERR_INVAL;
	*start = PAGE_OF(addr);
	*end = PAGE_OF(addr + len + PAGE_SIZE - 1);
	return 0;
}

static bool over_limit(const struct proc *p, u64 pages)
{
	u64 limit = proc_record(p)->limit;

	return limit && ADDRESS_OF(p->pages + pages) > limit;
}

// Add a VMA where nothing is, joined with its neighbours where they fit: one commit, with whatever the caller staged
// before.
err_t region_add(struct proc *p, const struct vma *v)
{
	u16 next = vma_find(p, v->start);
	u16 prev = next ? nodes[next].prev : p->last;

	if (over_limit(p, v->end - v->start)) {
		record_drop();
		return -ERR_NOMEM;
	}
	if (prev && vma_fits(&vmas[prev], v)) {
		struct vma joined = vmas[prev];

		joined.end = v->end;
		vma_change(p, prev, &joined);
		(void)vma_merge(p, prev);
		return 0;
	}
	if (next && vma_fits(v, &vmas[next])) {
		struct vma joined = *v;

		joined.end = vmas[next].end;
		vma_change(p, next, &joined);
		return 0;
	}
	return vma_add(p, v, next) ? 0 : -ERR_NOMEM;
}

void entries_unmap(struct proc *p, u64 start, u64 pages, u64 flags)
{
	cptr_t as = proc_cap(proc_slot(p), CAP_ASPACE);
	cptr_t pool = flags & UNMAP_FREE ? SLOT_CLIENT_POOL : CAP_NULL;

	if (swap.share)
		flags |= UNMAP_TOKENS;
	while (pages) {
		u64 done = 0, tokens = 0;
		err_t err = sys_unmap(as, ADDRESS_OF(start), pages, pool, flags, 0, &done, NULL, NULL, &tokens);

		if ((err && err != -ERR_AGAIN) || done > pages || (!err && !done))
			panic("unmap of page 0x%lx in slot %u: error %d", (unsigned long)start, proc_slot(p), err);
		tokens_put(tokens_unsure ? 0 : tokens);
		start += done;
		pages -= done;
	}
	tokens_tell();
}

// *done counts a page copied. A page that a device reads or writes just now is not shared with a child but copied: who
// maps it later could change it under the device's hands, or be changed by it.
static err_t entry_copy(struct proc *dst, u64 dpage, const struct proc *src, u64 spage, u64 *done)
{
	const u64 *entry = server_argument();
	const struct vma *v = &vmas[vma_find(src, spage)];
	u64 entries = 0, prot, source;
	frame_t frame;
	err_t err = magazine_refill(1);

	if (!err)
		err = sys_scan(proc_cap(proc_slot(src), CAP_ASPACE), ADDRESS_OF(spage), 1, SCAN_LIST, NULL, &entries);
	if (err || !entries || (entry[0] & (PAGE_SIZE - 1)) == ENTRY_TOKEN)
		return err; /* it went meanwhile: clone goes on */
	prot = (entry[1] & v->prot) | ((entry[0] & (PAGE_SIZE - 1)) == ENTRY_HELD ? MAP_HELD : 0);
	source = entry[2];
	frame = magazine_take();
	do {
		err = sys_map(proc_cap(proc_slot(dst), CAP_ASPACE), ADDRESS_OF(dpage), SLOT_CLIENT_POOL, frame, 1,
			      prot | MAP_COPY | MAP_IF_EMPTY, source, vma_word0(v), vma_word1(v, spage), NULL, NULL);
	} while (err == -ERR_NOMEM && !pool_grow(dst));
	if (err)
		magazine_return(frame);
	else
		++*done;
	return err == -ERR_STALE ? 0 : err;
}

// The tokens that clone copied are counted before anybody runs who could give one up.
err_t entries_clone(struct proc *dst, u64 dpage, struct proc *src, u64 spage, u64 pages, u64 op)
{
	cptr_t das = proc_cap(proc_slot(dst), CAP_ASPACE), sas = proc_cap(proc_slot(src), CAP_ASPACE);

	while (pages) {
		u64 done = 0, tokens = 0;
		err_t err = sys_clone(das, ADDRESS_OF(dpage), sas, ADDRESS_OF(spage), pages, op, &done, NULL, &tokens);

		if (tokens && op != CLONE_MOVE)
			tokens_get(tokens);
		if (err == -ERR_NOMEM && !pool_grow(dst))
			err = 0;
		if (err == -ERR_BUSY && op == CLONE_COW && proc_slot(src))
			err = entry_copy(dst, dpage + done, src, spage + done, &done);
		if (err && err != -ERR_AGAIN)
			return err;
		if (done > pages)
			panic("clone of page 0x%lx in slot %u ran over", (unsigned long)spage, proc_slot(src));
		dpage += done;
		spage += done;
		pages -= done;
	}
	return 0;
}

// Entries of vm's windows, which are all leaves but those in files' buffer.
u64 rss_count(const struct proc *p)
{
	cptr_t as = proc_cap(proc_slot(p), CAP_ASPACE);
	u64 leaves = 0, buffer = 0;

	if (sys_aspace_ctl(as, ASOP_STAT, 0, 0, 0, 0, 0, 0, NULL, NULL, &leaves, NULL) ||
	    sys_scan(as, FILES_BUFFER, BUFFER_PAGES, SCAN_LIST, NULL, &buffer))
		return 0;
	buffer += attach_entries(p);
	return leaves > buffer ? leaves - buffer : 0;
}

// Give up the part [from, to) of a VMA, which is the whole, its head or its tail.
static void vma_cut(struct proc *p, u16 i, u64 from, u64 to)
{
	struct vma v = vmas[i];

	if (nodes[i].touched)
		entries_unmap(p, from, to - from, UNMAP_FREE);
	if (from == v.start && to == v.end) {
		vma_delete(p, i);
		if (v.kind == VMA_SHARED)
			shared_release(&v);
		return;
	}
	if (from == v.start) {
		v.start = to;
		v.pgoff += to - from;
	} else {
		v.end = from;
	}
	vma_change(p, i, &v);
}

err_t region_unmap(struct proc *p, u64 start, u64 end)
{
	u16 i = vma_find(p, start);

	if (i && vmas[i].start < start && vmas[i].end > end && !vma_split(p, i, end))
		return -ERR_NOMEM;
	while (i && vmas[i].start < end) {
		const struct vma *v = &vmas[i];
		u16 next = nodes[i].next;

		vma_cut(p, i, v->start > start ? v->start : start, v->end < end ? v->end : end);
		i = next;
	}
	return 0;
}

// Map a run of archive pages read-only, leaving what is there.
static err_t populate_file(struct proc *p, const struct vma *v, u64 page, u64 end)
{
	cptr_t as = proc_cap(proc_slot(p), CAP_ASPACE);

	while (page < end) {
		u64 n = end - page < BATCH ? end - page : BATCH;
		u64 done = 0, first = vma_word1(v, page);
		err_t err = sys_map(as, ADDRESS_OF(page), SLOT_CLIENT_POOL, archive_frame(first), n,
				    (v->prot & ~(u64)PROT_WRITE) | MAP_RUN | MAP_IF_EMPTY, 0, vma_word0(v), first,
				    &done, NULL);

		page += done;
		if (err == -ERR_EXIST)
			page++;
		else if (err == -ERR_NOMEM && !pool_grow(p))
			continue;
		else if (err)
			return err;
	}
	return 0;
}

static err_t populate_anon(struct proc *p, const struct vma *v, u64 page, u64 end)
{
	cptr_t as = proc_cap(proc_slot(p), CAP_ASPACE);

	while (page < end) {
		u64 done = 0;
		u32 n = end - page < BATCH_FILL ? (u32)(end - page) : BATCH_FILL;
		err_t err = magazine_refill(n);

		if (err)
			return err;
		n = n < magazine.top ? n : magazine.top;
		for (u32 i = 0; i < n; i++)
			server_argument()[i] = vms->magazine[magazine.top - 1 - i];
		err = sys_map(as, ADDRESS_OF(page), SLOT_CLIENT_POOL, vms->magazine[magazine.top - 1], n,
			      v->prot | MAP_ZERO | MAP_IF_EMPTY, 0, vma_word0(v), vma_word1(v, page), &done, NULL);
		magazine.top -= (u32)done;
		page += done;
		if (err == -ERR_EXIST)
			page++;
		else if (err == -ERR_NOMEM && !pool_grow(p))
			continue;
		else if (err)
			return err;
	}
	return 0;
}

static err_t populate_shared(struct proc *p, const struct vma *v, u64 page, u64 end)
{
	for (; page < end; page++) {
		frame_t frame;
		err_t err = shared_frame(v, page, &frame);

		if (!err)
			err = shared_map(p, v, page);
		if (err && err != -ERR_EXIST && err != -ERR_BUSY)
			return err;
	}
	return 0;
}

// Bring in every page of the range that is mapped with some permission. NOMEM when memory runs out: nobody is killed
// for this.
err_t region_populate(struct proc *p, u64 start, u64 end)
{
	err_t err = 0;

	for (u16 i = vma_find(p, start); i && !err && vmas[i].start < end; i = nodes[i].next) {
		const struct vma *v = &vmas[i];
		u64 from = v->start > start ? v->start : start, to = v->end < end ? v->end : end;

		if (!v->prot)
			continue;
		vma_touch(i);
		if (v->kind == VMA_ANON)
			err = populate_anon(p, v, from, to);
		else if (v->kind == VMA_FILE)
			err = populate_file(p, v, from, to);
		else
			err = populate_shared(p, v, from, to);
	}
	return err;
}
