// SPDX-License-Identifier: MIT
/*
 * vm's core against a page-array model (model.c), on a fake kernel (fake.c).
 *
 * Processes map, unmap, protect, move, fork, share, end, and touch pages; every read is compared with what the model
 * says the page holds. In between: the kernel's and vm's invariants, memory that runs out at a random call, vm killed
 * at a random call and started again on its state segment, the request redelivered. At the end everything is freed and
 * every frame is back.
 *
 *	make build/host/vm.test && build/host/vm.test [seed]
 */
#include "model.h"

#include "../../../user/pager/vm/request.h"
#include <machine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The id is the same each time, whatever was in the way the first time.
static void op_attach(struct model *m)
{
	u64 which = rnd(2) ? ATTACH_SLAB : ATTACH_VMALLOC, id;
	struct request rq = ask(m, OP_VM_ATTACH, which, 0, 0, 0, 0, 0), again, wrong;

	if (serve(&rq))
		return;
	id = rq.w[0];
	again = ask(m, OP_VM_ATTACH, which, 0, 0, 0, 0, 0);
	wrong = ask(m, OP_VM_ATTACH, ATTACH_VMALLOC + 1, 0, 0, 0, 0, 0);
	check(id && (serve(&again) || again.w[0] == id) && serve(&wrong) == -ERR_INVAL);
	check(proc_record(badge_proc(m->badge))->attached >> which & 1);
}

static void (*const ops[])(struct model *) = {
	op_mmap,    op_mmap,   op_munmap, op_mprotect, op_touch,  op_touch, op_touch,   op_touch,
	op_madvise, op_mremap, op_brk,    op_wait,     op_attach, op_mlock, op_migrate,
};

static void compare_records(const struct model *m)
{
	const struct proc *p = badge_proc(m->badge);

	for (u32 at = 0; at < AREA; at++) {
		const struct page *page = &m->page[at];
		u16 i = vma_find(p, page_at(at));
		const struct vma *v = &vms->vma[i];

		check(page->mapped == (i && v->start <= page_at(at)));
		check(!page->mapped || (page->prot == v->prot && page->kind == v->kind));
	}
}

// The volatile side as a successor sees it is the one we have.
static void compare_rebuilt(void)
{
	static struct proc before[PROCS];
	static struct vma_node links[VMAS];

	memcpy(before, procs, sizeof(before));
	memcpy(links, nodes, sizeof(links));
	restart();
	for (u32 slot = 0; slot < PROCS; slot++) {
		const struct proc *a = &before[slot], *b = &procs[slot];

		if (vms->proc[slot].state == PROC_FREE)
			continue;
		check(a->badge == b->badge && a->first == b->first && a->last == b->last && a->vmas == b->vmas &&
		      a->pages == b->pages);
		for (u16 i = a->first; i; i = links[i].next)
			check(links[i].next == nodes[i].next && links[i].prev == nodes[i].prev &&
			      links[i].gap == nodes[i].gap);
	}
}

static struct model *pick(void)
{
	for (;;) {
		struct model *m = &models[rnd(MODELS)];

		if (m->alive)
			return m;
	}
}

static u32 alive(void)
{
	u32 n = 0;

	for (u32 i = 0; i < MODELS; i++)
		n += models[i].alive;
	return n;
}

enum trouble {
	TROUBLE_NONE,
	TROUBLE_NOMEM,
	TROUBLE_KILL,
	TROUBLE_REBUILD,
	TROUBLE_SWAP,
	TROUBLE_IO, // and pages that cannot be read; not of the first process, whose end is the machine's
};

