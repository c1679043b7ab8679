// SPDX-License-Identifier: MIT
// The less common faults, and what is done when the kernel refuses a mapping. The table of decisions is in fault.h.
#include "fault.h"

#include <abi/abi_names.h>
#include <base/log.h>

static const char *const access_name[] = { "read", "write", "execute" };

static bool is_archive(frame_t frame)
{
	return frame - vms->globals.archive < vms->globals.archive_pages;
}

// At least one frame in the magazine; ends processes until there is one. false: the faulting process itself had to go.
static bool frame_ready(struct proc *p, u32 want)
{
	while (magazine_refill(want))
		if (!oom_kill(p))
			return false;
	return true;
}

static enum fault_plan fault_bad(struct proc *p, const struct fault *f, const char *why)
{
	log_line("vm: %s (pid %u) killed: %s of 0x%lx (%s) at pc 0x%lx", proc_name(p), proc_record(p)->pid,
		 f->access <= ACCESS_EXEC ? access_name[f->access] : "access", (unsigned long)f->addr, why,
		 (unsigned long)f->pc);
	stats[VMSTAT_SEGV]++;
	proc_end(p, KILL_SEGV);
	return FAULT_ENDED;
}

static enum fault_plan fault_map(struct map_reply *map, const struct vma *v, u64 page, u64 prot, frame_t frame)
{
	*map = (struct map_reply){
		.prot = prot,
		.pool = SLOT_CLIENT_POOL,
		.frame = frame,
		.word0 = vma_word0(v),
		.word1 = vma_word1(v, page),
	};
	return FAULT_MAP;
}

// How many pages to map ahead, this one included: faults that run on get 2, 4, 8, 16.
static u32 around(const struct proc *p, const struct vma *v, u64 page)
{
	u64 run = page == p->seq_next ? p->seq_run * 2 : 1;

	if (v->flags & VMA_RANDOM)
		return 1;
	if (v->flags & VMA_SEQUENTIAL || run > AROUND_MAX)
		run = AROUND_MAX;
	return (u32)(run < v->end - page ? run : v->end - page);
}

/*
 * First write to an anonymous page. The run may meet a page that is there already; then the kernel maps up to it and
 * says EXIST, and fault_refused sorts it out.
 */
static enum fault_plan anon_write(struct proc *p, const struct vma *v, u64 page, struct map_reply *map)
{
	u32 run = around(p, v, page);

	if (!frame_ready(p, run))
		return FAULT_ENDED;
	if (run > magazine.top)
		run = magazine.top;
	p->seq_next = page + run;
	p->seq_run = run;
	p->rss += run;
	stats[VMSTAT_ANON] += run;
	stats[VMSTAT_AROUND] += run - 1;
	(void)fault_map(map, v, page, v->prot | MAP_ZERO | MAP_IF_EMPTY, magazine_take());
	if (run > 1) {
		u64 *pairs = server_argument();

		pairs[0] = map->frame;
		pairs[1] = 0;
		for (u32 i = 1; i < run; i++) {
			pairs[2 * i] = magazine_take();
			pairs[2 * i + 1] = i;
		}
		map->count = run;
	}
	return FAULT_MAP;
}

// The zero page is mapped in vm too: so it is never exclusive, and unmap(FREE) never frees it.
static enum fault_plan zero_read(const struct vma *v, u64 condition, struct map_reply *map)
{
	*map = (struct map_reply){
		.prot = (v->prot & ~(u64)PROT_WRITE) | condition,
		.pool = SLOT_CLIENT_POOL,
		.frame = vms->globals.zero,
		.source = condition == MAP_IF_SAME ? vms->globals.zero : 0,
	};
	return FAULT_MAP;
}

// Archive pages: the faulting one first (so that every fault makes progress), then those that follow it in an aligned
// block.
static enum fault_plan file_read(struct proc *p, const struct vma *v, u64 page, struct map_reply *map)
{
	u64 end = (page / AROUND_MAX + 1) * AROUND_MAX;
	u64 *pairs = server_argument();
	u32 run;

	if (end > v->end)
		end = v->end;
	run = v->flags & VMA_RANDOM ? 1 : (u32)(end - page);
	(void)fault_map(map, v, page, (v->prot & ~(u64)PROT_WRITE) | MAP_IF_EMPTY, archive_frame(vma_word1(v, page)));
	for (u32 i = 0; i < run; i++) {
		pairs[2 * i] = map->frame + i;
		pairs[2 * i + 1] = i;
	}
	map->count = run > 1 ? run : 0;
	p->rss += run;
	stats[VMSTAT_FILE] += run;
	return FAULT_MAP;
}

