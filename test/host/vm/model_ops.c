// SPDX-License-Identifier: MIT
// Single operations on vm and, beside them, on the model.
#include "model.h"

#include <stdlib.h>
#include <string.h>

static struct shared_page shared_pages[SHARED_MAX * 64];
static u32 shared_next;

void op_touch(struct model *m)
{
	u32 i = (u32)rnd(AREA), run = rnd(4) ? 1 : (u32)rnd(40);

	for (u32 k = 0; k < run && i + k < AREA && m->alive; k++) {
		struct page *p = &m->page[i + k];
		bool write = rnd(2);

		if (!p->mapped || !(p->prot & (write ? PROT_WRITE : PROT_READ)))
			continue;
		access_page(m, p, page_at(i + k), write);
	}
	for (u32 k = 0; k < HEAP && m->alive && run == 1; k += (u32)rnd(16) + 1)
		if (m->heap[k].mapped)
			access_page(m, &m->heap[k], PAGE_OF(proc_record(badge_proc(m->badge))->brk_start) + k, rnd(2));
}

// ---- operations

u64 file_value(u32 archive_page)
{
	u64 v;

	memcpy(&v, fake_archive + archive_page * PAGE_SIZE, 8);
	return v;
}

static bool range_free(const struct model *m, u32 at, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (m->page[at + i].mapped)
			return false;
	return true;
}

static u32 highest_gap(const struct model *m, u32 n)
{
	for (u32 at = LOW_AREA - n; at; at--)
		if (range_free(m, at, n))
			return at;
	return 0;
}

void op_mmap(struct model *m)
{
	static const u8 prots[] = { PROT_READ | PROT_WRITE, PROT_READ, 0, PROT_WRITE, PROT_READ | PROT_WRITE };
	u32 n = 1 + (u32)rnd(rnd(3) ? 8 : 60), at = place(n);
	u64 flags = 0, image = 0, offset = 0, addr = 0;
	u8 prot = prots[rnd(5)];
	struct request rq;
	err_t err;

	switch (rnd(5)) {
	case 0:
		flags |= MMAP_SHARED;
		break;
	case 1:
		flags |= MMAP_FILE;
		image = 1 + rnd(8);
		if (n > ARCHIVE_PAGES - 20)
			n = 4;
		offset = rnd(8) * PAGE_SIZE;
		break;
	}
	switch (rnd(5)) {
	case 0:
		flags |= MMAP_FIXED;
		addr = ADDRESS_OF(page_at(at));
		break;
	case 1:
		flags |= MMAP_NOREPLACE;
		addr = ADDRESS_OF(page_at(at));
		break;
	case 2: /* a hint, to be followed where there is room */
		addr = ADDRESS_OF(page_at(at)) + rnd(2);
		if (!range_free(m, at, n) && !(at = highest_gap(m, n)))
			return;
		break;
	}
	if (!rnd(4))
		flags |= MMAP_POPULATE;
	if (!addr && !(at = highest_gap(m, n)))
		return;
	if (flags & MMAP_SHARED && shared_next + n > SHARED_MAX * 64)
		return;
	rq = ask(m, OP_VM_MMAP, addr, n * PAGE_SIZE, prot, flags, image, offset);
	err = serve(&rq);
	if (err == PARKED)
		return;
	if (flags & MMAP_NOREPLACE && !range_free(m, at, n)) {
		check(err == -ERR_EXIST || err == -ERR_NOMEM);
		return;
	}
	if (err == -ERR_NOMEM && flags & MMAP_FIXED) {
		/* What was there may be gone already: take it away in the model too, and in vm. */
		rq = ask(m, OP_VM_MUNMAP, ADDRESS_OF(page_at(at)), n * PAGE_SIZE, 0, 0, 0, 0);
		check(!serve(&rq));
		memset(&m->page[at], 0, n * sizeof(struct page));
		return;
	}
	if (err == -ERR_NOMEM)
		return;
	check(!err);
	check(rq.w[0] == ADDRESS_OF(page_at(at)));
	for (u32 i = 0; i < n; i++) {
		struct page *p = &m->page[at + i];
		u32 file = (u32)(image + offset / PAGE_SIZE + i);

		*p = (struct page){ .mapped = true,
				    .prot = prot & PROT_WRITE ? PROT_READ | PROT_WRITE : prot,
				    .kind = VMA_ANON };
		if (flags & MMAP_SHARED) {
			p->kind = VMA_SHARED;
			p->shared = &shared_pages[shared_next++];
		} else if (flags & MMAP_FILE) {
			p->kind = VMA_FILE;
			p->file = p->value = file_value(file);
		}
	}
}

