// SPDX-License-Identifier: MIT
/*
 * vm's core against a page-array model, on a fake kernel (fake.c).
 *
 * Processes map, unmap, protect, move, fork, share, end, and touch pages; every read is compared with what the model says the page holds.
 * In between: the kernel's and vm's invariants, memory that runs out at a random call, vm killed at a random call and started again on
 * its state segment, the request redelivered. At the end everything is freed and every frame is back.
 *
 *	make build/host/vm.test && build/host/vm.test [seed]
 */
#include "fake.h"

#include "../../../user/pager/vm/elf.h"
#include "../../../user/pager/vm/fault.h"
#include "../../../user/pager/vm/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AREA 640 // pages below MMAP_TOP that the model covers
#define HEAP 64
#define MODELS 12
#define BASE (PAGE_OF(MMAP_TOP) - AREA)
#define SHARED_MAX 4096

static u64 seed = 1, rng;
static bool verbose;
static u64 _Alignas(4096) segment[(sizeof(struct vm_state) + 7) / 8];

static u64 rnd(u64 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

void log_line(const char *fmt, ...)
{
	va_list args;

	if (!verbose)
		return;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

_Noreturn void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("panic: ");
	vprintf(fmt, args);
	va_end(args);
	printf("\nseed %lu\n", (unsigned long)seed);
	fflush(stdout);
	abort();
}

#define check(cond) \
	do { \
		if (!(cond)) \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

// ---- the model

struct shared_page {
	u64 value;
};

struct page {
	bool mapped;
	u8 prot, kind;
	u64 value;                 // private content
	struct shared_page *shared;
	u64 file;                  // content of the archive page, FILE
};

struct model {
	bool alive;
	u64 badge;
	u32 pid;
	u32 calls;
	struct page page[AREA];
	u32 heap_pages;
	u64 brk;
	struct page heap[HEAP];
};

static struct model models[MODELS];
static struct shared_page shared_pages[SHARED_MAX * 64];
static u32 shared_next;
static u64 value_next = 1;
static u64 survived;  // injected troubles that hit

static struct request request_of(struct model *m, u64 label)
{
	return (struct request){ .label = label, .badge = m->badge, .reply = (u64)++m->calls << 32 | badge_slot(m->badge) };
}

static struct request ask(struct model *m, u64 label, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct request rq = request_of(m, label);

	rq.w[0] = a;
	rq.w[1] = b;
	rq.w[2] = c;
	rq.w[3] = d;
	rq.w[4] = e;
	rq.w[5] = f;
	return rq;
}

static void restart(void)
{
	memset(procs, 0, sizeof(procs));
	memset(nodes, 0, sizeof(nodes));
	memset(&magazine, 0, sizeof(magazine));
	check(vm_open(segment) == STATE_KEPT);
}

static void buried(void)
{
	for (u32 i = 0; i < MODELS; i++) {
		struct model *m = &models[i];

		if (m->alive && (vms->proc[badge_slot(m->badge)].pid != m->pid || vms->proc[badge_slot(m->badge)].state != PROC_RUN))
			m->alive = false;
	}
}

// Serve a request as the shell does; when vm is killed in it, a successor gets it again.
static err_t serve(struct request *rq)
{
	struct request asked = *rq;
	volatile u32 kills = 0;

	if (setjmp(fake_killed)) {
		kills++;
		survived++;
		fake_kill = 0;
		restart();
		buried();
		*rq = asked;
		/* The kernel redelivers only what is still open: a killed client waits for nothing. */
		if (badge_slot(rq->badge) && (!badge_alive(rq->badge) || !fake_thread(badge_slot(rq->badge))->alive))
			return PARKED;
		/* exec stops the thread and starts it anew: then its call is gone. */
		if (rq->label == OP_VM_EXEC && fake_thread(badge_slot(rq->badge))->starts > asked.flow)
			return PARKED;
		check(!badge_slot(rq->badge) || fake_thread(badge_slot(rq->badge))->running);
	}
	vm_request(rq);
	fake_kill = fake_nomem = 0;
	buried();
	return rq->reply ? (err_t)rq->label : PARKED;
}

// ---- touching pages

static u64 *content_at(u32 slot, u32 page)
{
	struct fake_entry e = fake_lookup(slot, page);

	return fake_content(e.pfn);
}

static bool allowed(const struct fake_entry *e, u64 access)
{
	return e->kind == ENTRY_LEAF && e->prot >> access & 1;
}

// One page fault, as main.c serves it. false: the process is gone.
static bool fault(struct model *m, u32 page, u64 access)
{
	u32 slot = badge_slot(m->badge);
	struct fake_entry e = fake_lookup(slot, page);
	u64 old = e.kind | (u64)e.prot << 8 | (u64)(e.kind && fake_exclusive(e.pfn)) << 16;
	struct request rq = ask(m, OP_PAGER_FAULT, ADDRESS_OF(page), access, old, e.kind ? fake_ref(e.pfn) : 0, 1, 0x1234);
	struct map_reply map = { 0 };
	enum fault_plan plan;
	err_t err;

	if (setjmp(fake_killed)) {
		survived++;
		fake_kill = 0;
		restart();
		return true;
	}
	plan = fault_plan(&rq, &map);
	if (plan == FAULT_MAP) {
		err = fake_reply_map(slot, ADDRESS_OF(page), &map);
		if (err)
			plan = fault_refused(rq.badge, rq.w[0], &map, err);
	}
	fake_kill = fake_nomem = 0;
	buried();
	return plan != FAULT_ENDED && m->alive;
}

static bool touch(struct model *m, u32 page, u64 access)
{
	for (u32 tries = 0;; tries++) {
		struct fake_entry e = fake_lookup(badge_slot(m->badge), page);

		if (allowed(&e, access))
			return true;
		check(tries < 20);
		if (!fault(m, page, access))
			return false;
	}
}

static u64 model_value(const struct page *p)
{
	return p->kind == VMA_SHARED ? p->shared->value : p->value;
}

static void access_page(struct model *m, struct page *p, u32 page, bool write)
{
	if (!touch(m, page, write ? ACCESS_WRITE : ACCESS_READ))
		return;
	u64 *word = content_at(badge_slot(m->badge), page);

	if (*word != model_value(p))
		panic("pid %u page %x kind %u: holds %lx, should hold %lx", m->pid, page, p->kind, (unsigned long)*word,
		      (unsigned long)model_value(p));
	check(!word[511] || p->kind == VMA_FILE);
	if (!write)
		return;
	*word = value_next++;
	if (p->kind == VMA_SHARED)
		p->shared->value = *word;
	else
		p->value = *word;
}

static void op_touch(struct model *m)
{
	u32 i = (u32)rnd(AREA), run = rnd(4) ? 1 : (u32)rnd(40);

	for (u32 k = 0; k < run && i + k < AREA && m->alive; k++) {
		struct page *p = &m->page[i + k];
		bool write = rnd(2);

		if (!p->mapped || !(p->prot & (write ? PROT_WRITE : PROT_READ)))
			continue;
		access_page(m, p, BASE + i + k, write);
	}
	for (u32 k = 0; k < HEAP && m->alive && run == 1; k += (u32)rnd(16) + 1)
		if (m->heap[k].mapped)
			access_page(m, &m->heap[k], PAGE_OF(proc_record(badge_proc(m->badge))->brk_start) + k, rnd(2));
}

// ---- operations

static u64 file_value(u32 archive_page)
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
	for (u32 at = AREA - n; at; at--)
		if (range_free(m, at, n))
			return at;
	return 0;
}

static void op_mmap(struct model *m)
{
	static const u8 prots[] = { PROT_READ | PROT_WRITE, PROT_READ, 0, PROT_WRITE, PROT_READ | PROT_WRITE };
	u32 n = 1 + (u32)rnd(rnd(3) ? 8 : 60), at = (u32)rnd(AREA - n);
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
	switch (rnd(4)) {
	case 0:
		flags |= MMAP_FIXED;
		addr = ADDRESS_OF(BASE + at);
		break;
	case 1:
		flags |= MMAP_NOREPLACE;
		addr = ADDRESS_OF(BASE + at);
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
		rq = ask(m, OP_VM_MUNMAP, ADDRESS_OF(BASE + at), n * PAGE_SIZE, 0, 0, 0, 0);
		check(!serve(&rq));
		memset(&m->page[at], 0, n * sizeof(struct page));
		return;
	}
	if (err == -ERR_NOMEM)
		return;
	check(!err);
	check(rq.w[0] == ADDRESS_OF(BASE + at));
	for (u32 i = 0; i < n; i++) {
		struct page *p = &m->page[at + i];
		u32 file = (u32)(image + offset / PAGE_SIZE + i);

		*p = (struct page){ .mapped = true, .prot = prot & PROT_WRITE ? PROT_READ | PROT_WRITE : prot, .kind = VMA_ANON };
		if (flags & MMAP_SHARED) {
			p->kind = VMA_SHARED;
			p->shared = &shared_pages[shared_next++];
		} else if (flags & MMAP_FILE) {
			p->kind = VMA_FILE;
			p->file = p->value = file_value(file);
		}
	}
}

static void op_munmap(struct model *m)
{
	u32 n = 1 + (u32)rnd(rnd(3) ? 8 : 60), at = (u32)rnd(AREA - n);
	struct request rq = ask(m, OP_VM_MUNMAP, ADDRESS_OF(BASE + at), n * PAGE_SIZE - rnd(PAGE_SIZE), 0, 0, 0, 0);
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

static void op_mprotect(struct model *m)
{
	static const u8 prots[] = { PROT_READ | PROT_WRITE, PROT_READ, 0, PROT_READ | PROT_WRITE };
	u32 n = 1 + (u32)rnd(12), at = (u32)rnd(AREA - n);
	u8 prot = prots[rnd(4)];
	struct request rq = ask(m, OP_VM_MPROTECT, ADDRESS_OF(BASE + at), n * PAGE_SIZE, prot, 0, 0, 0);
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

static void op_madvise(struct model *m)
{
	u32 n = 1 + (u32)rnd(16), at = (u32)rnd(AREA - n);
	u64 advice = rnd(5);
	struct request rq = ask(m, OP_VM_MADVISE, ADDRESS_OF(BASE + at), n * PAGE_SIZE, advice, 0, 0, 0);
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
	u16 i = vma_find(p, BASE + at);

	return i && vms->vma[i].start <= BASE + at && vms->vma[i].end >= BASE + at + n;
}

static void op_mremap(struct model *m)
{
	u32 n = 1 + (u32)rnd(12), at = (u32)rnd(AREA - n), more = (u32)rnd(20), new = n + more, to;
	bool one = one_vma(m, at, n), move = rnd(2);
	struct page moved[12 + 20] = { 0 };
	struct request rq;
	err_t err;

	if (!rnd(4))
		new = 1 + (u32)rnd(n);
	rq = ask(m, OP_VM_MREMAP, ADDRESS_OF(BASE + at), n * PAGE_SIZE, new * PAGE_SIZE, move, 0, 0);
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
	check(rq.w[0] < MMAP_TOP);
	if (rq.w[0] < ADDRESS_OF(BASE)) { /* out of the model's sight */
		rq = ask(m, OP_VM_MUNMAP, rq.w[0], new * PAGE_SIZE, 0, 0, 0, 0);
		fake_kill = fake_nomem = 0;
		check(!serve(&rq));
		memset(&m->page[at], 0, n * sizeof(struct page));
		return;
	}
	to = PAGE_OF(rq.w[0]) - BASE;
	memcpy(moved, &m->page[at], (n < new ? n : new) * sizeof(struct page));
	for (u32 i = n; i < new; i++) {
		moved[i] = moved[n - 1];
		check(moved[i].kind != VMA_SHARED);
		if (moved[i].kind == VMA_FILE) {
			const struct proc *p = badge_proc(m->badge);
			const struct vma *v = &vms->vma[vma_find(p, BASE + to + i)];

			moved[i].file = file_value((u32)vma_word1(v, BASE + to + i));
		}
		moved[i].value = moved[i].kind == VMA_FILE ? moved[i].file : 0;
	}
	check(to == at || range_free(m, to, new));
	memset(&m->page[at], 0, n * sizeof(struct page));
	memcpy(&m->page[to], moved, new * sizeof(struct page));
}

static void op_brk(struct model *m)
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

static void op_fork(struct model *m)
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
	check(fake_thread(badge_slot(child->badge))->running && fake_thread(badge_slot(child->badge))->tag == 0xabc00 + m->pid);
	check(badge_alive(child->badge));
}

static void op_end(struct model *m)
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

static void op_wait(struct model *m)
{
	struct request rq = ask(m, OP_VM_WAIT, (u64)-1, WAITF_NOHANG, 0, 0, 0, 0);
	err_t err = serve(&rq);

	check(!err || err == -ERR_CHILD);
}

static void (*const ops[])(struct model *) = {
	op_mmap, op_mmap, op_munmap, op_mprotect, op_touch, op_touch, op_touch, op_touch, op_madvise, op_mremap, op_brk, op_wait,
};

static void compare_records(const struct model *m)
{
	const struct proc *p = badge_proc(m->badge);
	u16 i = vma_find(p, BASE);

	for (u32 at = 0; at < AREA; at++) {
		const struct page *page = &m->page[at];
		const struct vma *v;

		while (i && vms->vma[i].end <= BASE + at)
			i = nodes[i].next;
		v = &vms->vma[i];
		check(page->mapped == (i && v->start <= BASE + at));
		check(!page->mapped || (page->prot == v->prot && page->kind == v->kind));
	}
}

// The volatile side as a successor sees it is the one we have.
static void compare_rebuilt(void)
{
	static struct proc before[PROCS];
	static struct vma_node links[VMAS];

	memcpy(before, procs, sizeof(before));
	memcpy(links, nodes, sizeof(links));
	restart();
	for (u32 slot = 0; slot < PROCS; slot++) {
		const struct proc *a = &before[slot], *b = &procs[slot];

		if (vms->proc[slot].state == PROC_FREE)
			continue;
		check(a->badge == b->badge && a->first == b->first && a->last == b->last && a->vmas == b->vmas && a->pages == b->pages);
		check(a->rss == b->rss);
		for (u16 i = a->first; i; i = links[i].next)
			check(links[i].next == nodes[i].next && links[i].prev == nodes[i].prev && links[i].gap == nodes[i].gap);
	}
}

static struct model *pick(void)
{
	for (;;) {
		struct model *m = &models[rnd(MODELS)];

		if (m->alive)
			return m;
	}
}

static u32 alive(void)
{
	u32 n = 0;

	for (u32 i = 0; i < MODELS; i++)
		n += models[i].alive;
	return n;
}

enum trouble {
	TROUBLE_NONE,
	TROUBLE_NOMEM,
	TROUBLE_KILL,
	TROUBLE_REBUILD,
};

static void run_random(u64 steps, enum trouble trouble)
{
	for (u64 step = 0; step < steps; step++) {
		struct model *m = pick();
		u64 r = rnd(1000);

		/* Not while the first process is alone: then it would be the one to go. */
		if (trouble == TROUBLE_NOMEM && !rnd(3) && alive() > 1)
			fake_nomem = 1 + rnd(12);
		if (trouble == TROUBLE_KILL && !rnd(3))
			fake_kill = 1 + rnd(40);
		if (r < 12)
			op_fork(m);
		else if (r < 24)
			op_end(m);
		else
			ops[rnd(sizeof(ops) / sizeof(ops[0]))](m);
		fake_nomem = fake_kill = 0;
		if (trouble == TROUBLE_REBUILD)
			compare_rebuilt();
		check(models[0].alive);
		if (step % (trouble == TROUBLE_NONE ? 512 : 64) == 0) {
			if (fake_check())
				panic("step %lu", (unsigned long)step);
			for (u32 i = 0; i < MODELS; i++)
				if (models[i].alive)
					compare_records(&models[i]);
		}
	}
}

// ---- an ELF file in the archive, exec and spawn

static void elf_write(char *at, u64 text, u64 data_size, u64 bss)
{
	u64 *w = (u64 *)at;
	u32 *h = (u32 *)at;
	u16 *s = (u16 *)at;

	memset(at, 0, 64 + 2 * 56);
	h[0] = 0x464c457f;
	at[4] = 2;
	at[5] = 1;
	at[6] = 1;
	s[8] = 2;
	s[9] = 243;
	w[3] = text + 0x200; /* entry */
	w[4] = 64;           /* phoff */
	s[27] = 56;
	s[28] = 2;
	u32 *p = (u32 *)(at + 64);
	u64 *q = (u64 *)(at + 64);

	p[0] = 1;
	p[1] = 5;
	q[1] = 0;
	q[2] = text;
	q[4] = q[5] = 0x900;
	q += 7;
	p += 14;
	p[0] = 1;
	p[1] = 6;
	q[1] = 0x1000;
	q[2] = text + 0x10000;
	q[4] = data_size;
	q[5] = data_size + bss;
}

static void archive_make(void)
{
	for (u32 i = 0; i < ARCHIVE_PAGES; i++)
		for (u32 k = 0; k < PAGE_SIZE / 8; k++)
			((u64 *)(fake_archive + i * PAGE_SIZE))[k] = 0xa000000 + i * 0x1000 + k;
	elf_write(fake_archive + 40 * PAGE_SIZE, 0x10000, 0x1804, 0x3000);
}

static void boot(void)
{
	struct model init = { .badge = 0 };
	struct request rq;

	archive_make();
	fake_boot(FAKE_FRAMES - ARCHIVE_PAGES - 64);
	check(vm_open(segment) == STATE_FRESH);
	rq = ask(&init, OP_VM_ARCHIVE, fake_archive_frame(), ARCHIVE_PAGES, 0, 0, 0, 0);
	check(!serve(&rq));
	rq = ask(&init, OP_VM_SPAWN, 40, 4 * PAGE_SIZE, 0x68732f6e69622f, 0, 0, 0);
	check(!serve(&rq));
	models[0] = (struct model){ .alive = true, .pid = (u32)rq.w[0], .badge = procs[1].badge };
	check(models[0].pid == 1 && fake_thread(1)->pc == 0x10200 && fake_thread(1)->sp == STACK_TOP - 128);
	rq = ask(&init, OP_VM_MMAP, 0, PAGE_SIZE, 3, 0, 0, 0);
	check(serve(&rq) == -ERR_PERM);
}

static void test_image(struct model *m)
{
	u32 slot = badge_slot(m->badge);
	u64 *stack, data = proc_record(badge_proc(m->badge))->brk_start;

	check(data == 0x25000);
	/* The data segment: one whole page, then 0x804 bytes of file and zeroes. */
	check(touch(m, 0x20, ACCESS_READ) && content_at(slot, 0x20)[5] == 0xa000000 + 41 * 0x1000 + 5);
	check(touch(m, 0x21, ACCESS_READ));
	check(content_at(slot, 0x21)[0] == 0xa000000 + 42 * 0x1000 && ((u32 *)content_at(slot, 0x21))[0x800 / 4] == 0xa000000 + 42 * 0x1000 + 0x100);
	for (u32 at = 0x804; at < PAGE_SIZE; at += 4)
		check(!((u32 *)content_at(slot, 0x21))[at / 4]);
	check(touch(m, 0x22, ACCESS_WRITE) && !content_at(slot, 0x22)[0]);
	check(touch(m, 0x21, ACCESS_WRITE));
	check(touch(m, 0x10, ACCESS_EXEC));
	check(touch(m, PAGE_OF(STACK_TOP) - 1, ACCESS_WRITE));
	stack = content_at(slot, PAGE_OF(STACK_TOP) - 1);
	check(m->pid != 1 || (stack[512 - 16] == 1 && stack[512 - 15] == STACK_TOP - 16 && stack[510] == 0x68732f6e69622f));
}

static void test_exec(struct model *m, u64 kill_at, u64 nomem_at)
{
	u32 slot = badge_slot(m->badge), starts = fake_thread(slot)->starts;
	struct request rq = ask(m, OP_VM_MMAP, 0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, 0, 0);
	u64 args;
	err_t err;

	check(!serve(&rq));
	args = rq.w[0];
	for (u32 i = 0; i < 3; i++) {
		check(touch(m, PAGE_OF(args) + i, ACCESS_WRITE));
		content_at(slot, PAGE_OF(args) + i)[9] = 0x77700 + i;
	}
	rq = ask(m, OP_VM_EXEC, 40, 4 * PAGE_SIZE, args, 3, STACK_TOP - 0x2010, 0x6b6b);
	rq.w[6] = 0;
	rq.flow = starts;
	fake_kill = kill_at;
	fake_nomem = nomem_at;
	err = serve(&rq);
	if (nomem_at && err == -ERR_NOMEM) {
		check(touch(m, PAGE_OF(args) + 1, ACCESS_READ) && content_at(slot, PAGE_OF(args) + 1)[9] == 0x77701);
		return;
	}
	check(err == PARKED);
	if (nomem_at && !m->alive)
		return;
	check(m->alive && fake_thread(slot)->starts > starts && fake_thread(slot)->pc == 0x10200 &&
	      fake_thread(slot)->sp == STACK_TOP - 0x2010);
	check(!strcmp(proc_name(badge_proc(m->badge)), "kk"));
	for (u32 i = 0; i < 3; i++)
		check(touch(m, PAGE_OF(STACK_TOP) - 3 + i, ACCESS_READ) && content_at(slot, PAGE_OF(STACK_TOP) - 3 + i)[9] == 0x77700 + i);
	test_image(m);
	memset(m->page, 0, sizeof(m->page));
	memset(m->heap, 0, sizeof(m->heap));
}

static void test_exec_everywhere(void)
{
	for (u64 n = 1; n < 120; n++) {
		op_fork(&models[0]);
		for (u32 i = 1; i < MODELS; i++) {
			if (!models[i].alive)
				continue;
			test_exec(&models[i], n % 2 ? n / 2 : 0, n % 2 ? 0 : n / 8 + 1);
			if (models[i].alive)
				op_end(&models[i]);
		}
		check(!fake_check());
	}
	for (u32 i = 0; i < 200; i++)
		op_wait(&models[0]);
}

static void test_exec_refused(struct model *m)
{
	static const u64 bad[][5] = {
		/* image, size, args, pages, sp */
		{ 41, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP - 16 }, { 40, 100, ADDRESS_OF(BASE), 1, STACK_TOP - 16 },
		{ 40, 0x4000, 0x1000, 1, STACK_TOP - 16 },           { 40, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP - 8 },
		{ 40, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP },      { 40, 0x4000, ADDRESS_OF(BASE), 65, STACK_TOP - 16 },
		{ 40, ~0ul, ADDRESS_OF(BASE), 1, STACK_TOP - 16 },   { ~0ul, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP - 16 },
		{ 40, 0x4000, ~0ul << 12, 1, STACK_TOP - 16 },       { 40, 0x4000, ADDRESS_OF(BASE), ~0ul, STACK_TOP - 16 },
	};

	for (u32 i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct request rq = ask(m, OP_VM_EXEC, bad[i][0], bad[i][1], bad[i][2], bad[i][3], bad[i][4], 0);
		err_t err = serve(&rq);

		check(err == -ERR_NOEXEC || err == -ERR_FAULT || err == -ERR_INVAL || err == -ERR_BIG);
	}
	check(!fake_check());
}

static void test_wait(struct model *m)
{
	struct request rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0), wait, end;
	struct model child = { 0 };

	check(!serve(&rq));
	child.badge = proc_by_pid(rq.w[0])->badge;
	wait = ask(m, OP_VM_WAIT, rq.w[0], 0, 0, 0, 0, 0);
	check(serve(&wait) == PARKED);
	fake_replies = 0;
	end = ask(&child, OP_VM_EXIT, 42 << 8, 0, 0, 0, 0, 0);
	check(serve(&end) == PARKED);
	check(fake_replies == 1 && fake_reply.w[0] == rq.w[0] && fake_reply.w[1] == 42 << 8 && !fake_reply.label);
	check(!proc_by_pid(rq.w[0]));
	wait = ask(m, OP_VM_WAIT, rq.w[0], 0, 0, 0, 0, 0);
	check(serve(&wait) == -ERR_CHILD);
	/* A group, and Ctrl-C. */
	rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0);
	check(!serve(&rq));
	end = ask(m, OP_VM_SETGROUP, rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&end));
	end = ask(m, OP_VM_FOREGROUND, rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&end));
	vm_notified(VM_NOTIFY_INTERRUPT);
	wait = ask(m, OP_VM_WAIT, (u64) - (s64)rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&wait) && wait.w[1] == KILL_INT);
	end = ask(m, OP_VM_KILL, 1, 9, 0, 0, 0, 0);
	end.badge = child.badge; /* stale badge: its slot is free, whoever asks may not end the first process */
	check(!fake_check());
}

