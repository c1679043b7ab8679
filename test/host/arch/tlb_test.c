// SPDX-License-Identifier: MIT
// Harts as threads: the kernel lock, shootdown and ASIDs, run for real.
//
// Each thread is a hart. In user mode it reads and writes through its own TLB, which it fills by walking the tables
// without any lock, as a page walker does; between two instructions it takes an IPI if one is there. Now and then it
// makes a system call: takes the lock, maps, unmaps, write-protects or moves pages, changes to another address space,
// leaves. A page's content says which address it is for. When a page is freed its content is spoilt before the lock is
// let go; so a hart that still uses an old translation reads or writes a spoilt page, and that is found.
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/base/log.h>
#include <mm/buddy.h>
#include <mm/pgtable.h>

#define HARTS     3
#define SPACES    12
#define PAGES     24 // spread over two tables
#define FRAMES    1024
#define BASE      0x400 // first pfn
#define ASID_BITS 3
#define TLB       32
#define SPOILT    0xdeadul

struct cached {
	bool valid, write;
	u64 asid;
	vaddr_t va;
	pfn_t pfn;
};

static struct fake {
	struct tlb_hart hart;
	struct cached tlb[TLB];
	u64 asid, root; // what the root register holds
	int ipi;
	u64 random, reads, writes, faults, traps;
} fake[HARTS];

static __thread u32 self;
static int lock;
static struct pool root_pool, pool;
static struct aspace *space[SPACES];
static u64 calls_left;

struct page *host_mem_map;
void *host_ram;
u32 arch_levels = 3;
vaddr_t arch_user_end = 1ul << 38;
u64 trace_mask;

