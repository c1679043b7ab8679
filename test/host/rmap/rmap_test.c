// SPDX-License-Identifier: MIT
/*
 * rmap against a machine whose page tables can be walked: random mmap, touch, fork, copy-on-write, munmap, mremap,
 * exit.
 *
 * After each change some frame is asked for. The answer must contain every place that a walk of all page tables finds,
 * and must be exactly the mappings that could hold the page, found by looking at all records. In between the reader
 * looks at half-written records, and at records that are changed and not yet marked.
 */
#include <pager/swap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <user/pager/rmap/rmap.h>

#define PAGES     96 // of a process' window
#define PROCS_MAX 24
#define FRAMES    3000

#define EXPECT(cond) ((cond) ? (void)0 : fail(__LINE__, #cond))

static u64 seed0, seed;
static u64 steps, questions, runs;

static _Noreturn void fail(int line, const char *what)
{
	fprintf(stderr, "rmap_test.c:%d: failed: %s (seed %lu, step %lu)\n", line, what, seed0, steps);
	abort();
}

_Noreturn void panic(const char *format, ...)
{
	fail(__LINE__, format);
}

static u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

// ---- the machine

static struct vma records[RMAP_VMAS];
static struct rmap_share share;
static struct frame_view table[FRAMES];
static struct frames frames = { .table = table, .first = 1, .end = FRAMES };
static u32 pte[PROCS_MAX][PAGES]; // frame number, 0 none
static bool alive[PROCS_MAX];
static u32 records_end = 1;
static u32 next_object = 1, next_frame = 1;

static struct rmap rmap;
static struct rmap_node nodes[RMAP_VMAS];

static bool memory(void *from, u64 bytes, bool make)
{
	return make || (from && bytes);
}

static void ask(u32 pfn);

// A record changes in steps that a reader may see.
static void record_set(u32 i, struct vma v)
{
	if (!rnd(8)) {
		struct vma half = records[i];

		memcpy(&half, &v, 8 * (1 + rnd(3)));
		records[i] = half;
		vma_changed(&share, i);
		ask(1 + (u32)rnd(FRAMES - 1));
	}
	v.check = v.kind == VMA_FREE ? 0 : vma_sum(&v);
	if (v.kind == VMA_FREE)
		memset(&v, 0, sizeof(v));
	records[i] = v;
	vma_changed(&share, i);
}

static u32 record_new(void)
{
	u32 i = 1 + (u32)rnd(200);

	while (i < RMAP_VMAS - 1 && records[i].kind != VMA_FREE)
		i++;
	if (i >= records_end)
		records_end = i + 1;
	return i < RMAP_VMAS - 1 ? i : 0;
}

static u32 vma_at(u32 p, u64 page)
{
	for (u32 i = 1; i < records_end; i++)
		if (records[i].kind != VMA_FREE && records[i].owner == p && records[i].start <= page &&
		    page < records[i].end)
			return i;
	return 0;
}

static void pte_clear(u32 p, u64 page)
{
	u32 f = pte[p][page];

	pte[p][page] = 0;
	if (f && --table[f].mapcount == 0) {
		table[f].gen++;
		table[f].state = FRAME_FREE;
		table[f].word0 = table[f].word1 = 0;
	}
}

static void unmap(u32 p, u64 from, u64 to)
{
	for (u32 i = 1; i < records_end; i++) {
		struct vma v = records[i];

		if (v.kind == VMA_FREE || v.owner != p || v.start >= to || v.end <= from)
			continue;
		if (v.end > to) {
			struct vma tail = v;
			u32 k = record_new();

			EXPECT(k);
			tail.pgoff = v.pgoff + (to - v.start);
			tail.start = to;
			record_set(k, tail);
		}
		if (v.start < from)
			v.end = from;
		else
			v.kind = VMA_FREE;
		record_set(i, v);
	}
	for (u64 page = from; page < to; page++)
		pte_clear(p, page);
}

static void frame_map(u32 p, u64 page, u32 f, const struct vma *v)
{
	pte_clear(p, page);
	pte[p][page] = f;
	table[f].mapcount++;
	table[f].state = FRAME_OWNED;
	/* A frame of the swap cache has its slot above. */
	table[f].word0 = rnd(4) ? vma_word0(v) : swap_word0(vma_word0(v), 1 + rnd(1 << 20));
	table[f].word1 = vma_word1(v, page);
}

static u32 frame_new(void)
{
	for (u32 n = 1; n < FRAMES; n++) {
		next_frame = next_frame + 1 < FRAMES ? next_frame + 1 : 1;
		if (!table[next_frame].mapcount)
			return next_frame;
	}
	return 0;
}