static void test_segv(struct model *m)
{
	struct request rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0), wait;
	struct model child = { .alive = true };
	u64 before = fake_user_used();

	check(!serve(&rq));
	child.pid = (u32)rq.w[0];
	child.badge = proc_by_pid(child.pid)->badge;
	models[MODELS - 1] = child;
	check(!fault(&models[MODELS - 1], 0x12345, ACCESS_READ));
	wait = ask(m, OP_VM_WAIT, child.pid, 0, 0, 0, 0, 0);
	check(!serve(&wait) && wait.w[1] == KILL_SEGV);
	check(fake_user_used() <= before + MAGAZINE_REFILL + 3);
}

static void test_oom(struct model *m)
{
	struct request rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0), wait;
	struct model *big = &models[MODELS - 1];

	check(!serve(&rq));
	*big = (struct model){ .alive = true, .pid = (u32)rq.w[0], .badge = proc_by_pid(rq.w[0])->badge };
	rq = ask(big, OP_VM_MMAP, 0, ADDRESS_OF(2 * FAKE_FRAMES), PROT_READ | PROT_WRITE, 0, 0, 0);
	check(!serve(&rq));
	for (u32 i = 0; i < 2 * FAKE_FRAMES && big->alive; i++)
		(void)touch(big, PAGE_OF(rq.w[0]) + i, ACCESS_WRITE);
	check(!big->alive && m->alive && stats[VMSTAT_OOM_KILLS]);
	wait = ask(m, OP_VM_WAIT, big->pid, 0, 0, 0, 0, 0);
	check(!serve(&wait) && wait.w[1] == KILL_OOM);
	check(!fake_check());
}

