// SPDX-License-Identifier: MIT
// What meminfo, vmstat and zoneinfo say: one thing in one number, and a number that follows what is done. With the
// argument "paging": what must hold of the counters of reclaim, whatever went on.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jjok/vmalloc.h>

#include <abi/stubs.h>

#include "check.h"

#define PAGES 300
#define KIB   (PAGE_SIZE / 1024)
#define NOISE 80 // pages that the programs themselves, their tables and pipes may take

// The number behind `name` in what `command` prints; ~0: there is no such line.
static u64 value(const char *command, const char *name)
{
	char line[200];
	u64 found = ~0ul;
	FILE *f = popen(command, "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		char *at = line + strspn(line, " ");

		if (!strncmp(at, name, strlen(name)) && strchr(" \t", at[strlen(name)]) && found == ~0ul)
			found = strtoul(at + strlen(name), NULL, 10);
	}
	CHECK(!pclose(f));
	return found;
}

static u64 pages(const char *name)
{
	u64 kib = value("meminfo", name);

	CHECK(kib != ~0ul && kib % KIB == 0);
	return kib / KIB;
}

static void close_to(u64 found, u64 expected, const char *what)
{
	if (found + NOISE < expected || found > expected + NOISE)
		FAIL("%s: %lu pages, expected about %lu", what, found, expected);
}

static void same(const char *name, const char *other)
{
	close_to(value("vmstat", other), pages(name), other);
}

// Each frame is told of once: in one reading the parts are the whole.
static void adds_up(void)
{
	static const char *const part[] = { "MemFree:",    "Cached:",      "AnonPages:", "Slab:",
					    "PageTables:", "VmallocUsed:", "Servers:",   "Unmapped:" };
	u64 sum = 0, total = 0, found = 0;
	char line[200];
	FILE *f = popen("meminfo", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		size_t n = strcspn(line, ":") + 1;
		u64 kib = strtoul(line + n, NULL, 10);

		total += !strncmp(line, "MemTotal:", n) ? kib : 0;
		for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++) {
			if (strncmp(line, part[i], n) || part[i][n])
				continue;
			sum += kib;
			found++;
		}
	}
	CHECK(!pclose(f));
	CHECK_EQUAL(found, sizeof(part) / sizeof(*part));
	CHECK_EQUAL(sum, total);
	/* What is mapped is on a list; shared pages are, RAM files are not. */
	close_to(pages("Active(anon):") + pages("Inactive(anon):"), pages("AnonPages:") + pages("Shmem:"), "lists");
}

// What somebody may have is in the kernel's own mapping, and nothing twice.
static void direct_map(void)
{
	u64 largest = value("meminfo", "DirectMap1G:"), large = pages("DirectMap2M:"), frames;
	u64 direct = pages("DirectMap4k:") + large + (largest == ~0ul ? 0 : largest / KIB);

	CHECK(!sys_system(SLOT_SYSTEM, SYS_STAT, SYSSTAT_FRAMES, 0, 0, &frames, NULL, NULL, NULL));
	CHECK(direct >= pages("MemTotal:") && direct <= frames && large % (PAGE_SIZE / sizeof(u64)) == 0);
}

// After much paging. What only grows is read from the smaller number to the larger one: a page is looked at before it
// is written or freed.
static int paging(void)
{
	u64 freed = value("vmstat", "pgsteal_kswapd") + value("vmstat", "pgsteal_direct");
	u64 written = value("vmstat", "pswpout");
	u64 seen = value("vmstat", "pgscan_kswapd") + value("vmstat", "pgscan_direct");
	u64 listed = pages("Active:") + pages("Inactive:"), total = pages("MemTotal:");

	CHECK(freed && written && freed <= seen && written <= seen);
	CHECK(listed && listed <= total);
	return check_done("counts");
}

static int memory(void)
{
	u64 anon = pages("AnonPages:"), free = pages("MemFree:"), shmem = pages("Shmem:"), total = pages("MemTotal:");
	u64 tables = pages("PageTables:"), areas = pages("VmallocUsed:"), available = pages("MemAvailable:");
	char *p, *area;

	CHECK(free < total && available <= free && tables > 10 && pages("Cached:") > 100 && pages("Slab:") > 5);
	same("AnonPages:", "nr_anon_pages");
	same("MemFree:", "nr_free_pages");
	same("PageTables:", "nr_page_table_pages");
	same("Mapped:", "nr_mapped");
	same("Cached:", "nr_file_pages");
	close_to(value("zoneinfo", "nr_free_pages"), free, "zoneinfo's free pages");
	CHECK(value("zoneinfo", "managed") <= value("zoneinfo", "present"));
	CHECK(value("zoneinfo", "present") <= value("zoneinfo", "spanned"));
	adds_up();
	direct_map();

	p = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	memset(p, 1, PAGES * PAGE_SIZE);
	close_to(pages("AnonPages:"), anon + PAGES, "anonymous pages");
	adds_up();
	close_to(pages("MemFree:"), free - PAGES, "free pages");
	close_to(pages("MemAvailable:"), available - PAGES, "available pages");
	munmap(p, PAGES * PAGE_SIZE);
	close_to(pages("AnonPages:"), anon, "anonymous pages, unmapped again");

	p = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	memset(p, 1, PAGES * PAGE_SIZE);
	CHECK_EQUAL(pages("Shmem:"), shmem + PAGES);
	adds_up();
	close_to(pages("AnonPages:"), anon, "anonymous pages beside shared ones");
	munmap(p, PAGES * PAGE_SIZE);
	CHECK_EQUAL(pages("Shmem:"), shmem);

	area = vmalloc(PAGES * PAGE_SIZE);
	CHECK(area);
	CHECK_EQUAL(pages("VmallocUsed:"), areas + PAGES);
	adds_up();
	vfree(area);
	CHECK_EQUAL(pages("VmallocUsed:"), areas);
	vm_unmap_aliases();
	close_to(pages("MemFree:"), free, "free pages in the end");
	return check_done("counts");
}

int main(int argc, char **argv)
{
	return argc > 1 && !strcmp(argv[1], "paging") ? paging() : memory();
}
