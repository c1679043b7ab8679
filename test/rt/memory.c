// SPDX-License-Identifier: MIT
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096

static volatile char *area;

static char *map(size_t pages, int prot)
{
	char *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && (uintptr_t)p % PAGE == 0);
	return p;
}

static void touch_write(void)
{
	*area = 1;
}

static void touch_read(void)
{
	(void)*area;
}

static bool faults(volatile char *p, void (*how)(void))
{
	int status;

	area = p;
	status = in_child(how);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void test_protection(void)
{
	char *p = map(8, PROT_READ | PROT_WRITE);

	memset(p, 5, 8 * PAGE);
	CHECK(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ) == 0);
	CHECK(!faults(p + 2 * PAGE, touch_read) && faults(p + 2 * PAGE, touch_write) &&
	      !faults(p + 4 * PAGE, touch_write));
	CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_NONE) == 0 && faults(p + 2 * PAGE, touch_read));
	CHECK(mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE) == 0 && p[2 * PAGE] == 5 && p[3 * PAGE] == 5);
	CHECK(munmap(p + 3 * PAGE, PAGE) == 0 && faults(p + 3 * PAGE, touch_read) && p[4 * PAGE] == 5);
	CHECK(mmap(p + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + 3 * PAGE &&
	      p[3 * PAGE] == 0);
	CHECK(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
	      errno == EEXIST);
	CHECK(munmap(p, 8 * PAGE) == 0 && faults(p, touch_read) && faults(p + 7 * PAGE, touch_read));
	CHECK(faults((char *)(uintptr_t)test_memory, touch_write) && faults(NULL, touch_read) &&
	      faults((char *)-8, touch_read));
	CHECK(faults((char *)0xffffffc000000000, touch_read) && faults((char *)0x0123456789abcdef, touch_write));
	CHECK(mprotect(p, PAGE, PROT_READ) == -1 && errno == ENOMEM && mprotect(p + 1, PAGE, PROT_READ) == -1);
	CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, (size_t)1 << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK(munmap((void *)1, PAGE) == -1 && errno == EINVAL);
}

static void test_advice(void)
{
	char *p = map(64, PROT_READ | PROT_WRITE), *q;

	CHECK(p[5] == 0 && p[63 * PAGE] == 0); // read before write: zeroes
	memset(p, 7, 64 * PAGE);
	CHECK(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED) == 0 && p[PAGE] == 0 && p[2 * PAGE] == 0 && p[3 * PAGE] == 7);
	CHECK(madvise(p, 64 * PAGE, MADV_WILLNEED) == 0 && p[PAGE] == 0 && madvise(p, PAGE, 99) == -1 &&
	      errno == EINVAL);
	CHECK(mlock(p, 8 * PAGE) == 0 && munlock(p, 8 * PAGE) == 0 && msync(p, PAGE, MS_SYNC) == 0);
	q = mremap(p, 64 * PAGE, 512 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q[0] == 7 && q[PAGE] == 0 && q[63 * PAGE + 4095] == 7 && q[64 * PAGE] == 0 &&
	      q[511 * PAGE] == 0);
	CHECK(mremap(q, 512 * PAGE, 4 * PAGE, 0) == q && q[3 * PAGE] == 7 && faults(q + 4 * PAGE, touch_read));
	CHECK(munmap(q, 4 * PAGE) == 0);
}

static void write_shared(void)
{
	area[0] = 42;
	area[5 * PAGE] = 43;
}

static void test_sharing(void)
{
	volatile char *shared = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *private = map(16, PROT_READ | PROT_WRITE);

	CHECK(shared != MAP_FAILED);
	shared[0] = 1;
	area = shared;
	CHECK(in_child(write_shared) == 0 && shared[0] == 42 && shared[5 * PAGE] == 43);
	memset(private, 1, 16 * PAGE);
	area = private;
	CHECK(in_child(write_shared) == 0 && private[0] == 1 && private[5 * PAGE] == 1);
	CHECK(munmap((void *)shared, 16 * PAGE) == 0 && munmap(private, 16 * PAGE) == 0);
}

static void test_files(void)
{
	int fd = open("/bin/ls", O_RDONLY);
	char head[64], *p, *q;

	CHECK(fd >= 0 && read(fd, head, sizeof(head)) == sizeof(head));
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && !memcmp(p, head, sizeof(head)) && !memcmp(p, "\177ELF", 4));
	p[0] = 'x';
	q = mmap(NULL, 100 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
	CHECK(q != MAP_FAILED && pread(fd, head, sizeof(head), PAGE) == sizeof(head) && !memcmp(q, head, sizeof(head)));
	CHECK(!memcmp(q, p + PAGE, PAGE) && q[99 * PAGE] == 0 && munmap(q, 100 * PAGE) == 0);
	CHECK(pread(fd, head, 1, 0) == 1 && head[0] == 0177 && munmap(p, 3 * PAGE) == 0);
	CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
	      mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 63, 0) == MAP_FAILED && close(fd) == 0);
}

static int deep(int n)
{
	volatile char frame[1024];

	frame[0] = (char)n;
	return n ? deep(n - 1) + frame[0] - (char)n : 0;
}

static void overflow(void)
{
	deep(1 << 30);
}

void test_memory(void)
{
	char *heap = sbrk(0);
	int status;

	test_protection();
	test_advice();
	test_sharing();
	test_files();
	CHECK(sbrk(100000) == heap && sbrk(0) == heap + 100000);
	memset(heap, 3, 100000);
	CHECK(sbrk(-100000) == heap + 100000 && sbrk(0) == heap && sbrk(PAGE) == heap && heap[0] == 0);
	CHECK(deep(6000) == 0); // six of the eight megabytes of stack
	status = in_child(overflow);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}