static enum fault_plan copy(struct proc *p, const struct vma *v, u64 page, frame_t source, u64 condition,
			    struct map_reply *map)
{
	if (!frame_ready(p, 1))
		return FAULT_ENDED;
	stats[VMSTAT_COW_COPY]++;
	(void)fault_map(map, v, page, v->prot | MAP_COPY | MAP_TOUCH | condition, magazine_take());
	map->source = source;
	return FAULT_MAP;
}

static enum fault_plan shared_fault(struct proc *p, const struct vma *v, u64 page, struct map_reply *map)
{
	frame_t frame;

	while (shared_frame(v, page, &frame))
		if (!oom_kill(p))
			return FAULT_ENDED;
	p->rss++;
	return fault_map(map, v, page, v->prot | MAP_IF_EMPTY, frame);
}

static enum fault_plan fault_empty(struct proc *p, const struct vma *v, u64 page, u64 access, struct map_reply *map)
{
	if (v->kind == VMA_SHARED)
		return shared_fault(p, v, page, map);
	if (v->kind == VMA_ANON && access == ACCESS_WRITE)
		return anon_write(p, v, page, map);
	if (v->kind == VMA_ANON) {
		p->rss++;
		return zero_read(v, MAP_IF_EMPTY, map);
	}
	if (access != ACCESS_WRITE)
		return file_read(p, v, page, map);
	p->rss++;
	return copy(p, v, page, archive_frame(vma_word1(v, page)), MAP_IF_EMPTY, map);
}

// There is a page. It lacks the permission because it is shared copy-on-write, or because mprotect could not grant it.
static enum fault_plan fault_present(struct proc *p, const struct vma *v, u64 page, const struct fault *f,
				     struct map_reply *map)
{
	bool exclusive = f->old >> 16 & 1;

	if (f->what == vms->globals.zero && f->access != ACCESS_WRITE)
		return zero_read(v, MAP_IF_SAME, map);
	if (f->what == vms->globals.zero) {
		/* Zeroing is cheaper than copying zeroes. */
		if (!frame_ready(p, 1))
			return FAULT_ENDED;
		stats[VMSTAT_ANON]++;
		(void)fault_map(map, v, page, v->prot | MAP_ZERO | MAP_IF_SAME | MAP_TOUCH, magazine_take());
		map->source = f->what;
		return FAULT_MAP;
	}
	if (v->kind == VMA_SHARED || (f->access == ACCESS_WRITE && exclusive && !is_archive(f->what))) {
		stats[VMSTAT_COW_REUSE]++;
		(void)fault_map(map, v, page, v->prot | MAP_IF_SAME | (v->kind == VMA_SHARED ? 0 : MAP_IF_EXCLUSIVE),
				f->what);
		map->source = f->what;
		return FAULT_MAP;
	}
	if (f->access == ACCESS_WRITE)
		return copy(p, v, page, f->what, MAP_IF_SAME, map);
	(void)fault_map(map, v, page, (v->prot & ~(u64)PROT_WRITE) | MAP_IF_SAME, f->what);
	map->source = f->what;
	return FAULT_MAP;
}

enum fault_plan fault_slow(const struct fault *f, struct map_reply *map)
{
	static const u8 needed[] = {
		[ACCESS_READ] = PROT_READ, [ACCESS_WRITE] = PROT_WRITE, [ACCESS_EXEC] = PROT_EXEC
	};
	struct proc *p = badge_proc(f->badge);
	u64 page = PAGE_OF(f->addr);
	u16 i = vma_find(p, page);
	const struct vma *v = &vms->vma[i];

	if (!i || v->start > page)
		return fault_bad(p, f, "nothing is mapped there");
	p->hint = i;
	nodes[i].touched = true;
	if (f->access > ACCESS_EXEC || !(v->prot & needed[f->access]))
		return fault_bad(p, f, "the mapping forbids it");
	switch (f->old & 0xff) {
	case ENTRY_EMPTY:
		return fault_empty(p, v, page, f->access, map);
	case ENTRY_LEAF:
	case ENTRY_HELD:
		return fault_present(p, v, page, f, map);
	default:
		/* vm writes no tokens: this is REVOKED, an eviction by another holder of the pool. */
		return fault_bad(p, f, "the page was taken away");
	}
}