static void run_random(u64 steps, enum trouble trouble)
{
	for (u64 step = 0; step < steps; step++) {
		struct model *m = pick();
		u64 r = rnd(1000);

		/* Not while the first process is alone: then it would be the one to go. */
		if (trouble == TROUBLE_NOMEM && !rnd(3) && alive() > 1)
			fake_nomem = 1 + rnd(12);
		if (trouble == TROUBLE_KILL && !rnd(3))
			fake_kill = 1 + rnd(40);
		if (trouble == TROUBLE_IO && m != &models[0])
			fake_io_errors = 20;
		if (r < 12)
			op_fork(m);
		else if (r < 24)
			op_end(m);
		else
			ops[rnd(sizeof(ops) / sizeof(ops[0]))](m);
		fake_nomem = fake_kill = fake_io_errors = 0;
		if (trouble >= TROUBLE_SWAP) {
			for (u64 n = rnd(8); n; n--)
				(void)fake_evict_one();
			if (rnd(2))
				(void)fake_drop((u32)rnd(12));
			fake_swap_run();
			fake_swap_deliver();
		}
		if (trouble == TROUBLE_REBUILD)
			compare_rebuilt();
		check(models[0].alive);
		if (step % (trouble == TROUBLE_NONE ? 512 : 64) == 0) {
			if (fake_check())
				panic("step %lu", (unsigned long)step);
			for (u32 i = 0; i < MODELS; i++)
				if (models[i].alive)
					compare_records(&models[i]);
		}
	}
}

// ---- an ELF file in the archive, exec and spawn

static void elf_write(char *at, u64 text, u64 data_size, u64 bss)
{
	u64 *w = (u64 *)at;
	u32 *h = (u32 *)at;
	u16 *s = (u16 *)at;

	memset(at, 0, 64 + 3 * 56);
	h[0] = 0x464c457f;
	at[4] = 2;
	at[5] = 1;
	at[6] = 1;
	s[8] = 2;
	s[9] = 243;
	w[3] = text + 0x200; /* entry */
	w[4] = 64;           /* phoff */
	s[27] = 56;
	s[28] = 3;
	u32 *p = (u32 *)(at + 64);
	u64 *q = (u64 *)(at + 64);

	p[0] = 1;
	p[1] = 5;
	q[1] = 0;
	q[2] = text;
	q[4] = q[5] = 0x900;
	q += 7;
	p += 14;
	p[0] = 1;
	p[1] = 6;
	q[1] = 0x1000;
	q[2] = text + 0x10000;
	q[4] = data_size;
	q[5] = data_size + bss;
	q += 7;
	p += 14;
	p[0] = 7; /* thread-local storage */
	p[1] = 4;
	q[2] = text + 0x10000;
	q[5] = 0x21;
	q[6] = 16;
}

static void archive_make(void)
{
	for (u32 i = 0; i < ARCHIVE_PAGES; i++)
		for (u32 k = 0; k < PAGE_SIZE / 8; k++)
			((u64 *)(fake_archive + i * PAGE_SIZE))[k] = 0xa000000 + i * 0x1000 + k;
	elf_write(fake_archive + 40 * PAGE_SIZE, 0x10000, 0x1804, 0x3000);
}

static void boot(void)
{
	struct model init = { .badge = 0 };
	struct request rq;

	archive_make();
	high_area = info.levels > 3 ? PAGE_OF(info.user_end) - (1ul << 9 * (info.levels - 1)) - (AREA - LOW_AREA)
				    : BASE + BASE / 4;
	fake_boot(FAKE_FRAMES - ARCHIVE_PAGES - 64);
	check(vm_open(segment, &info) == STATE_FRESH);
	rq = ask(&init, OP_VM_ARCHIVE, fake_archive_frame(), ARCHIVE_PAGES, 0, 0, 0, 0);
	check(!serve(&rq));
	rq = ask(&init, OP_VM_SPAWN, 40, 4 * PAGE_SIZE, 0x68732f6e69622f, 0, 0, 0);
	check(!serve(&rq));
	models[0] = (struct model){ .alive = true, .pid = (u32)rq.w[0], .badge = procs[1].badge };
	check(models[0].pid == 1 && fake_thread(1)->pc == 0x10200 && fake_thread(1)->sp == STACK_TOP - 128);
	check(fake_thread(1)->tls == thread_pointer(0x20000, 0x20030));
	rq = ask(&init, OP_VM_MMAP, 0, PAGE_SIZE, 3, 0, 0, 0);
	check(serve(&rq) == -ERR_PERM);
}

