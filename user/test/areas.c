// SPDX-License-Identifier: MIT
// vmalloc as programs see it: content, guard pages, errors, fork, exec, aliases, exhaustion; everything comes back.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jjok/vmalloc.h>

#include <abi/stubs.h>
#include <abi/vm_client.h>
#include <abi/vmalloc_client.h>

#include "check.h"

#define AREAS 200
#define SEGV  11
#define OOM   9

static u64 count(u64 index)
{
	u64 value = 0;

	CHECK(!vmalloc_stat(SLOT_VMALLOC, index, &value));
	return value;
}

static void fails(void *p, int error)
{
	CHECK(!p);
	CHECK_EQUAL(errno, error);
}

// ---- content

static void fill(u64 *p, size_t bytes, u64 stamp)
{
	for (size_t i = 0; i < bytes / sizeof(u64); i += 64)
		p[i] = stamp + i;
	p[bytes / sizeof(u64) - 1] = stamp;
}

static void verify(const u64 *p, size_t bytes, u64 stamp)
{
	for (size_t i = 0; i < bytes / sizeof(u64); i += 64)
		if (i != bytes / sizeof(u64) - 1)
			CHECK_EQUAL(p[i], stamp + i);
	CHECK_EQUAL(p[bytes / sizeof(u64) - 1], stamp);
}

static void zeroes(const u64 *p, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(u64); i++)
		CHECK_EQUAL(p[i], 0);
}

// Random areas; each keeps what was written in it, and the zeroed ones are.
static void content(void)
{
	static struct {
		u64 *p;
		size_t bytes;
	} area[AREAS];
	struct random r = { 42 };

	for (u32 round = 0; round < 3000; round++) {
		u32 i = (u32)random_below(&r, AREAS);
		bool zero = random_below(&r, 4) == 0;

		if (area[i].p) {
			verify(area[i].p, area[i].bytes, i * 1000 + 7);
			vfree(area[i].p);
			area[i].p = NULL;
			continue;
		}
		area[i].bytes = (1 + random_below(&r, random_below(&r, 10) ? 5 : 60)) * PAGE_SIZE;
		area[i].p = zero ? vzalloc(area[i].bytes - 5) : vmalloc(area[i].bytes - 5);
		CHECK(area[i].p && is_vmalloc_addr(area[i].p) && (u64)area[i].p % PAGE_SIZE == 0);
		if (zero)
			zeroes(area[i].p, area[i].bytes);
		fill(area[i].p, area[i].bytes, i * 1000 + 7);
	}
	for (u32 i = 0; i < AREAS; i++) {
		if (area[i].p)
			verify(area[i].p, area[i].bytes, i * 1000 + 7);
		vfree(area[i].p);
	}
}

static void large(void)
{
	size_t bytes = 5ul << 20;
	u64 *p = vzalloc(bytes), before;

	CHECK(p && (u64)p % (2ul << 20) == 0);
	CHECK(count(VMALLOCSTAT_LARGE) > 0);
	zeroes(p, bytes);
	fill(p, bytes, 99);
	verify(p, bytes, 99);
	before = count(VMALLOCSTAT_PURGED);
	vfree(p);
	CHECK(count(VMALLOCSTAT_PURGED) >= before + bytes / PAGE_SIZE); /* nobody keeps so much back */
	CHECK_EQUAL(count(VMALLOCSTAT_LARGE), 0);
}

// ---- pages once more

static void aliases(void)
{
	char *a = vmalloc(4 * PAGE_SIZE), *b = vmalloc(PAGE_SIZE), *ring;
	void *pages[VM_MAP_RAM_MAX + 1];
	u64 ram = count(VMALLOCSTAT_RAM_PAGES);

	CHECK(a && b);
	for (u32 i = 0; i < 4; i++)
		a[i * PAGE_SIZE] = (char)('a' + i);
	b[0] = 'B';
	for (u32 i = 0; i < 4; i++)
		pages[i] = a + (3 - i) * PAGE_SIZE;
	pages[4] = b;
	ring = vm_map_ram(pages, 5);
	CHECK(ring && is_vmalloc_addr(ring));
	CHECK(ring[0] == 'd' && ring[3 * PAGE_SIZE] == 'a' && ring[4 * PAGE_SIZE] == 'B');
	ring[PAGE_SIZE] = 'x';
	CHECK(a[2 * PAGE_SIZE] == 'x');
	CHECK_EQUAL(count(VMALLOCSTAT_RAM_PAGES), ram + 5);
	/* The page outlives the area it came from. */
	vfree(a);
	vm_unmap_aliases();
	CHECK(ring[PAGE_SIZE] == 'x' && ring[0] == 'd');
	vm_unmap_ram(ring, 5);
	CHECK_EQUAL(count(VMALLOCSTAT_RAM_PAGES), ram);
	/* One page, many times: a ring that is seen without its end. */
	for (u32 i = 0; i <= VM_MAP_RAM_MAX; i++)
		pages[i] = b;
	ring = vm_map_ram(pages, VM_MAP_RAM_MAX);
	CHECK(ring);
	for (u32 i = 0; i < VM_MAP_RAM_MAX; i++)
		CHECK(ring[i * PAGE_SIZE] == 'B');
	fails(vm_map_ram(pages, VM_MAP_RAM_MAX + 1), E2BIG);
	fails(vm_map_ram(pages, 0), EINVAL);
	pages[0] = ring + VM_MAP_RAM_MAX * PAGE_SIZE;
	fails(vm_map_ram(pages, 1), EFAULT);
	pages[0] = pages;
	fails(vm_map_ram(pages, 1), EFAULT);
	errno = 0;
	vm_unmap_ram(ring, 3);
	CHECK_EQUAL(errno, EINVAL);
	vm_unmap_ram(ring, VM_MAP_RAM_MAX);
	vfree(b);
}

