// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "work.h"

#include <abi/abi_names.h>
#include <abi/stubs.h>

static void must(const char *what, err_t err)
{
	if (!err)
		return;
	fflush(stdout);
	fprintf(stderr, "bench: %s: %s\n", what, err_name(err));
	exit(1);
}

u64 reclaim_count(u64 index)
{
	u64 value = 0;

	must("counters of reclaim", reclaim_stat(SLOT_RECLAIM, index, &value));
	return value;
}

struct work work_now(void)
{
	struct work w = { .out = reclaim_count(RECLAIMSTAT_PSWPOUT), .in = reclaim_count(RECLAIMSTAT_PSWPIN) };

	w.at = arch_cycles() - system_stat(SYSSTAT_IDLE);
	return w;
}

u64 work_since(const struct work *before, struct work *moved)
{
	u64 at = arch_cycles() - system_stat(SYSSTAT_IDLE);

	*moved = work_now();
	moved->out -= before->out;
	moved->in -= before->in;
	return at - before->at;
}

u64 pages_shrink(u64 pages)
{
	u64 done = 0;

	must("shrink", reclaim_shrink(SLOT_RECLAIM, pages, &done));
	return done;
}
