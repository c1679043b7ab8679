// SPDX-License-Identifier: MIT
// The less common faults, and what is done when the kernel refuses a mapping. The table of decisions is in fault.h.
#include "swap.h"

#include <abi/abi_names.h>
#include <base/log.h>

static const char *const access_name[] = { "read", "write", "execute" };

static bool is_archive(frame_t frame)
{
	return frame - vms->globals.archive < vms->globals.archive_pages;
}

// No frame, or no table: reclaim finds some, or there is none and somebody has to go.
static enum fault_plan memory_need(struct proc *p, const struct fault *f, u32 want)
{
	if (wait_memory(p, f, want))
		return FAULT_PARKED;
	return oom_kill(p) ? FAULT_RETRY : FAULT_ENDED;
}

enum fault_plan frame_need(struct proc *p, const struct fault *f, u32 want)
{
	return magazine_refill(want) ? memory_need(p, f, want) : FAULT_MAP;
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
static enum fault_plan anon_write(struct proc *p, const struct vma *v, u64 page, const struct fault *f,
				  struct map_reply *map)
{
	u32 run = around(p, v, page);
	enum fault_plan plan = frame_need(p, f, run);

	if (plan != FAULT_MAP)
		return plan;
	if (run > magazine.top)
		run = magazine.top;
	p->seq_next = page + run;
	p->seq_run = run;
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
static enum fault_plan file_read(const struct vma *v, u64 page, struct map_reply *map)
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
	stats[VMSTAT_FILE] += run;
	return FAULT_MAP;
}

static enum fault_plan copy(struct proc *p, const struct vma *v, u64 page, const struct fault *f, frame_t source,
			    u64 condition, struct map_reply *map)
{
	enum fault_plan plan = frame_need(p, f, 1);

	if (plan != FAULT_MAP)
		return plan;
	stats[VMSTAT_COW_COPY]++;
	(void)fault_map(map, v, page, v->prot | MAP_COPY | MAP_TOUCH | condition, magazine_take());
	map->source = source;
	return FAULT_MAP;
}

// The process' own entry is empty: what counts is the shadow's.
static enum fault_plan shared_fault(struct proc *p, const struct vma *v, u64 page, const struct fault *f,
				    struct map_reply *map)
{
	frame_t frame;
	err_t err = shared_frame(v, page, &frame);

	if (!err)
		err = f->access == ACCESS_WRITE && !shared_write(v, page, frame) ? -ERR_BUSY : shared_map(p, v, page);
	if (err == -ERR_AGAIN)
		return wait_page(p, f, page_missing, v->flags & VMA_RANDOM) ? FAULT_PARKED : FAULT_RETRY;
	if (err)
		return err == -ERR_NOMEM ? memory_need(p, f, 1) : FAULT_RETRY;
	(void)fault_map(map, v, page, v->prot | MAP_IF_SAME, frame);
	map->source = frame;
	if (frame_cached(frame))
		map->word0 = 0; /* it keeps its words, which say the slot */
	return FAULT_MAP;
}

static enum fault_plan fault_empty(struct proc *p, const struct vma *v, u64 page, const struct fault *f,
				   struct map_reply *map)
{
	if (v->kind == VMA_SHARED)
		return shared_fault(p, v, page, f, map);
	if (v->kind == VMA_ANON && f->access == ACCESS_WRITE)
		return anon_write(p, v, page, f, map);
	if (v->kind == VMA_ANON)
		return zero_read(v, MAP_IF_EMPTY, map);
	if (f->access != ACCESS_WRITE)
		return file_read(v, page, map);
	return copy(p, v, page, f, archive_frame(vma_word1(v, page)), MAP_IF_EMPTY, map);
}

static enum fault_plan zero_present(struct proc *p, const struct vma *v, u64 page, const struct fault *f,
				    struct map_reply *map)
{
	enum fault_plan plan;

	if (f->access != ACCESS_WRITE)
		return zero_read(v, MAP_IF_SAME, map);
	plan = frame_need(p, f, 1);
	if (plan != FAULT_MAP)
		return plan;
	/* Zeroing is cheaper than copying zeroes. */
	stats[VMSTAT_ANON]++;
	(void)fault_map(map, v, page, v->prot | MAP_ZERO | MAP_IF_SAME | MAP_TOUCH, magazine_take());
	map->source = f->what;
	return FAULT_MAP;
}

static enum fault_plan fault_token(struct proc *p, const struct vma *v, u64 page, const struct fault *f,
				   struct map_reply *map)
{
	/* Not a slot: this is REVOKED, an eviction by another holder of the pool. */
	if (!swap_there() || !swap_slot_valid(&swap, f->what))
		return fault_bad(p, f, "the page was taken away");
	if (v->kind != VMA_SHARED)
		return swap_fault(p, v, page, f, map);
	entries_unmap(p, page, 1, 0);
	return shared_fault(p, v, page, f, map);
}

// There is a page. It lacks the permission because it is shared copy-on-write, or because mprotect could not grant it.
static enum fault_plan fault_present(struct proc *p, const struct vma *v, u64 page, const struct fault *f,
				     struct map_reply *map)
{
	bool exclusive = f->old >> 16 & 1;