// ---- what vmallocinfo shows of this process

static void shown(void)
{
	char *a = vmalloc(4 * PAGE_SIZE), *b = vmalloc(PAGE_SIZE), expect[3][120], line[200];
	void *pages[] = { a, b }, *ram = vm_map_ram(pages, 2);
	u32 seen = 0;
	FILE *f;

	vfree(b);
	snprintf(expect[0], sizeof(*expect), "0x%016lx-0x%016lx   20480 areas/%d pages=4 vmalloc N0=4\n", (u64)a,
		 (u64)a + 5 * PAGE_SIZE, getpid());
	snprintf(expect[1], sizeof(*expect), "0x%016lx-0x%016lx   12288 areas/%d vm_map_ram\n", (u64)ram,
		 (u64)ram + 3 * PAGE_SIZE, getpid());
	snprintf(expect[2], sizeof(*expect), "0x%016lx-0x%016lx    8192 unpurged vm_area\n", (u64)b,
		 (u64)b + 2 * PAGE_SIZE);
	f = popen("vmallocinfo", "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		for (u32 i = 0; i < 3; i++)
			seen |= !strcmp(line, expect[i]) << i;
	CHECK(!pclose(f));
	CHECK_EQUAL(seen, 7);
	vfree(a);
	vm_unmap_ram(ram, 2);
}

// ---- mistakes

static void errors(void)
{
	char *p = vmalloc(PAGE_SIZE);

	fails(vmalloc(0), EINVAL);
	fails(vzalloc(0), EINVAL);
	fails(vmalloc(~0ul), ERANGE);
	fails(vmalloc(~0ul - PAGE_SIZE), ERANGE);
	fails(vmalloc(VMALLOC_END - VMALLOC_START), ERANGE);
	vfree(NULL);
	errno = 0;
	vfree(p + 8);
	CHECK_EQUAL(errno, EINVAL);
	vfree(&errno);
	vfree((void *)0x10000);
	vfree(p);
	errno = 0;
	vfree(p); /* twice */
	CHECK_EQUAL(errno, EINVAL);
	CHECK(!is_vmalloc_addr(&p) && !is_vmalloc_addr(NULL));
}

static void touch(void *p)
{
	*(volatile char *)p = 1;
}

static void read_back(void *p)
{
	(void)*(volatile char *)p;
}

static void guards(void)
{
	char *a = vmalloc(PAGE_SIZE), *b = vmalloc(3 * PAGE_SIZE), *c = vmalloc(100 * PAGE_SIZE);

	CHECK(a && b && c);
	memset(b, 1, 3 * PAGE_SIZE);
	vm_unmap_aliases();
	/* In a child the window is not there at all; so the program itself is started again for these. */
	child_dies(touch, a, SEGV);
	child_dies(read_back, c, SEGV);
	vfree(a);
	vfree(b);
	vfree(c);
}

static void child_areas(void *parents)
{
	char *p;

	errno = 0;
	vfree(parents); /* another's area: its own window has none there */
	CHECK_EQUAL(errno, EINVAL);
	p = vmalloc(PAGE_SIZE);
	CHECK(p);
	memset(p, 'c', PAGE_SIZE);
	void *page = p, *again = vm_map_ram(&page, 1);

	CHECK(again && *(char *)again == 'c');
}

static void forks(void)
{
	char *p = vmalloc(PAGE_SIZE);
	void *page = p, *alias;

	memset(p, 'p', PAGE_SIZE);
	alias = vm_map_ram(&page, 1); /* so that the child inherits the list's address */
	child_exits(child_areas, p, 0);
	CHECK(p[0] == 'p' && p[PAGE_SIZE - 1] == 'p');
	vm_unmap_ram(alias, 1);
	vfree(p);
}

// ---- a program of its own that does one thing wrong

static void run(const char *part, int signal)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		execl("/test/areas", "areas", part, NULL);
		_exit(1);
	}
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	if (signal ? !WIFSIGNALED(status) || WTERMSIG(status) != signal : status)
		FAIL("part %s ended with wait status %#x", part, status);
}