void op_munmap(struct model *m)
{
	u32 n = 1 + (u32)rnd(rnd(3) ? 8 : 60), at = place(n);
	struct request rq = ask(m, OP_VM_MUNMAP, ADDRESS_OF(page_at(at)), n * PAGE_SIZE - rnd(PAGE_SIZE), 0, 0, 0, 0);
	err_t err = serve(&rq);

	if (err == -ERR_NOMEM)
		return;
	check(!err);
	memset(&m->page[at], 0, n * sizeof(struct page));
}

static bool covered(const struct model *m, u32 at, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (!m->page[at + i].mapped)
			return false;
	return true;
}

void op_mprotect(struct model *m)
{
	static const u8 prots[] = { PROT_READ | PROT_WRITE, PROT_READ, 0, PROT_READ | PROT_WRITE };
	u32 n = 1 + (u32)rnd(12), at = place(n);
	u8 prot = prots[rnd(4)];
	struct request rq = ask(m, OP_VM_MPROTECT, ADDRESS_OF(page_at(at)), n * PAGE_SIZE, prot, 0, 0, 0);
	err_t err = serve(&rq);

	if (!covered(m, at, n)) {
		check(err == -ERR_NOMEM);
		return;
	}
	if (err == -ERR_NOMEM)
		return;
	check(!err);
	for (u32 i = 0; i < n; i++)
		m->page[at + i].prot = prot;
}

void op_madvise(struct model *m)
{
	u32 n = 1 + (u32)rnd(16), at = place(n);
	u64 advice = rnd(5);
	struct request rq = ask(m, OP_VM_MADVISE, ADDRESS_OF(page_at(at)), n * PAGE_SIZE, advice, 0, 0, 0);
	err_t err = serve(&rq);

	check(!err || err == -ERR_NOMEM || err == PARKED);
	for (u32 i = 0; i < n && advice == MADV_DONTNEED && err != PARKED; i++)
		if (m->page[at + i].mapped && m->page[at + i].kind != VMA_SHARED)
			m->page[at + i].value = m->page[at + i].kind == VMA_FILE ? m->page[at + i].file : 0;
}

// Is the range one VMA?
static bool one_vma(const struct model *m, u32 at, u32 n)
{
	const struct proc *p = badge_proc(m->badge);
	u64 page = page_at(at);
	u16 i = vma_find(p, page);

	return i && vms->vma[i].start <= page && vms->vma[i].end >= page + n;
}

void op_mremap(struct model *m)
{
	u32 n = 1 + (u32)rnd(12), at = place(n), more = (u32)rnd(20), new = n + more, to;
	bool one = one_vma(m, at, n), move = rnd(2);
	struct page moved[12 + 20] = { 0 };
	struct request rq;
	err_t err;

	if (!rnd(4))
		new = 1 + (u32)rnd(n);
	rq = ask(m, OP_VM_MREMAP, ADDRESS_OF(page_at(at)), n * PAGE_SIZE, new *PAGE_SIZE, move, 0, 0);
	err = serve(&rq);
	if (err == PARKED)
		return;
	if (!one) {
		check(err == -ERR_FAULT);
		return;
	}
	if (err) {
		check(err == -ERR_NOMEM || err == -ERR_INVAL);
		return;
	}
	check(PAGE_OF(rq.w[0]) < HIGH_START || rq.w[0] == ADDRESS_OF(page_at(at)));
	if (index_of(PAGE_OF(rq.w[0]) + new - 1) == AREA ||
	    index_of(PAGE_OF(rq.w[0])) == AREA) { /* out of the model's sight */
		rq = ask(m, OP_VM_MUNMAP, rq.w[0], new *PAGE_SIZE, 0, 0, 0, 0);
		fake_kill = fake_nomem = 0;
		check(!serve(&rq));
		memset(&m->page[at], 0, n * sizeof(struct page));
		return;
	}
	to = index_of(PAGE_OF(rq.w[0]));
	memcpy(moved, &m->page[at], (n < new ? n : new) * sizeof(struct page));
	for (u32 i = n; i < new; i++) {
		moved[i] = moved[n - 1];
		check(moved[i].kind != VMA_SHARED);
		if (moved[i].kind == VMA_FILE) {
			const struct proc *p = badge_proc(m->badge);
			const struct vma *v = &vms->vma[vma_find(p, page_at(to + i))];

			moved[i].file = file_value((u32)vma_word1(v, page_at(to + i)));
		}
		moved[i].value = moved[i].kind == VMA_FILE ? moved[i].file : 0;
	}
	check(to == at || range_free(m, to, new));
	memset(&m->page[at], 0, n * sizeof(struct page));
	memcpy(&m->page[to], moved, new * sizeof(struct page));
}