static void test_fork_bomb(struct model *m)
{
	u32 forks = 0;
	struct request rq;
	err_t err;

	for (;;) {
		rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0);
		err = serve(&rq);
		if (err)
			break;
		forks++;
	}
	check((err == -ERR_AGAIN || err == -ERR_NOMEM) && forks > 100);
	check(!fake_check());
	for (u32 slot = 2; slot < PROCS; slot++)
		if (vms->proc[slot].state == PROC_RUN)
			proc_end(&procs[slot], KILL_INT);
	for (u32 i = 0; i <= forks; i++)
		op_wait(m);
	check(!fake_check());
}

static void reap_all(void)
{
	for (u32 slot = 2; slot < PROCS; slot++)
		if (vms->proc[slot].state == PROC_RUN)
			proc_end(&procs[slot], KILL_INT);
	buried();
	for (u32 i = 0; i < PROCS; i++)
		op_wait(&models[0]);
	for (u32 slot = 2; slot < PROCS; slot++)
		check(vms->proc[slot].state == PROC_FREE);
}

static void test_elf_fuzz(u64 rounds)
{
	static char file[3 * PAGE_SIZE];
	struct elf_image image;

	for (u64 i = 0; i < rounds; i++) {
		u64 size = rnd(4) ? sizeof(file) : rnd(300);
		char *exact = malloc(size + 1);

		elf_write(file, 0x10000, 0x1804, 0x3000);
		for (u64 k = rnd(6); k; k--)
			file[rnd(64 + 2 * 56)] = (char)(rnd(3) ? rnd(256) : rnd(2) ? 0xff : 0);
		memcpy(exact, file, size); /* a heap block of the exact size: ASan sees a read behind it */
		if (elf_parse(exact, size, WINDOW_START, PAGE_OF(MMAP_TOP), &image)) {
			free(exact);
			continue;
		}
		u32 end = WINDOW_START;
		for (u32 k = 0; k < image.count; k++) {
			const struct elf_segment *s = &image.segment[k];

			check(s->start >= end && s->file_end >= s->start && s->end >= s->file_end && s->end <= PAGE_OF(MMAP_TOP));
			check(s->file_end == s->start || s->file_page + (s->file_end - s->start) <= (size + PAGE_SIZE - 1) / PAGE_SIZE);
			check(s->tail < PAGE_SIZE);
			end = s->end;
		}
		free(exact);
	}
}

