// SPDX-License-Identifier: MIT
/*
 * A live view of processes, servers and memory, laid out as Linux' top. The share of the processor is that of the cycle
 * counter since the last picture. A server's is what it did on its own account: what it does for a client by the fast
 * paths counts as the client's (docs/design.md). RES of a server is what its pool has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

#include <counter.h>

#define ROWS 300

struct row {
	u64 pid; // 0: a server
	u64 key; // names it from one picture to the next
	u64 priority, kib, cycles, used;
	char state;
	char name[17];
};

struct picture {
	u64 cycles; // of the counter
	u64 nanoseconds;
	u32 rows, processes;
	struct row row[ROWS];
};

static char process_state(u64 state)
{
	static const char letters[] = { [PROC_FREE] = '?', [PROC_NEW] = 'N',    [PROC_RUN] = 'R',
					[PROC_WAIT] = 'S', [PROC_ZOMBIE] = 'Z', [PROC_EXIT] = 'X' };

	return state < sizeof(letters) ? letters[state] : '?';
}

static void processes_read(struct picture *p)
{
	u64 index = 0, parent_group, state_rss, words[2];

	do {
		struct row *r = &p->row[p->rows];
		err_t err;

		*r = (struct row){ .priority = PRIO_PROGRAM };
		err = vm_ps(SLOT_VM, index, &r->pid, &parent_group, &state_rss, &words[0], &words[1], &r->cycles,
			    &index);
		if (err)
			glass_fail("process table", err);
		if (!r->pid)
			continue;
		memcpy(r->name, words, sizeof(words));
		r->key = r->pid;
		r->kib = (state_rss >> 32) * (PAGE_SIZE / 1024);
		r->state = process_state((u32)state_rss);
		p->processes++;
		p->rows++;
	} while (index && p->rows < ROWS);
}

static void servers_read(struct picture *p)
{
	u64 words[2], priority_state, limit, used;

	for (u64 i = 0; p->rows < ROWS; i++) {
		struct row *r = &p->row[p->rows];

		*r = (struct row){ .key = ~i, .state = 'S' };
		if (vm_server(SLOT_VM, i, &words[0], &words[1], &priority_state, &r->cycles, &limit, &used))
			return;
		memcpy(r->name, words, sizeof(words));
		r->priority = (u32)priority_state;
		r->kib = used * (PAGE_SIZE / 1024);
		p->rows++;
	}
}

static void picture_take(struct picture *p)
{
	struct timespec ts;

	p->rows = p->processes = 0;
	p->cycles = arch_cycles();
	if (clock_gettime(CLOCK_MONOTONIC, &ts))
		exit(app_warn("clock"));
	p->nanoseconds = (u64)ts.tv_sec * 1000000000ul + (u64)ts.tv_nsec;
	processes_read(p);
	servers_read(p);
}

// What each did since the picture before; all of it when it was not there.
static void picture_compare(struct picture *now, const struct picture *before)
{
	for (u32 i = 0; i < now->rows; i++) {
		struct row *r = &now->row[i];

		r->used = r->cycles;
		for (u32 k = 0; k < before->rows; k++)
			if (before->row[k].key == r->key && before->row[k].cycles <= r->cycles)
				r->used = r->cycles - before->row[k].cycles;
	}
}

static int busier(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? 1 : -1;
	return x->kib < y->kib ? 1 : x->kib > y->kib ? -1 : 0;
}

static u64 tenths(u64 part, u64 whole)
{
	return whole ? part * 1000 / whole : 0;
}

static void mib(const char *before, u64 pages, const char *after)
{
	u64 t = pages * (PAGE_SIZE / 1024) * 10 / 1024;

	printf("%s%6lu.%lu%s", before, t / 10, t % 10, after);
}

static void head_print(const struct picture *p, u64 elapsed)
{
	u64 programs = 0, servers = 0, seconds = p->nanoseconds / 1000000000, swap, swapped, cache, idle;
	struct memory m;

	for (u32 i = 0; i < p->rows; i++)
		*(p->row[i].pid ? &programs : &servers) += p->row[i].used;
	programs = tenths(programs, elapsed);
	servers = tenths(servers, elapsed);
	idle = programs + servers < 1000 ? 1000 - programs - servers : 0;
	memory_read(&m);
	swap = memory_reclaim(&m, RECLAIMSTAT_SWAP_TOTAL);
	swapped = memory_reclaim(&m, RECLAIMSTAT_SWAP_USED);
	cache = m.archive + m.ramfiles + m.shared;
	printf("top - up %lu:%02lu:%02lu, %u processes, %u servers\n", seconds / 3600, seconds / 60 % 60, seconds % 60,
	       p->processes, p->rows - p->processes);
	printf("%%Cpu(s): %3lu.%lu us, %3lu.%lu sv, %3lu.%lu id\n", programs / 10, programs % 10, servers / 10,
	       servers % 10, idle / 10, idle % 10);
	mib("MiB Mem : ", m.total - m.reserved, " total, ");
	mib("", m.free, " free, ");
	mib("", m.total - m.reserved - m.free - cache, " used, ");
	mib("", cache, " buff/cache\n");
	mib("MiB Swap: ", swap, " total, ");
	mib("", swap - swapped, " free, ");
	mib("", swapped, " used. ");
	mib("", m.pool_limit - m.pool_used, " avail Mem\n\n");
}

// Time in the unit of the clock, by what a cycle has been on the average so far.
static void row_print(const struct row *r, const struct picture *p, u64 elapsed)
{
	u64 cpu = tenths(r->used, elapsed), memory = tenths(r->kib * 1024 / PAGE_SIZE, glass_sys(SYSSTAT_FRAMES));
	u64 hundredths = r->cycles / (p->cycles / (p->nanoseconds / 10000000 + 1) + 1);
	char pid[24] = "-";

	if (r->pid)
		snprintf(pid, sizeof(pid), "%lu", r->pid);
	printf("%7s %3lu %8lu %c %3lu.%lu %3lu.%lu %4lu:%02lu.%02lu %s\n", pid, r->priority, r->kib, r->state, cpu / 10,
	       cpu % 10, memory / 10, memory % 10, hundredths / 6000, hundredths / 100 % 60, hundredths % 100, r->name);
}

static void picture_print(struct picture *p, u64 elapsed, bool live)
{
	if (live)
		printf("\033[H\033[J");
	head_print(p, elapsed);
	qsort(p->row, p->rows, sizeof(*p->row), busier);
	printf("%7s %3s %8s %s %5s %5s %10s %s\n", "PID", "PR", "RES", "S", "%CPU", "%MEM", "TIME+", "COMMAND");
	for (u32 i = 0; i < p->rows && (!live || i < 18); i++)
		row_print(&p->row[i], p, elapsed);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct picture picture[2];
	u64 times = 0, delay = 2;
	bool batch = false;
	int c;

	app_start(argc, argv,
		  "top [-b] [-n TIMES] [-d SECONDS]\nShows processes, servers and memory, the busiest first, again and "
		  "again until Ctrl-C.\n-b: one picture below the other, all rows.\n");
	while ((c = getopt(argc, argv, "bn:d:")) != -1) {
		if (c == 'b')
			batch = true;
		else if (c == 'n')
			times = app_number(optarg, "TIMES");
		else if (c == 'd')
			delay = app_number(optarg, "SECONDS");
		else
			app_usage();
	}
	if (optind != argc)
		app_usage();
	for (u64 i = 0; !times || i < times; i++) {
		struct picture *now = &picture[i % 2], *before = &picture[(i + 1) % 2];

		if (i)
			sleep((unsigned int)delay);
		picture_take(now);
		picture_compare(now, before);
		picture_print(now, now->cycles - before->cycles, !batch);
	}
	return 0;
}
