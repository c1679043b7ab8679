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
static u64 limit_low, limit_high = ~(u64)0; // addresses to show

// A size in the largest unit that it is a whole number of.
static u64 size_unit(u64 size, char *unit)
{
	u32 i = 0;

	while (size && size % 1024 == 0 && i < 5) {
		size /= 1024;
		i++;
	}
	*unit = "BKMGTP"[i];
	return size;
}

static void range_print(void)
{
	static const char *const note[] = { "", "", " held", " token", "" };
	char unit;
	u64 size = size_unit(range.end - range.start, &unit);

	if (size)
		printf("%#018lx-%#018lx %8lu%c %s  %s%s\n", range.start, range.end, size, unit,
		       pte_level_name(range.level), range.flags, range.kind < 5 ? note[range.kind] : "");
	range.end = range.start;
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
		u64 end = va + (((u64)1 << (PAGE_SHIFT + PTE_INDEX_BITS * level)) - 1);
		err_t err;

		if (end < limit_low || va > limit_high)
			continue;
		err = glass_walk(pid, va, level, &entry);
		if (err)
			glass_fail("walk", err);
		if ((entry.kind & 0xff) == ENTRY_TABLE)
			table_dump(va, level - 1, 1 << PTE_INDEX_BITS);
		else if ((entry.kind & 0xff) != ENTRY_EMPTY)
			range_add(va, level, &entry);
	}
}

// The kernel half, part by part: it is the same in every address space.
static void kernel_dump(u32 levels)
{
	u64 root = (u64)1 << (PAGE_SHIFT + PTE_INDEX_BITS * (levels - 1));

	for (const struct pte_region *r = pte_kernel_regions(levels); r->name; r++) {
		u64 first = r->start & -root, last = r->start + (r->size - 1);
		char unit;
		u64 size = size_unit(r->size, &unit);

		printf("---[ %s, %lu%c from %#lx ]---\n", r->name, size, unit, r->start);
		limit_low = r->start;
		limit_high = last;
		table_dump(first, levels - 1, (last - first) / root + 1);
		range_print();
	}
}

int main(int argc, char **argv)
{
	u32 levels;

	app_start(
		argc, argv,
		"ptdump PID|self\nptdump -k\nDumps the page tables of a process, or the kernel's: ranges, size, level "
		"and the entries' flags.\n");
	if (argc != 2)
		app_usage();
	levels = glass_sys(SYSSTAT_LEVELS);
	if (!strcmp(argv[1], "-k")) {
		pid = glass_pid("self");
		kernel_dump(levels);
		return 0;
	}
	pid = glass_pid(argv[1]);
	printf("---[ process %lu, %u levels ]---\n", pid, levels);
	// The user half, without the last root entry: that is the frame table, the same in every process.
	table_dump(0, levels - 1, (1 << (PTE_INDEX_BITS - 1)) - 1);
	range_print();
	return 0;
}
