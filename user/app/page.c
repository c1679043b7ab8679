// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <sys/auxv.h>

#include "glass.h"

// struct page as the kernel lays it out (mm/page.h); programs see the table read-only.
struct frame {
	u32 gen;
	u16 pool;
	u8 state : 4, order : 4;
	u8 pager;
	u32 mapcount;
	u16 pins;
	u8 marks;
	u8 node : 4, zone : 2, migratetype : 2;
	u64 word0, word1;
};
_Static_assert(sizeof(struct frame) == 32, "as in the kernel");

enum state { RESERVED, FREE, OWNED, EVICTING, TABLE, OBJECT };

static const char *const state_names[16] = { "RESERVED", "FREE", "OWNED", "EVICTING", "TABLE", "OBJECT" };

static void print_marks(u8 marks)
{
	static const char *const names[8] = { "DIRTY", "WRITEBACK", "YOUNG", "SWAPCACHE", "ZEROED", "SECRET" };

	printf("  %-12s %#x", "marks", marks);
	for (int i = 0; i < 8; i++)
		if (marks >> i & 1)
			printf(" %s", names[i] ? names[i] : "?");
	putchar('\n');
}

static void print_words(const struct frame *f)
{
	switch ((enum state)f->state) {
	case FREE:
		printf("  %-12s prev %#x, next %#x\n", "word0", (u32)f->word0, (u32)(f->word0 >> 32));
		break;
	case TABLE:
		printf("  %-12s address space %#x, %u entries, level %u\n", "word0", (u32)f->word0,
		       (u32)(f->word0 >> 32 & 0x3ff), (u32)(f->word0 >> 42 & 7));
		printf("  %-12s va %#lx\n", "word1", f->word1);
		break;
	case OBJECT:
		printf("  %-12s slots %#lx\n", "word0", f->word0);
		printf("  %-12s type %s, slot size %u\n", "word1", type_name(f->word1 & 0xff), (u16)(f->word1 >> 8));
		break;
	case EVICTING:
		printf("  %-12s token %#lx\n", "word0", f->word0);
		break;
	default:
		printf("  %-12s mapping %#lx\n", "word0", f->word0);
		printf("  %-12s index %#lx\n", "word1", f->word1);
	}
}

static void print_frame(u64 pfn, const struct frame *shared)
{
	struct frame f = *shared;

	// Several fields belong together only if the frame was not freed meanwhile: its generation tells.
	while (__atomic_load_n(&shared->gen, __ATOMIC_ACQUIRE) != f.gen)
		f = *shared;
	printf("page %#lx, physical %#lx, reference %#lx\n", pfn, pfn << PAGE_SHIFT, (u64)f.gen << 32 | pfn);
	printf("  %-12s %u\n", "gen", f.gen);
	printf("  %-12s %u%s\n", "pool", f.pool, f.state == FREE ? " (last owner)" : "");
	printf("  %-12s %s\n", "state", state_names[f.state] ? state_names[f.state] : "?");
	if (f.state == FREE)
		printf("  %-12s %u\n", "order", f.order);
	printf("  %-12s %#x\n", "pager flags", f.pager);
	printf("  %-12s %u\n", "mapcount", f.mapcount);
	printf("  %-12s %u\n", "pins", f.pins);
	print_marks(f.marks);
	printf("  %-12s node %u, zone %u, migrate type %u\n", "place", f.node, f.zone, f.migratetype);
	print_words(&f);
}

// How many frames are in each state, as a picture of the whole machine: one character for each 64th part of memory.
static void print_map(const struct frame *table, u64 first, u64 count)
{
	static const char letter[16] = { '#', '.', 'o', 'e', 't', 'k' };
	u64 total[16] = { 0 }, step = (count + 1023) / 1024;

	printf("frames %#lx to %#lx, one character for %lu frames (the most frequent state of them)\n\n", first,
	       first + count - 1, step);
	for (u64 i = 0, column = 0; i < count; i += step, column++) {
		u64 seen[16] = { 0 };
		int most = 0;

		for (u64 k = i; k < i + step && k < count; k++)
			seen[table[first + k].state]++;
		for (int s = 0; s < 16; s++) {
			total[s] += seen[s];
			if (seen[s] > seen[most])
				most = s;
		}
		if (column % 64 == 0)
			printf("%s  %8lx ", column ? "\n" : "", first + i);
		putchar(letter[most] ? letter[most] : '?');
	}
	printf("\n\n");
	for (int s = 0; s < 6; s++)
		printf("  %c %-9s %8lu\n", letter[s], state_names[s], total[s]);
}

int main(int argc, char **argv)
{
	const struct frame *table = (const struct frame *)getauxval(AT_JJOK_FRAMES);
	u64 first, count, pfn;

	app_start(argc, argv,
		  "page [PFN]\nShows struct page of a frame, field by field; without PFN a picture of all frames.\n"
		  "vtop tells the PFN behind an address.\n");
	if (argc > 2)
		app_usage();
	if (!table)
		app_fail("the frame table is not mapped in this process (no AT_JJOK_FRAMES; vm gives it to every "
			 "program)");
	first = glass_sys(SYSSTAT_MEM_BASE);
	count = glass_sys(SYSSTAT_FRAMES);
	if (argc == 1) {
		print_map(table, first, count);
		return 0;
	}
	pfn = app_number(argv[1], "PFN");
	if (pfn < first || pfn - first >= count)
		app_fail("frame %#lx is outside of memory: %#lx to %#lx", pfn, first, first + count - 1);
	print_frame(pfn, &table[pfn]);
	return 0;
}