static void test_image(struct model *m)
{
	u32 slot = badge_slot(m->badge);
	u64 *stack, data = proc_record(badge_proc(m->badge))->brk_start;

	check(data == 0x25000);
	/* The data segment: one whole page, then 0x804 bytes of file and zeroes. */
	check(touch(m, 0x20, ACCESS_READ) && content_at(slot, 0x20)[5] == 0xa000000 + 41 * 0x1000 + 5);
	check(touch(m, 0x21, ACCESS_READ));
	check(content_at(slot, 0x21)[0] == 0xa000000 + 42 * 0x1000 &&
	      ((u32 *)content_at(slot, 0x21))[0x800 / 4] == 0xa000000 + 42 * 0x1000 + 0x100);
	for (u32 at = 0x804; at < PAGE_SIZE; at += 4)
		check(!((u32 *)content_at(slot, 0x21))[at / 4]);
	check(touch(m, 0x22, ACCESS_WRITE) && !content_at(slot, 0x22)[0]);
	check(touch(m, 0x21, ACCESS_WRITE));
	check(touch(m, 0x10, ACCESS_EXEC));
	check(touch(m, PAGE_OF(STACK_TOP) - 1, ACCESS_WRITE));
	stack = content_at(slot, PAGE_OF(STACK_TOP) - 1);
	check(m->pid != 1 ||
	      (stack[512 - 16] == 1 && stack[512 - 15] == STACK_TOP - 16 && stack[510] == 0x68732f6e69622f));
}

static void test_exec(struct model *m, u64 kill_at, u64 nomem_at)
{
	u32 slot = badge_slot(m->badge), starts = fake_thread(slot)->starts;
	struct request rq = ask(m, OP_VM_MMAP, 0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, 0, 0);
	u64 args;
	err_t err;

	check(!serve(&rq));
	args = rq.w[0];
	for (u32 i = 0; i < 3; i++) {
		check(touch(m, PAGE_OF(args) + i, ACCESS_WRITE));
		content_at(slot, PAGE_OF(args) + i)[9] = 0x77700 + i;
	}
	rq = ask(m, OP_VM_EXEC, 40, 4 * PAGE_SIZE, args, 3, STACK_TOP - 0x2010, 0x6b6b);
	rq.w[6] = 0;
	rq.flow = starts;
	fake_kill = kill_at;
	fake_nomem = nomem_at;
	err = serve(&rq);
	if (nomem_at && err == -ERR_NOMEM) {
		check(touch(m, PAGE_OF(args) + 1, ACCESS_READ) && content_at(slot, PAGE_OF(args) + 1)[9] == 0x77701);
		return;
	}
	check(err == PARKED);
	if (nomem_at && !m->alive)
		return;
	check(m->alive && fake_thread(slot)->starts > starts && fake_thread(slot)->pc == 0x10200 &&
	      fake_thread(slot)->sp == STACK_TOP - 0x2010);
	check(!strcmp(proc_name(badge_proc(m->badge)), "kk"));
	for (u32 i = 0; i < 3; i++)
		check(touch(m, PAGE_OF(STACK_TOP) - 3 + i, ACCESS_READ) &&
		      content_at(slot, PAGE_OF(STACK_TOP) - 3 + i)[9] == 0x77700 + i);
	test_image(m);
	memset(m->page, 0, sizeof(m->page));
	memset(m->heap, 0, sizeof(m->heap));
}

static void test_exec_everywhere(void)
{
	for (u64 n = 1; n < 120; n++) {
		op_fork(&models[0]);
		for (u32 i = 1; i < MODELS; i++) {
			if (!models[i].alive)
				continue;
			test_exec(&models[i], n % 2 ? n / 2 : 0, n % 2 ? 0 : n / 8 + 1);
			if (models[i].alive)
				op_end(&models[i]);
		}
		check(!fake_check());
	}
	for (u32 i = 0; i < 200; i++)
		op_wait(&models[0]);
}