// Requests of any label and words: nothing but an error or the process' own harm.
static void test_hostile(u64 rounds)
{
	static const u64 edge[] = { 0,	    1,		4096,	     0x10000,	   MMAP_TOP,  STACK_TOP, 0x3400000000, 0x3800000000,
				    ~0ul, ~0ul << 12, 1ul << 38, 1ul << 63, 0x7fffffff, 0xfffff000 };

	for (u64 i = 0; i < rounds; i++) {
		struct model *m = &models[1];
		struct request rq;

		if (!m->alive) {
			struct request f = ask(&models[0], OP_VM_FORK, 0, 0, 0, 0, 0, 0);

			op_wait(&models[0]);
			if (serve(&f))
				continue;
			*m = (struct model){ .alive = true, .pid = (u32)f.w[0], .badge = proc_by_pid(f.w[0])->badge };
		}
		rq = request_of(m, PROTO_VM << 16 | rnd(30));
		for (u32 k = 0; k < MSG_WORDS; k++)
			rq.w[k] = rnd(2) ? edge[rnd(sizeof(edge) / 8)] : rnd(2) ? rnd(64) : rnd(AREA) * PAGE_SIZE + ADDRESS_OF(BASE);
		if (rq.label == OP_VM_KILL && (rq.w[0] == 0 || (s64)rq.w[0] < -1))
			continue; /* its group is ours */
		(void)serve(&rq);
		check(models[0].alive);
		if (i % 256 == 0)
			check(!fake_check());
	}
}

