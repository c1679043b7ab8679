// SPDX-License-Identifier: MIT
// The fake kernel: its machine, the trouble it makes, and the checks of what vm and it agree on.
#include "fake_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct frame frames[FAKE_FRAMES];
struct frame_view views[FAKE_FRAMES];
u64 content[FAKE_FRAMES][PAGE_SIZE / 8];
u32 free_list[FAKE_FRAMES], free_top;
struct object own_table;
struct object user_pool;
static struct object self_pool, own_aspace, well_known[9];

u64 fake_argument[PAGE_SIZE / sizeof(u64)];
char fake_archive[ARCHIVE_PAGES * PAGE_SIZE];
char fake_heap[2 * PAGE_SIZE];
struct liveness fake_liveness;
struct request fake_reply, fake_answer[PROCS];
u64 fake_own_bits;
u32 fake_replies;
u64 fake_poweroffs, fake_nomem, fake_kill, fake_calls;
jmp_buf fake_killed;
static u32 archive_pfn;

bool nomem(void)
{
	return fake_nomem && --fake_nomem == 0;
}

void call_begin(void)
{
	fake_calls++;
	fake_swap_meddle();
	if (fake_kill && --fake_kill == 0)
		longjmp(fake_killed, 1);
}

// Killed after the work was done: the same counter one step later.
err_t call_end(err_t err)
{
	if (fake_kill && --fake_kill == 0)
		longjmp(fake_killed, 1);
	return err;
}

// ---- boot and checks

static void give(u64 slot, struct object *o, u32 type)
{
	o->type = type;
	o->refs = 1;
	cap_set(cap_at(&own_table.table, slot), o, 0, ~0ul);
}

void fake_boot(u64 user_frames)
{
	static const u64 endpoints[] = { SLOT_SELF_ENDPOINT, PEER_FILES,   PEER_CONSOLE,     PEER_INIT,
					 PEER_SLAB,          PEER_VMALLOC, PEER_VMALLOC_CALL };
	u32 pfn;

	if (own_table.table.leaf[0])
		abort(); /* once per program */
	own_table.table.leaf[0] = calloc(CAP_PER_LEAF, sizeof(struct cap));
	give(SLOT_SELF_CAPTABLE, &own_table, TYPE_CAPTABLE);
	give(SLOT_SELF_POOL, &self_pool, TYPE_POOL);
	give(SLOT_CLIENT_POOL, &user_pool, TYPE_POOL);
	give(SLOT_SELF_ASPACE, &own_aspace, TYPE_ASPACE);
	give(SLOT_SYSTEM, &well_known[6], TYPE_SYSTEM);
	give(SLOT_SELF_NOTIFY, &well_known[7], TYPE_NOTIFICATION);
	give(PEER_FILES_NOTIFY, &well_known[4], TYPE_NOTIFICATION);
	give(PEER_CONSOLE_NOTIFY, &well_known[5], TYPE_NOTIFICATION);
	give(PEER_SLAB_NOTIFY, &well_known[8], TYPE_NOTIFICATION);
	for (u32 i = 0; i < ARRAY_SIZE(endpoints); i++)
		give(endpoints[i], i < 4 ? &well_known[i] : &well_known[7], TYPE_ENDPOINT);
	self_pool.pool = (struct pool){ .alive = true, .limit = 1000000 };
	user_pool.pool = (struct pool){ .alive = true, .limit = user_frames + ARCHIVE_PAGES };
	own_aspace.aspace.pool = &self_pool.pool;
	archive_pfn = FAKE_FRAMES - ARCHIVE_PAGES;
	for (pfn = 0; pfn < FAKE_FRAMES; pfn++)
		frames[pfn].v = &views[pfn];
	for (pfn = archive_pfn; pfn < FAKE_FRAMES; pfn++) {
		frames[pfn].pool = &user_pool.pool;
		views[pfn] = (struct frame_view){ .gen = 7, .state = FRAME_OWNED, .mapcount = 1 };
		memcpy(content[pfn], fake_archive + (pfn - archive_pfn) * PAGE_SIZE, PAGE_SIZE);
		user_pool.pool.usage++;
	}
	for (pfn = archive_pfn - 1; pfn; pfn--) {
		views[pfn] = (struct frame_view){ .gen = 1, .state = FRAME_FREE };
		free_list[free_top++] = pfn;
	}
}

frame_t fake_archive_frame(void)
{
	return fake_ref(archive_pfn);
}

u64 fake_user_used(void)
{
	return user_pool.pool.usage + user_pool.pool.children;
}

u64 fake_user_owned(void)
{
	u64 n = 0;

	for (u32 pfn = 1; pfn < FAKE_FRAMES; pfn++)
		n += views[pfn].state == FRAME_OWNED && frames[pfn].pool == &user_pool.pool && !views[pfn].mapcount &&
		     !(views[pfn].marks & FRAME_SWAPCACHE);
	return n;
}