static void test_exec_refused(struct model *m)
{
	static const u64 bad[][5] = {
		/* image, size, args, pages, sp */
		{ 41, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP - 16 },
		{ 40, 100, ADDRESS_OF(BASE), 1, STACK_TOP - 16 },
		{ 40, 0x4000, 0x1000, 1, STACK_TOP - 16 },
		{ 40, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP - 8 },
		{ 40, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP },
		{ 40, 0x4000, ADDRESS_OF(BASE), 65, STACK_TOP - 16 },
		{ 40, ~0ul, ADDRESS_OF(BASE), 1, STACK_TOP - 16 },
		{ ~0ul, 0x4000, ADDRESS_OF(BASE), 1, STACK_TOP - 16 },
		{ 40, 0x4000, ~0ul << 12, 1, STACK_TOP - 16 },
		{ 40, 0x4000, ADDRESS_OF(BASE), ~0ul, STACK_TOP - 16 },
	};

	for (u32 i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct request rq = ask(m, OP_VM_EXEC, bad[i][0], bad[i][1], bad[i][2], bad[i][3], bad[i][4], 0);
		err_t err = serve(&rq);

		check(err == -ERR_NOEXEC || err == -ERR_FAULT || err == -ERR_INVAL || err == -ERR_BIG);
	}
	check(!fake_check());
}

static void test_wait(struct model *m)
{
	struct request rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0), wait, end;
	struct model child = { 0 };

	check(!serve(&rq));
	child.badge = proc_by_pid(rq.w[0])->badge;
	wait = ask(m, OP_VM_WAIT, rq.w[0], 0, 0, 0, 0, 0);
	check(serve(&wait) == PARKED);
	fake_replies = 0;
	end = ask(&child, OP_VM_EXIT, 42 << 8, 0, 0, 0, 0, 0);
	check(serve(&end) == PARKED);
	check(fake_replies == 1 && fake_reply.w[0] == rq.w[0] && fake_reply.w[1] == 42 << 8 && !fake_reply.label);
	check(!proc_by_pid(rq.w[0]));
	wait = ask(m, OP_VM_WAIT, rq.w[0], 0, 0, 0, 0, 0);
	check(serve(&wait) == -ERR_CHILD);
	/* A group, and Ctrl-C. */
	rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0);
	check(!serve(&rq));
	end = ask(m, OP_VM_SETGROUP, rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&end));
	end = ask(m, OP_VM_FOREGROUND, rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&end));
	vm_notified(VM_NOTIFY_INTERRUPT);
	wait = ask(m, OP_VM_WAIT, (u64) - (s64)rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&wait) && wait.w[1] == KILL_INT);
	/* Typed before there is a group: it is the next one's, or the shell's that asks. */
	vm_notified(VM_NOTIFY_INTERRUPT);
	rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0);
	check(!serve(&rq));
	end = ask(m, OP_VM_SETGROUP, rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&end));
	end = ask(m, OP_VM_FOREGROUND, rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&end) && !end.w[0]);
	wait = ask(m, OP_VM_WAIT, rq.w[0], 0, 0, 0, 0, 0);
	check(!serve(&wait) && wait.w[1] == KILL_INT);
	vm_notified(VM_NOTIFY_INTERRUPT);
	restart();
	end = ask(m, OP_VM_FOREGROUND, 0, 0, 0, 0, 0, 0);
	check(!serve(&end) && end.w[0] == 1);
	end = ask(m, OP_VM_FOREGROUND, 0, 0, 0, 0, 0, 0);
	check(!serve(&end) && !end.w[0]);
	end = ask(m, OP_VM_KILL, 1, 9, 0, 0, 0, 0);
	end.badge = child.badge; /* stale badge: its slot is free, whoever asks may not end the first process */
	check(!fake_check());
}

static void test_segv(struct model *m)
{
	struct request rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0), wait;
	struct model child = { .alive = true };
	u64 before = fake_user_used();

	check(!serve(&rq));
	child.pid = (u32)rq.w[0];
	child.badge = proc_by_pid(child.pid)->badge;
	models[MODELS - 1] = child;
	check(!fault(&models[MODELS - 1], 0x12345, ACCESS_READ));
	wait = ask(m, OP_VM_WAIT, child.pid, 0, 0, 0, 0, 0);
	check(!serve(&wait) && wait.w[1] == KILL_SEGV);
	check(fake_user_used() <= before + MAGAZINE_REFILL + 3);
}

