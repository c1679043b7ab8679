// SPDX-License-Identifier: MIT
// The fake machine: arch/arch.h as far as mm/ uses it. A TLB entry lives until the kernel flushes it or it is pushed
// out, so whatever the kernel forgets to flush is still there and is found: by machine_check_tlbs, or because a program
// reads or writes what it should not.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/base/log.h>
#include <lib/base/trace.h>
#include <mm/buddy.h>
#include <mm/tlb.h>
#include <test/host/mm/machine.h>

#define TLB_ENTRIES 16
#define ASID_BITS   2 // few, so that they run out
#define FAST_ROOT   (1ul << 63)

struct tlb_entry {
	bool valid, table; // table: not a page but a cached pointer to a table of level 0, for 2 MiB
	bool dirty;        // stores need no walk
	u16 asid;
	u32 level;
	vaddr_t va;
	pfn_t pfn;
	u64 prot;
};

static struct cpu {
	struct tlb_hart hart;
	struct tlb_entry tlb[TLB_ENTRIES];
	u32 next;
} cpu[MACHINE_HARTS];

struct page *host_mem_map;
void *host_ram;
u32 arch_levels;
vaddr_t arch_user_end;
u64 trace_mask;
u64 rnd_state = 88172645463325252ul;
void (*machine_between)(void);

static u8 *ram;
static u64 ram_frames;
static u32 running; // hart whose TLB the flushes mean
static bool in_between, quiet;

// ---- panic, log, trace, random numbers

