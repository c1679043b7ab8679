// SPDX-License-Identifier: MIT
// What there is in caches: those of the slab server, and the kernel's own, whose slots stand in the frame table.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/slab_client.h>

#include "glass.h"

#define TYPES (TYPE_CAPLEAF + 1)

struct cache {
	char name[17];
	u32 size, flags, objects, order;
	u64 active_objs, num_objs, active_slabs, num_slabs;
};

struct slab {
	u64 number, owner, cache, frame;
	u32 inuse, objects, order, frozen, freelist;
};

struct kernel_cache {
	u64 frames, slots;
};

// False: there is no such cache.
static bool cache_get(u64 id, struct cache *c)
{
	u64 name[2], size_flags, shape;
	err_t err = slab_cache_info(SLOT_SLAB, id, &name[0], &name[1], &size_flags, &shape, &c->active_objs,
				    &c->num_objs, &c->active_slabs, &c->num_slabs);

	if (err == -ERR_NOENT)
		return false;
	if (err)
		glass_fail("cache", err);
	memcpy(c->name, name, 16);
	c->name[16] = '\0';
	c->size = (u32)size_flags;
	c->flags = size_flags >> 32;
	c->objects = shape & 0xffff;
	c->order = shape >> 16 & 0xffff;
	return true;
}

static bool slab_get(u64 number, struct slab *s)
{
	u64 counts, freelist;
	err_t err = slab_slab_info(SLOT_SLAB, number, &s->owner, &s->cache, &s->frame, &counts, &freelist);

	if (err == -ERR_NOENT)
		return false;
	if (err)
		glass_fail("slab", err);
	s->number = number;
	s->inuse = counts & 0xffff;
	s->objects = counts >> 16 & 0xffff;
	s->order = counts >> 32 & 0xff;
	s->frozen = counts >> 40 & 1;
	s->freelist = (u32)freelist;
	return true;
}

static u32 bits(u64 w)
{
	u32 n = 0;

	for (; w; w &= w - 1)
		n++;
	return n;
}

// Object frames by type; of one pool, or (0) of all.
static void kernel_count(u16 pool, struct kernel_cache cache[TYPES])
{
	u64 first, count;
	const struct frame *table = glass_frames(&first, &count);

	memset(cache, 0, TYPES * sizeof(*cache));
	for (u64 pfn = first; pfn < first + count; pfn++) {
		struct frame f = glass_frame(&table[pfn]);
		u32 type = f.word1 & 0xff;

		if (f.state != OBJECT || type >= TYPES || (pool && f.pool != pool))
			continue;
		cache[type].frames++;
		cache[type].slots += bits(f.word0);
	}
}

static u32 kernel_size(u32 type)
{
	static const u32 size[TYPES] = {
		[TYPE_POOL] = OBJECT_SIZE_POOL,         [TYPE_CAPTABLE] = OBJECT_SIZE_CAPTABLE,
		[TYPE_ASPACE] = OBJECT_SIZE_ASPACE,     [TYPE_THREAD] = OBJECT_SIZE_THREAD,
		[TYPE_ENDPOINT] = OBJECT_SIZE_ENDPOINT, [TYPE_NOTIFICATION] = OBJECT_SIZE_NOTIFICATION,
		[TYPE_DEVICE] = OBJECT_SIZE_DEVICE,     [TYPE_SYSTEM] = OBJECT_SIZE_SYSTEM,
		[TYPE_CAPLEAF] = OBJECT_SIZE_CAPLEAF,
	};

	return size[type];
}

static const char *kernel_name(u32 type, char name[17])
{
	const char *from = type_name(type);
	u32 i = 0;

	for (; from[i] && i < 16; i++)
		name[i] = (char)(from[i] | 0x20);
	name[i] = '\0';
	return name;
}

// ---- Linux's table

static void row(const struct cache *c)
{
	printf("%-17s %6lu %6lu %6u %4u %4d : tunables %4u %4u %4u : slabdata %6lu %6lu %6lu\n", c->name,
	       c->active_objs, c->num_objs, c->size, c->objects, 1 << c->order, 0, 0, 0, c->active_slabs, c->num_slabs,
	       0ul);
}

