// SPDX-License-Identifier: MIT
// kernel/sched.c, with queue.c and the inline parts of the fast paths, against lists that are kept in order: programs
// call servers, servers call more urgent ones, answer, park, wake, and slices end at any moment. After each entry of
// the kernel the thread that runs must be the one that the lists say. Then shares: programs that differ only in the
// paths by which their calls go get the same.
#include <kernel/fastpath.h>
#include <kernel/object.h>
#include <kernel/trap.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAMS 6
#define SERVERS  4
#define THREADS  (PROGRAMS + SERVERS)

u64 trace_mask;
u32 trace_epoch, graveyard, kernel_lock_word;
struct pool *pool_events;
struct page *host_mem_map;
void *host_ram;
struct mem_info mem;
u32 arch_levels = 3;
vaddr_t arch_user_end = 1ul << 38;

static struct thread thread[THREADS];
static struct endpoint door[THREADS]; // a server's
static struct notification never;
static struct aspace space = { .root = 1 };
static struct hart hart;
static u64 seed, state, clock;

// ---- what the lists say

static struct thread *list[PRIORITIES][THREADS]; // READY, who goes first first
static u32 length[PRIORITIES];
static struct thread *running;   // NULL: nobody
static int over;                 // priority whose slice is over; -1: none
static bool fast;                // go by the fast path wherever it may
static u64 by_fast, slices_over; // how often

_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (seed %lu)\n", (unsigned long)seed);
	abort();
}