static int part_run(const char *part)
{
	u64 *p = vmalloc(3 * PAGE_SIZE), pages = 0;

	CHECK(p);
	if (!strcmp(part, "guard"))
		touch(p + 3 * PAGE_SIZE / sizeof(u64));
	if (!strcmp(part, "execute"))
		((void (*)(void))p)();
	if (!strcmp(part, "purged")) {
		vfree(p);
		vm_unmap_aliases();
		touch(p);
	}
	if (!strcmp(part, "leave")) { /* it ends with all it has */
		CHECK(vmalloc(3ul << 20) && vmalloc(PAGE_SIZE) && vmalloc(200 * PAGE_SIZE));
		return 0;
	}
	if (!strcmp(part, "exec")) { /* the next image has none of it */
		execl("/test/areas", "areas", "fresh", NULL);
		return 1;
	}
	if (!strcmp(part, "fresh")) {
		CHECK_EQUAL(count(VMALLOCSTAT_AREAS), 1 + strtoul(getenv("AREAS"), NULL, 0));
		return 0;
	}
	if (!strcmp(part, "hog")) /* until memory is out: then this one goes, or is refused */
		while ((p = vmalloc(16 * PAGE_SIZE)))
			fill(p, 16 * PAGE_SIZE, ++pages);
	CHECK_EQUAL(errno, ENOMEM);
	return 0;
}

static void parts(void)
{
	char text[24];

	run("guard", SEGV);
	run("execute", SEGV);
	run("purged", SEGV);
	run("leave", 0);
	snprintf(text, sizeof(text), "%lu", count(VMALLOCSTAT_AREAS));
	setenv("AREAS", text, 1);
	run("exec", 0);
}

// Memory is out: what was begun is undone, the rest is as it was, and all can be had again.
static void exhaustion(void)
{
	u64 limit = 0, used = 0, *p, *q = vmalloc(10 * PAGE_SIZE);

	CHECK(!vm_stat(SLOT_VM, VMSTAT_POOL_LIMIT, &limit) && !vm_stat(SLOT_VM, VMSTAT_POOL_USED, &used));
	fill(q, 10 * PAGE_SIZE, 5);
	for (u32 i = 0; i < 3; i++) {
		fails(vmalloc((limit + 1) * PAGE_SIZE), ENOMEM);
		p = vmalloc(20 * PAGE_SIZE);
		CHECK(p);
		vfree(p);
	}
	verify(q, 10 * PAGE_SIZE, 5);
	vfree(q);
	run("hog", 0);
}

// The requests, without the library: what a hostile program sends.
static void hostile(void)
{
	struct random r = { 7 };
	u64 a, left;

	for (u32 i = 0; i < 3000; i++) {
		struct request rq = { .label = PROTO_VMALLOC << 16 | (random_next(&r) & 15) };

		for (u32 w = 0; w < MSG_WORDS; w++) {
			rq.w[w] = random_next(&r) >> (random_next(&r) & 63);
			if (random_below(&r, 3) == 0)
				rq.w[w] = VMALLOC_START + (rq.w[w] & 0xffffff);
		}
		if (rq.label == OP_VMALLOC_ALLOC && rq.w[0] > 100000)
			rq.w[0] &= 0xffff;
		if (random_below(&r, 8) == 0)
			rq.caps = 1 + random_below(&r, 5); /* a gift */
		CHECK(ipc_call(SLOT_VMALLOC, &rq) <= 0);
	}
	CHECK_EQUAL(vmalloc_detach(SLOT_VMALLOC, (u64)getpid() << 16), -ERR_PERM);
	CHECK_EQUAL(vmalloc_attach(SLOT_VMALLOC, 1, 0, 1), -ERR_PERM);
	CHECK(!vmalloc_alloc(SLOT_VMALLOC, 4ul << 20, 0, &a, &left)); /* begun and never finished */
	CHECK(!vm_attach(SLOT_VM, ATTACH_VMALLOC, NULL));             /* again: nothing changes */
	CHECK(!vmalloc_fill(SLOT_VMALLOC, a, &left));
	CHECK_EQUAL(vm_attach(SLOT_VM, 77, NULL), -ERR_INVAL);
}

static void hostile_child(void *unused)
{
	(void)unused;
	CHECK(vmalloc(1));
	hostile();
}

int main(int argc, char **argv)
{
	u64 areas, pages;

	if (argc > 1)
		return part_run(argv[1]);
	vfree(vmalloc(1));
	areas = count(VMALLOCSTAT_AREAS);
	pages = count(VMALLOCSTAT_PAGES);
	content();
	large();
	errors();
	guards();
	forks();
	parts();
	aliases();
	shown();
	child_exits(hostile_child, NULL, 0);
	exhaustion();
	vm_unmap_aliases();
	CHECK_EQUAL(count(VMALLOCSTAT_AREAS), areas + 1); /* the library's list */
	CHECK_EQUAL(count(VMALLOCSTAT_PAGES), pages + 1);
	CHECK_EQUAL(count(VMALLOCSTAT_LAZY), 0);
	CHECK_EQUAL(count(VMALLOCSTAT_PREPARED), 0);
	return check_done("areas");
}