void panic(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("panic: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	abort();
}

void log_line(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

void trace_write(u32 id, u64 a, u64 b, u64 c)
{
	(void)id, (void)a, (void)b, (void)c;
}

static u64 rnd(u64 n)
{
	u64 *r = &fake[self].random;
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return (*r >> 11) % n;
}

// ---- arch.h

u64 arch_root_value(paddr_t table, u64 asid)
{
	return 1ul << 63 | asid << 48 | table >> PAGE_SHIFT;
}

u32 arch_asid_bits(void)
{
	return ASID_BITS;
}

paddr_t arch_kernel_root(void)
{
	return (u64)BASE << PAGE_SHIFT; // the first frame, kept out of the buddy
}

void arch_timer_set(u64 tick)
{
	(void)tick;
}

u64 host_time(void)
{
	return 0;
}

void host_relax(void)
{
	sched_yield();
}

struct hart *host_hart(void)
{
	return NULL;
}

void arch_page_clear(void *page)
{
	memset(page, 0, PAGE_SIZE);
}

void arch_page_copy(void *dst, const void *src)
{
	memcpy(dst, src, PAGE_SIZE);
}

void host_root_switch(u64 root)
{
	fake[self].root = root & ((1ul << 48) - 1);
	fake[self].asid = root >> 48 & 0x7fff;
}

void host_flush_page(vaddr_t va, u64 asid)
{
	for (struct cached *c = fake[self].tlb; c < fake[self].tlb + TLB; c++)
		c->valid &= c->va != va || c->asid != asid;
}

void host_flush_asid(u64 asid)
{
	for (struct cached *c = fake[self].tlb; c < fake[self].tlb + TLB; c++)
		c->valid &= c->asid != asid;
}

void arch_flush_all(void)
{
	for (struct cached *c = fake[self].tlb; c < fake[self].tlb + TLB; c++)
		c->valid = false;
}

void arch_ipi(u64 harts)
{
	for (u32 i = 0; i < HARTS; i++) {
		if (harts >> i & 1)
			__atomic_store_n(&fake[i].ipi, 1, __ATOMIC_RELEASE);
	}
}

// ---- the trap boundary

static void enter(void)
{
	tlb_enter_kernel(&fake[self].hart);
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	tlb_self = self;
}

static void leave(void)
{
	tlb_exit_kernel(&fake[self].hart);
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void take_ipi(void)
{
	if (!__atomic_exchange_n(&fake[self].ipi, 0, __ATOMIC_ACQUIRE))
		return;
	fake[self].traps++;
	enter();
	leave();
}

// ---- user mode

static vaddr_t page_va(u32 i)
{
	return i < PAGES / 2 ? i * PAGE_SIZE : (LARGE_PAGES + i) * PAGE_SIZE;
}

static u64 content_of(u32 s, vaddr_t va)
{
	return (s + 1ul) << 48 | va;
}

// The walker: reads entries without a lock, sets A and D by compare and exchange.
static bool walk(vaddr_t va, bool write, struct cached *c)
{
	pte_t *table = arch_p2v(fake[self].root << PAGE_SHIFT);
	for (u32 level = arch_levels - 1;; level--) {
		pte_t *slot = table + pte_index(va, level), e = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
		if (level && pte_is_table(e)) {
			table = pt_child(e);
			continue;
		}
		if (level || !pte_is_leaf(e) || !(pte_prot(e) & (write ? PROT_WRITE : PROT_READ)))
			return false;
		pte_t set = write ? pte_set_dirty(e) : pte_set_young(e);
		if (set != e && !__atomic_compare_exchange_n(slot, &e, set, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return false; // changed under way: try again
		*c = (struct cached){ true, write, fake[self].asid, va, pte_pfn(e) };
		return true;
	}
}

static void user_access(void)
{
	struct fake *me = &fake[self];
	vaddr_t va = page_va(rnd(PAGES));
	bool write = rnd(3) == 0;
	struct cached *c = &me->tlb[rnd(TLB)];
	for (struct cached *t = me->tlb; t < me->tlb + TLB; t++) {
		if (t->valid && t->va == va && t->asid == me->asid)
			c = t;
	}
	if (!(c->valid && c->va == va && c->asid == me->asid && (c->write || !write)) && !walk(va, write, c)) {
		me->faults++;
		return;
	}
	u32 s = 0;
	while (space[s] != me->hart.as)
		s++;
	u64 *word = arch_p2v(pfn_to_paddr(c->pfn)), found = __atomic_load_n(&word[0], __ATOMIC_RELAXED);
	if (found != content_of(s, va))
		panic("hart %u: space %u va %lx: reads %lx through %s", self, s, va, found,
		      c->valid ? "its TLB" : "nothing");
	me->reads++;
	if (write) { // the kernel looks whether a spoilt page changes
		__atomic_fetch_add(&word[1], 1, __ATOMIC_RELAXED);
		me->writes++;
	}
}

// ---- system calls

static void call_map(u32 s)
{
	vaddr_t va = page_va(rnd(PAGES));
	u64 done;
	frame_t frame;
	if (frame_alloc(&pool, 0, 1, 0, &frame, &done))
		return;
	u64 *word = page_address(pfn_to_page((u32)frame));
	word[0] = content_of(s, va);
	struct map_request rq = { .va = va,
				  .pool = &pool,
				  .count = 1,
				  .frame = frame,
				  .flags = PROT_READ | PROT_WRITE | MAP_IF_EMPTY,
				  .window = WINDOW_ANY };
	if (aspace_map(space[s], &rq, &done)) {
		err_t err = frame_free(&pool, frame, FREE_DISCARD);
		assert(!err);
	}
}

static void spoil(struct page *page)
{
	u64 *word = page_address(page);
	word[0] = SPOILT;
	u64 before = __atomic_load_n(&word[1], __ATOMIC_RELAXED);
	for (u32 i = 0; i < 20; i++)
		sched_yield();
	assert(__atomic_load_n(&word[1], __ATOMIC_RELAXED) == before);
}

static void call_unmap(u32 s)
{
	struct unmap_result r;
	vaddr_t va = page_va(rnd(PAGES));
	pte_t *slot = aspace_slot(space[s], va);
	struct page *page = slot && *slot ? pte_page(*slot) : NULL;
	err_t err = aspace_unmap(space[s], WINDOW_ANY, va, 1, NULL, 0, 0, NULL, &r);
	assert(!err && r.removed == (page != NULL));
	if (!page)
		return;
	bool dirty = ((u64 *)page_address(page))[1] != 0;
	assert(dirty == !!(page->marks & PAGE_DIRTY)); // no write is lost
	spoil(page);
	err = frame_free(&pool, frame_ref(page), FREE_DISCARD);
	assert(!err);
}

static void call_protect(u32 s)
{
	u64 done, changed;
	vaddr_t va = page_va(rnd(PAGES));
	err_t err = aspace_protect(space[s], WINDOW_ANY, va, 1, PROT_READ, &done, &changed);
	assert(!err);
	pte_t *slot = aspace_slot(space[s], va);
	if (!slot || !*slot)
		return;
	const u64 *word = page_address(pte_page(*slot));
	u64 before = __atomic_load_n(&word[1], __ATOMIC_RELAXED);
	sched_yield();
	assert(__atomic_load_n(&word[1], __ATOMIC_RELAXED) == before); // nobody writes any more
	err = aspace_protect(space[s], WINDOW_ANY, va, 1, PROT_READ | PROT_WRITE, &done, &changed);
	assert(!err);
}

static void call_switch(void)
{
	struct aspace *as = space[rnd(SPACES)];
	aspace_activate(as);
	fake[self].hart.as = as;
	arch_root_switch(as->root);
}

static bool system_call(void)
{
	enter();
	bool more = calls_left && calls_left--;
	u32 s = rnd(SPACES);
	if (rnd(2)) { // where it hurts: an address space that runs
		for (s = 0; space[s] != fake[rnd(HARTS)].hart.as && s < SPACES - 1; s++)
			;
	}
	switch (rnd(8)) {
	case 0:
		call_switch();
		break;
	case 1:
	case 2:
		call_unmap(s);
		break;
	case 3:
		call_protect(s);
		break;
	default:
		call_map(s);
	}
	leave();
	return more;
}

static void *hart_main(void *index)
{
	self = (u64)index;
	enter();
	call_switch();
	leave();
	do {
		for (u64 n = rnd(60); n; n--) {
			take_ipi();
			user_access();
		}
		// On a busy host a thread's time is enough for all its calls: the harts must meet.
		if (rnd(8) == 0)
			sched_yield();
	} while (system_call());
	tlb_enter_kernel(&fake[self].hart); // idle
	return NULL;
}

static void boot(void)
{
	static u8 ram[FRAMES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	static struct page map[FRAMES];
	host_ram = (void *)((u64)ram - BASE * PAGE_SIZE);
	host_mem_map = (void *)((u64)map - BASE * sizeof(struct page));
	mem = (struct mem_info){ .base = BASE, .limit = BASE + FRAMES, .frames = FRAMES, .reserved = 1 };
	zones = 1;
	buddy_init(&zone[0], "test", BASE, BASE + FRAMES);
	buddy_add(&zone[0], BASE + 1, BASE + FRAMES);
	pool_root_init(&root_pool, FRAMES - 1);
	err_t err = pool_init(&pool, &root_pool, 600);
	assert(!err);
	for (u32 i = 0; i < HARTS; i++) {
		tlb_hart_online(i, &fake[i].hart);
		fake[i].random = 88172645463325252ul + i * 977;
	}
	for (u32 s = 0; s < SPACES; s++) {
		frame_t frame;
		u64 done;
		void *object;
		err = frame_alloc(&root_pool, 0, 1, 0, &frame, &done);
		if (!err)
			err = object_take(&root_pool, frame, 0, TYPE_ASPACE, 1024, &object);
		space[s] = object;
		if (!err)
			err = aspace_init(space[s], &root_pool);
		assert(!err);
	}
}

int main(int argc, char **argv)
{
	const char *mode = getenv("JJOK_TEST");
	calls_left = argc > 1 ? strtoul(argv[1], NULL, 0) : mode && !strcmp(mode, "quick") ? 10000 : 60000;
	u64 calls = calls_left, reads = 0, traps = 0;
	pthread_t thread[HARTS];
	boot();
	for (u64 i = 0; i < HARTS; i++)
		pthread_create(&thread[i], NULL, hart_main, (void *)i);
	for (u32 i = 0; i < HARTS; i++)
		pthread_join(thread[i], NULL);
	for (u32 i = 0; i < HARTS; i++) {
		reads += fake[i].reads;
		traps += fake[i].traps;
		fake[i].hart.as = NULL;
	}
	for (u32 s = 0; s < SPACES; s++) {
		err_t err;
		while ((err = aspace_destroy_step(space[s])))
			assert(err == -ERR_AGAIN);
	}
	printf("%u harts, %lu system calls, %lu accesses, %lu IPIs taken\n", HARTS, calls, reads, traps);
	assert(reads > calls && traps > 0 && mm_check() == 0);
	return 0;
}