static u64 rnd(u64 n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static void list_add(struct thread *t, bool first)
{
	struct thread **at = list[t->priority];
	u32 *n = &length[t->priority];
	if (first)
		memmove(at + 1, at, *n * sizeof(*at));
	at[first ? 0 : *n] = t;
	++*n;
}

static void list_remove(const struct thread *t)
{
	struct thread **at = list[t->priority];
	u32 *n = &length[t->priority], i = 0;
	while (at[i] != t)
		i++;
	memmove(at + i, at + i + 1, (--*n - i) * sizeof(*at));
}

static int list_best(void)
{
	int p = PRIORITIES - 1;
	while (p >= 0 && !length[p])
		p--;
	return p;
}

// Who must run when the kernel is left.
static void lists_choose(void)
{
	int best = list_best();
	if (running && running->priority >= best)
		return;
	if (running)
		list_add(running, true);
	running = NULL;
	if (best >= 0) {
		running = list[best][0];
		list_remove(running);
	}
	if (running && running->priority <= over)
		over = -1;
}

static void lists_compare(void)
{
	assert(hart.cur == running && !hart.next && (!running || running->state == THREAD_RUNNING));
	assert(!!(hart.tlb.gate & GATE_SLICE) == (over >= 0) && (over < 0 || hart.slice_priority == over));
	assert((u8)hart.tlb.gate == (u8)MAX(list_best(), 0));
	for (u32 p = 0; p < PRIORITIES; p++) {
		struct thread *t = hart.ready[p];
		assert(!t == !length[p] && (hart.ready_map >> p & 1) == !!length[p]);
		for (u32 i = 0; i < length[p]; i++, t = t->next)
			assert(t == list[p][i] && t->state == THREAD_READY && !t->ahead && t->next->prev == t);
		assert(t == hart.ready[p]);
	}
}

// ---- the rest of the kernel

static jmp_buf left;

_Noreturn void arch_return_to_user(struct arch_context *ctx)
{
	assert(hart.cur && ctx == &hart.cur->ctx);
	longjmp(left, 1);
}

// Nobody runs: the test goes on as the interrupt that ends it.
void arch_idle(void)
{
	longjmp(left, 1);
}

struct hart *host_hart(void)
{
	return &hart;
}

u64 host_time(void)
{
	return ++clock;
}

void host_root_switch(u64 root)
{
	assert(root == space.root);
}

void host_relax(void)
{
	panic("the kernel lock is taken");
}

void aspace_activate(struct aspace *as)
{
	assert(as == &space);
}

void tlb_settle(struct tlb_hart *me)
{
	panic("hart %p owes a flush", (void *)me);
}

bool graveyard_step(void)
{
	return false;
}

bool pool_event_take(struct pool_event *event)
{
	(void)event;
	return false;
}

void notification_signal(struct notification *n, u64 bits)
{
	panic("notification %p, bits %lx", (void *)n, bits);
}

void irq_service(void)
{
}

void timer_update(struct hart *h)
{
	h->timer_stale = false;
}

void trace_introduce(struct thread *t)
{
	panic("thread %lu: no trace is on", t - thread);
}

void trace_write(u32 id, u64 a, u64 b, u64 c)
{
	panic("event %x %lx %lx %lx", id, a, b, c);
}

// ---- what threads do. Each as the kernel's slow path, or as its fast one where that may be gone.

static struct endpoint *door_of(const struct thread *t)
{
	return &door[t - thread];
}

static bool is_server(const struct thread *t)
{
	return t >= thread + PROGRAMS;
}

static void leave(void)
{
	lists_choose();
	if (!setjmp(left))
		sched_exit();
	kernel_lock_word = 0;
	lists_compare();
}

// Into the lists, and where the kernel puts it.
static void wakes(struct thread *t, bool handed)
{
	t->state = THREAD_STOPPED;
	t->wait = NULL;
	list_add(t, handed && t->priority != over);
	if (handed)
		sched_hand_over(t);
	else
		sched_ready(t);
}

// Straight to `t`: only where the lists say the same.
static bool runs_fast(struct thread *t)
{
	if (!fast || !fastpath_may_run(t, t->aspace))
		return false;
	assert(over < 0 && list_best() <= t->priority);
	by_fast++;
	return true;
}

static void do_call(struct thread *server)
{
	struct thread *self = running;
	struct endpoint *ep = door_of(server);
	assert(server->state == THREAD_WAIT_RECV && ep->receivers == server);
	ep->receivers = NULL;
	fastpath_await_reply(self, ep, server);
	running = NULL;
	if (runs_fast(server)) {
		fastpath_switch(self, server, server->aspace);
		running = server;
		lists_compare();
		return;
	}
	wakes(server, true);
	leave();
}

// What fastpath_park, fastpath_reply and fastpath_notify ask of the gate.
static bool nothing_rare(void)
{
	bool may = fast && !(hart.tlb.gate >> 8);
	by_fast += may;
	return may;
}

static void do_park(void)
{
	struct thread *self = running, *next;
	fastpath_wait(self, door_of(self), 0);
	running = NULL;
	if (!hart.ready_map || !nothing_rare()) {
		leave();
		return;
	}
	next = hart.ready[(u8)hart.tlb.gate];
	fastpath_dequeue(&hart, next);
	fastpath_switch(self, next, next->aspace);
	lists_choose();
	lists_compare();
}

static void do_reply_recv(struct thread *client)
{
	struct thread *self = running;
	struct endpoint *ep = door_of(self);
	running = NULL;
	fastpath_wait(self, ep, 0);
	if (runs_fast(client)) {
		fastpath_switch(self, client, client->aspace);
		running = client;
		lists_compare();
		return;
	}
	wakes(client, true);
	leave();
}

// The server goes on.
static void do_reply(struct thread *client)
{
	if (client->priority <= running->priority && nothing_rare()) {
		client->wait = NULL;
		fastpath_enqueue(&hart, client);
		list_add(client, false);
		lists_compare();
		return;
	}
	wakes(client, false);
	leave();
}

// Bits for a server that waits.
static void do_notify(struct thread *server)
{
	struct thread *self = running;
	door_of(server)->receivers = NULL;
	if (list_best() >= server->priority || !nothing_rare()) {
		wakes(server, false);
		leave();
		return;
	}
	fastpath_displace(&hart, self);
	fastpath_switch(self, server, server->aspace);
	list_add(self, true);
	running = server;
	lists_compare();
}

static void do_wake(struct thread *t)
{
	if (is_server(t) && t->state == THREAD_WAIT_RECV)
		door_of(t)->receivers = NULL;
	wakes(t, false);
}

static void do_slice_end(void)
{
	const struct thread *principal = running;
	while (principal && principal->serving && principal->serving->state == THREAD_WAIT_REPLY)
		principal = principal->serving;
	if (running && principal->priority < running->priority && length[principal->priority]) {
		over = principal->priority;
		slices_over++;
	}
	if (running && length[running->priority]) {
		list_add(running, false);
		running = NULL;
	}
	sched_preempt();
	leave();
}

static void set_up(void)
{
	memset(&hart, 0, sizeof(hart));
	memset(length, 0, sizeof(length));
	memset(thread, 0, sizeof(thread));
	memset(door, 0, sizeof(door));
	hart.slice_on = true;
	hart.tlb.as = &space;
	running = NULL;
	over = -1;
	for (u32 i = 0; i < THREADS; i++) {
		struct thread *t = &thread[i];
		t->next = t->prev = t->run_next = t->run_prev = t;
		t->hart = &hart;
		t->aspace = &space;
		t->priority = i < PROGRAMS ? 20 : 40 + (i - PROGRAMS) / 2;
		t->state = THREAD_WAIT_NOTIFY;
		t->wait = &never;
		if (is_server(t))
			fastpath_wait(t, door_of(t), 0);
	}
}

// ---- any order

// A server that is more urgent than the running thread, and waits.
static struct thread *free_server(void)
{
	struct thread *t = &thread[PROGRAMS + rnd(SERVERS)];
	return t->state == THREAD_WAIT_RECV && t->priority > running->priority ? t : NULL;
}

// Of those whose requests the running server has received: the last one, or one that is parked.
static struct thread *some_client(void)
{
	struct thread *t = rnd(4) ? running->serving : &thread[rnd(THREADS)];
	return t && t->state == THREAD_WAIT_REPLY && t->wait == door_of(running) ? t : NULL;
}

static void step_running(void)
{
	struct thread *t = free_server(), *client = is_server(running) ? some_client() : NULL;
	switch (rnd(8)) {
	case 0:
	case 1:
	case 2:
		if (t)
			do_call(t);
		return;
	case 3:
	case 4:
	case 5:
		if (client)
			do_reply_recv(client);
		else if (is_server(running) && !rnd(8))
			do_park();
		return;
	case 6:
		if (client)
			do_reply(client);
		return;
	case 7:
		if (t) {
			do_notify(t);
		} else if (!is_server(running) && !rnd(4)) {
			running->state = THREAD_WAIT_NOTIFY;
			running->wait = &never;
			running = NULL;
			leave();
		}
		return;
	}
}

// From outside: several may be woken at once, one may be stopped, another gets a new priority.
static void step_outside(void)
{
	struct thread *t = &thread[rnd(THREADS)];
	for (u64 n = 1 + rnd(3); n; n--, t = &thread[rnd(THREADS)])
		if (t->state == THREAD_WAIT_NOTIFY || (t->state == THREAD_WAIT_RECV && !rnd(4)))
			do_wake(t);
	t = &thread[rnd(PROGRAMS)];
	if (t->state == THREAD_READY && !rnd(3)) {
		list_remove(t);
		sched_remove(t);
		t->state = THREAD_WAIT_NOTIFY;
		t->wait = &never;
	} else if (t->state != THREAD_RUNNING && !rnd(3)) {
		u8 priority = 20 + rnd(3);
		if (t->state == THREAD_READY) {
			list_remove(t);
			sched_set_priority(t, priority);
			list_add(t, false);
		} else if (t->state == THREAD_WAIT_REPLY) {
			sched_set_priority(t, priority);
		}
	}
	leave();
}

static void any_order(u32 steps)
{
	set_up();
	for (u32 s = 0; s < steps; s++) {
		fast = rnd(3);
		if (!running || !rnd(12))
			step_outside();
		else if (!rnd(8))
			do_slice_end();
		else
			step_running();
	}
	assert(by_fast && slices_over);
}

// ---- shares

#define SLICE 500 // steps; a call that is under way when one ends takes some of the next

// Program 0 computes; the others call, each with other chances for the slow path and for calls between servers.
static void step_program(void)
{
	u64 who = (is_server(running) ? running->serving : running) - thread;
	if (who >= PROGRAMS)
		who = thread[who].serving - thread;
	fast = rnd(PROGRAMS) > who;
	if (is_server(running)) {
		struct thread *more = &thread[THREADS - 1];
		if (running->priority < more->priority && !running->serving->fault_calls++ && who & 1)
			do_call(more);
		else
			do_reply_recv(running->serving);
	} else if (who) {
		running->fault_calls = 0;
		do_call(&thread[PROGRAMS]);
	}
}

static void shares(u32 steps)
{
	u64 had[PROGRAMS] = { 0 };
	steps -= steps % (PROGRAMS * SLICE);
	set_up();
	for (u32 i = 0; i < PROGRAMS; i++)
		wakes(&thread[i], false);
	leave();
	for (u32 s = 0; s < steps; s++) {
		const struct thread *t = running;
		while (is_server(t))
			t = t->serving;
		had[t - thread]++;
		step_program();
		if (s % SLICE == SLICE - 1)
			do_slice_end();
	}
	for (u32 i = 0; i < PROGRAMS; i++)
		if (had[i] * PROGRAMS < (u64)steps * 98 / 100 || had[i] * PROGRAMS > (u64)steps * 102 / 100)
			panic("program %u had %lu of %u steps", i, had[i], steps);
}

int main(void)
{
	const char *level = getenv("JJOK_TEST");
	u32 steps = level && !strcmp(level, "quick") ? 100000 : 500000;
	for (seed = 1; seed <= 8; seed++) {
		state = seed * 0x9e3779b97f4a7c15ul;
		any_order(steps);
		shares(steps);
	}
	printf("ok\n");
	return 0;
}
