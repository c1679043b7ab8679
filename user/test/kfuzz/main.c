// SPDX-License-Identifier: MIT
#include "kfuzz.h"

#include <abi/abi_names.h>
#include <base/log.h>
#include <base/panic.h>
#include <counter.h>
#include <server/main.h>

#define NS_PER_S       1000000000ul
#define PRIORITY_FUZZ  25
#define PRIORITY_WATCH 21
#define ROUND_CALLS    4000
#define CHECK_EVERY    16  // rounds between self-checks
#define PATIENCE_MS    100 // a thread of the world may run wild and keep the watch from running

struct fuzz fuzz;
_Alignas(PAGE_SIZE) u64 fuzz_argument[PAGE_SIZE / sizeof(u64)];

static struct lab_bench bench = { .pool = SLOT_SELF_POOL };
static struct lab_domain domain; // where the fuzzer's code runs; its table is the world's
static cptr_t watch, fuzzer;
static frame_t argument;
static u64 timer_hz, rescues;
static _Alignas(16) u8 stack_fuzz[LAB_STACK], stack_watch[LAB_STACK];

static _Noreturn void watch_run(void)
{
	for (;;)
		(void)ipc_notify(SLOT_SELF_NOTIFY, 1);
}

static u64 now_ns(void)
{
	u64 ticks = arch_time();

	return ticks / timer_hz * NS_PER_S + ticks % timer_hz * NS_PER_S / timer_hz;
}

static u64 system_stat(u64 index)
{
	u64 value = 0;

	lab_check("a counter", sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL));
	return value;
}

enum { FREE_FRAMES, OBJECTS, CAPS, OPEN_CALLS, COUNTS };

static void counts_take(u64 count[COUNTS])
{
	count[FREE_FRAMES] = system_stat(SYSSTAT_FREE);
	count[OBJECTS] = system_stat(SYSSTAT_OBJECTS);
	count[CAPS] = system_stat(SYSSTAT_CAPS);
	count[OPEN_CALLS] = system_stat(SYSSTAT_OPEN_CALLS);
}

static void counts_compare(const u64 before[COUNTS], u64 seed)
{
	static const char *const names[] = { "free frames", "kernel objects", "capabilities", "open calls" };
	u64 now[COUNTS];

	counts_take(now);
	for (u32 i = 0; i < COUNTS; i++)
		if (now[i] != before[i])
			panic("seed %lu: %lu %s before the round, %lu after it", seed, before[i], names[i], now[i]);
}

static void self_check(u64 seed)
{
	u64 violations = 0;

	lab_check("the self-check", sys_system(SLOT_SYSTEM, SYS_CHECK, 0, 0, 0, &violations, NULL, NULL, NULL));
	if (violations)
		panic("seed %lu: the self-check found %lu violations", seed, violations);
}