	if (f->what == vms->globals.zero)
		return zero_present(p, v, page, f, map);
	if (f->access == ACCESS_WRITE && v->kind == VMA_SHARED && frame_cached(f->what)) {
		shared_write(v, page, f->what); /* this entry may have gone for it: the next fault sees what is there */
		return FAULT_RETRY;
	}
	if (v->kind == VMA_SHARED || (f->access == ACCESS_WRITE && exclusive && !is_archive(f->what) &&
				      (!frame_cached(f->what) || swap_leave(f->what)))) {
		stats[VMSTAT_COW_REUSE]++;
		(void)fault_map(map, v, page, v->prot | MAP_IF_SAME | (v->kind == VMA_SHARED ? 0 : MAP_IF_EXCLUSIVE),
				f->what);
		map->source = f->what;
		return FAULT_MAP;
	}
	if (f->access == ACCESS_WRITE)
		return copy(p, v, page, f, f->what, MAP_IF_SAME, map);
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
	const struct vma *v = &vmas[i];

	if (!i || v->start > page)
		return fault_bad(p, f, "nothing is mapped there");
	p->hint = i;
	vma_touch(i);
	if (f->access > ACCESS_EXEC || !(v->prot & needed[f->access]))
		return fault_bad(p, f, "the mapping forbids it");
	switch (f->old & 0xff) {
	case ENTRY_EMPTY:
		return fault_empty(p, v, page, f, map);
	case ENTRY_LEAF:
		return fault_present(p, v, page, f, map);
	case ENTRY_HELD: {
		enum fault_plan plan = fault_present(p, v, page, f, map);

		/* The kernel gives less rather than more than it is asked for. Where the CPU has no entry that allows
		 * execution and nothing else, programs get reading with it, as from Linux. */
		if (f->access == ACCESS_EXEC)
			map->prot |= PROT_READ;
		return plan;
	}
	default:
		return fault_token(p, v, page, f, map);
	}
}

// Frames of the refused mapping go back to the magazine, except those that were mapped before the kernel met the one it
// refused.
static void give_back(const struct map_reply *map)
{
	bool prepared = map->prot & (MAP_ZERO | MAP_COPY);
	frame_t frames[AROUND_MAX];
	u32 n = map->count > 1 ? (u32)map->count : 1;

	frames[0] = map->frame;
	for (u32 i = 0; i < n && map->count > 1; i++)
		frames[i] = server_argument()[2 * i];
	while (prepared && n--)
		if (frame_unused(frames[n]))
			magazine_return(frames[n]);
}

/*
 * The same address refused again and again is a disagreement between vm and kernel that no retry mends. Cheap insurance
 * against a program that would spin for ever.
 */
#define REFUSALS_MAX   64
#define REFUSALS_APART 1024 // so many faults later it is another story
static struct {
	u64 reply;
	u64 page;
	u64 faults;
	u32 times;
} refusals[PROCS];

static bool refused_too_often(const struct proc *p, u64 page)
{
	u32 slot = proc_slot(p);

	if (refusals[slot].page != page || refusals[slot].reply != p->badge ||
	    stats[VMSTAT_FAULTS] - refusals[slot].faults > REFUSALS_APART) {
		refusals[slot].page = page;
		refusals[slot].reply = p->badge;
		refusals[slot].times = 0;
	}
	refusals[slot].faults = stats[VMSTAT_FAULTS];
	return ++refusals[slot].times > REFUSALS_MAX;
}

enum fault_plan fault_refused(const struct fault *f, const struct map_reply *map, err_t err)
{
	struct proc *p = badge_proc(f->badge);

	give_back(map);
	if (err == -ERR_NOMEM) {
		/* Tables: the process' pool, then the pool of all. */
		return pool_grow(p) ? memory_need(p, f, TABLE_FRAMES) : FAULT_RETRY;
	}
	if ((err == -ERR_EXIST || err == -ERR_STALE || err == -ERR_BUSY) && !refused_too_often(p, PAGE_OF(f->addr)))
		return FAULT_RETRY;
	log_line("vm: %s (pid %u) killed: the kernel refuses to map 0x%lx: %s", proc_name(p), proc_record(p)->pid,
		 (unsigned long)f->addr, err_name(err));
	proc_end(p, KILL_SEGV);
	return FAULT_ENDED;
}

// Another window's pager cannot enlarge the pool that pays for the page tables. True: the access is tried again now.
static bool exception_grow(struct proc *p, const struct request *rq)
{
	struct fault f = { .badge = rq->badge, .addr = rq->w[1], .reply = rq->reply, .flow = rq->flow };

	return !pool_grow(p) || memory_need(p, &f, TABLE_FRAMES) == FAULT_RETRY;
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

	if (cause == EXC_REFUSED && reason == ERR_NOMEM)
		return exception_grow(p, rq);
	if (cause < EXC_ILLEGAL || cause > EXC_REFUSED)
		cause = EXC_ILLEGAL;

	log_line("vm: %s (pid %u) killed: %s (0x%lx) at pc 0x%lx", proc_name(p), proc_record(p)->pid, kinds[cause].what,
		 (unsigned long)rq->w[1], (unsigned long)rq->w[2]);
	stats[VMSTAT_SEGV]++;
	proc_end(p, kinds[cause].status);
	return false;
}