void panic(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fflush(stdout);
	fputs("panic: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

void log_line(const char *fmt, ...)
{
	va_list args;
	if (quiet)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

void machine_expect_log(bool on)
{
	quiet = on;
}

void trace_write(u32 id, u64 a, u64 b, u64 c)
{
	(void)a, (void)b, (void)c;
	assert(id >= EVENT_MAP && id <= EVENT_MARK);
}

u64 rnd(u64 n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state >> 11) % n;
}

// ---- arch.h

static void between(void)
{
	if (!machine_between || in_between)
		return;
	in_between = true;
	machine_between();
	in_between = false;
}

void arch_page_clear(void *page)
{
	between();
	memset(page, 0, PAGE_SIZE);
}

void arch_page_copy(void *dst, const void *src)
{
	between();
	memcpy(dst, src, PAGE_SIZE);
}

u64 arch_root_value(paddr_t table, u64 asid)
{
	return FAST_ROOT | asid << 44 | table >> PAGE_SHIFT;
}

u32 arch_asid_bits(void)
{
	return ASID_BITS;
}

paddr_t arch_kernel_root(void)
{
	return (MACHINE_BASE + ram_frames) << PAGE_SHIFT;
}

void arch_timer_set(u64 tick)
{
	(void)tick;
}

u64 host_time(void)
{
	static u64 now;
	return ++now;
}

void host_relax(void)
{
}

struct hart *host_hart(void)
{
	return NULL; // mm/ needs none
}

void host_root_switch(u64 root)
{
	assert(root & FAST_ROOT);
}

// `va` 1: all of them.
static void tlb_drop(struct cpu *c, bool any_asid, u64 asid, vaddr_t va)
{
	for (struct tlb_entry *e = c->tlb; e < c->tlb + TLB_ENTRIES; e++) {
		vaddr_t size = (vaddr_t)PAGE_SIZE << 9 * e->level;
		bool covers = va == 1 || (!e->table && (va & -size) == e->va);
		if ((any_asid || e->asid == asid) && covers)
			e->valid = false;
	}
}

void host_flush_page(vaddr_t va, u64 asid)
{
	between();
	tlb_drop(&cpu[running], false, asid, va & -(vaddr_t)PAGE_SIZE);
}

void host_flush_asid(u64 asid)
{
	between();
	tlb_drop(&cpu[running], false, asid, 1);
}

void arch_flush_all(void)
{
	between();
	tlb_drop(&cpu[running], true, 0, 1);
}

// The other harts enter the kernel and wait there for the lock. What they owe they do when they leave.
void arch_ipi(u64 harts)
{
	between();
	for (u32 i = 0; i < MACHINE_HARTS; i++)
		if (harts >> i & 1)
			tlb_enter_kernel(&cpu[i].hart);
}

// ---- harts

static void leave_one(u32 hart)
{
	u32 before = running;
	running = hart;
	tlb_exit_kernel(&cpu[hart].hart);
	running = before;
}

void machine_leave(void)
{
	for (u32 i = 0; i < MACHINE_HARTS; i++)
		if (cpu[i].hart.in_kernel)
			leave_one(i);
}

void machine_enter(u32 hart)
{
	assert(hart < MACHINE_HARTS);
	machine_leave();
	tlb_enter_kernel(&cpu[hart].hart);
	running = tlb_self = hart;
}

bool machine_in_user(u32 hart)
{
	return !cpu[hart].hart.in_kernel;
}

void machine_switch(struct aspace *as)
{
	struct tlb_hart *hart = &cpu[tlb_self].hart;
	assert(hart->in_kernel);
	if (as)
		aspace_activate(as);
	hart->as = as;
	host_root_switch(as ? as->root : arch_root_value(arch_kernel_root(), 0));
}

struct aspace *machine_aspace(u32 hart)
{
	return cpu[hart].hart.as;
}

static struct tlb_entry *tlb_find(struct cpu *c, u32 asid, vaddr_t va, bool table)
{
	for (struct tlb_entry *e = c->tlb; e < c->tlb + TLB_ENTRIES; e++) {
		vaddr_t size = (vaddr_t)PAGE_SIZE << 9 * (table ? 1 : e->level);
		if (e->valid && e->table == table && e->asid == asid && (va & -size) == e->va)
			return e;
	}
	return NULL;
}

static void tlb_insert(struct cpu *c, struct tlb_entry entry)
{
	struct tlb_entry *e = tlb_find(c, entry.asid, entry.va, entry.table);
	if (!e) {
		for (e = c->tlb; e < c->tlb + TLB_ENTRIES && e->valid; e++)
			;
		if (e == c->tlb + TLB_ENTRIES)
			e = &c->tlb[c->next++ % TLB_ENTRIES];
	}
	*e = entry;
}

// As a page walker does it: from the root, or from a cached pointer to the last table.
static pte_t *walk(struct cpu *c, const struct aspace *as, vaddr_t va, u32 *level)
{
	const struct tlb_entry *near = c ? tlb_find(c, as->asid, va, true) : NULL;
	pte_t *table = near ? arch_p2v(pfn_to_paddr(near->pfn)) : as->table;
	*level = near ? 0 : arch_levels - 1;
	for (;; --*level) {
		pte_t *slot = table + pte_index(va, *level);
		if (*level == 0 || !pte_is_table(*slot))
			return slot;
		if (c && *level == 1) {
			vaddr_t base = va & -((vaddr_t)PAGE_SIZE << 9);
			tlb_insert(c, (struct tlb_entry){ true, true, false, as->asid, 1, base, pte_pfn(*slot), 0 });
		}
		table = arch_p2v(pfn_to_paddr(pte_pfn(*slot)));
	}
}

static u64 *page_in_ram(pfn_t pfn, u32 level, vaddr_t va)
{
	return arch_p2v(pfn_to_paddr(pfn) + (va & (((vaddr_t)PAGE_SIZE << 9 * level) - 1) & -(vaddr_t)PAGE_SIZE));
}

u64 *machine_access(u32 hart, vaddr_t va, bool write)
{
	struct cpu *c = &cpu[hart];
	const struct aspace *as = c->hart.as;
	assert(!c->hart.in_kernel);
	if (!as)
		return NULL;
	u64 need = write ? PROT_WRITE : PROT_READ;
	struct tlb_entry *e = tlb_find(c, as->asid, va, false);
	if (e && e->prot & need && (!write || e->dirty))
		return page_in_ram(e->pfn, e->level, va);
	u32 level;
	pte_t *slot = walk(c, as, va, &level);
	if (!pte_is_leaf(*slot) || !(pte_prot(*slot) & need))
		return NULL;
	*slot = write ? pte_set_dirty(*slot) : pte_set_young(*slot);
	vaddr_t base = va & -((vaddr_t)PAGE_SIZE << 9 * level);
	bool dirty = pte_dirty(*slot) && pte_prot(*slot) & PROT_WRITE;
	tlb_insert(c, (struct tlb_entry){ true, false, dirty, as->asid, level, base, pte_pfn(*slot), pte_prot(*slot) });
	return page_in_ram(pte_pfn(*slot), level, va);
}

// ---- checking

static const struct aspace *aspace_of(u32 asid)
{
	for (const struct aspace *as = aspaces; as; as = as->next)
		if (as->root && as->asid == asid)
			return as;
	return NULL;
}

static bool owes_flush(const struct cpu *c, u32 asid)
{
	return c->hart.owed == TLB_OWED_ALL || (c->hart.owed == TLB_OWED_ASID && c->hart.owed_asid == asid);
}

static void check_entry(const struct cpu *c, const struct tlb_entry *e)
{
	const struct aspace *as = aspace_of(e->asid);
	if (!e->valid || owes_flush(c, e->asid))
		return;
	if (!as)
		panic("hart %u: stale TLB: va %lx of ASID %u, which nobody has", (u32)(c - cpu), e->va, e->asid);
	u32 level;
	pte_t now = *walk(NULL, as, e->va, &level);
	if (e->table) {
		pte_t *table = walk(NULL, as, e->va, &level) - pte_index(e->va, 0);
		if (level || arch_v2p(table) != pfn_to_paddr(e->pfn))
			panic("hart %u: stale walk cache: address space %x va %lx table %lx", (u32)(c - cpu),
			      object_id(as), e->va, e->pfn);
		return;
	}
	bool same = pte_is_leaf(now) && level == e->level && pte_pfn(now) == e->pfn && !(e->prot & ~pte_prot(now));
	if (!same || (e->dirty && !pte_dirty(now)))
		panic("hart %u: stale TLB: address space %x va %lx: frame %lx prot %lx dirty %d, but the entry is %lx",
		      (u32)(c - cpu), object_id(as), e->va, e->pfn, e->prot, e->dirty, now);
}

void machine_check_tlbs(void)
{
	for (struct cpu *c = cpu; c < cpu + MACHINE_HARTS; c++)
		for (struct tlb_entry *e = c->tlb; e < c->tlb + TLB_ENTRIES; e++)
			check_entry(c, e);
}

static u64 mix(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ x >> 27) * 0x94d049bb133111ebul;
	return x ^ x >> 31;
}

// Independent of the order of entries and of the ASIDs' numbers.
u64 machine_tlb_hash(void)
{
	u64 sum = 0;
	for (u32 h = 0; h < MACHINE_HARTS; h++)
		for (struct tlb_entry *e = cpu[h].tlb; e < cpu[h].tlb + TLB_ENTRIES; e++) {
			const struct aspace *as = aspace_of(e->asid);
			if (e->valid && as)
				sum += mix(mix(h << 8 | e->table << 4 | e->dirty << 3 | e->prot) ^ e->va ^
					   e->pfn << 30 ^ (u64)object_id(as) << 10);
		}
	return sum;
}

// ---- boot

// The frame table begins at pfn 0, as on a real machine: a reference may name a hole, which must read as RESERVED.
static void ram_get(u64 frames)
{
	static u64 have;
	if (frames > have) {
		free(ram);
		free(host_mem_map);
		ram = aligned_alloc(PAGE_SIZE, (frames + 1) * PAGE_SIZE);
		host_mem_map = calloc(MACHINE_BASE + frames + 1, sizeof(struct page));
		assert(ram && host_mem_map);
		have = frames;
	}
	memset(ram, 0, (frames + 1) * PAGE_SIZE);
	memset(host_mem_map + MACHINE_BASE, 0, (frames + 1) * sizeof(struct page));
	ram_frames = frames;
	host_ram = (void *)((u64)ram - (MACHINE_BASE << PAGE_SHIFT));
}

void machine_boot(u64 frames, u32 levels)
{
	ram_get(frames); // and one more, RESERVED: the kernel's root table
	trace_mask =
		~trace_mask; // traced operations take other ways and must do the same: every second machine is traced
	arch_levels = levels;
	arch_user_end = 1ul << (PAGE_SHIFT + 9 * levels - 1);
	mem = (struct mem_info){
		.base = MACHINE_BASE, .limit = MACHINE_BASE + frames + 1, .frames = frames + 1, .reserved = 1
	};
	zones = 1;
	buddy_init(&zone[0], "DMA32", MACHINE_BASE, MACHINE_BASE + frames);
	buddy_add(&zone[0], MACHINE_BASE, MACHINE_BASE + frames);
	aspaces = NULL;
	memset(cpu, 0, sizeof(cpu));
	tlb_harts = 0;
	for (u32 i = 0; i < MACHINE_HARTS; i++)
		tlb_hart_online(i, &cpu[i].hart);
	machine_enter(0);
}
