// SPDX-License-Identifier: MIT
#include <pte.h>
#include <stdio.h>

#include "glass.h"

static const char *const entry_kind[] = { "empty", "leaf", "held", "token", "table" };

static void print_step(u32 level, u64 va, const struct walk *step)
{
	u64 kind = step->kind & 0xff;
	char flags[16];

	pte_flags(step->entry, flags);
	printf("  %s  index %3u  at %#012lx  entry %#018lx  %s  %s\n", pte_level_name(level), pte_index(va, level),
	       step->where, step->entry, flags, kind < 5 ? entry_kind[kind] : "?");
}

static int print_end(u32 level, u64 va, const struct walk *step)
{
	u64 mask = ((u64)1 << (PAGE_SHIFT + PTE_INDEX_BITS * level)) - 1;
	char prot[4];

	switch (step->kind & 0xff) {
	case ENTRY_LEAF:
	case ENTRY_HELD:
		printf("=> physical %#lx, %s, frame %#lx (reference %#lx), %lu KiB leaf%s\n",
		       pte_paddr(step->entry) | (va & mask), glass_prot(step->kind >> 8 & 7, prot),
		       (u64)(u32)step->what, step->what, (mask + 1) / 1024,
		       (step->kind & 0xff) == ENTRY_HELD ? ", held: not present, keeps its frame" : "");
		return 0;
	case ENTRY_TOKEN:
		printf("=> token %#lx of the pager\n", step->what);
		return 1;
	default:
		printf("=> nothing is mapped there\n");
		return 1;
	}
}

int main(int argc, char **argv)
{
	u64 pid, va;
	u32 level;

	app_start(argc, argv,
		  "vtop PID|self ADDRESS\nWalks the page tables of a process, step by step, to the physical address.\n"
		  "Status 0: mapped, 1: not.\n");
	if (argc != 3)
		app_usage();
	pid = glass_pid(argv[1]);
	va = app_number(argv[2], "ADDRESS");
	level = glass_sys(SYSSTAT_LEVELS);
	printf("process %lu, virtual %#lx, %u levels\n", pid, va, level);
	for (;;) {
		struct walk step;
		err_t err = glass_walk(pid, va, --level, &step);

		if (err)
			glass_fail("walk", err);
		print_step(level, va, &step);
		if ((step.kind & 0xff) != ENTRY_TABLE || level == 0)
			return print_end(level, va, &step);
	}
}
