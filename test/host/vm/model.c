// SPDX-License-Identifier: MIT
// The model's machinery: requests, faults, trouble.
#include "model.h"

#include "../../../user/pager/vm/swap.h"
#include "../../../user/pager/vm/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

u64 seed = 1, rng;
bool verbose;
u64 _Alignas(4096) segment[(sizeof(struct vm_state) + 7) / 8];

u64 rnd(u64 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

u64 high_area;
struct server_info info;

u64 page_at(u32 index)
{
	return index < LOW_AREA ? BASE + index : high_area + (index - LOW_AREA);
}

u32 index_of(u64 page)
{
	if (page >= BASE && page < BASE + LOW_AREA)
		return (u32)(page - BASE);
	return page >= high_area && page < high_area + AREA - LOW_AREA ? (u32)(page - high_area) + LOW_AREA : AREA;
}

u32 place(u32 n)
{
	u32 at;

	do {
		at = (u32)rnd(AREA - n);
	} while (at < LOW_AREA && at + n > LOW_AREA);
	return at;
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

struct model models[MODELS];
static u64 value_next = 1;
u64 survived; // injected troubles that hit

struct request request_of(struct model *m, u64 label)
{
	return (struct request){ .label = label,
				 .badge = m->badge,
				 .reply = (u64)++m->calls << 32 | badge_slot(m->badge) };
}

struct request ask(struct model *m, u64 label, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
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

void restart(void)
{
	memset(procs, 0, sizeof(procs));
	memset(nodes, 0, sizeof(nodes));
	memset(&magazine, 0, sizeof(magazine));
	check(vm_open(segment, &info) == STATE_KEPT);
	fake_swap_recount();
}

void buried(void)
{
	for (u32 i = 0; i < MODELS; i++) {
		struct model *m = &models[i];

		if (m->alive && (vms->proc[badge_slot(m->badge)].pid != m->pid ||
				 vms->proc[badge_slot(m->badge)].state != PROC_RUN))
			m->alive = false;
	}
}

// Does an answer come to what vm has parked? Then it is there when this returns.
static bool answered_later(const struct request *asked)
{
	u64 label = asked->label;
	u32 slot = badge_slot(asked->badge);

	if (label != OP_VM_FORK && label != OP_VM_EXEC && label != OP_VM_MREMAP && label != OP_VM_MLOCK &&
	    label != OP_PAGER_FAULT)
		return false;
	for (u32 i = 0; i < 10000; i++) {
		fake_swap_run();
		fake_swap_deliver();
		if (fake_answer[slot].reply == asked->reply)
			return true;
		if (!badge_alive(asked->badge))
			return false;
		if (label == OP_VM_EXEC && fake_thread(slot)->starts > asked->flow)
			return false;
	}
	panic("pid %lu is never answered", (unsigned long)(asked->badge >> 16));
}

// Serve a request as the shell does; when vm is killed in it, a successor gets it again.
err_t serve(struct request *rq)
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
	fake_answer[badge_slot(asked.badge)].reply = 0;
	vm_request(rq);
	if (!rq->reply && answered_later(&asked))
		*rq = fake_answer[badge_slot(asked.badge)];
	fake_kill = fake_nomem = 0;
	buried();
	return rq->reply ? (err_t)rq->label : PARKED;
}

// ---- touching pages

u64 *content_at(u32 slot, u64 page)
{
	struct fake_entry e = fake_lookup(slot, page);

	return fake_content(e.pfn);
}

static bool allowed(const struct fake_entry *e, u64 access)
{
	return e->kind == ENTRY_LEAF && e->prot >> access & 1;
}

// What main.c does with a plan.
static enum fault_plan fault_answer(const struct fault *f, enum fault_plan plan, const struct map_reply *map)
{
	err_t err;

	if (plan != FAULT_MAP && plan != FAULT_TOKEN)
		return plan;
	err = fake_reply_map(badge_slot(f->badge), f->addr & -PAGE_SIZE, map);
	if (err && plan == FAULT_TOKEN)
		token_kept();
	if (err)
		return fault_refused(f, map, err);
	if (plan == FAULT_TOKEN)
		token_replaced(f->what);
	return plan;
}

// The fault whose page has come is answered as main.c does it.
void fault_arrived(void)
{
	struct map_reply map = { 0 };
	struct request rq = { 0 };
	enum fault_plan plan;
	struct fault f;

	bool within = fake_in_fault;

	if (!wait_arrived(&f))
		return;
	fake_in_fault = true;
	plan = fault_answer(&f, swap_arrived(&f, &map), &map);
	fake_in_fault = within;
	rq.reply = f.reply;
	if (plan != FAULT_PARKED && plan != FAULT_ENDED)
		(void)ipc_reply(SLOT_SELF_ENDPOINT, &rq);
}

// One fault message, as main.c serves it.
bool fault_serve(struct model *m, struct request *rq)
{
	struct map_reply map = { 0 };
	enum fault_plan plan;

	if (setjmp(fake_killed)) {
		survived++;
		fake_kill = 0;
		restart();
		buried();
		return m->alive;
	}
	fake_answer[badge_slot(rq->badge)].reply = 0;
	plan = fault_plan(rq, &map);
	plan = fault_answer(
		&(struct fault){ .badge = rq->badge, .addr = rq->w[0], .what = rq->w[3], .reply = rq->reply }, plan,
		&map);
	if (plan == FAULT_PARKED)
		(void)answered_later(rq);
	fake_kill = fake_nomem = 0;
	buried();
	return plan != FAULT_ENDED && m->alive;
}

bool fault(struct model *m, u64 page, u64 access)
{
	struct fake_entry e = fake_lookup(badge_slot(m->badge), page);
	bool leaf = e.kind && e.kind != ENTRY_TOKEN;
	u64 old = e.kind | (u64)e.prot << 8 | (u64)(leaf && fake_exclusive(e.pfn)) << 16;
	struct request rq = ask(m, OP_PAGER_FAULT, ADDRESS_OF(page), access, old, leaf ? fake_ref(e.pfn) : e.pfn, 1,
				0x1234);
	bool alive;

	fake_in_fault = true;
	alive = fault_serve(m, &rq);
	fake_in_fault = false;
	return alive;
}

bool touch(struct model *m, u64 page, u64 access)
{
	for (u32 tries = 0;; tries++) {
		struct fake_entry e = fake_lookup(badge_slot(m->badge), page);

		if (allowed(&e, access))
			return true;
		if (tries % 16 == 15)
			fake_unpin();
		if (tries >= 200) {
			u16 i = vma_find(badge_proc(m->badge), page);

			panic("pid %u page 0x%lx: kind %u, prot %u, access %lu; entry kind %u, prot %u, %u", m->pid,
			      (unsigned long)page, (u32)vms->vma[i].kind, (u32)vms->vma[i].prot, (unsigned long)access,
			      e.kind, e.prot, e.pfn);
		}
		if (!fault(m, page, access))
			return false;
	}
}

static u64 model_value(const struct page *p)
{
	return p->kind == VMA_SHARED ? p->shared->value : p->value;
}

void access_page(struct model *m, struct page *p, u64 page, bool write)
{
	if (!touch(m, page, write ? ACCESS_WRITE : ACCESS_READ))
		return;
	u64 *word = content_at(badge_slot(m->badge), page);

	if (*word != model_value(p))
		panic("pid %u page %lx kind %u: holds %lx, should hold %lx", m->pid, (unsigned long)page, p->kind,
		      (unsigned long)*word, (unsigned long)model_value(p));
	check(!word[511] || p->kind == VMA_FILE);
	if (!write)
		return;
	*word = value_next++;
	if (p->kind == VMA_SHARED)
		p->shared->value = *word;
	else
		p->value = *word;
}
