// SPDX-License-Identifier: MIT
#include <string.h>

#include <abi/files_client.h>
#include <pager/frames.h>

#include "memory.h"

enum { KIND_ANON = 1, KIND_FILE, KIND_SHARED }; // low bits of word0 of a page of user memory (vm.h)

static void zones_read(struct memory *m)
{
	u64 spanned = 0, word, blocks;

	for (; m->zones < MEMORY_ZONES; m->zones++) {
		struct memory_zone *z = &m->zone[m->zones];

		*z = (struct memory_zone){ 0 };
		if (sys_system(SLOT_SYSTEM, SYS_BUDDY, m->zones, 0, 0, &blocks, &word, &z->start, &z->end))
			break;
		memcpy(z->name, &word, sizeof(word));
		for (u64 order = 0; order <= MAX_ORDER; order++)
			if (!sys_system(SLOT_SYSTEM, SYS_BUDDY, m->zones, order, 0, &blocks, NULL, NULL, NULL))
				z->free += blocks << order;
		spanned += z->end - z->start;
	}
	/* A hole looks like memory of the kernel in the frame table; without holes a zone is RAM from end to end. */
	for (u32 i = 0; i < m->zones; i++)
		if (spanned == m->total)
			m->zone[i].present = m->zone[i].end - m->zone[i].start;
	if (m->zones == 1)
		m->zone[0].present = m->total;
}

// A page of user memory. Copies of file pages count as anonymous, as in Linux. Who owns the boot archive has all of it
// mapped: a page of it counts as mapped when it is so more often than the directory, which no program can map.
static void frame_count(struct memory *m, const struct frame *f, bool archive, u32 owners)
{
	u32 kind = f->word0 & 3;

	if (archive)
		m->archive_mapped += f->mapcount > owners;
	else if (!f->mapcount)
		m->unmapped++;
	else if (kind == KIND_SHARED)
		m->shared++;
	else
		m->anon++;
}

// A mapped page of user memory. What reclaim has not looked at yet will be put on the inactive list.
static void list_count(struct memory_lists *l, u64 on, bool archive)
{
	if (archive) {
		l->active_file += on == LRU_ACTIVE;
		l->inactive_file += on == LRU_INACTIVE;
	} else {
		l->active_anon += on == LRU_ACTIVE;
		l->inactive_anon += on == LRU_INACTIVE || on == LRU_NONE;
	}
}

// Which lists the frames of a zone are on. Spare frames and those of kernel objects may be on one too, until reclaim
// looks at them: nobody maps them.
static void lists_read(const struct memory *m, struct memory_zone *z, const struct frame *table)
{
	u64 list[RECLAIM_LISTS / 16], archive = glass_vm(VMSTAT_ARCHIVE_PFN), pages = glass_vm(VMSTAT_ARCHIVE);

	for (u64 pfn = z->start; pfn < z->end && m->reclaim; pfn += RECLAIM_LISTS) {
		if (reclaim_lists(SLOT_RECLAIM, pfn, &list[0], &list[1], &list[2], &list[3], &list[4], &list[5],
				  &list[6], &list[7]))
			return;
		for (u64 i = 0; i < RECLAIM_LISTS && pfn + i < z->end; i++) {
			struct frame f = glass_frame(&table[pfn + i]);
			u64 on = list[i / 16] >> i % 16 * 4 & 15;

			z->lists.writing += on == LRU_WRITING;
			if (f.state == OWNED && f.mapcount && f.pool == table[archive].pool)
				list_count(&z->lists, on, pfn + i - archive < pages);
		}
	}
}

static void lists_add(struct memory_lists *sum, const struct memory_lists *l)
{
	sum->active_anon += l->active_anon;
	sum->inactive_anon += l->inactive_anon;
	sum->active_file += l->active_file;
	sum->inactive_file += l->inactive_file;
	sum->writing += l->writing;
}

static void frames_read(struct memory *m)
{
	u64 first, count, archive = glass_vm(VMSTAT_ARCHIVE_PFN), pages = glass_vm(VMSTAT_ARCHIVE);
	const struct frame *table = glass_frames(&first, &count);
	u32 owners = glass_frame(&table[archive]).mapcount;
	u16 user = table[archive].pool;

	for (u32 i = 0; i < m->zones; i++) {
		struct memory_zone *z = &m->zone[i];

		lists_read(m, z, table);
		lists_add(&m->lists, &z->lists);
		for (u64 pfn = z->start; pfn < z->end; pfn++) {
			struct frame f = glass_frame(&table[pfn]);

			z->managed += f.state != RESERVED;
			m->tables += f.state == TABLE;
			m->objects += f.state == OBJECT;
			if (f.state != OWNED && f.state != EVICTING)
				continue;
			m->archive += pfn - archive < pages;
			m->swapcached += (f.marks & FRAME_SWAPCACHE) != 0;
			if (f.pool == user)
				frame_count(m, &f, pfn - archive < pages, owners);
			else if (pfn - archive >= pages) /* init lies in it */
				m->others++;
		}
	}
}

void memory_read(struct memory *m)
{
	u64 value, other;

	*m = (struct memory){ 0 };
	m->total = glass_sys(SYSSTAT_FRAMES);
	m->reserved = glass_sys(SYSSTAT_KERNEL_FRAMES);
	m->pool_limit = glass_vm(VMSTAT_POOL_LIMIT);
	m->pool_used = glass_vm(VMSTAT_POOL_USED) + glass_vm(VMSTAT_POOL_CHILDREN);
	(void)files_stats(SLOT_FILES, 1, &m->ramfiles);
	m->reclaim = !reclaim_stat(SLOT_RECLAIM, 0, &value);
	m->slab = !vm_attach(SLOT_VM, ATTACH_SLAB, &other) && !slab_stat(SLOT_SLAB, 0, &value);
	m->vmalloc = !vm_attach(SLOT_VM, ATTACH_VMALLOC, &other) && !vmalloc_stat(SLOT_VMALLOC, 0, &value);
	zones_read(m);
	frames_read(m);
	m->free = glass_sys(SYSSTAT_FREE); /* after everything that may take memory */
}

u64 memory_servers(const struct memory *m)
{
	u64 told = m->ramfiles + memory_slab(m, SLABSTAT_FRAMES) + memory_vmalloc(m, VMALLOCSTAT_PAGES);

	return m->others > told ? m->others - told : 0;
}

u64 memory_reclaim(const struct memory *m, u64 index)
{
	u64 value = 0;

	return m->reclaim && !reclaim_stat(SLOT_RECLAIM, index, &value) ? value : 0;
}

u64 memory_slab(const struct memory *m, u64 index)
{
	u64 value = 0;

	return m->slab && !slab_stat(SLOT_SLAB, index, &value) ? value : 0;
}

u64 memory_vmalloc(const struct memory *m, u64 index)
{
	u64 value = 0;

	return m->vmalloc && !vmalloc_stat(SLOT_VMALLOC, index, &value) ? value : 0;
}
