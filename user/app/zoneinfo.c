// SPDX-License-Identifier: MIT
// As Linux' /proc/zoneinfo. Watermarks here belong to the pool of user memory, not to zones: the last block shows them,
// where reclaim runs.
#include <stdio.h>

#include "memory.h"

static void item(const char *name, u64 value)
{
	printf("\n      %-12s %lu", name, value);
}

static void node_items(const struct memory *m)
{
	printf("\n  per-node stats");
	if (m->reclaim) {
		item("nr_inactive_anon", m->lists.inactive_anon);
		item("nr_active_anon", m->lists.active_anon);
		item("nr_inactive_file", m->lists.inactive_file);
		item("nr_active_file", m->lists.active_file);
		item("nr_writeback", m->lists.writing);
		item("nr_swapcached", m->swapcached);
	}
	item("nr_slab_reclaimable", 0);
	item("nr_slab_unreclaimable", memory_slab(m, SLABSTAT_FRAMES) + m->objects);
	item("nr_anon_pages", m->anon);
	item("nr_mapped", m->archive_mapped + m->shared);
	item("nr_file_pages", m->archive + m->ramfiles + m->shared);
	item("nr_shmem", m->ramfiles + m->shared);
	item("nr_page_table_pages", m->tables);
}

static void zone_items(const struct memory_lists *l)
{
	item("nr_zone_inactive_anon", l->inactive_anon);
	item("nr_zone_active_anon", l->active_anon);
	item("nr_zone_inactive_file", l->inactive_file);
	item("nr_zone_active_file", l->active_file);
	item("nr_zone_write_pending", l->writing);
}

static void zone_print(const struct memory *m, const struct memory_zone *z, bool first)
{
	printf("Node %d, zone %8s", 0, z->name);
	if (first)
		node_items(m);
	printf("\n  pages free     %lu", z->free);
	printf("\n        spanned  %lu", z->end - z->start);
	if (z->present)
		printf("\n        present  %lu", z->present);
	printf("\n        managed  %lu", z->managed);
	item("nr_free_pages", z->free);
	if (m->reclaim)
		zone_items(&z->lists);
	printf("\n  start_pfn:           %lu\n", z->start);
}

static void pool_print(const struct memory *m)
{
	u64 min, low, high, free;

	printf("Pool     user\n  pages free     %lu\n", m->pool_limit - m->pool_used);
	if (m->reclaim && !reclaim_marks(SLOT_RECLAIM, 0, 0, &min, &low, &high, &free))
		printf("        min      %lu\n        low      %lu\n        high     %lu\n", min, low, high);
	printf("        managed  %lu\n", m->pool_limit);
}

int main(int argc, char **argv)
{
	struct memory m;

	app_start(argc, argv,
		  "zoneinfo\nShows the zones of memory, as Linux' /proc/zoneinfo, and the pool of user memory.\n");
	memory_read(&m);
	for (u32 i = 0; i < m.zones; i++)
		zone_print(&m, &m.zone[i], i == 0);
	pool_print(&m);
	return 0;
}
