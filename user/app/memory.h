// SPDX-License-Identifier: MIT
// Where memory is: what the kernel counts, what the frame table shows when it is read through, and what the servers
// that know tell. meminfo, vmstat, zoneinfo and top put it into Linux' words.
#pragma once

#include <abi/reclaim_client.h>
#include <abi/slab_client.h>
#include <abi/vmalloc_client.h>

#include "glass.h"

#define MEMORY_ZONES 4

// Pages on reclaim's lists.
struct memory_lists {
	u64 active_anon, inactive_anon;
	u64 active_file, inactive_file; // files of the boot archive, which go nowhere
	u64 writing;
};

struct memory_zone {
	char name[9];
	u64 start, end; // frame numbers it covers
	u64 free;       // frames
	u64 present;    // RAM, 0: not known (holes)
	u64 managed;    // frames that are not the kernel's for ever
	struct memory_lists lists;
};

// In frames.
struct memory {
	u64 total;    // RAM
	u64 reserved; // of the kernel, the firmware, the frame table, the rings
	u64 free;
	u64 tables, objects; // page tables; kernel objects
	u64 anon;            // mapped pages of programs with content of their own
	u64 shared;          // pages that processes share
	u64 archive;         // files of the boot archive,
	u64 archive_mapped;  // and those of them that are mapped
	u64 ramfiles;
	u64 unmapped; // user memory that no process has mapped: spare frames of vm, pages on their way to or from swap
	u64 others;   // frames of all other pools: servers, slabs, RAM files, areas of processes
	u64 pool_limit, pool_used; // user memory, page tables and areas of processes included
	struct memory_lists lists; // of all zones
	u64 swapcached;            // pages in memory that lie in swap too
	u32 zones;
	struct memory_zone zone[MEMORY_ZONES];
	bool reclaim, slab, vmalloc; // is that server there?
};

void memory_read(struct memory *m);
// What the servers have for themselves: programs, stacks, state, buffers; areas that vmalloc keeps for later.
u64 memory_servers(const struct memory *m);

// Counters of servers; 0 when the server is not there.
u64 memory_reclaim(const struct memory *m, u64 index); // RECLAIMSTAT_*
u64 memory_slab(const struct memory *m, u64 index);    // SLABSTAT_*
u64 memory_vmalloc(const struct memory *m, u64 index); // VMALLOCSTAT_*
