// SPDX-License-Identifier: MIT
/*
 * Programs that mean harm, or are badly wrong: bad addresses, bad instructions, bad capabilities, forged requests. Each
 * runs in a child of its own, which must end as named here, or see the error named here; afterwards everybody else is
 * there and works.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include <abi/console_client.h>
#include <abi/files_client.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"
#include <hostile.h>

static void part_read(void *p)
{
	(void)*(volatile char *)p;
}

static void part_write(void *p)
{
	*(volatile char *)p = 1;
}

static void part_jump(void *p)
{
	((void (*)(void))p)();
}

static void test_address(uint64_t address)
{
	child_dies(part_read, (void *)address, SIGSEGV);
	child_dies(part_write, (void *)address, SIGSEGV);
	child_dies(part_jump, (void *)(address & -2ul), SIGSEGV);
}

static void test_addresses(void)
{
	static const uint64_t nobody[] = {
		0,
		8,
		0xfff8,        // below programs
		0x2fff0000000, // beyond the user half of Sv39
		0x3f80000000,  // the last gigabyte below the frame table
		0x4000000000,
		0x800000000000,
		0x100000000000000, // first non-canonical or unused ones of the three modes
		0x7fffffffffffffff,
		0x8000000000000000,
		0xfffffffffffffff8,
		0xffffffffffffffff,
		ARCHIVE_VA,
		STATE_VA,
		ARGUMENT_VA,
		LIVENESS_VA,
		SERVER_HEAP, // what servers have there
		FILES_BUFFER + FILES_BUFFER_SIZE,
	};

	for (size_t i = 0; i < sizeof(nobody) / sizeof(*nobody); i++)
		test_address(nobody[i]);
	for (size_t i = 0; i < sizeof(hostile_kernel) / sizeof(*hostile_kernel); i++)
		test_address(hostile_kernel[i]);
}

// What may be looked at and not written to: the program's own code, the frame table.
static void test_readonly(void)
{
	unsigned long frames = getauxval(AT_JJOK_FRAMES);

	child_dies(part_write, (void *)test_readonly, SIGSEGV);
	CHECK(frames);
	child_exits(part_read, (void *)frames, 0);
	child_dies(part_write, (void *)frames, SIGSEGV);
	child_dies(part_jump, (void *)frames, SIGSEGV);
}

static void *page_end; // the last bytes of a page with nothing behind it

static void part_across_read(void *p)
{
	(void)*(volatile uint64_t *)((char *)page_end - (uint64_t)p);
}

static void part_across_write(void *p)
{
	*(volatile uint64_t *)((char *)page_end - (uint64_t)p) = 1;
}

static void part_atomic(void *p)
{
	hostile_atomic((uint64_t *)((char *)page_end - (uint64_t)p));
}

static void test_misaligned(void)
{
	page_end = (char *)sbrk(2 * PAGE_SIZE);
	page_end = (void *)(((uint64_t)page_end + 2 * PAGE_SIZE) & -(uint64_t)PAGE_SIZE);
	CHECK(!vm_brk(SLOT_VM, (u64)page_end, NULL));
	child_exits(part_across_write, (void *)13, 0);
	child_exits(part_across_read, (void *)8, 0);
	for (uint64_t n = 1; n < 8; n++) {
		child_dies(part_across_read, (void *)n, SIGSEGV);
		child_dies(part_across_write, (void *)n, SIGSEGV);
	}
	child_exits(part_atomic, (void *)16, 0);
	child_dies(part_atomic, (void *)4, HOSTILE_ATOMIC_SIGNAL);
}

static void part_listed(void *p)
{
	((const struct hostile *)p)->run();
}

static void part_variant(void *p)
{
	hostile_variant((uint64_t)p);
}

static void test_instructions(void)
{
	for (size_t i = 0; i < sizeof(hostile_list) / sizeof(*hostile_list); i++) {
		const struct hostile *h = &hostile_list[i];
		int status = child_run(part_listed, (void *)h), signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

		if (h->signal == HOSTILE_ANY)
			continue;
		if ((status && !signal) || (h->signal == HOSTILE_DIES ? !signal : signal != h->signal))
			FAIL("%s: wait status %#x, expected %d", h->name, status, h->signal);
	}
	for (uint64_t n = 0; n < HOSTILE_VARIANTS; n++)
		CHECK(WIFSIGNALED(child_run(part_variant, (void *)n)));
}

static uint64_t __attribute__((noinline)) recurse(uint64_t n)
{
	volatile char frame[1000];

	memset((void *)frame, (int)n, sizeof(frame));
	return n ? recurse(n - 1) + frame[5] : 0;
}

static void part_recurse(void *n)
{
	recurse((uint64_t)n);
}

static void test_stack(void)
{
	child_exits(part_recurse, (void *)6000, 0); // 6 of the 8 MiB
	child_dies(part_recurse, (void *)100000, SIGSEGV);
}

// The registers that a kernel must not trust hold kernel addresses during a system call; they come back as they were.
static void part_registers(void *value)
{
	uint64_t changed = 0;

	CHECK_EQUAL(hostile_registers((uint64_t)value, &changed), -ERR_AGAIN);
	CHECK_EQUAL(changed, 0);
}

static void test_registers(void)
{
	const uint64_t values[] = {
		0, 1, 8, 0x800000000000, 0x7ffffffffff8, hostile_kernel[0], hostile_kernel[2], 1ul << 63, ~0ul
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		child_exits(part_registers, (void *)values[i], 0);
}

static err_t raw(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	u64 r[10] = { a0, a1, a2 };

	return arch_syscall(nr, 10, r);
}

// Capabilities that are not there, of another type, without the right.
static void test_capabilities(void)
{
	static const uint64_t empty[] = { 0, 10, 127, 128, 7167, 7168, 0xffffffff, 1ul << 32, 1ul << 63, ~0ul };
	u64 bits;

	for (uint64_t nr = NR_CALL; nr <= NR_SYSTEM; nr++)
		for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++)
			CHECK_EQUAL(raw(nr, empty[i], 0, 0), -ERR_BADCAP);
	for (uint64_t nr = NR_THREAD_CTL; nr < NR_SYSTEM; nr++)
		for (uint64_t slot = SLOT_VM; slot <= SLOT_SYSTEM; slot++)
			CHECK_EQUAL(raw(nr, slot, 0, 0), -ERR_TYPE);
	for (uint64_t nr = NR_SYSTEM + 1; nr < 256; nr++)
		CHECK_EQUAL(raw(nr, SLOT_VM, 0, 0), -ERR_NOSYS);
	CHECK_EQUAL(raw(NR_NOTIFY, SLOT_VM, 1, 0), -ERR_TYPE);
	CHECK_EQUAL(raw(NR_CALL, SLOT_NOTIFY, 0, 0), -ERR_TYPE);
	for (uint64_t slot = SLOT_VM; slot <= SLOT_CONSOLE; slot++) {
		// guessed reply words, and receiving what others send
		for (uint64_t nr = NR_REPLY_RECV; nr <= NR_RECV; nr++)
			CHECK_EQUAL(raw(nr, slot, 0, 0), -ERR_PERM);
	}
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, SYS_POWER, 0), -ERR_PERM);
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, SYS_TRACE_MASK, ~0ul), -ERR_PERM);
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, SYS_STAT, ~0ul), -ERR_INVAL);
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, ~0ul, 0), -ERR_INVAL);
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, SYS_LOG, 17), -ERR_INVAL);
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, SYS_LOG, 0), -ERR_INVAL);
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, SYS_BUDDY, ~0ul), -ERR_INVAL);
	CHECK_EQUAL(raw(NR_SYSTEM, SLOT_SYSTEM, SYS_WALK, SLOT_VM), -ERR_TYPE);
	CHECK(!ipc_notify(SLOT_NOTIFY, 5) && !ipc_wait(SLOT_NOTIFY, 0, 0, &bits) && bits == 5);
	CHECK_EQUAL(ipc_wait(SLOT_NOTIFY, IPC_DEADLINE, 1, &bits), -ERR_TIMEDOUT);
}

// Capabilities sent with a call that are not there, and ones that the server did not ask for.
static void test_transfer(void)
{
	static const uint64_t slots[] = { 10, 128, 7168, 0xffffffff };
	u64 parent;

	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		struct request rq = { .label = OP_VM_GETPID, .caps = caps_pair(slots[i], 0) };

		CHECK_EQUAL(ipc_call(SLOT_VM, &rq), -ERR_BADCAP);
	}
	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		struct request rq = { .label = OP_VM_GETPID, .caps = caps_pair(SLOT_NOTIFY, slots[i]) };

		CHECK(!ipc_call(SLOT_VM, &rq) && !rq.label && rq.w[0] == (u64)getpid());
	}
	CHECK(!vm_getpid(SLOT_VM, NULL, &parent, NULL) && parent == (u64)getppid());
}

static void part_forged(void *label)
{
	struct request rq = { .label = (u64)label, .w = { 0x10000, 1, 0, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul } };

	(void)ipc_call(SLOT_VM, &rq);
}

// Requests that only the kernel or init make, and operations that do not exist.
static void test_forged(void)
{
	u64 pid;

	CHECK(child_run(part_forged, (void *)OP_PAGER_EXCEPTION)); // hurts nobody but itself
	(void)child_run(part_forged, (void *)OP_PAGER_FAULT);
	CHECK_EQUAL(vm_spawn(SLOT_VM, 0, 4096, 0, 0, &pid), -ERR_PERM);
	CHECK_EQUAL(vm_archive(SLOT_VM, 0, ~0ul), -ERR_PERM);
	for (u64 slot = SLOT_VM; slot <= SLOT_CONSOLE; slot++) {
		static const u64 labels[] = { 0,
					      0xffff,
					      0x7fffffff,
					      0x20000,
					      0x2ffff,
					      0x30000,
					      0x3ffff,
					      0x4ffff,
					      0x50001,
					      OP_VM_GETPID | 1ul << 31,
					      OP_VM_GETPID | 1ul << 32,
					      OP_FILES_CLOSE | 1ul << 31,
					      ~0ul };

		for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
			struct request rq = { .label = labels[i],
					      .w = { ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul } };

			CHECK(!ipc_call(slot, &rq));
			CHECK_EQUAL(rq.label, -ERR_NOSYS);
		}
	}
}

static void test_vm(void)
{
	static const u64 wild[] = { 1, 0xffffffc000000000, ~0ul & -PAGE_SIZE, FILES_BUFFER, 1ul << 62 };
	u64 out;

	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		CHECK(vm_munmap(SLOT_VM, wild[i], PAGE_SIZE) < 0);
		CHECK(vm_mprotect(SLOT_VM, wild[i], PAGE_SIZE, PROT_READ) < 0);
		CHECK(vm_madvise(SLOT_VM, wild[i], PAGE_SIZE, MADV_DONTNEED) < 0);
		CHECK(vm_mremap(SLOT_VM, wild[i], PAGE_SIZE, 2 * PAGE_SIZE, 1, &out) < 0);
		CHECK(vm_mlock(SLOT_VM, wild[i], PAGE_SIZE, 1) < 0);
		CHECK(vm_mmap(SLOT_VM, wild[i], PAGE_SIZE, PROT_READ, MMAP_FIXED, 0, 0, &out) < 0);
		CHECK(vm_mmap(SLOT_VM, 0, PAGE_SIZE, PROT_READ, MMAP_FILE, wild[i] | 1ul << 40, 0, &out) < 0);
		CHECK(vm_exec(SLOT_VM, 1, PAGE_SIZE, wild[i], 1, STACK_TOP - 16, 0, 0) < 0);
		CHECK(vm_exec(SLOT_VM, wild[i], PAGE_SIZE, USER_BASE, 1, STACK_TOP - 16, 0, 0) < 0);
		CHECK(vm_exec(SLOT_VM, 1, PAGE_SIZE, USER_BASE, wild[i], STACK_TOP - 16, 0, 0) < 0);
		(void)vm_brk(SLOT_VM, wild[i], &out);
		CHECK(vm_walk(SLOT_VM, 1, wild[i], ~0ul, NULL, NULL, NULL, NULL) < 0);
		CHECK(vm_vma(SLOT_VM, wild[i] | 1ul << 40, 0, NULL, NULL, NULL, NULL, NULL, NULL) < 0);
		CHECK(vm_stat(SLOT_VM, wild[i] | 1ul << 40, NULL) < 0);
		CHECK(vm_ps(SLOT_VM, wild[i] | 1ul << 40, NULL, NULL, NULL, NULL, NULL, NULL, NULL) < 0);
	}
	CHECK(vm_kill(SLOT_VM, 1ul << 40, SIGKILL) < 0);
	CHECK(vm_setgroup(SLOT_VM, 1ul << 40, 1) < 0);
}

static void test_files(void)
{
	static const u64 wild[] = { FD_MAX, 1ul << 31, 1ul << 32, ~0ul };
	u64 done;
	int fd = open("/etc/boot.manifest", O_RDONLY), out = open("/tmp/hostile", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && out >= 0);
	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		CHECK_EQUAL(files_read(SLOT_FILES, wild[i], 1, 0, &done), -ERR_BADF);
		CHECK_EQUAL(files_close(SLOT_FILES, wild[i]), -ERR_BADF);
		CHECK_EQUAL(files_dup(SLOT_FILES, wild[i], ~0ul, 0, &done), -ERR_BADF);
		CHECK(files_dup(SLOT_FILES, fd, wild[i] == ~0ul ? 1000 : wild[i], 0, &done) < 0);
		CHECK(files_read(SLOT_FILES, fd, 1, wild[i] | FILES_BUFFER_SIZE, &done) < 0);
		CHECK(files_read(SLOT_FILES, fd, ~0ul, wild[i], &done) < 0);
		CHECK(files_write(SLOT_FILES, out, ~0ul - 16, wild[i] | FILES_BUFFER_SIZE, &done) < 0);
		CHECK(files_write(SLOT_FILES, out, FILES_BUFFER_SIZE, 1, &done) < 0);
		CHECK(files_fork_attach(SLOT_FILES, wild[i]) < 0);
	}
	CHECK(files_seek(SLOT_FILES, out, 1ul << 62, 0, &done) < 0 ||
	      files_write_small(SLOT_FILES, out, 1, 0, 0, 0, 0, 0, 0, &done) < 0);
	CHECK(files_ftruncate(SLOT_FILES, out, ~0ul) < 0);
	memset((void *)FILES_BUFFER, 'a', FILES_BUFFER_SIZE); // a path without an end
	CHECK_EQUAL(files_open(SLOT_FILES, OPEN_READ, 0, &done, NULL), -ERR_NAMETOOLONG);
	CHECK(files_rename(SLOT_FILES) < 0);
	CHECK(!close(fd) && !close(out) && !unlink("/tmp/hostile"));
}

static void test_console(void)
{
	u64 done;

	CHECK(console_write(SLOT_CONSOLE, 57, 0, 0, 0, 0, 0, 0, 0, &done) < 0);
	CHECK(console_write(SLOT_CONSOLE, ~0ul, 0, 0, 0, 0, 0, 0, 0, &done) < 0);
	CHECK(console_read(SLOT_CONSOLE, ~0ul, 0, &done, NULL, NULL, NULL, NULL, NULL, NULL, NULL) < 0);
	CHECK(console_mode(SLOT_CONSOLE, ~0ul, NULL, NULL) < 0);
}

int main(void)
{
	test_addresses();
	test_readonly();
	test_misaligned();
	test_instructions();
	test_stack();
	test_registers();
	test_capabilities();
	test_transfer();
	test_forged();
	test_vm();
	test_files();
	test_console();
	return check_done("hostile");
}