static void test_oom(struct model *m)
{
	struct request rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0), wait;
	struct model *big = &models[MODELS - 1];

	check(!serve(&rq));
	*big = (struct model){ .alive = true, .pid = (u32)rq.w[0], .badge = proc_by_pid(rq.w[0])->badge };
	rq = ask(big, OP_VM_MMAP, 0, ADDRESS_OF(2 * FAKE_FRAMES), PROT_READ | PROT_WRITE, 0, 0, 0);
	check(!serve(&rq));
	for (u32 i = 0; i < 2 * FAKE_FRAMES && big->alive; i++)
		(void)touch(big, PAGE_OF(rq.w[0]) + i, ACCESS_WRITE);
	check(!big->alive && m->alive && stats[VMSTAT_OOM_KILLS]);
	wait = ask(m, OP_VM_WAIT, big->pid, 0, 0, 0, 0, 0);
	check(!serve(&wait) && wait.w[1] == KILL_OOM);
	check(!fake_check());
}

static void test_fork_bomb(struct model *m)
{
	u32 forks = 0;
	struct request rq;
	err_t err;

	for (;;) {
		rq = ask(m, OP_VM_FORK, 0, 0, 0, 0, 0, 0);
		err = serve(&rq);
		if (err)
			break;
		forks++;
	}
	check((err == -ERR_AGAIN || err == -ERR_NOMEM) && forks > 100);
	check(!fake_check());
	for (u32 slot = 2; slot < PROCS; slot++)
		if (vms->proc[slot].state == PROC_RUN)
			proc_end(&procs[slot], KILL_INT);
	for (u32 i = 0; i <= forks; i++)
		op_wait(m);
	check(!fake_check());
}

static void reap_all(void)
{
	for (u32 slot = 2; slot < PROCS; slot++)
		if (vms->proc[slot].state == PROC_RUN)
			proc_end(&procs[slot], KILL_INT);
	buried();
	for (u32 i = 0; i < PROCS; i++)
		op_wait(&models[0]);
	for (u32 slot = 2; slot < PROCS; slot++)
		check(vms->proc[slot].state == PROC_FREE);
}

// Everything that swap holds belongs to somebody, and nothing is left when nobody is.
static void swap_empty(void)
{
	reap_all();
	memset(models[0].page, 0, sizeof(models[0].page));
	for (u32 part = 0; part < 2; part++) {
		u64 from = part ? high_area : BASE, n = part ? AREA - LOW_AREA : LOW_AREA;
		struct request rq = ask(&models[0], OP_VM_MUNMAP, ADDRESS_OF(from), n * PAGE_SIZE, 0, 0, 0, 0);

		check(!serve(&rq));
	}
	fake_swap_settle();
	(void)fake_unuse(1, FAKE_SLOTS); /* what is left is the image of the first process, and its stack */
	check(!fake_check());
	for (u32 i = 0; i < 16; i++)
		(void)fault(&models[0], 0x20 + i % 4, ACCESS_WRITE);
}

static void test_swap(u64 steps)
{
	fake_meddling = 30;
	run_random(steps, TROUBLE_SWAP);
	fake_meddling = 0;
	printf("vm: swap ok (%lu pages out, %lu in)\n", (unsigned long)fake_evictions, (unsigned long)fake_reads);
	check(fake_evictions > steps / 2 && fake_reads > steps / 16 && fake_swap_used() > 100);
	(void)fake_unuse(1, FAKE_SLOTS);
	check(!fake_check());
	fake_meddling = 30;
	run_random(steps / 4, TROUBLE_SWAP);
	run_random(steps / 8, TROUBLE_IO);
	fake_meddling = 0;
	check(stats[VMSTAT_IO_KILLS]);
	printf("vm: swapoff and bad disks ok (%lu killed)\n", (unsigned long)stats[VMSTAT_IO_KILLS]);
	swap_empty();
}