// The fuzzer waits for what does not come: the wait ends, and it goes on. A fuzzer that runs is left alone.
static void fuzzer_wake(void)
{
	lab_check("to stop the fuzzer", sys_thread_ctl(fuzzer, THREAD_STOP, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
	lab_check("to resume the fuzzer", sys_thread_ctl(fuzzer, THREAD_START, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
	rescues++;
}

// Until the fuzzer's breakpoint.
static void fuzzer_attend(u64 seed)
{
	for (;;) {
		struct request rq = { 0 };
		err_t err = ipc_recv(SLOT_SELF_ENDPOINT, IPC_DEADLINE, now_ns() + PATIENCE_MS * 1000000ul, &rq);

		if (err > 0 || err == -ERR_TIMEDOUT) {
			fuzzer_wake();
			continue;
		}
		lab_check("to receive", err);
		if (rq.label == OP_PAGER_EXCEPTION && rq.w[0] == EXC_BREAK)
			return;
		panic("seed %lu: the fuzzer itself failed: label %lx, address %lx, pc %lx", seed, rq.label, rq.w[0],
		      rq.w[5]);
	}
}

static void fuzzer_start(const struct world *w)
{
	struct lab_domain there = { w->table, domain.aspace };

	bench.bin[TYPE_THREAD].used = 1; // slot 0 is the watch, slot 1 the fuzzer of each round
	lab_check("the fuzzer", lab_object(&bench, TYPE_THREAD, SLOT_SELF_CAPTABLE, fuzzer, 0));
	lab_check("a priority", sys_thread_ctl(fuzzer, THREAD_PRIO, PRIORITY_FUZZ, 0, 0, 0, NULL, NULL, NULL, NULL));
	lab_check("an argument page",
		  sys_thread_ctl(fuzzer, THREAD_ARGUMENT, SLOT_SELF_POOL, argument, 0, 0, NULL, NULL, NULL, NULL));
	lab_run(fuzzer, there, (void (*)(void))fuzz_run, stack_fuzz);
}

static void round_run(u64 seed, u64 calls)
{
	static struct world world;

	world_make(&world);
	fuzz.seed = seed;
	fuzz.calls = calls;
	fuzz.pins = 0;
	fuzzer_start(&world);
	fuzzer_attend(seed);
	lab_check("to end the fuzzer", sys_thread_ctl(fuzzer, THREAD_KILL, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
	lab_check("to delete the fuzzer", sys_cap_delete(SLOT_SELF_CAPTABLE, fuzzer));
	world_unmake(&world);
}

static void rounds_run(u64 seed, u64 calls)
{
	u64 rounds = 0, before[COUNTS];

	round_run(seed, ROUND_CALLS); // the first one takes what is kept from round to round
	counts_take(before);
	for (u64 left = calls; left; rounds++) {
		u64 n = left < ROUND_CALLS ? left : ROUND_CALLS;

		round_run(seed + rounds, n);
		counts_compare(before, seed + rounds);
		left -= n;
		if (rounds % CHECK_EVERY == 0)
			self_check(seed + rounds);
	}
	self_check(seed + rounds);
	log_line("kfuzz: seed %lu: %lu calls in %lu rounds, %lu waits ended from outside", seed, calls, rounds,
		 rescues);
}

// How often each call was made and how often it did something: a fuzzer whose calls all fail tests nothing.
static void calls_report(void)
{
	u64 reached = 0;

	for (u32 nr = 0; nr <= NR_SYSTEM; nr++) {
		log_line("kfuzz: %16s %8lu made %8lu failed", syscall_name(nr), fuzz.done[nr], fuzz.failed[nr]);
		reached += fuzz.done[nr] != fuzz.failed[nr];
	}
	log_line("kfuzz: %lu of %lu calls succeeded at least once", reached, (u64)NR_SYSTEM + 1);
}

static frame_t frame_under(const void *p)
{
	u64 frame = 0;

	lab_check("to look at an entry",
		  sys_system(SLOT_SYSTEM, SYS_WALK, SLOT_SELF_ASPACE, (u64)p, 0, NULL, NULL, NULL, &frame));
	return frame;
}

_Noreturn void server_main(const struct server_info *info)
{
	const char *cmdline = (const char *)info->cmdline;
	u64 bits;

	timer_hz = info->timer_hz;
	argument = frame_under(fuzz_argument);
	watch = lab_thread(&bench, PRIORITY_WATCH);
	fuzzer = lab_slot();
	domain = lab_domain(&bench, SLOT_SELF_ENDPOINT);
	lab_image(domain);
	inject_run();
	prot_run();
	orphans_run((u32)lab_number(cmdline, "kfuzz.orphans", 100), now_ns);
	lab_run(watch, LAB_SELF, (void (*)(void))watch_run, stack_watch);
	rounds_run(lab_number(cmdline, "kfuzz.seed", 1), lab_number(cmdline, "kfuzz.calls", 200000));
	lab_check("to end the watch", sys_thread_ctl(watch, THREAD_KILL, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
	calls_report();
	log_line("kfuzz: ok");
	for (;;)
		(void)ipc_wait(SLOT_SELF_NOTIFY, 0, 0, &bits);
}
