// SPDX-License-Identifier: MIT
/*
 * busy MIB WORKERS SECONDS [SEED] [killed]: memory full and every server busy. WORKERS fill, check and change MIB of
 * memory each; two more use slab, two vmalloc, and one each files, pipes, fork and exec, and the console. At random
 * moments one of them is killed and another takes its place. Nobody finds a wrong byte, every kind goes on all the
 * time, and from the moment when memory has become full it stays so. With `killed` it is no failure that the system
 * ends some (a disk that fails): they are counted.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <abi/reclaim_client.h>
#include <abi/vm_client.h>

#include <test/busy/busy.h>
#include <test/check.h>
#include <test/stats.h>

#define WORKERS    32
#define STALL      60 // seconds in which each kind takes a step at least
#define FULL       95 // percent
#define FORK_TRIES 200
#define FORK_WAIT  50000 // us
#define END_TRIES  200

static const char *const kind_name[KINDS] = { "memory", "slab", "areas", "files", "pipes", "programs", "console" };
static const enum kind others[] = { SLAB, SLAB, AREAS, AREAS, FILES, PIPES, PROGRAMS, CONSOLE };
#define OTHERS (int)(sizeof(others) / sizeof(others[0]))

struct tally *tally;
uint64_t memory_bytes;

static struct {
	pid_t pid;
	enum kind kind;
	uint64_t key;
} worker[WORKERS];
static struct random source;
static int count;
static uint64_t killed, ended;
static bool may_end;

// With memory full there may be no frame for a page table at this moment.
static void worker_start(int i)
{
	int tries = 0;

	worker[i].key = random_next(&source);
	while ((worker[i].pid = fork()) < 0) {
		CHECK(tries++ < FORK_TRIES);
		usleep(FORK_WAIT);
	}
	if (!worker[i].pid)
		work(worker[i].kind, worker[i].key);
}

static void worker_gone(int i)
{
	char name[24];

	work_file_name(name, worker[i].key);
	if (worker[i].kind == FILES)
		(void)unlink(name);
}

static void worker_kill(int i)
{
	int status;

	CHECK(!kill(worker[i].pid, SIGKILL));
	CHECK_EQUAL(waitpid(worker[i].pid, &status, 0), worker[i].pid);
	if (!WIFSIGNALED(status))
		FAIL("a worker of %s ended with wait status %#x", kind_name[worker[i].kind], status);
	worker_gone(i);
	killed++;
}

// Those that were ended without being asked.
static void ended_replace(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		int i = 0;

		while (i < count && worker[i].pid != pid)
			i++;
		CHECK(i < count);
		if (!may_end || !WIFSIGNALED(status))
			FAIL("a worker of %s ended with wait status %#x", kind_name[worker[i].kind], status);
		ended++;
		worker_gone(i);
		worker_start(i);
	}
}

// ---- does it go on, and is memory full

static uint64_t looks, looks_full, tenths; // tenths of percents, added up

static void memory_look(void)
{
	uint64_t tenth = reclaim_count(RECLAIMSTAT_POOL_USED) * 1000 / reclaim_count(RECLAIMSTAT_POOL_LIMIT);

	if (!looks && tenth < FULL * 10)
		return;
	looks++;
	looks_full += tenth >= FULL * 10;
	tenths += tenth;
}

static _Noreturn void stalled(int kind)
{
	printf("\nbusy: waits of vm: %lu for memory, %lu for the disk\n", vm_count(VMSTAT_MEMORY_WAITS),
	       vm_count(VMSTAT_SWAP_MAJOR));
	printf("busy: reclaim: %lu writing, %lu reading, %lu slots of %lu in use\n",
	       reclaim_count(RECLAIMSTAT_NR_WRITING), reclaim_count(RECLAIMSTAT_NR_READING),
	       reclaim_count(RECLAIMSTAT_SWAP_USED), reclaim_count(RECLAIMSTAT_SWAP_TOTAL));
	fflush(stdout);
	(void)system("ps");
	FAIL("no worker of %s has got on for %d s", kind_name[kind], STALL);
}

static void progress_look(void)
{
	static uint64_t seen[KINDS];
	static time_t when[KINDS];
	time_t now = time(NULL);

	for (int k = 0; k < KINDS; k++) {
		uint64_t steps = __atomic_load_n(&tally->steps[k], __ATOMIC_RELAXED);

		if (steps != seen[k] || !when[k])
			when[k] = now;
		else if (now - when[k] > STALL)
			stalled(k);
		seen[k] = steps;
	}
}

static void results_print(void)
{
	uint64_t tenth;

	printf("\nbusy: %lu killed, %lu ended by the system; steps (of them refused):", killed, ended);
	for (int k = 0; k < KINDS; k++)
		printf(" %s %lu (%lu)", kind_name[k], tally->steps[k], tally->refused[k]);
	tenth = looks ? tenths / looks : 0;
	printf("\nbusy: memory %lu.%lu %% full on average, above %d %% in %lu of %lu looks\n", tenth / 10, tenth % 10,
	       FULL, looks_full, looks);
}

static void results_check(void)
{
	CHECK(killed > (uint64_t)count);
	for (int k = 0; k < KINDS; k++)
		if (tally->steps[k] <= tally->refused[k])
			FAIL("no worker of %s has got anything", kind_name[k]);
	/* A worker that is killed leaves room for a moment. */
	if (looks_full * 3 < looks || tenths < (FULL - 2) * 10 * looks)
		FAIL("memory was not full");
}

// Processes of this one's group, whoever else runs on the machine.
static int group_count(void)
{
	u64 own = 0, index = 0, pid, parent_group, state, name[2], cycles;
	int n = 0;

	CHECK(!vm_getpid(SLOT_VM, NULL, NULL, &own));
	do {
		CHECK(!vm_ps(SLOT_VM, index, &pid, &parent_group, &state, &name[0], &name[1], &cycles, &index));
		n += pid && parent_group >> 32 == own;
	} while (index);
	return n;
}

// What the killed left running ends by itself: children at the other end of a pipe, programs just started.
static void left_wait(int before)
{
	for (int i = 0; group_count() > before; i++) {
		if (i == END_TRIES) {
			(void)system("ps");
			FAIL("%d processes, %d at the start", group_count(), before);
		}
		usleep(FORK_WAIT);
	}
}

int main(int argc, char **argv)
{
	time_t end;
	int procs;

	if (argc == 3 && !strcmp(argv[1], "leaf"))
		return leaf(atoi(argv[2]));
	count = argc < 4 ? 0 : OTHERS + atoi(argv[2]);
	memory_bytes = count ? strtoul(argv[1], NULL, 0) << 20 : 0;
	if (!memory_bytes || count < OTHERS || count > WORKERS)
		FAIL("say: busy MIB WORKERS SECONDS [SEED] [killed]");
	end = time(NULL) + atoi(argv[3]);
	source.state = argc > 4 ? strtoul(argv[4], NULL, 0) : 1;
	may_end = argc > 5 && !strcmp(argv[5], "killed");
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(tally != MAP_FAILED);
	procs = group_count();
	for (int i = 0; i < count; i++) {
		worker[i].kind = i < OTHERS ? others[i] : MEMORY;
		worker_start(i);
	}
	while (time(NULL) < end) {
		int i = random_below(&source, count);

		usleep(20000 + random_below(&source, 300000));
		ended_replace();
		memory_look();
		progress_look();
		worker_kill(i);
		worker_start(i);
	}
	ended_replace();
	for (int i = 0; i < count; i++)
		worker_kill(i);
	left_wait(procs);
	results_print();
	results_check();
	return check_done("busy");
}