// Mostly one that is mapped.
static u32 frame_some(void)
{
	u32 pfn = 0;

	for (u32 n = 0; n < 8 && !pfn; n++)
		pfn = pte[rnd(PROCS_MAX)][rnd(PAGES)];
	return pfn ? pfn : 1 + (u32)rnd(FRAMES - 1);
}

// ---- the oracle

static bool could_hold(const struct vma *v, u64 word0, u64 word1)
{
	return v->kind != VMA_FREE && v->check == vma_sum(v) && !(v->flags & VMA_LOCKED) &&
	       vma_word0(v) == (word0 & ((1ul << SWAP_WORD_SHIFT) - 1)) && word1 >= v->pgoff &&
	       word1 < v->pgoff + (v->end - v->start);
}

static bool listed(const struct place *list, u32 n, u32 p, u64 page)
{
	for (u32 i = 0; i < n; i++)
		if (list[i].owner == p && list[i].aspace == 1000 + p && list[i].va == page << PAGE_SHIFT)
			return true;
	return false;
}

// What is said of the pages around: each is in one record, and at the address that follows from the first.
static void ask_run(u32 pfn, u32 n, const struct place *list)
{
	u64 first, end = rmap_run(&rmap, &first), at = table[pfn].word1;

	if (n != 1)
		EXPECT(!end);
	if (!end)
		return;
	EXPECT(first <= at && at < end);
	runs++;
	for (u64 index = first; index < end; index++) {
		u32 holders = 0;

		for (u32 i = 1; i < records_end; i++) {
			if (!could_hold(&records[i], table[pfn].word0, index))
				continue;
			holders++;
			EXPECT(list[0].aspace == 1000u + records[i].owner &&
			       list[0].va + ((index - at) << PAGE_SHIFT) ==
				       (records[i].start + (index - records[i].pgoff)) << PAGE_SHIFT);
		}
		EXPECT(holders == 1);
	}
}

static void ask(u32 pfn)
{
	static struct place list[RMAP_VMAS], part[RMAP_VMAS];
	frame_t frame = frame_reference(&frames, pfn);
	u32 n, more, expected = 0;
	err_t err = rmap_frame(&rmap, &frames, frame, 0, list, RMAP_VMAS, &n);

	EXPECT(rmap_frame(&rmap, &frames, frame + (1ul << 32), 0, part, 4, &more) == -ERR_STALE);
	if (err) {
		EXPECT(err == -ERR_NOENT && !table[pfn].mapcount);
		return;
	}
	for (u32 i = 1; i < records_end; i++) {
		if (!could_hold(&records[i], table[pfn].word0, table[pfn].word1))
			continue;
		expected++;
		EXPECT(listed(list, n, records[i].owner, records[i].start + (table[pfn].word1 - records[i].pgoff)));
	}
	EXPECT(expected == n);
	ask_run(pfn, n, list);
	u32 skip = (u32)rnd(n + 2);
	EXPECT(!rmap_frame(&rmap, &frames, frame, skip, part, 2, &more) && more == (skip < n ? n - skip : 0));
	EXPECT(!more || !memcmp(part, list + skip, sizeof(part[0])));
}

// Every place that maps the frame is in the answer.
static void walk(u32 pfn)
{
	static struct place list[RMAP_VMAS];
	u32 n, found = 0;

	if (!table[pfn].mapcount)
		return;
	EXPECT(!rmap_frame(&rmap, &frames, frame_reference(&frames, pfn), 0, list, RMAP_VMAS, &n));
	for (u32 p = 0; p < PROCS_MAX; p++)
		for (u64 page = 0; page < PAGES; page++)
			if (pte[p][page] == pfn) {
				EXPECT(listed(list, n, p, page) != !!(records[vma_at(p, page)].flags & VMA_LOCKED));
				found++;
			}
	EXPECT(found == table[pfn].mapcount);
}

// ---- what happens

static void do_mmap(u32 p)
{
	u64 from = rnd(PAGES - 1), n = 1 + rnd(12);
	u32 i;
	struct vma v = { .owner = p, .start = from, .end = from + n < PAGES ? from + n : PAGES };

	unmap(p, v.start, v.end);
	v.kind = VMA_ANON + rnd(3);
	v.prot = PROT_READ | PROT_WRITE;
	v.pgoff = v.kind == VMA_ANON ? from : rnd(40) + (rnd(20) ? 0 : 1ul << 40);
	v.object = v.kind == VMA_ANON ? p + 1 : v.kind == VMA_FILE ? 1 + (u32)rnd(5) : next_object++;
	i = record_new();
	if (i)
		record_set(i, v);
}

