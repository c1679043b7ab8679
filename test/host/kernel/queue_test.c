// SPDX-License-Identifier: MIT
// kernel/queue.c against an array that is kept sorted, kernel/timer.c against a scan of all threads: random operations,
// and after each the whole structure is looked at.
#include <kernel/ipc.h>
#include <kernel/trap.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 96

u64 trace_mask;
struct page *host_mem_map;
void *host_ram;
struct mem_info mem;
u32 arch_levels = 3;
vaddr_t arch_user_end = 1ul << 38;

static struct thread thread[THREADS];
static struct hart hart;
static u64 now, seed, state;

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

void trace_write(u32 id, u64 a, u64 b, u64 c)
{
	panic("event %x %lx %lx %lx", id, a, b, c);
}

struct hart *host_hart(void)
{
	return &hart;
}

u64 host_time(void)
{
	return now;
}

void host_relax(void)
{
}

u64 arch_timer_hz(void)
{
	return 1000000000; // a tick is a nanosecond here
}

static u64 timer_set_to, early_at;

void arch_timer_set(u64 tick)
{
	timer_set_to = tick;
}

void arch_timer_early(u64 tick)
{
	early_at = tick;
}

void sched_preempt(void)
{
}

// ---- queues

static struct thread *queue, *sorted[THREADS];
static u32 count;

static void queue_check(void)
{
	struct thread *t = queue;
	assert(!queue == !count);
	for (u32 i = 0; i < count; i++, t = t->next) {
		assert(t == sorted[i] && t->next->prev == t);
		bool first = !i || sorted[i - 1]->priority != t->priority;
		if (!first) {
			assert(t->run_next == t && t->run_prev == t);
			continue;
		}
		u32 k = i;
		while (k < count && sorted[k]->priority == t->priority)
			k++;
		assert(t->run_next == (k < count ? sorted[k] : queue) && t->run_next->run_prev == t);
	}
	assert(t == queue);
}

static void oracle_insert(struct thread *t)
{
	u32 at = count++;
	for (; at && sorted[at - 1]->priority < t->priority; at--)
		sorted[at] = sorted[at - 1];
	sorted[at] = t;
}

static void oracle_remove(const struct thread *t)
{
	u32 at = 0;
	while (sorted[at] != t)
		at++;
	memmove(&sorted[at], &sorted[at + 1], (--count - at) * sizeof(sorted[0]));
}

static void queue_test(u32 steps, u32 priorities)
{
	static bool in[THREADS];
	for (u32 i = 0; i < THREADS; i++) {
		thread[i] = (struct thread){ 0 };
		thread[i].next = thread[i].prev = thread[i].run_next = thread[i].run_prev = &thread[i];
		in[i] = false;
	}
	queue = NULL;
	count = 0;
	for (u32 s = 0; s < steps; s++) {
		u32 i = rnd(THREADS), most = s % 1000 < 500 ? 9 : 2; // fuller, emptier
		struct thread *t = &thread[i];
		if (!in[i] && rnd(10) < most) {
			t->priority = rnd(priorities);
			queue_insert(&queue, t);
			oracle_insert(t);
			in[i] = true;
		} else if (in[i] && rnd(10) >= most) {
			queue_remove(&queue, t);
			oracle_remove(t);
			in[i] = false;
			assert(t->next == t && t->prev == t && t->run_next == t && t->run_prev == t);
		}
		queue_check();
	}
}

// ---- deadlines

static u64 due[THREADS]; // 0: none
static u32 ended;        // by this interrupt
static u64 last_ended;

void fault_deadline(struct thread *t)
{
	panic("thread %lu is in no fault", t - thread);
}

// The one that ends must be the earliest there is.
void thread_unwait(struct thread *t)
{
	u64 tick = due[t - thread];
	assert(tick && tick <= now && tick >= last_ended);
	for (u32 i = 0; i < THREADS; i++)
		assert(!due[i] || due[i] >= tick);
	due[t - thread] = 0;
	last_ended = tick;
	ended++;
	timer_cancel(t);
}

void sched_ready(struct thread *t)
{
	assert(!t->deadline && (s64)t->ctx.x[R_STATUS] == -ERR_TIMEDOUT);
}

static u32 heap_check(const struct thread *t, const struct thread *up, u32 *seen)
{
	if (!t)
		return 0;
	assert(t->timer_up == up && t->deadline == due[t - thread] && (!up || up->deadline <= t->deadline));
	++*seen;
	u32 left = heap_check(t->timer_left, t, seen), right = heap_check(t->timer_right, t, seen);
	assert(left >= right && t->timer_rank == right + 1);
	return t->timer_rank;
}

static void deadlines_check(void)
{
	const struct thread *root = NULL;
	u32 armed = 0, seen = 0;
	u64 first = ~0ul;
	for (u32 i = 0; i < THREADS; i++) {
		if (!due[i])
			continue;
		armed++;
		first = MIN(first, due[i]);
		for (root = &thread[i]; root->timer_up; root = root->timer_up)
			;
	}
	heap_check(root, NULL, &seen);
	assert(seen == armed && (!root || root->deadline == first));
	timer_update(&hart);
	assert(timer_set_to <= first); // never later than the first
	if (timer_set_to > now) {
		early_at = 0;
		timer_interrupt(); // early: the timer is told to stop
		assert(early_at == timer_set_to && hart.deadline_set == timer_set_to);
	}
}

// One interrupt ends 16 at most; the next ones, which come at once, end the rest.
static void interrupts(void)
{
	u32 left = 0;
	do {
		ended = 0;
		last_ended = 0;
		timer_interrupt();
		timer_update(&hart);
		assert(ended <= 16);
	} while (ended);
	for (u32 i = 0; i < THREADS; i++)
		left += due[i] && due[i] <= now;
	assert(!left);
}

static void timer_test(u32 steps)
{
	for (u32 i = 0; i < THREADS; i++) {
		thread[i] = (struct thread){ 0 };
		due[i] = 0;
	}
	hart = (struct hart){ .deadline_set = ~0ul };
	timer_set_to = ~0ul;
	now = 1000;
	for (u32 s = 0; s < steps; s++) {
		u32 i = rnd(THREADS);
		if (!due[i]) {
			due[i] = rnd(8) ? now + 1 + rnd(1000) : now + 500 - now % 500; // some at the same tick
			timer_arm(&thread[i], due[i]);
		} else if (rnd(4) == 0) {
			timer_cancel(&thread[i]);
			due[i] = 0;
			assert(!thread[i].deadline && !thread[i].timer_left && !thread[i].timer_up);
		}
		deadlines_check();
		if (rnd(20))
			continue;
		now += rnd(600);
		interrupts();
		deadlines_check();
	}
	now += 2000;
	interrupts(); // the heap is empty again
}

int main(void)
{
	const char *level = getenv("JJOK_TEST");
	u32 steps = level && !strcmp(level, "quick") ? 20000 : 400000;
	for (seed = 1; seed <= 4; seed++) {
		state = seed * 0x9e3779b97f4a7c15ul;
		queue_test(steps, seed == 1 ? 1 : 4 * seed);
		timer_test(steps);
	}
	printf("ok\n");
	return 0;
}
