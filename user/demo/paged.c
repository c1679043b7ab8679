// SPDX-License-Identifier: MIT
/*
 * paged: a program that needs a quarter more memory than all programs together have. It writes all of it and reads it
 * twice, and says meanwhile, as vmstat does, what goes out to the swap disk and comes in; then what that was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <user/app/memory.h>

#define ROWS 4   // of a pass
#define MOST 192 // MiB of memory: with more it takes minutes

static u64 *memory;
static u64 pages;

struct counts {
	u64 in, out, major, found;
};

static u64 word_of(u64 page, u64 i)
{
	return (page * (PAGE_SIZE / 8) + i + 1) * 0x9e3779b97f4a7c15;
}

static void page_write(u64 page)
{
	for (u64 i = 0; i < PAGE_SIZE / 8; i += 16)
		memory[page * (PAGE_SIZE / 8) + i] = word_of(page, i);
}

static bool page_right(u64 page)
{
	bool right = true;

	for (u64 i = 0; i < PAGE_SIZE / 8; i += 16)
		right = right && memory[page * (PAGE_SIZE / 8) + i] == word_of(page, i);
	return right;
}

static struct counts count(const struct memory *m)
{
	return (struct counts){ memory_reclaim(m, RECLAIMSTAT_PSWPIN), memory_reclaim(m, RECLAIMSTAT_PSWPOUT),
				glass_vm(VMSTAT_SWAP_MAJOR), memory_reclaim(m, RECLAIMSTAT_DROPPED) };
}

static u64 mib(u64 n)
{
	return n * PAGE_SIZE >> 20;
}

// One row: what happened since the last one, in MiB and in faults that waited for the disk.
static void row(const struct memory *m, const char *pass, u64 done, struct counts *last)
{
	struct counts now = count(m);

	printf("%6s %8lu %8lu %8lu %8lu %8lu\n", pass, mib(done), mib(memory_reclaim(m, RECLAIMSTAT_SWAP_USED)),
	       mib(now.in - last->in), mib(now.out - last->out), now.major - last->major);
	fflush(stdout);
	*last = now;
}

// Returns how many pages did not hold what was written.
static u64 pass(const struct memory *m, const char *name, bool write, struct counts *last)
{
	u64 wrong = 0;

	for (u64 page = 0; page < pages; page++) {
		if (write)
			page_write(page);
		else
			wrong += !page_right(page);
		if ((page + 1) * ROWS % pages < ROWS)
			row(m, name, page + 1, last);
	}
	return wrong;
}

static void explain(const struct memory *m, u64 limit, struct counts first, u64 wrong)
{
	struct counts now = count(m);
	u64 major = now.major - first.major, in = now.in - first.in;

	printf("%lu MiB of a program where all programs have %lu: %lu pages went to the disk and %lu came back, %lu of "
	       "them by a fault\nthat waited and the others read ahead; %lu left memory without being written, since "
	       "the disk had them. vm parked the\nfaults, reclaim chose the pages, rmap named their places, blk moved "
	       "them: programs all four.\n%s\n",
	       mib(pages), mib(limit), now.out - first.out, in, major < in ? major : in, now.found - first.found,
	       wrong ? "FAILED: pages came back wrong" : "OK, every page came back as it was written");
}

int main(int argc, char **argv)
{
	struct counts first, last;
	struct memory m;
	u64 limit, room, wrong;

	app_start(argc, argv, "paged\nNeeds more memory than there is, and shows how it is paged to the swap disk.\n");
	memory_read(&m);
	limit = m.pool_limit;
	room = memory_reclaim(&m, RECLAIMSTAT_SWAP_TOTAL) - memory_reclaim(&m, RECLAIMSTAT_SWAP_USED);
	pages = limit + limit / 4;
	if (mib(limit) > MOST) {
		printf("(left out: it takes long with so much memory; MEM=128M or less shows it)\n");
		return 0;
	}
	if (!m.reclaim || room < pages) {
		printf("(left out: it needs %lu MiB of swap; `make demo` has it, or give SWAP=%luM)\n", mib(pages) + 1,
		       mib(pages) + 8);
		return 0;
	}
	memory = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return app_warn("mmap");
	first = last = count(&m);
	printf("%6s %8s %8s %8s %8s %8s\n", "pass", "MiB done", "in swap", "came in", "went out", "waits");
	wrong = pass(&m, "write", true, &last);
	wrong += pass(&m, "read", false, &last);
	explain(&m, limit, first, wrong);
	return wrong ? 1 : 0;
}