// Requests of any label and words: nothing but an error or the process' own harm.
static void test_hostile(u64 rounds)
{
	const u64 edge[] = { 0,
			     1,
			     4096,
			     0x10000,
			     MMAP_TOP,
			     STACK_TOP,
			     0x3400000000,
			     0x3800000000,
			     ~0ul,
			     ~0ul << 12,
			     1ul << 38,
			     1ul << 63,
			     0x7fffffff,
			     0xfffff000,
			     USER_HIGH,
			     1ul << 47,
			     1ul << 56,
			     ADDRESS_OF(high_end) };

	for (u64 i = 0; i < rounds; i++) {
		struct model *m = &models[1];
		struct request rq;

		if (!m->alive) {
			struct request f = ask(&models[0], OP_VM_FORK, 0, 0, 0, 0, 0, 0);

			op_wait(&models[0]);
			if (serve(&f))
				continue;
			*m = (struct model){ .alive = true, .pid = (u32)f.w[0], .badge = proc_by_pid(f.w[0])->badge };
		}
		rq = request_of(m, PROTO_VM << 16 | rnd(30));
		for (u32 k = 0; k < MSG_WORDS; k++)
			rq.w[k] = rnd(2)   ? edge[rnd(sizeof(edge) / 8)]
				  : rnd(2) ? rnd(64)
					   : ADDRESS_OF(page_at((u32)rnd(AREA)));
		if (rq.label == OP_VM_KILL && (rq.w[0] == 0 || (s64)rq.w[0] < -1))
			continue; /* its group is ours */
		/* A program may send vm what looks like a fault: it is not in one, so no mapping comes of it. */
		if (!rnd(8)) {
			rq.label = rnd(4) ? OP_PAGER_FAULT : OP_PAGER_EXCEPTION;
			rq.w[1] = rnd(4);
			rq.w[2] = rnd(4) | rnd(2) << 16;
			rq.w[0] &= info.user_end - 1;
		}
		if (rq.label == OP_PAGER_FAULT)
			(void)fault_serve(m, &rq);
		else
			(void)serve(&rq);
		check(models[0].alive);
		if (i % 256 == 0)
			check(!fake_check());
	}
}

int main(int argc, char **argv)
{
	bool quick = getenv("JJOK_TEST") && !strcmp(getenv("JJOK_TEST"), "quick");
	u64 scale = quick ? 1 : 3;

	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	verbose = argc > 2;
	rng = seed * 0x9e3779b97f4a7c15ul | 1;
	info.levels = 3 + (seed + 1) % 3;
	info.user_end = 1ul << (PAGE_SHIFT + 9 * info.levels - 1);
	fake_swap_boot(&info, seed % 2);
	boot();
	test_image(&models[0]);
	test_wait(&models[0]);
	test_segv(&models[0]);
	test_exec_refused(&models[0]);
	test_oom(&models[0]);
	reap_all();
	test_fork_bomb(&models[0]);
	test_exec_everywhere();
	printf("vm: single tests ok\n");
	run_random(50000 * scale, TROUBLE_NONE);
	printf("vm: random operations ok\n");
	run_random(2000 * scale, TROUBLE_REBUILD);
	printf("vm: rebuild after every operation ok\n");
	run_random(10000 * scale, TROUBLE_KILL);
	printf("vm: killed at a random call ok (%lu times)\n", (unsigned long)survived);
	run_random(10000 * scale, TROUBLE_NOMEM);
	printf("vm: no memory at a random call ok\n");
	if (info.rings)
		test_swap(6000 * scale);
	reap_all();
	test_hostile(10000 * scale);
	printf("vm: hostile requests ok\n");
	reap_all();
	check(!fake_check());
	check(!info.rings || migrated > 100);
	printf("vm: %lu pages moved\n", (unsigned long)migrated);
	printf("vm: ok, seed %lu\n", (unsigned long)seed);
	return 0;
}