static void print_table(void)
{
	struct kernel_cache kernel[TYPES];
	struct cache c;

	printf("slabinfo - version: 2.1\n"
	       "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> "
	       "<batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	for (u64 id = KMALLOC_CLASSES + 1; id < SLAB_CACHES; id++)
		if (cache_get(id, &c))
			row(&c);
	kernel_count(0, kernel);
	for (u32 type = 1; type < TYPES; type++) {
		u32 objects = PAGE_SIZE / kernel_size(type);

		c = (struct cache){ .size = kernel_size(type),
				    .objects = objects,
				    .active_objs = kernel[type].slots,
				    .num_objs = kernel[type].frames * objects,
				    .active_slabs = kernel[type].frames,
				    .num_slabs = kernel[type].frames };
		kernel_name(type, c.name);
		row(&c);
	}
	for (u64 id = KMALLOC_CLASSES; id; id--) /* Linux has the largest first */
		if (cache_get(id, &c))
			row(&c);
}

// ---- whose is it

static int by_owner(const void *a, const void *b)
{
	const struct slab *x = a, *y = b;

	return x->owner != y->owner   ? (x->owner < y->owner ? -1 : 1)
	       : x->cache != y->cache ? (x->cache < y->cache ? -1 : 1)
				      : (x->number < y->number ? -1 : x->number > y->number);
}

static struct slab *slabs_get(u64 *count)
{
	u64 table = 0;
	struct slab *all;
	err_t err = slab_stat(SLOT_SLAB, SLABSTAT_TABLE, &table);

	if (err)
		glass_fail("counter of slab", err);
	all = calloc(table, sizeof(*all));
	if (!all)
		app_fail("there is no memory for the list of slabs");
	*count = 0;
	for (u64 i = 0; i < table; i++)
		*count += slab_get(i, &all[*count]);
	qsort(all, *count, sizeof(*all), by_owner);
	return all;
}

static void process_name(u64 pid, char name[17])
{
	u64 index = 0, found, ignored;

	strcpy(name, "?");
	do {
		u64 words[2];

		if (vm_ps(SLOT_VM, index, &found, &ignored, &ignored, &words[0], &words[1], &ignored, &index))
			return;
		if (found == pid) {
			memcpy(name, words, 16);
			name[16] = '\0';
		}
	} while (index);
}

// Slabs of one process and cache, all[0 .. n).
static void owner_row(const struct slab *all, u64 n)
{
	u64 inuse = 0, objects = 0, frozen = 0, empty = 0, pages = 0;
	struct cache c = { .name = "?" };
	char name[17];

	for (u64 i = 0; i < n; i++) {
		inuse += all[i].inuse;
		objects += all[i].objects;
		frozen += all[i].frozen;
		empty += !all[i].inuse;
		pages += 1ul << all[i].order;
	}
	process_name(all->owner, name);
	(void)cache_get(all->cache, &c);
	printf("%6lu %-16s %-17s %6lu %6lu %6lu %6lu %6lu %8lu\n", all->owner, name, c.name, inuse, objects, n, frozen,
	       empty, pages * (PAGE_SIZE / 1024));
}

static void print_kernel_owners(void)
{
	u64 first, count;
	const struct frame *table = glass_frames(&first, &count);
	static bool seen[65536];

	printf("\n%6s %-16s %6s %6s %6s %8s\n", "POOL", "KERNEL OBJECT", "INUSE", "SLOTS", "FRAMES", "KIB");
	for (u64 pfn = first; pfn < first + count; pfn++)
		seen[table[pfn].pool] |= table[pfn].state == OBJECT;
	for (u32 pool = 1; pool < 65536; pool++) {
		struct kernel_cache kernel[TYPES];
		char name[17];

		if (!seen[pool])
			continue;
		kernel_count((u16)pool, kernel);
		for (u32 type = 1; type < TYPES; type++)
			if (kernel[type].frames)
				printf("%6u %-16s %6lu %6lu %6lu %8lu\n", pool, kernel_name(type, name),
				       kernel[type].slots, kernel[type].frames * (PAGE_SIZE / kernel_size(type)),
				       kernel[type].frames, kernel[type].frames * (PAGE_SIZE / 1024));
	}
}

static void print_owners(void)
{
	u64 count;
	struct slab *all = slabs_get(&count);

	printf("%6s %-16s %-17s %6s %6s %6s %6s %6s %8s\n", "PID", "PROCESS", "CACHE", "INUSE", "OBJS", "SLABS",
	       "FROZEN", "EMPTY", "KIB");
	for (u64 i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && all[i + n].owner == all[i].owner && all[i + n].cache == all[i].cache; n++)
			;
		owner_row(&all[i], n);
	}
	free(all);
	print_kernel_owners();
}