int main(int argc, char **argv)
{
	bool quick = getenv("JJOK_TEST") && !strcmp(getenv("JJOK_TEST"), "quick");
	u64 scale = quick ? 1 : 8;

	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	verbose = argc > 2;
	rng = seed * 0x9e3779b97f4a7c15ul | 1;
	boot();
	test_image(&models[0]);
	test_wait(&models[0]);
	test_segv(&models[0]);
	test_exec_refused(&models[0]);
	test_oom(&models[0]);
	reap_all();
	test_fork_bomb(&models[0]);
	test_exec_everywhere();
	printf("vm: single tests ok\n");
	run_random(150000 * scale, TROUBLE_NONE);
	printf("vm: random operations ok\n");
	run_random(2000 * scale, TROUBLE_REBUILD);
	printf("vm: rebuild after every operation ok\n");
	run_random(10000 * scale, TROUBLE_KILL);
	printf("vm: killed at a random call ok (%lu times)\n", (unsigned long)survived);
	run_random(10000 * scale, TROUBLE_NOMEM);
	printf("vm: no memory at a random call ok\n");
	reap_all();
	test_hostile(20000 * scale);
	printf("vm: hostile requests ok\n");
	test_elf_fuzz(100000 * scale);
	reap_all();
	check(!fake_check());
	printf("vm: ok, seed %lu\n", (unsigned long)seed);
	return 0;
}
