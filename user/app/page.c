// SPDX-License-Identifier: MIT
#include <stdio.h>

#include <abi/slab_client.h>

#include "glass.h"

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
	switch ((enum frame_state)f->state) {
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

// What slab says of the slab that the frame is a page of.
static void print_slab(const struct frame *f)
{
	u64 aspace, owner, cache, frame, counts, freelist, name[2], other;
	err_t err = vm_attach(SLOT_VM, ATTACH_SLAB, &aspace);

	if (!err)
		err = slab_slab_info(SLOT_SLAB, (u32)f->word0, &owner, &cache, &frame, &counts, &freelist);
	if (!err)
		err = slab_cache_info(SLOT_SLAB, cache, &name[0], &name[1], &other, &other, &other, &other, &other,
				      &other);
	if (err) {
		printf("  %-12s was %u: %s\n", "slab", (u32)f->word0, err_text(-err));
		return;
	}
	printf("  %-12s %u, page %lu of it, cache %.16s, process %lu\n", "slab", (u32)f->word0, f->word1,
	       (const char *)name, owner);
	printf("  %-12s object %lu, inuse %lu, objects %lu, frozen %lu\n", "freelist", freelist, counts & 0xffff,
	       counts >> 16 & 0xffff, counts >> 40 & 1);
}

static void print_frame(u64 pfn, const struct frame *shared)
{
	struct frame f = glass_frame(shared);

	printf("page %#lx, physical %#lx, reference %#lx\n", pfn, pfn << PAGE_SHIFT, (u64)f.gen << 32 | pfn);
	printf("  %-12s %u\n", "gen", f.gen);
	printf("  %-12s %u%s\n", "pool", f.pool, f.state == FREE ? " (last owner)" : "");
	printf("  %-12s %s\n", "state", state_names[f.state] ? state_names[f.state] : "?");
	if (f.state == FREE)
		printf("  %-12s %u\n", "order", f.order);
	printf("  %-12s %#x\n", "pager flags", f.pager);
	printf("  %-12s %u\n", "mapcount", f.mapcount);
	printf("  %-12s %u\n", "pins", (f.pins & PIN_COUNT) + f.pins / PIN_ARGUMENT);
	print_marks(f.marks);
	printf("  %-12s node %u, zone %u, migrate type %u\n", "place", f.node, f.zone, f.migratetype);
	print_words(&f);
	if (f.state == OWNED && f.word0 >> 32 == SLAB_MAPPING >> 32)
		print_slab(&f);
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
	const struct frame *table;
	u64 first, count, pfn;

	app_start(argc, argv,
		  "page [PFN]\nShows struct page of a frame, field by field; without PFN a picture of all frames.\n"
		  "vtop tells the PFN behind an address.\n");
	if (argc > 2)
		app_usage();
	table = glass_frames(&first, &count);
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