// ---- slab by slab

static void print_slabs(const char *cache)
{
	u64 count;
	struct slab *all = slabs_get(&count);

	printf("%4s %12s %8s %-17s %6s %5s %7s %6s %8s\n", "SLAB", "ADDRESS", "PFN", "CACHE", "PID", "INUSE", "OBJECTS",
	       "FROZEN", "FREELIST");
	for (u64 i = 0; i < count; i++) {
		const struct slab *s = &all[i];
		struct cache c = { .name = "?" };

		(void)cache_get(s->cache, &c);
		if (cache && strcmp(c.name, cache))
			continue;
		printf("%4lu %#12lx %8x %-17s %6lu %5u %7u %6u ", s->number, SLAB_WINDOW + s->number * SLAB_STRIDE,
		       (u32)s->frame, c.name, s->owner, s->inuse, s->objects, s->frozen);
		if (s->freelist < s->objects)
			printf("%8u\n", s->freelist);
		else
			printf("%8s\n", "-");
	}
	free(all);
}

static void print_counters(void)
{
	static const char *const name[] = {
		[SLABSTAT_CACHES] = "caches",     [SLABSTAT_SLABS] = "slabs",       [SLABSTAT_EMPTY] = "empty slabs",
		[SLABSTAT_FRAMES] = "frames",     [SLABSTAT_LIMIT] = "frame limit", [SLABSTAT_CLIENTS] = "processes",
		[SLABSTAT_REFILLS] = "refills",   [SLABSTAT_FLUSHES] = "flushes",   [SLABSTAT_REFUSED] = "refused",
		[SLABSTAT_SHRUNK] = "given back", [SLABSTAT_PRESSURE] = "pressure", [SLABSTAT_FAULTS] = "faults",
		[SLABSTAT_MOST] = "most frames",  [SLABSTAT_GROWN] = "grown",       [SLABSTAT_TABLE] = "table",
		[SLABSTAT_WAITED] = "waited",
	};

	for (u64 i = 0; i < sizeof(name) / sizeof(*name); i++) {
		u64 value;
		err_t err = slab_stat(SLOT_SLAB, i, &value);

		if (err)
			glass_fail("counter of slab", err);
		printf("%-12s %8lu\n", name[i], value);
	}
}

int main(int argc, char **argv)
{
	u64 aspace;
	int first;
	unsigned int options;
	err_t err;

	app_start(
		argc, argv,
		"slabinfo [-o | -s [CACHE] | -c]\nShows all caches as Linux' /proc/slabinfo: those of the slab server, "
		"and the kernel's objects.\n"
		"-o: whose they are; -s: slab by slab, as the server sees them; -c: counters of the server.\n");
	options = app_options(argc, argv, "osc", &first);
	if (options & (options - 1) || argc - first > (options == 2))
		app_usage();
	err = vm_attach(SLOT_VM, ATTACH_SLAB, &aspace);
	if (err)
		glass_fail("slab", err);
	if (options == 1)
		print_owners();
	else if (options == 2)
		print_slabs(argv[first]);
	else if (options == 4)
		print_counters();
	else
		print_table();
	return 0;
}