static bool frame_unmapped(frame_t frame)
{
	u64 counts = 0;
	err_t err = sys_frame_mark(SLOT_CLIENT_POOL, frame, MARK_STAT, 0, 0, NULL, &counts, NULL, NULL);

	return !err && !(u32)counts;
}

// Frames of the refused mapping go back to the magazine, except those that were mapped before the kernel met the one it
// refused.
static void give_back(struct proc *p, const struct map_reply *map)
{
	bool prepared = map->prot & (MAP_ZERO | MAP_COPY);
	frame_t frames[AROUND_MAX];
	u32 n = map->count > 1 ? (u32)map->count : 1;

	frames[0] = map->frame;
	for (u32 i = 0; i < n && map->count > 1; i++)
		frames[i] = server_argument()[2 * i];
	while (prepared && n--)
		if (frame_unmapped(frames[n]))
			magazine_return(frames[n]);
	/* Counted ahead; how many entries were written before the refusal is not told, so ask. */
	if (map->prot & MAP_IF_EMPTY)
		rss_count(p);
}

/*
 * The same address refused again and again is a disagreement between vm and kernel that no retry mends. Cheap insurance
 * against a program that would spin for ever.
 */
#define REFUSALS_MAX 64
static struct {
	u64 reply;
	u64 page;
	u32 times;
} refusals[PROCS];

static bool refused_too_often(const struct proc *p, u64 page)
{
	u32 slot = proc_slot(p);

	if (refusals[slot].page != page || refusals[slot].reply != p->badge) {
		refusals[slot].page = page;
		refusals[slot].reply = p->badge;
		refusals[slot].times = 0;
	}
	return ++refusals[slot].times > REFUSALS_MAX;
}

enum fault_plan fault_refused(u64 badge, u64 addr, const struct map_reply *map, err_t err)
{
	struct proc *p = badge_proc(badge);

	give_back(p, map);
	if (err == -ERR_NOMEM) {
		/* Tables: the process' pool, then the pool of all. */
		if (pool_grow(p) && !oom_kill(p))
			return FAULT_ENDED;
		return FAULT_RETRY;
	}
	if ((err == -ERR_EXIST || err == -ERR_STALE || err == -ERR_BUSY) && !refused_too_often(p, PAGE_OF(addr)))
		return FAULT_RETRY;
	log_line("vm: %s (pid %u) killed: the kernel refuses to map 0x%lx: %s", proc_name(p), proc_record(p)->pid,
		 (unsigned long)addr, err_name(err));
	proc_end(p, KILL_SEGV);
	return FAULT_ENDED;
}

bool fault_exception(const struct request *rq)
{
	static const struct {
		const char *what;
		u32 status; // Linux's signal of that name
	} kinds[] = {
		[EXC_ILLEGAL] = { "illegal instruction", KILL_ILL },
		[EXC_BREAK] = { "breakpoint", 5 },
		[EXC_ALIGN] = { "misaligned access", 7 },
		[EXC_ADDRESS] = { "address outside its memory", KILL_SEGV },
		[EXC_ACCESS] = { "bus error", 7 },
		[EXC_BUG] = { "broken system call", 31 },
		[EXC_PROTECTION] = { "address that is not canonical, or privileged instruction", KILL_SEGV },
		[EXC_ARITH] = { "division by zero, or floating-point exception", 8 },
		[EXC_REFUSED] = { "address that its pager does not know", KILL_SEGV },
	};
	struct proc *p = badge_proc(rq->badge);
	u64 cause = rq->w[0] & 0xff, reason = rq->w[0] >> 8;

	/* Another window's pager cannot enlarge the pool that pays for the page tables. */
	if (cause == EXC_REFUSED && reason == ERR_NOMEM && !pool_grow(p))
		return true;
	if (cause < EXC_ILLEGAL || cause > EXC_REFUSED)
		cause = EXC_ILLEGAL;

	log_line("vm: %s (pid %u) killed: %s (0x%lx) at pc 0x%lx", proc_name(p), proc_record(p)->pid, kinds[cause].what,
		 (unsigned long)rq->w[1], (unsigned long)rq->w[2]);
	stats[VMSTAT_SEGV]++;
	proc_end(p, kinds[cause].status);
	return false;
}
