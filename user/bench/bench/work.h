// SPDX-License-Identifier: MIT
// Instructions of the whole machine, the waits for the disk left out: what all servers did for the pages of a row.
#pragma once

#include "bench.h"

#include <abi/reclaim_client.h>

struct work {
	u64 at;
	u64 out, in; // pages written to swap, pages read
};

u64 reclaim_count(u64 index); // RECLAIMSTAT_*
struct work work_now(void);
// Instructions since `before`; *pages: what moved.
u64 work_since(const struct work *before, struct work *moved);
u64 pages_shrink(u64 pages); // reclaim brings so many out of memory. How many went
