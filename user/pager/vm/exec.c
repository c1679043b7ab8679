// SPDX-License-Identifier: MIT
/*
 * exec: a new image in an old process.
 *
 *	check ELF, argument block, stack pointer, records
 *	-> prepare the pages that cannot be mapped from the archive as they are
 *	-> MOVING: argument block to a staging range that neither image uses
 *	   (up to here every error leaves the caller as it was)
 *	-> REPLACING: old mappings gone
 *	-> BUILDING: new mappings, argument block to the top of the stack
 *	-> STARTING: thread stopped, started anew
 *
 * From REPLACING on only memory for page tables and tails can be missing: then the call waits for it, and when there is
 * none the process ends like any other that does not fit. The phases are written down as results of the call, so that a
 * successor goes on where it must.
 */
#include "swap.h"

#include <abi/abi_names.h>
#include <base/log.h>
#include <elf/elf.h>
#include <machine.h>

#define STACK_PAGES    (STACK_MAX / PAGE_SIZE)
#define STACK_END      PAGE_OF(STACK_TOP)
#define ARGUMENT_PAGES 64          // most pages of an argument block
#define SCRATCH        SERVER_HEAP // where vm looks at one page of a program; vm has no arena
#define AUX_FRAMES     0x6a00      // auxiliary vector: address of the frame table

struct exec {
	struct elf_image elf;
	u32 image;       // first archive page
	u64 args, pages; // argument block, in pages
	u64 staging;     // where it waits between the images
	u64 sp;
	frame_t tail[ELF_SEGMENTS]; // last file page with the rest zeroed
	frame_t stack;              // initial stack page of the first program
};

// A frame of the user pool with the content of `source` (0: zeroes), writable for vm at SCRATCH until scratch_close.
static err_t scratch_open(frame_t source, frame_t *frame)
{
	err_t err = magazine_refill(1);

	if (err)
		return err;
	*frame = magazine_take();
	err = sys_map(SLOT_SELF_ASPACE, SCRATCH, SLOT_CLIENT_POOL, *frame, 1,
		      PROT_READ | PROT_WRITE | (source ? MAP_COPY : MAP_ZERO), source, 0, 0, NULL, NULL);
	if (err) {
		magazine_return(*frame);
		*frame = 0;
	}
	return err;
}

void scratch_close(void)
{
	(void)sys_unmap(SLOT_SELF_ASPACE, SCRATCH, 1, CAP_NULL, 0, 0, NULL, NULL, NULL, NULL);
}

// All frames at once, so that none of them is overwritten in the magazine's list while it is on its way
// (magazine_recover).
static err_t tails_prepare(struct exec *x)
{
	err_t err = magazine_refill(ELF_SEGMENTS + 1);

	for (u32 i = 0; i < x->elf.count && !err; i++) {
		const struct elf_segment *seg = &x->elf.segment[i];

		if (!seg->tail)
			continue;
		err = scratch_open(archive_frame(x->image + seg->file_page + seg->file_end - 1 - seg->start),
				   &x->tail[i]);
		if (err)
			break;
		__builtin_memset((char *)SCRATCH + seg->tail, 0, PAGE_SIZE - seg->tail);
		scratch_close();
	}
	return err;
}

static void tails_return(struct exec *x)
{
	if (x->stack)
		magazine_return(x->stack);
	for (u32 i = x->elf.count; i--;)
		if (x->tail[i])
			magazine_return(x->tail[i]);
}

static err_t image_check(struct exec *x, u64 image, u64 size)
{
	u64 all = vms->globals.archive_pages;

	if (image >= all || !size || size > (all - image) << PAGE_SHIFT)
		return -ERR_NOEXEC;
	x->image = (u32)image;
	return elf_parse((const char *)ARCHIVE_VA + (image << PAGE_SHIFT), size, ELF_MACHINE, USER_BASE, MMAP_TOP,
			 &x->elf);
}

// `gone`: the old image is, so its mappings cannot be asked.
static err_t args_check(const struct proc *p, struct exec *x, u64 args, u64 pages, u64 sp, bool gone)
{
	u64 end;
	err_t err;

	if (!pages || pages > ARGUMENT_PAGES)
		return pages ? -ERR_BIG : -ERR_INVAL;
	err = region_check(args, pages << PAGE_SHIFT, &x->args, &end);
	if (err)
		return -ERR_FAULT;
	for (u64 page = x->args; page < end && !gone; page++) {
		u16 i = vma_find(p, page);

		/* Shared pages cannot leave the shadow, and archive pages nobody has written hold no arguments. */
		if (!i || vmas[i].start > page || vmas[i].kind != VMA_ANON)
			return -ERR_FAULT;
	}
	x->pages = pages;
	x->sp = sp;
	if (sp % 16 || sp >= STACK_TOP || sp < STACK_TOP - (pages << PAGE_SHIFT))
		return -ERR_INVAL;
	return 0;
}

