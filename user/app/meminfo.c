// SPDX-License-Identifier: MIT
// As Linux' /proc/meminfo. A line is printed when somebody here knows its number: reclaim's only where it runs.
#include <stdio.h>

#include "memory.h"

static void line(const char *name, u64 pages)
{
	printf("%-15s%9lu kB\n", name, pages * (PAGE_SIZE / 1024));
}

static void swap_lines(const struct memory *m)
{
	u64 total = memory_reclaim(m, RECLAIMSTAT_SWAP_TOTAL);

	line("SwapTotal:", total);
	line("SwapFree:", total - memory_reclaim(m, RECLAIMSTAT_SWAP_USED));
}

static void lru_lines(const struct memory *m)
{
	if (!m->reclaim)
		return;
	line("SwapCached:", m->swapcached);
	line("Active:", m->lists.active_anon + m->lists.active_file);
	line("Inactive:", m->lists.inactive_anon + m->lists.inactive_file);
	line("Active(anon):", m->lists.active_anon);
	line("Inactive(anon):", m->lists.inactive_anon);
	line("Active(file):", m->lists.active_file);
	line("Inactive(file):", m->lists.inactive_file);
}

// The kernel's own mapping of memory, by the size of its leaves. With three levels there are none of 1 GiB.
static void direct_lines(void)
{
	line("DirectMap4k:", glass_sys(SYSSTAT_DIRECT_MAP));
	line("DirectMap2M:", glass_sys(SYSSTAT_DIRECT_MAP + 1));
	if (glass_sys(SYSSTAT_LEVELS) > 3)
		line("DirectMap1G:", glass_sys(SYSSTAT_DIRECT_MAP + 2));
}

int main(int argc, char **argv)
{
	struct memory m;
	u64 slab;

	app_start(
		argc, argv,
		"meminfo\nShows where memory is, as Linux' /proc/meminfo. Slab counts slabs and the frames of kernel\n"
		"objects; Cached the files of the boot archive, RAM files and shared pages, none of which has a "
		"disk.\nThe last two are not Linux': what the servers have for themselves, and memory of programs that "
		"none has\nmapped. MemTotal is MemFree + Cached + AnonPages + Slab + PageTables + VmallocUsed + "
		"Servers + "
		"Unmapped.\n");
	memory_read(&m);
	slab = memory_slab(&m, SLABSTAT_FRAMES) + m.objects;
	line("MemTotal:", m.total - m.reserved);
	line("MemFree:", m.free);
	line("MemAvailable:", m.pool_limit - m.pool_used < m.free ? m.pool_limit - m.pool_used : m.free);
	line("Buffers:", 0);
	line("Cached:", m.archive + m.ramfiles + m.shared);
	lru_lines(&m);
	swap_lines(&m);
	if (m.reclaim)
		line("Writeback:", m.lists.writing);
	line("AnonPages:", m.anon);
	line("Mapped:", m.archive_mapped + m.shared);
	line("Shmem:", m.ramfiles + m.shared);
	line("Slab:", slab);
	line("SReclaimable:", 0);
	line("SUnreclaim:", slab);
	line("PageTables:", m.tables);
	line("VmallocTotal:", memory_vmalloc(&m, VMALLOCSTAT_TOTAL) / PAGE_SIZE);
	line("VmallocUsed:", memory_vmalloc(&m, VMALLOCSTAT_PAGES));
	line("VmallocChunk:", memory_vmalloc(&m, VMALLOCSTAT_CHUNK) / PAGE_SIZE);
	direct_lines();
	line("Servers:", memory_servers(&m));
	line("Unmapped:", m.unmapped);
	return 0;
}
