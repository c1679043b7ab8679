// SPDX-License-Identifier: MIT
// From ranges of memory to the frame table.
//
//	RAM of the device tree
//	 = firmware's own      not mapped, RESERVED
//	 + kernel image        mapped part by part, text and rodata read-only in the direct map too; RESERVED
//	 + boot archive        direct map; RESERVED until boot_root_pool makes it OWNED
//	 + kernel tables and frame table, taken out of what is left; RESERVED
//	 + the rest            FREE: the buddy's
#include <lib/base/log.h>
#include <mm/observe.h>

#include "boot.h"
#include "map.h"

#define DMA32_LIMIT (1ul << (32 - PAGE_SHIFT)) // first pfn that 32-bit devices cannot reach

// Memory that the direct map cannot reach, or whose frame table would not fit the observers' root entry, is left alone,
// with a line.
static void drop_unreachable(u64 direct_map)
{
	u64 observed = ((u64)PAGE_SIZE << 9 * (arch_levels - 1)) / sizeof(struct page) * PAGE_SIZE;
	paddr_t reach = direct_map < observed ? direct_map : observed;
	u64 before = ranges_size(&boot_machine.ram);
	ranges_remove(&boot_machine.ram, reach, ~0ul);
	u64 dropped = before - ranges_size(&boot_machine.ram);
	if (dropped != 0)
		log_line("jjok: %lu MiB of memory lie above %lu GiB, where this kernel cannot reach them",
			 dropped >> 20, reach >> 30);
}

static void remove_all(struct ranges *set, const struct ranges *what)
{
	for (u32 i = 0; i < what->count; i++)
		ranges_remove(set, what->range[i].base, what->range[i].limit);
}

static bool is_writable(const struct arch_segment *segment)
{
	return segment->prot & PROT_WRITE;
}

// The image part by part, and all memory that is ours at the direct map: nothing is writable in one place and
// executable in another.
static void map_memory(const struct arch_boot *arch)
{
	struct ranges writable = boot_machine.ram;
	remove_all(&writable, &boot_machine.reserved);
	for (u32 i = 0; i < arch->segments; i++) {
		const struct arch_segment *s = &arch->segment[i];
		boot_map(s->va, s->pa, s->size, s->prot, false);
		if (is_writable(s))
			continue;
		ranges_remove(&writable, s->pa, s->pa + s->size);
		boot_map((vaddr_t)arch_p2v(s->pa), s->pa, s->size, PROT_READ, false);
	}
	for (u32 i = 0; i < writable.count; i++) {
		const struct range *r = &writable.range[i];
		boot_map((vaddr_t)arch_p2v(r->base), r->base, r->limit - r->base, PROT_READ | PROT_WRITE, false);
	}
	for (u32 i = 0; i < arch->register_ranges; i++)
		boot_map(arch->registers[i].va, arch->registers[i].pa, arch->registers[i].size, arch->registers[i].prot,
			 true);
}

// Frames for the part of the array that describes [base, limit), from va `from` on; cleared, which means RESERVED.
static vaddr_t map_frame_table_part(vaddr_t from, pfn_t base, pfn_t limit)
{
	vaddr_t start = (vaddr_t)pfn_to_page(base) & -(u64)PAGE_SIZE;
	vaddr_t end = ((vaddr_t)pfn_to_page(limit) + PAGE_SIZE - 1) & -(u64)PAGE_SIZE;
	if (start < from)
		start = from; // the page that the part below ends in describes our first frames, too
	boot_map_zeroes(from, start);
	if (start >= end)
		return start;
	u64 large = (u64)PAGE_SIZE << 9 * ARCH_LARGE_LEVEL;
	paddr_t pa = boot_frames(end - start, end - start >= large ? large : PAGE_SIZE);
	for (u64 offset = 0; offset < end - start; offset += PAGE_SIZE)
		arch_page_clear(arch_p2v(pa + offset));
	boot_map(start, pa, end - start, PROT_READ | PROT_WRITE, false);
	return end;
}

static void map_frame_table(void)
{
	const struct ranges *ram = &boot_machine.ram;
	vaddr_t done = (vaddr_t)ARCH_MEM_MAP;
	for (u32 i = 0; i < ram->count; i++)
		done = map_frame_table_part(done, ram->range[i].base >> PAGE_SHIFT, ram->range[i].limit >> PAGE_SHIFT);
	mem.base = ram->range[0].base >> PAGE_SHIFT;
	mem.limit = ram->range[ram->count - 1].limit >> PAGE_SHIFT;
	mem.frames = ranges_size(ram) >> PAGE_SHIFT;
}

static void add_zone(const char *name, pfn_t base, pfn_t limit, const struct ranges *free)
{
	if (base < mem.base)
		base = mem.base;
	if (limit > mem.limit)
		limit = mem.limit;
	if (base >= limit)
		return;
	struct buddy *buddy = &zone[zones++];
	buddy_init(buddy, name, base, limit);
	for (u32 i = 0; i < free->count; i++) {
		pfn_t from = free->range[i].base >> PAGE_SHIFT, to = free->range[i].limit >> PAGE_SHIFT;
		from = from > base ? from : base;
		to = to < limit ? to : limit;
		if (from < to)
			buddy_add(buddy, from, to);
	}
}

void boot_memory(const struct arch_boot *arch)
{
	drop_unreachable(arch->direct_map);
	struct ranges free = boot_machine.ram;
	remove_all(&free, &boot_machine.reserved);
	ranges_remove(&free, boot_machine.archive.base, boot_machine.archive.limit);
	for (u32 i = 0; i < arch->segments; i++)
		ranges_remove(&free, arch->segment[i].pa, arch->segment[i].pa + arch->segment[i].size);
	// In use until the new tables are.
	ranges_remove(&free, arch->early, arch->early_end);

	paddr_t root = boot_map_start(&free);
	map_memory(arch);
	map_frame_table();
	arch_kernel_root_install(root);
	observe_init(boot_frame);

	ranges_add(&free, arch->early, arch->early_end);
	add_zone("DMA32", 0, DMA32_LIMIT, &free);
	add_zone("Normal", DMA32_LIMIT, ~0ul, &free);
	mem.reserved = mem.frames -
		       (ranges_size(&free) + boot_machine.archive.limit - boot_machine.archive.base) / PAGE_SIZE;
}

// A pool needs a frame to live in, and a frame needs a pool to belong to: a stand-in with the same number takes the
// frame.
struct pool *boot_root_pool(void)
{
	static struct pool stand_in;
	u64 limit = (boot_machine.archive.limit - boot_machine.archive.base) >> PAGE_SHIFT, done;
	for (u32 i = 0; i < zones; i++)
		limit += zone[i].free_frames;
	pool_root_init(&stand_in, limit);
	frame_t frame;
	void *root;
	if (frame_alloc(&stand_in, 0, 1, 0, &frame, &done) != 0 ||
	    object_take(&stand_in, frame, 0, TYPE_POOL, OBJECT_SIZE_POOL, &root) != 0)
		panic("no memory for the root pool");
	pool_root_init(root, limit);
	if (pool_charge(root, 1, false) != 0)
		panic("the root pool has no room for itself");
	frame_adopt(root, boot_machine.archive.base >> PAGE_SHIFT, boot_machine.archive.limit >> PAGE_SHIFT);
	return root;
}