static err_t segment_map(struct proc *p, const struct exec *x, u32 i)
{
	const struct elf_segment *seg = &x->elf.segment[i];
	struct vma v = {
		.start = seg->start,
		.end = seg->file_end,
		.pgoff = x->image + seg->file_page,
		.object = x->image,
		.owner = (u16)proc_slot(p),
		.kind = VMA_FILE,
		.prot = (u8)seg->prot,
	};
	err_t err = 0;

	if (seg->file_end > seg->start)
		err = region_add(p, &v);
	if (err || seg->end == seg->file_end)
		return err;
	v.start = v.pgoff = seg->file_end;
	v.end = seg->end;
	v.object = proc_record(p)->pid;
	v.kind = VMA_ANON;
	return region_add(p, &v);
}

static err_t page_place(struct proc *p, u64 page, frame_t *frame)
{
	u16 i = vma_find(p, page);
	const struct vma *v = &vmas[i];
	err_t err;

	vma_touch(i);
	do {
		err = sys_map(proc_cap(proc_slot(p), CAP_ASPACE), ADDRESS_OF(page), SLOT_CLIENT_POOL, *frame, 1,
			      v->prot | MAP_IF_EMPTY, 0, vma_word0(v), vma_word1(v, page), NULL, NULL);
	} while (err == -ERR_NOMEM && !pool_grow(p));
	if (!err)
		*frame = 0;
	return err;
}

// The argument pages are the stack's now: under their old names rmap would not find them.
static void args_rename(struct proc *p, const struct exec *x)
{
	u64 first = STACK_END - x->pages, entries = 0, frame[ARGUMENT_PAGES][2];
	const struct vma *v = &vmas[vma_find(p, first)];

	if (!rmap_share ||
	    sys_scan(proc_cap(proc_slot(p), CAP_ASPACE), ADDRESS_OF(first), x->pages, SCAN_LIST, NULL, &entries))
		return;
	for (u64 i = 0; i < entries; i++) {
		frame[i][0] = PAGE_OF(server_argument()[4 * i]);
		frame[i][1] = (server_argument()[4 * i] & (PAGE_SIZE - 1)) == ENTRY_LEAF ? server_argument()[4 * i + 2]
											 : 0;
	}
	for (u64 i = 0; i < entries; i++) /* one in the swap cache keeps its words, which say the slot */
		if (frame[i][1] && !frame_cached(frame[i][1]))
			(void)sys_frame_mark(SLOT_CLIENT_POOL, frame[i][1], MARK_WORDS, vma_word0(v),
					     vma_word1(v, frame[i][0]), NULL, NULL, NULL, NULL);
}

static err_t image_map(struct proc *p, struct exec *x)
{
	struct vma stack = {
		.start = STACK_END - STACK_PAGES,
		.end = STACK_END,
		.pgoff = STACK_END - STACK_PAGES,
		.object = proc_record(p)->pid,
		.owner = (u16)proc_slot(p),
		.kind = VMA_ANON,
		.prot = PROT_READ | PROT_WRITE,
		.flags = VMA_STACK,
	};
	err_t err = region_add(p, &stack);

	for (u32 i = 0; i < x->elf.count && !err; i++) {
		err = segment_map(p, x, i);
		if (!err && x->tail[i])
			err = page_place(p, x->elf.segment[i].file_end - 1, &x->tail[i]);
	}
	vma_touch(vma_find(p, STACK_END - 1));
	if (!err && x->pages)
		err = entries_clone(p, STACK_END - x->pages, p, x->staging, x->pages, CLONE_MOVE);
	if (!err && x->pages)
		args_rename(p, x);
	if (!err && x->stack)
		err = page_place(p, STACK_END - 1, &x->stack);
	return err;
}

static void record_image(struct proc *p, const struct exec *x, u64 name0, u64 name1)
{
	struct proc_record record = *proc_record(p);
	u64 name[2] = { name0, name1 };

	record.brk_start = record.brk = ADDRESS_OF(x->elf.segment[x->elf.count - 1].end);
	__builtin_memcpy(record.name, name, sizeof(name));
	record.name[NAME_BYTES - 1] = 0;
	proc_stage(p, &record);
	record_commit();
	(void)sys_thread_ctl(proc_cap(proc_slot(p), CAP_THREAD), THREAD_NAME, name0, name1, 0, 0, NULL, NULL, NULL,
			     NULL);
}

