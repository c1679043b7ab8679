// SPDX-License-Identifier: MIT
/*
 * kscale: how long interrupts are off when there are many. 2,000 threads of different priorities queue up at one
 * endpoint, wait for its reply, are told that it died, sleep to the same tick, wait on a notification that dies, and
 * are killed; then a frame leaves as many address spaces as one call takes. After each step the longest kernel entry so
 * far is compared with the bound.
 */
#include <abi/abi_names.h>
#include <abi/init_client.h>
#include <base/log.h>
#include <base/panic.h>
#include <base/string.h>
#include <counter.h>
#include <server/main.h>
#include <test/lab/lab.h>

#define THREADS  2000
#define STACK    512
#define PRIORITY 10 // the lowest; each thread has one of 16
#define BOUND    20000
#define PAGE_VA  0x40000000ul
#define TOKEN    77

// Slots of the threads' table.
enum { S_ENDPOINT = 1, S_NOTIFY, S_DONE };

static struct lab_bench bench = { .pool = SLOT_SELF_POOL };
static struct lab_domain domain;
static cptr_t thread[THREADS], endpoint, notify, done;
static _Alignas(16) u8 stack[THREADS][STACK];
static u32 arrived; // threads at the end of a step
static u64 tick;    // when all of them wake, in nanoseconds

static void arrive(void)
{
	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_RELAXED) == THREADS)
		(void)ipc_notify(S_DONE, 1);
}

static void expect(err_t err, err_t expected, const char *what)
{
	if (err != expected)
		panic("%s: %s instead of %s", what, err_name(err), err_name(expected));
}

static void worker(void)
{
	struct request rq = { .label = 1 };
	u64 bits;

	arrive();
	expect(ipc_call(S_ENDPOINT, &rq), -ERR_DEAD, "a call");
	arrive();
	expect(ipc_wait(S_NOTIFY, IPC_DEADLINE, tick, &bits), -ERR_TIMEDOUT, "a wait with a deadline");
	arrive();
	expect(ipc_wait(S_NOTIFY, 0, 0, &bits), -ERR_DEAD, "a wait");
	arrive();
	for (;;)
		(void)ipc_wait(S_DONE, 0, 0, &bits);
}

static u64 system_stat(u64 index)
{
	u64 value = 0;

	lab_check("a counter", sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL));
	return value;
}

static u64 open_calls(void)
{
	u64 sum = 0, n, next = 0;

	do {
		lab_check("a counter",
			  sys_system(SLOT_SYSTEM, SYS_STAT, SYSSTAT_OPEN_CALLS, next, 0, &n, &next, NULL, NULL));
		sum += n;
	} while (next);
	return sum;
}

static void step(const char *what)
{
	u64 most = system_stat(SYSSTAT_IRQ_OFF_MAX), nr = system_stat(SYSSTAT_IRQ_OFF_NR);

	log_line("kscale: %s: at most %lu instructions (%s)", what, most, syscall_name((u32)nr));
	if (most > BOUND)
		panic("%s: interrupts were off for %lu instructions (call %lu); the bound is %u", what, most, nr,
		      BOUND);
}

// Until all threads have arrived.
static void all_arrive(void)
{
	u64 bits;

	lab_check("to wait for the threads", ipc_wait(done, 0, 0, &bits));
	arrived = 0;
}

static void pause_ms(u64 ms)
{
	u64 bits, now = arch_time() * (1000000000ul / ARCH_TIMER_HZ);

	expect(ipc_wait(done, IPC_DEADLINE, now + ms * 1000000ul, &bits), -ERR_TIMEDOUT, "a pause");
}

static void threads_make(void)
{
	for (u32 i = 0; i < THREADS; i++) {
		thread[i] = lab_thread(&bench, PRIORITY + i % 16);
		lab_check("to start a thread",
			  sys_thread_ctl(thread[i], THREAD_START, domain.aspace, domain.table, (u64)worker,
					 (u64)stack[i] + STACK, NULL, NULL, NULL, NULL));
	}
}

// The most urgent comes first, also when priorities change in the queue.
static void queue_test(void)
{
	struct request rq = { 0 };

	all_arrive();
	pause_ms(20); // the last of them comes into the queue
	for (u32 i = 0; i < THREADS; i += 100)
		lab_check("a priority", sys_thread_ctl(thread[i], THREAD_PRIO, PRIORITY + (i / 100) % 16, 0, 0, 0, NULL,
						       NULL, NULL, NULL));
	for (u32 i = 0; i < THREADS; i++) {
		expect(ipc_recv(endpoint, IPC_POLL, 0, &rq), 0, "a request in the queue");
		if (rq.label != 1)
			panic("request %u has label %lx", i, rq.label);
	}
	expect(ipc_recv(endpoint, IPC_POLL, 0, &rq), -ERR_AGAIN, "an empty queue");
	if (open_calls() != THREADS)
		panic("%lu open calls", open_calls());
	step("2000 threads queue");
}

