// SPDX-License-Identifier: MIT
// As Linux' /proc/vmstat: a name and a number a line. Names are Linux'; reclaim's are printed only where it runs.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

static void line(const char *name, u64 value)
{
	printf("%s %lu\n", name, value);
}

static const struct {
	const char *name;
	u64 index;
} reclaim[] = {
	{ "pswpin", RECLAIMSTAT_PSWPIN },
	{ "pswpout", RECLAIMSTAT_PSWPOUT },
	{ "pgactivate", RECLAIMSTAT_PGACTIVATE },
	{ "pgdeactivate", RECLAIMSTAT_PGDEACTIVATE },
	{ "pgrefill", RECLAIMSTAT_PGREFILL },
	{ "pgsteal_kswapd", RECLAIMSTAT_PGSTEAL_KSWAPD },
	{ "pgsteal_direct", RECLAIMSTAT_PGSTEAL_DIRECT },
	{ "pgscan_kswapd", RECLAIMSTAT_PGSCAN_KSWAPD },
	{ "pgscan_direct", RECLAIMSTAT_PGSCAN_DIRECT },
	{ "pageoutrun", RECLAIMSTAT_PAGEOUTRUN },
	{ "pgrotated", RECLAIMSTAT_PGROTATED },
	{ "swap_ra", RECLAIMSTAT_SWAP_RA },
	{ "swap_ra_hit", RECLAIMSTAT_SWAP_RA_HIT },
	/* Not Linux': rings between servers that were full. */
	{ "ring_rescan", RECLAIMSTAT_RESCANS },
	{ "ring_answer_lost", RECLAIMSTAT_ANSWERS_LOST },
	{ "ring_request_lost", RECLAIMSTAT_REQUESTS_LOST },
};

// Waits for memory are waits for user memory, whichever zone it lies in: the first one stands for all.
static void stalls(const struct memory *m)
{
	char name[32] = "allocstall_";

	for (size_t i = 0, n = strlen(name); m->zone[0].name[i]; i++)
		name[n + i] = (char)tolower((unsigned char)m->zone[0].name[i]);
	line(name, memory_reclaim(m, RECLAIMSTAT_ALLOCSTALL));
}

int main(int argc, char **argv)
{
	struct memory m;

	app_start(argc, argv, "vmstat\nCounters of memory management, with the names of Linux' /proc/vmstat.\n");
	memory_read(&m);
	line("nr_free_pages", m.free);
	if (m.reclaim) { /* zoneinfo has them zone by zone */
		line("nr_zone_inactive_anon", m.lists.inactive_anon);
		line("nr_zone_active_anon", m.lists.active_anon);
		line("nr_zone_inactive_file", m.lists.inactive_file);
		line("nr_zone_active_file", m.lists.active_file);
		line("nr_zone_write_pending", m.lists.writing);
	}
	line("nr_anon_pages", m.anon);
	line("nr_mapped", m.archive_mapped + m.shared);
	line("nr_file_pages", m.archive + m.ramfiles + m.shared);
	line("nr_shmem", m.ramfiles + m.shared);
	line("nr_slab_reclaimable", 0);
	line("nr_slab_unreclaimable", memory_slab(&m, SLABSTAT_FRAMES) + m.objects);
	line("nr_page_table_pages", m.tables);
	line("pgfault", glass_sys(SYSSTAT_FAULTS));
	line("pgreuse", glass_vm(VMSTAT_COW_REUSE));
	line("pgmajfault", glass_vm(VMSTAT_SWAP_MAJOR));
	line("oom_kill", glass_vm(VMSTAT_OOM_KILLS));
	for (u32 i = 0; m.reclaim && i < sizeof(reclaim) / sizeof(*reclaim); i++)
		line(reclaim[i].name, memory_reclaim(&m, reclaim[i].index));
	if (m.reclaim) {
		stalls(&m);
		line("nr_inactive_anon", m.lists.inactive_anon);
		line("nr_active_anon", m.lists.active_anon);
		line("nr_inactive_file", m.lists.inactive_file);
		line("nr_active_file", m.lists.active_file);
		line("nr_writeback", m.lists.writing);
		line("nr_swapcached", m.swapcached);
		/* these two count KiB */
		line("pgpgin", memory_reclaim(&m, RECLAIMSTAT_PSWPIN) * (PAGE_SIZE / 1024));
		line("pgpgout", memory_reclaim(&m, RECLAIMSTAT_PSWPOUT) * (PAGE_SIZE / 1024));
	}
	return 0;
}