// What is locked is in memory, and reclaim takes it from nobody (fake_swap.c).
u64 migrated;

// Any page of any process. What it holds is compared by whoever touches it next.
void op_migrate(struct model *m)
{
	const struct model *of = &models[rnd(MODELS)];
	u64 page = page_at((u32)rnd(AREA));
	struct request rq = ask(m, OP_VM_MIGRATE, of->alive ? of->pid : 0x3fff0000, ADDRESS_OF(page) + rnd(PAGE_SIZE),
				0, 0, 0, 0);
	err_t err = serve(&rq);

	if (err) {
		check(!of->alive ? err == -ERR_SRCH || err == -ERR_NOSYS
				 : err == -ERR_NOENT || err == -ERR_BUSY || err == -ERR_NOMEM || err == -ERR_BIG ||
					   err == -ERR_NOSYS || err == -ERR_SRCH);
		return;
	}
	migrated++;
	check(rq.w[0] != rq.w[1]);
}

void op_mlock(struct model *m)
{
	u32 n = 1 + (u32)rnd(8), at = place(n);
	u64 on = rnd(3) == 0;
	struct request rq = ask(m, OP_VM_MLOCK, ADDRESS_OF(page_at(at)), n * PAGE_SIZE, on, 0, 0, 0);
	err_t err = serve(&rq);

	if (!covered(m, at, n)) {
		check(err == -ERR_NOMEM);
		return;
	}
	check(!err || err == -ERR_NOMEM || err == PARKED);
	for (u32 i = 0; i < n && !err && on; i++)
		check(fake_lookup(badge_slot(m->badge), page_at(at + i)).kind != ENTRY_TOKEN);
}

void op_brk(struct model *m)
{
	u64 start = proc_record(badge_proc(m->badge))->brk_start, want = start + rnd(HEAP * PAGE_SIZE);
	struct request rq = ask(m, OP_VM_BRK, want, 0, 0, 0, 0, 0);
	err_t err = serve(&rq);
	u32 pages = PAGE_OF(want - start + PAGE_SIZE - 1);

	if (err == -ERR_NOMEM)
		return;
	check(!err && rq.w[0] == want);
	for (u32 i = 0; i < HEAP; i++) {
		if (i >= pages)
			m->heap[i] = (struct page){ 0 };
		else if (!m->heap[i].mapped)
			m->heap[i] = (struct page){ .mapped = true, .prot = PROT_READ | PROT_WRITE, .kind = VMA_ANON };
	}
}

void op_fork(struct model *m)
{
	struct request rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0);
	struct model *child = NULL;
	err_t err;

	for (u32 i = 1; i < MODELS; i++)
		if (!models[i].alive)
			child = &models[i];
	if (!child)
		return;
	fake_thread(badge_slot(m->badge))->tag = 0xabc00 + m->pid;
	err = serve(&rq);
	if (err == -ERR_NOMEM || err == PARKED)
		return;
	check(!err);
	*child = *m;
	child->pid = (u32)rq.w[0];
	child->alive = true;
	child->calls = 0;
	child->badge = proc_by_pid(child->pid)->badge;
	check(fake_thread(badge_slot(child->badge))->running &&
	      fake_thread(badge_slot(child->badge))->tag == 0xabc00 + m->pid);
	check(badge_alive(child->badge));
}

void op_end(struct model *m)
{
	struct request rq;

	if (m == &models[0])
		return;
	if (rnd(2)) {
		rq = ask(m, OP_VM_EXIT, 7 << 8, 0, 0, 0, 0, 0);
		check(serve(&rq) == PARKED);
	} else {
		rq = ask(&models[0], OP_VM_KILL, m->pid, 9, 0, 0, 0, 0);
		check(!serve(&rq));
	}
	check(!m->alive && !badge_alive(m->badge));
}

void op_wait(struct model *m)
{
	struct request rq = ask(m, OP_VM_WAIT, (u64)-1, WAITF_NOHANG, 0, 0, 0, 0);
	err_t err = serve(&rq);

	check(!err || err == -ERR_CHILD);
}