static void redelivery_test(void)
{
	struct request rq = { 0 };
	err_t err;
	u32 n = 0;

	for (u64 go_on = 0; (err = ipc_recv(endpoint, IPC_REDELIVER, go_on, &rq)) == 0 || err == -ERR_AGAIN; go_on = 1)
		n += !err;
	expect(err, -ERR_NOENT, "the end of redelivery");
	expect(ipc_recv(endpoint, IPC_REDELIVER, 1, &rq), -ERR_NOENT, "behind the end of redelivery");
	if (n != THREADS)
		panic("redelivery finds %u requests", n);
	step("redelivery finds 2000 requests");
}

static void deaths_test(void)
{
	tick = arch_time() * (1000000000ul / ARCH_TIMER_HZ) + 1000000000ul;
	lab_check("to delete an endpoint", lab_delete(domain.table, S_ENDPOINT));
	lab_check("to delete an endpoint", lab_delete(SLOT_SELF_CAPTABLE, endpoint));
	step("an endpoint dies");
	all_arrive();
	all_arrive();
	step("2000 deadlines pass");
	pause_ms(20);
	lab_check("to delete a notification", lab_delete(domain.table, S_NOTIFY));
	lab_check("to delete a notification", lab_delete(SLOT_SELF_CAPTABLE, notify));
	all_arrive();
	step("a notification dies");
	for (u32 i = 0; i < THREADS; i++)
		lab_check("to delete a thread", lab_delete(SLOT_SELF_CAPTABLE, thread[(i * 7) % THREADS]));
	step("2000 threads die");
}

// The window in which a place is looked for is the last one, and nothing is near: the longest walks there are.
static void places_test(void)
{
	static u64 place[EVICT_PLACES][2];
	frame_t frame = lab_frame(SLOT_SELF_POOL);
	cptr_t pager = lab_make(&bench, TYPE_ENDPOINT, 0);

	for (u32 i = 0; i < EVICT_PLACES; i++) {
		cptr_t as = lab_make(&bench, TYPE_ASPACE, 0);

		place[i][0] = bench.id;
		place[i][1] = PAGE_VA;
		lab_check("a window", sys_aspace_ctl(as, ASOP_WINDOW, WINDOWS - 1, USER_BASE, ARGUMENT_VA, pager,
						     SLOT_SELF_POOL, 0, NULL, NULL, NULL, NULL));
		lab_check("a place", sys_map(as, PAGE_VA, SLOT_SELF_POOL, frame, 1, PROT_READ | PROT_WRITE | MAP_TOUCH,
					     0, 0, 0, NULL, NULL));
	}
	memcpy((void *)ARGUMENT_VA, place, sizeof(place));
	lab_check("mark BEGIN",
		  sys_frame_mark(SLOT_SELF_POOL, frame, MARK_BEGIN, EVICT_PLACES, 0, NULL, NULL, NULL, NULL));
	lab_check("mark END", sys_frame_mark(SLOT_SELF_POOL, frame, MARK_END, 0, 0, NULL, NULL, NULL, NULL));
	lab_check("evict", sys_evict(SLOT_SELF_POOL, frame, TOKEN, EVICT_PLACES, 0, NULL));
	step("64 places");
}

_Noreturn void server_main(const struct server_info *info)
{
	u64 objects, caps;

	(void)info;
	done = lab_make(&bench, TYPE_NOTIFICATION, 0);
	domain = lab_domain(&bench, lab_make(&bench, TYPE_ENDPOINT, 0));
	lab_image(domain);
	lab_give(domain, S_DONE, done, 0);
	objects = system_stat(SYSSTAT_OBJECTS);
	caps = system_stat(SYSSTAT_CAPS);
	endpoint = lab_make(&bench, TYPE_ENDPOINT, 0);
	notify = lab_make(&bench, TYPE_NOTIFICATION, 0);
	lab_give(domain, S_ENDPOINT, endpoint, RIGHT_ENDPOINT_CALL);
	lab_give(domain, S_NOTIFY, notify, RIGHT_NOTIFICATION_WAIT);
	threads_make();
	queue_test();
	redelivery_test();
	deaths_test();
	if (system_stat(SYSSTAT_OBJECTS) != objects || system_stat(SYSSTAT_CAPS) != caps)
		panic("objects %lu -> %lu, capabilities %lu -> %lu", objects, system_stat(SYSSTAT_OBJECTS), caps,
		      system_stat(SYSSTAT_CAPS));
	places_test();
	log_line("kscale: ok");
	(void)init_poweroff(SLOT_PEER0, 0);
	panic("init does not power off");
}