static void do_touch(u32 p)
{
	u64 page = rnd(PAGES);
	u32 i = vma_at(p, page), f;

	if (!i || !(f = frame_new()))
		return;
	/* Shared memory: the frame that others have. */
	if (records[i].kind == VMA_SHARED)
		for (u32 k = 1; k < FRAMES; k++)
			if (table[k].mapcount && could_hold(&records[i], table[k].word0, table[k].word1) &&
			    table[k].word1 == vma_word1(&records[i], page))
				f = k;
	if (pte[p][page] != f)
		frame_map(p, page, f, &records[i]);
}

static void do_fork(u32 p)
{
	u32 child = (u32)rnd(PROCS_MAX);

	if (alive[child])
		return;
	alive[child] = true;
	share.aspace[child] = 1000 + child;
	for (u32 i = 1; i < records_end; i++) {
		struct vma v = records[i];
		u32 k;

		if (v.kind == VMA_FREE || v.owner != p)
			continue;
		k = record_new();
		if (!k)
			continue;
		v.owner = child;
		record_set(k, v);
		for (u64 page = v.start; page < v.end; page++) {
			pte[child][page] = pte[p][page];
			table[pte[p][page]].mapcount += pte[p][page] != 0;
		}
	}
}

static void do_mremap(u32 p)
{
	u64 page = rnd(PAGES), to;
	u32 i = vma_at(p, page);
	struct vma v = records[i];

	if (!i)
		return;
	to = rnd(PAGES);
	if (to + (v.end - v.start) > PAGES || (to < v.end && v.start < to + (v.end - v.start)))
		return;
	unmap(p, to, to + (v.end - v.start));
	for (u64 n = 0; n < v.end - v.start; n++) {
		pte[p][to + n] = pte[p][v.start + n];
		pte[p][v.start + n] = 0;
	}
	v.end = to + (v.end - v.start);
	v.start = to;
	record_set(i, v);
}

// Its places are named no more, or again.
static void do_mlock(u32 p)
{
	u32 i = vma_at(p, rnd(PAGES));
	struct vma v = records[i];

	if (!i)
		return;
	v.flags ^= VMA_LOCKED;
	record_set(i, v);
}

static void do_exit(u32 p)
{
	unmap(p, 0, PAGES);
	alive[p] = false;
	share.aspace[p] = 0;
}

static void step(void)
{
	u32 p = (u32)rnd(PROCS_MAX);

	if (!alive[p]) {
		alive[p] = true;
		share.aspace[p] = 1000 + p;
	}
	switch (rnd(17)) {
	case 16:
		do_mlock(p);
		break;
	case 0 ... 1:
		do_mmap(p);
		break;
	case 2 ... 8:
		for (u32 i = 0; i < 4; i++)
			do_touch(p);
		break;
	case 9:
		do_fork(p);
		break;
	case 10:
		unmap(p, p, p + rnd(rnd(8) ? 6 : PAGES - p));
		break;
	case 11 ... 12:
		do_mremap(p);
		break;
	case 13:
		if (!rnd(8))
			do_exit(p);
		break;
	case 14: /* a successor */
		if (!rnd(500)) {
			questions += rmap.stats[RMAPSTAT_QUERIES];
			rmap_open(&rmap, records, &share, memset(nodes, 0, sizeof(nodes)), memory);
		}
		break;
	default: /* copy on write, or one more look */
		do_touch(p);
	}
	ask(frame_some());
	if (steps % 16 == 0)
		walk(frame_some());
	if (steps % 1024 == 0)
		EXPECT(!rmap_check(&rmap));
}

static void test_lies(void)
{
	u64 s = 5, changed = 0;

	for (u32 i = 0; i < 10000; i++) {
		struct place list[4] = { { 1, 2, 4096 }, { 2, 3, 8192 }, { 3, 4, 4096 } }, was[4];
		u32 n = i % 4;

		memcpy(was, list, sizeof(was));
		u32 m = rmap_lie(list, n, 4, &s);
		EXPECT(m <= 4 && m + 1 >= n && m <= n + 1);
		changed += m != n || memcmp(list, was, sizeof(was));
	}
	EXPECT(changed > 2000 && changed < 8000);
}

int main(void)
{
	const char *mode = getenv("JJOK_TEST"), *given = getenv("SEED");
	u64 n = mode && !strcmp(mode, "full") ? 1000000 : 30000;

	seed0 = seed = given ? strtoul(given, NULL, 0) : 20261127;
	rmap_open(&rmap, records, &share, nodes, memory);
	test_lies();
	for (steps = 0; steps < n; steps++)
		step();
	questions += rmap.stats[RMAPSTAT_QUERIES];
	EXPECT(questions > n && runs > n / 100);
	printf("rmap: %lu steps, %lu questions, %lu with neighbours, ok\n", n, questions, runs);
	return 0;
}
