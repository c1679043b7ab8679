// SPDX-License-Identifier: MIT
#include <pte.h>
#include <stdio.h>
#include <string.h>

#include "glass.h"

// Neighbours of one level with the same flags are one line.
struct range {
	u64 start, end, kind;
	u32 level;
	char flags[16];
};

static u64 pid;
static struct range range;

static void range_print(void)
{
	static const char *const note[] = { "", "", " held", " token", "" };
	u64 size = range.end - range.start, unit = 0;

	if (!size)
		return;
	while (size % 1024 == 0 && unit < 4) {
		size /= 1024;
		unit++;
	}
	printf("%#018lx-%#018lx %8lu%c %s  %s%s\n", range.start, range.end, size, "BKMGT"[unit],
	       pte_level_name(range.level), range.flags, range.kind < 5 ? note[range.kind] : "");
}

static void range_add(u64 va, u32 level, const struct walk *entry)
{
	struct range new = { va, va + ((u64)1 << (PAGE_SHIFT + PTE_INDEX_BITS * level)), entry->kind & 0xff, level,
			     "" };

	pte_flags(entry->entry, new.flags);
	if (new.kind == ENTRY_TOKEN)
		strcpy(new.flags, ". . . . . . . .");
	if (range.end == new.start && range.level == level &&range.kind == new.kind &&
	    !strcmp(range.flags, new.flags)) {
		range.end = new.end;
		return;
	}
	range_print();
	range = new;
}

// All entries of the table at `level` that covers `va`.
static void table_dump(u64 va, u32 level, u64 entries)
{
	for (u64 i = 0; i < entries; i++, va += (u64)1 << (PAGE_SHIFT + PTE_INDEX_BITS * level)) {
		struct walk entry;
		err_t err = glass_walk(pid, va, level, &entry);

		if (err)
			glass_fail("walk", err);
		if ((entry.kind & 0xff) == ENTRY_TABLE)
			table_dump(va, level - 1, 1 << PTE_INDEX_BITS);
		else if ((entry.kind & 0xff) != ENTRY_EMPTY)
			range_add(va, level, &entry);
	}
}

int main(int argc, char **argv)
{
	u32 levels;

	app_start(argc, argv,
		  "ptdump PID|self\nDumps the page tables of a process: ranges, size, level and flags (D A G U X W R "
		  "V).\n");
	if (argc != 2)
		app_usage();
	pid = glass_pid(argv[1]);
	levels = glass_sys(SYSSTAT_LEVELS);
	printf("---[ process %lu, %u levels ]---\n", pid, levels);
	// The user half, without the last root entry: that is the frame table, the same in every process.
	table_dump(0, levels - 1, (1 << (PTE_INDEX_BITS - 1)) - 1);
	range_print();
	return 0;
}
