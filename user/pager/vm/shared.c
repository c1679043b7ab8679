// SPDX-License-Identifier: MIT
/*
 * Memory that processes share (MMAP_SHARED).
 *
 * Its pages live in the shadow: one address space, owned by the process slot 0, in which no thread runs. A shared
 * mapping is a range of the shadow (a VMA of slot 0); the processes' VMAs name it by pgoff. A fault in one of them
 * looks into the shadow and maps the frame it finds there, or puts a zeroed one there first. So a page outlives the
 * process that touched it first, and fork copies no entries.
 *
 *	shared_create: range, 0 holders -> shared_hold, shared_release (VMAs that name it)
 *	-> 0 holders again: entries freed, range gone
 *
 * Invariant: holders[i] == number of processes' VMAs whose pgoff lies in the shadow's VMA i.
 */
#include "swap.h"

static u16 holders[VMAS]; // by VMA of the shadow

static struct proc *const shadow = &procs[0];

err_t shared_open(void)
{
	struct proc_record *record = proc_record(shadow);
	u64 id;
	err_t err;

	if (record->object[OBJ_ASPACE])
		return 0;
	err = object_make(shadow, OBJ_ASPACE, SLOT_SELF_CAPTABLE, proc_cap(0, CAP_ASPACE), SLOT_CLIENT_POOL, &id);
	if (err)
		return err;
	aspace_known(0, id);
	return windows_make(0, SLOT_SELF_ENDPOINT, 0);
}

// A range of the shadow for the new mapping `v`, which will name it. NOMEM.
err_t shared_create(struct vma *v)
{
	struct vm_globals globals = vms->globals;
	u64 pages = v->end - v->start, start = vma_gap(shadow, pages, LOW_START, LOW_END);
	struct vma range = { .kind = VMA_SHARED, .prot = PROT_READ | PROT_WRITE, .object = globals.next_object++ };
	u16 i;

	if (!start)
		start = vma_gap(shadow, pages, HIGH_START, high_end);
	if (!start)
		return -ERR_NOMEM;
	range.start = range.pgoff = start;
	range.end = start + pages;
	record_stage(&vms->globals, &globals, sizeof(globals));
	i = vma_add(shadow, &range, vma_find(shadow, start));
	if (!i)
		return -ERR_NOMEM;
	vma_touch(i);
	holders[i] = 0;
	v->pgoff = start;
	v->object = range.object;
	return 0;
}

static u16 shadow_vma(const struct vma *v)
{
	u16 i = vma_find(shadow, v->pgoff);

	assert(i && vmas[i].start <= v->pgoff && vmas[i].object == v->object);
	return i;
}

static void shadow_free(u16 i)
{
	const struct vma *range = &vmas[i];

	entries_unmap(shadow, range->start, range->end - range->start, UNMAP_FREE);
	vma_delete(shadow, i);
}

void shared_hold(const struct vma *v)
{
	holders[shadow_vma(v)]++;
}

void shared_release(const struct vma *v)
{
	u16 i = shadow_vma(v);

	assert(holders[i]);
	if (--holders[i] == 0)
		shadow_free(i);
}

// Count holders afresh; drop what a predecessor created and no VMA came to name.
void shared_recover(void)
{
	for (u32 i = 0; i < VMAS; i++)
		holders[i] = 0;
	for (u32 i = 1; i < VMAS; i++)
		if (vmas[i].kind == VMA_SHARED && vmas[i].owner)
			shared_hold(&vmas[i]);
	for (u16 i = shadow->first, next; i; i = next) {
		next = nodes[i].next;
		if (!holders[i])
			shadow_free(i);
	}
}

// The shadow's entry is a token: its frame comes back from the swap cache. AGAIN: page_missing has to be brought first.
static err_t shared_resolve(u64 spage, u64 slot, frame_t *frame)
{
	page_missing = (u32)slot;
	*frame = swap_there() && swap_slot_valid(&swap, slot) ? swap_cached(&swap, slot) : 0;
	if (!*frame || token_resolve(shadow, &vmas[vma_find(shadow, spage)], spage, slot, *frame))
		return -ERR_AGAIN;
	return 0;
}

/*
 * May this page be written? A frame in the swap cache may not while tokens of its slot are out: nobody's shared page is
 * a copy. The others' entries go (they look into the shadow when they come back), the shadow's own is a leaf.
 */
bool shared_write(const struct vma *v, u64 page, frame_t frame)
{
	u64 spage = vma_word1(v, page);

	if (!frame_cached(frame) || swap_leave(frame))
		return true;
	for (u32 i = 1; i < VMAS; i++) {
		const struct vma *u = &vmas[i];

		if (u->kind == VMA_SHARED && u->owner && u->object == v->object && nodes[i].touched &&
		    spage - u->pgoff < u->end - u->start)
			entries_unmap(&procs[u->owner], u->start + (spage - u->pgoff), 1, 0);
	}
	return swap_leave(frame);
}

/*
 * The shadow's entry, whatever it is at this moment, appears in the process too, in one step of the kernel: a frame
 * that is looked up first and mapped then may be on its way out in between, and to map it would bring it back without
 * its slot. It is read-only at first. NOMEM; EXIST, BUSY (a device has it): try again.
 */
err_t shared_map(struct proc *p, const struct vma *v, u64 page)
{
	return entries_clone(p, page, shadow, vma_word1(v, page), 1, CLONE_COW);
}

// The frame of a page of v, made when nobody has touched it yet. NOMEM; AGAIN: page_missing has to be brought first.
err_t shared_frame(const struct vma *v, u64 page, frame_t *frame)
{
	cptr_t as = proc_cap(0, CAP_ASPACE);
	u64 spage = v->pgoff + (page - v->start);
	u64 entries = 0;
	err_t err = sys_scan(as, ADDRESS_OF(spage), 1, SCAN_LIST, NULL, &entries);

	if (err)
		return err;
	if (entries) {
		*frame = server_argument()[2];
		if ((server_argument()[0] & (PAGE_SIZE - 1)) == ENTRY_TOKEN)
			return shared_resolve(spage, *frame, frame);
		return 0;
	}
	if (!magazine.top && (err = magazine_refill(1)))
		return err;
	*frame = magazine_take();
	err = sys_map(as, ADDRESS_OF(spage), SLOT_CLIENT_POOL, *frame, 1,
		      PROT_READ | PROT_WRITE | MAP_ZERO | MAP_IF_EMPTY, 0, vma_word0(v), spage, NULL, NULL);
	if (err)
		magazine_return(*frame);
	return err;
}