// The thread pointer is a register that only the kernel writes on some machines, so it is set for the new image; START
// keeps it.
static void image_tls(const struct proc *p, const struct exec *x)
{
	(void)sys_thread_ctl(proc_cap(proc_slot(p), CAP_THREAD), THREAD_TLS,
			     thread_pointer(x->elf.tls_start, x->elf.tls_end), 0, 0, 0, NULL, NULL, NULL, NULL);
}

static err_t image_start(const struct proc *p, vaddr_t entry, u64 sp)
{
	u32 slot = proc_slot(p);

	return sys_thread_ctl(proc_cap(slot, CAP_THREAD), THREAD_START, proc_cap(slot, CAP_ASPACE),
			      proc_cap(slot, CAP_TABLE), entry, sp, NULL, NULL, NULL, NULL);
}

// The thread waits for an answer to its exec. Once it is stopped that call is gone, and only the result says what was
// to come.
static err_t image_restart(const struct proc *p, vaddr_t entry, u64 sp)
{
	(void)sys_thread_ctl(proc_cap(proc_slot(p), CAP_THREAD), THREAD_STOP, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
	return image_start(p, entry, sp);
}

// A predecessor may have stopped a thread and not started it: then it does not run by itself. Else it does, or waits,
// and this is BUSY.
void exec_recover(struct proc *p)
{
	const struct result *result = &vms->result[proc_slot(p)];

	if (result->status == RESULT_STARTING && image_start(p, result->word[0], result->word[1]) == 0)
		stats[VMSTAT_EXECS]++;
}

static void phase_set(const struct request *rq, s64 phase, u64 word0, u64 word1)
{
	result_stage(rq, phase, word0, word1);
	record_commit();
}

// The last steps that may fail without harm: prepared pages, and the argument block out of the way of what is unmapped
// next.
static err_t exec_prepare(const struct request *rq, struct proc *p, struct exec *x)
{
	err_t err;

	/* Two records per segment, one for the stack. */
	if (!vma_records_left(2 * ELF_SEGMENTS + 1))
		return -ERR_NOMEM;
	if (!x->staging)
		x->staging = vma_gap(p, x->pages, PAGE_OF(MMAP_TOP), STACK_END - STACK_PAGES);
	if (!x->staging)
		return -ERR_NOMEM;
	err = tails_prepare(x);
	if (err) {
		tails_return(x);
		return err;
	}
	phase_set(rq, RESULT_MOVING, x->staging, 0);
	err = entries_clone(p, x->staging, p, x->args, x->pages, CLONE_MOVE);
	if (err) {
		/* Back again; the tables there are still in place or in the stash. */
		if (entries_clone(p, x->args, p, x->staging, x->pages, CLONE_MOVE))
			log_line("vm: %s (pid %u): part of its exec arguments is lost", proc_name(p),
				 proc_record(p)->pid);
		tails_return(x);
	}
	return err;
}

// There is no way back. While memory may still come the call waits, to go on from here; else the process ends.
static err_t exec_stuck(struct proc *p, struct exec *x, err_t err)
{
	tails_return(x);
	if (err == -ERR_NOMEM && memory_short && wait_call_possible())
		return err;
	log_line("vm: %s (pid %u) killed: no memory for its new image (%s)", proc_name(p), proc_record(p)->pid,
		 err_name(err));
	entries_unmap(p, x->staging, x->pages, UNMAP_FREE);
	proc_end(p, KILL_OOM);
	return PARKED;
}

static err_t exec_replace(const struct request *rq, struct proc *p, struct exec *x, u64 name0, u64 name1)
{
	err_t err;

	phase_set(rq, RESULT_REPLACING, x->staging, 0);
	attach_exec(p);
	while (p->first)
		(void)region_unmap(p, vmas[p->first].start, vmas[p->first].end); /* whole VMAs: nothing to split */
	phase_set(rq, RESULT_BUILDING, x->staging, 0);
	record_image(p, x, name0, name1);
	err = image_map(p, x);
	if (!err) {
		image_tls(p, x); // the old image does not run again
		phase_set(rq, RESULT_STARTING, x->elf.entry, x->sp);
		err = image_restart(p, x->elf.entry, x->sp);
	}
	if (err)
		return exec_stuck(p, x, err);
	p->seq_next = 0;
	stats[VMSTAT_EXECS]++;
	return PARKED; /* the call it was made from is gone with the old image */
}

// Past the point of no return, in a second attempt or after a predecessor: what was in hand is made again, what was
// built is taken down.
static err_t exec_resume(struct proc *p, struct exec *x, s64 phase)
{
	err_t err = 0;

	/* Some of the argument block may be on the new stack already; a page is in one place. */
	if (phase == RESULT_BUILDING)
		err = entries_clone(p, x->staging, p, STACK_END - x->pages, x->pages, CLONE_MOVE);
	return err ? err : tails_prepare(x);
}

err_t vm_op_exec(struct request *rq, u64 image, u64 size, u64 args, u64 pages, u64 sp, u64 name0, u64 name1)
{
	struct proc *p = badge_proc(rq->badge);
	struct exec x = { 0 };
	struct result done;
	s64 phase = result_find(rq, &done) ? done.status : 0;
	err_t err = image_check(&x, image, size);

	if (phase == RESULT_STARTING) {
		err = image_restart(p, done.word[0], done.word[1]);
		return err ? err : PARKED;
	}
	if (phase)
		x.staging = done.word[0];
	if (!err)
		err = args_check(p, &x, args, pages, sp, phase >= RESULT_REPLACING);
	if (!err && phase < RESULT_REPLACING)
		err = exec_prepare(rq, p, &x);
	else if (!err && (err = exec_resume(p, &x, phase)))
		return exec_stuck(p, &x, err);
	return err ? err : exec_replace(rq, p, &x, name0, name1);
}

/*
 * The first program has no caller to build its stack: argc 1, argv {name, 0}, envp {0}, the auxiliary vector that
 * exec's callers also give, and the name itself.
 */
static err_t stack_prepare(struct proc *p, struct exec *x, u64 name0, u64 name1)
{
	u64 *top, frames = 0;
	err_t err = sys_aspace_ctl(proc_cap(proc_slot(p), CAP_ASPACE), ASOP_OBSERVE, SLOT_SYSTEM, 0, 0, 0, 0, 0,
				   &frames, NULL, NULL, NULL);

	if (err)
		return err;
	err = scratch_open(0, &x->stack);
	if (err)
		return err;
	x->sp = STACK_TOP - 16 * sizeof(u64);
	top = (u64 *)(SCRATCH + PAGE_SIZE) - 16;
	top[0] = 1;
	top[1] = STACK_TOP - 2 * sizeof(u64);
	top[4] = AUX_FRAMES;
	top[5] = frames;
	top[14] = name0;
	top[15] = name1 & ~0ul >> 8;
	scratch_close();
	return 0;
}

static err_t spawn_fill(struct proc *p, struct exec *x, u64 name0, u64 name1)
{
	err_t err = life_create(p);

	if (!err)
		err = tails_prepare(x);
	if (!err)
		err = stack_prepare(p, x, name0, name1);
	if (!err)
		err = image_map(p, x);
	if (err)
		tails_return(x);
	return err;
}

err_t vm_op_spawn(struct request *rq, u64 image, u64 size, u64 name0, u64 name1, u64 *out_pid)
{
	struct exec x = { 0 };
	struct result done;
	struct proc *p;
	err_t err;

	if (badge_slot(rq->badge))
		return -ERR_PERM;
	if (result_find(rq, &done)) {
		*out_pid = done.word[0];
		return (err_t)done.status;
	}
	err = image_check(&x, image, size);
	if (err)
		return err;
	p = proc_alloc(&procs[0]);
	if (!p)
		return -ERR_NOMEM;
	err = spawn_fill(p, &x, name0, name1);
	if (err) {
		proc_discard(p);
		return err;
	}
	record_image(p, &x, name0, name1);
	*out_pid = proc_record(p)->pid;
	if (!vms->globals.first) {
		struct vm_globals globals = vms->globals;

		globals.first = proc_slot(p);
		record_stage(&vms->globals, &globals, sizeof(globals));
	}
	result_stage(rq, 0, *out_pid, 0);
	proc_commit(p);
	image_tls(p, &x);
	err = image_start(p, x.elf.entry, x.sp);
	if (err)
		panic("spawn: a complete process does not start: error %d", err);
	return 0;
}

err_t vm_op_archive(struct request *rq, u64 frame, u64 pages)
{
	struct vm_globals globals = vms->globals;

	if (badge_slot(rq->badge))
		return -ERR_PERM;
	if (!frame || !pages || pages > 1ul << 31 || (u32)frame + pages > ~0u)
		return -ERR_INVAL;
	globals.archive = frame;
	globals.archive_pages = pages;
	record_stage(&vms->globals, &globals, sizeof(globals));
	record_commit();
	return 0;
}