// What the entry of a process is in conflict with, or NULL.
static const char *entry_wrong(u32 slot, u64 page, const struct fake_entry *e)
{
	u16 v = vma_find(&procs[slot], page);
	const struct vma *rec = &vms->vma[v];

	if (e->kind == ENTRY_TOKEN)
		return !v || rec->start > page || !nodes[v].touched ? "token without a mapping"
								    : fake_token_wrong(e->pfn);
	if (!v || rec->start > page || e->prot & ~(u32)rec->prot || frames[e->pfn].v->state != FRAME_OWNED)
		return "entry without a mapping that allows it";
	if (slot && !nodes[v].touched)
		return "entry in an untouched mapping";
	if (e->prot & PROT_WRITE && views[e->pfn].marks & FRAME_SWAPCACHE)
		return "writable and in the swap cache";
	if (e->prot & PROT_WRITE && rec->kind != VMA_SHARED && frames[e->pfn].v->mapcount != 1)
		return "writable and shared";
	if (rec->kind == VMA_SHARED && slot && fake_lookup(0, rec->pgoff + page - rec->start).pfn != e->pfn)
		return "not the shadow's frame";
	return NULL;
}

static u64 check_aspace(u32 slot, u32 *counts)
{
	struct aspace *as = own_as(proc_cap(slot, CAP_ASPACE));
	u64 leaves = 0, bad = 0, position = 0, lent = 0;
	const struct fake_entry *e;

	while (as && (e = entry_next(as, &position))) {
		if (entry_page(as, position) >= PAGE_OF(VMALLOC_START) &&
		    entry_page(as, position) < PAGE_OF(VMALLOC_END)) {
			lent++; /* vmalloc's, in its window */
			counts[e->pfn]++;
			continue;
		}
		const char *wrong = entry_wrong(slot, entry_page(as, position), e);

		if (e->kind != ENTRY_TOKEN) {
			leaves++;
			counts[e->pfn]++;
		}
		if (wrong)
			bad++, printf("slot %u page %lx: %s\n", slot, (unsigned long)entry_page(as, position), wrong);
	}
	if (!as)
		return 0;
	if (leaves + lent != as->leaves)
		bad++, printf("slot %u: %lu entries, %lu counted\n", slot, (unsigned long)(leaves + lent),
			      (unsigned long)as->leaves);
	return bad;
}

// Object frames without objects in them.
static u64 spare_frames(void)
{
	u64 n = 0;

	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		n += vms->object[i].frame && frame_get(&user_pool.pool, vms->object[i].frame, FRAME_OWNED);
	return n;
}

static void print_vmas(u32 slot)
{
	printf("slot %u: the tree is broken\n", slot);
	for (u16 i = procs[slot].first; i; i = nodes[i].next)
		printf("  %u: %lx-%lx kind %u prot %u flags %x object %u pgoff %lx gap %lx\n", i,
		       (unsigned long)vms->vma[i].start, (unsigned long)vms->vma[i].end, (u32)vms->vma[i].kind,
		       (u32)vms->vma[i].prot, (u32)vms->vma[i].flags, vms->vma[i].object,
		       (unsigned long)vms->vma[i].pgoff, (unsigned long)nodes[i].gap);
}

u64 fake_check(void)
{
	static u32 counts[FAKE_FRAMES];
	u64 bad = 0, usage = 0, position = 0;
	const struct fake_entry *e;

	memset(counts, 0, sizeof(counts));
	for (u32 slot = 0; slot < PROCS; slot++) {
		u64 broken = vma_check(&procs[slot]);

		bad += check_aspace(slot, counts) + broken;
		if (broken)
			print_vmas(slot);
	}
	while ((e = entry_next(&own_aspace.aspace, &position))) /* vm's own: the zero page */
		counts[e->pfn]++;
	for (u32 pfn = 1; pfn < FAKE_FRAMES; pfn++) {
		u32 expect = counts[pfn] + (pfn >= archive_pfn);

		usage += frames[pfn].pool == &user_pool.pool;
		if (frames[pfn].v->mapcount != expect)
			bad++, printf("frame %u: mapcount %u, %u entries\n", pfn, frames[pfn].v->mapcount, expect);
	}
	usage += own_as(proc_cap(0, CAP_ASPACE)) ? own_as(proc_cap(0, CAP_ASPACE))->tables : 0;
	if (usage != user_pool.pool.usage)
		bad++, printf("user pool: usage %lu, %lu frames\n", (unsigned long)user_pool.pool.usage,
			      (unsigned long)usage);
	if (fake_user_owned() != magazine.top + spare_frames())
		bad++, printf("%lu frames are nobody's (magazine %u)\n", (unsigned long)fake_user_owned(),
			      magazine.top);
	return bad + fake_swap_check();
}
