// SPDX-License-Identifier: MIT
/*
 * pagercheck [MIB [FAMILIES]]: the self-check of paging, at rest. With MIB so much memory is filled first by families
 * of four processes that share pages by fork and write some of them, and that stay until the check is over.
 *
 *	slots	the count of each is the number of tokens in all page tables; whose tokens are out has its page in a
 *		frame that says so, or on the disk
 *	frames	each of user memory is on one list of reclaim, or it is told why not
 *	rmap	as rmapaudit
 *
 * A contradiction must stay through LOOKS looks: the check's own pages come and go meanwhile.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <abi/reclaim_client.h>
#include <app/audit.h>

#include "check.h"

#define LOOKS        6
#define REST_MS      100
#define REST_MAX     300 // times REST_MS
#define MEMBERS      4
#define FORK_TRIES   20
#define FORK_WAIT_US 50000
#define IN_HAND      128 // frames that vm and reclaim hold ready, at most

static struct tables tables;

static u64 stat_of(u64 index)
{
	u64 value = 0;

	CHECK(!reclaim_stat(SLOT_RECLAIM, index, &value));
	return value;
}

// ---- a population

static int hold[2], ready[2];

static uint64_t word_of(uint64_t page, int who)
{
	return page * 0x9e3779b97f4a7c15ul ^ (uint64_t)who << 40;
}

// Who ends without having said it leaves the pipe without a writer in the end.
static void ready_say(void)
{
	CHECK(write(ready[1], "r", 1) == 1);
	close(ready[1]);
}

// With memory full fork may find none at this moment.
static pid_t fork_patiently(void)
{
	pid_t pid = fork();

	for (int i = 0; pid < 0 && i < FORK_TRIES; i++) {
		usleep(FORK_WAIT_US);
		pid = fork();
	}
	CHECK(pid >= 0);
	return pid;
}

// Each member writes every eighth page, then waits until the check is over, and finds everything as it was.
static _Noreturn void member(uint64_t *memory, uint64_t pages, int who)
{
	char byte;

	for (uint64_t i = who; i < pages; i += 8)
		memory[i * (PAGE_SIZE / 8)] = word_of(i, who);
	ready_say();
	CHECK(read(hold[0], &byte, 1) == 0);
	for (uint64_t i = 0; i < pages; i++)
		CHECK_EQUAL(memory[i * (PAGE_SIZE / 8)], word_of(i, i % 8 == (uint64_t)who ? who : 0));
	_exit(0);
}

static void family(uint64_t pages)
{
	uint64_t *memory = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	close(hold[1]);
	for (uint64_t i = 0; i < pages; i++)
		memory[i * (PAGE_SIZE / 8)] = word_of(i, 0);
	for (int who = 1; who < MEMBERS; who++) {
		if (!fork_patiently())
			member(memory, pages, who);
	}
	ready_say();
	for (int who = 1, status; who < MEMBERS; who++) {
		CHECK(wait(&status) > 0);
		CHECK_EQUAL(status, 0);
	}
	_exit(0);
}

static void families_start(uint64_t mib, int families)
{
	char byte;

	CHECK(!pipe(hold) && !pipe(ready));
	for (int i = 0; i < families; i++) {
		if (!fork_patiently())
			family((mib << 20) / PAGE_SIZE / families);
	}
	close(ready[1]);
	for (int i = 0; i < families * MEMBERS; i++)
		if (read(ready[0], &byte, 1) != 1)
			FAIL("some of the population have ended");
}

static void families_end(int families)
{
	close(hold[1]);
	for (int i = 0, status; i < families; i++) {
		CHECK(wait(&status) > 0);
		CHECK_EQUAL(status, 0);
	}
}

// ---- slots

struct slot {
	u64 slot, count, frame, flags, tokens;
};

static bool slot_next(u64 at, struct slot *s)
{
	*s = (struct slot){ 0 };
	CHECK(!reclaim_slot(SLOT_RECLAIM, at, &s->slot, &s->count, &s->frame, &s->flags));
	return s->slot;
}

// Does this frame hold the slot's page?
static bool frame_holds(const struct frame *table, u64 pfn, u64 slot)
{
	struct frame f = glass_frame(&table[pfn]);

	if (f.state == EVICTING)
		return f.word0 == slot;
	return f.state == OWNED && f.marks & 8 && f.word0 >> SWAP_WORD_SHIFT == slot;
}

static const char *slot_wrong(const struct slot *s, const struct frame *table)
{
	if (s->count != s->tokens)
		return "its count is not the number of its tokens";
	if (s->count && s->frame && !frame_holds(table, s->frame, s->slot))
		return "the frame it names holds another page";
	if (s->count && !s->frame && !(s->flags & (SWAPSLOT_ON_DISK | SWAPSLOT_FAILED)))
		return "its page is nowhere";
	return NULL;
}

struct sums {
	u64 slots, tokens, wrong;
};

static u64 slots_end;
static u8 *wrong_before; // bit per slot: wrong in each look so far

static void slot_judge(const struct slot *s, const char *why, bool last, struct sums *sum)
{
	u8 *byte = &wrong_before[s->slot / 8], bit = 1 << s->slot % 8;

	if (!why || !(*byte & bit)) {
		*byte &= ~bit;
		return;
	}
	if (last && sum->wrong < 10)
		printf("pagercheck: slot %lu: %s (count %lu, %lu tokens, frame %#lx, flags %#lx)\n", s->slot, why,
		       s->count, s->tokens, s->frame, s->flags >> 28);
	sum->wrong++;
}

// The slots in use and the tokens in the page tables, both in order. What is wrong, and was in the looks before.
static struct sums slots_look(const struct frame *table, bool last)
{
	const struct entries *tokens = &tables.tokens;
	struct sums sum = { .tokens = tokens->count };
	struct slot s = { 0 };
	size_t t = 0;

	do {
		bool more = s.slot + 1 < slots_end && slot_next(s.slot + 1, &s);
		u64 end = more ? s.slot : slots_end;

		while (t < tokens->count && (u32)tokens->list[t].what < end) {
			struct slot lost = { .slot = (u32)tokens->list[t].what };

			lost.tokens = entries_group(tokens, &t);
			slot_judge(&lost, "it is free, and there are tokens of it", last, &sum);
		}
		if (!more)
			return sum;
		if (t < tokens->count && (u32)tokens->list[t].what == s.slot)
			s.tokens = entries_group(tokens, &t);
		slot_judge(&s, slot_wrong(&s, table), last, &sum);
		sum.slots += (s.flags & SWAPSLOT_USED) != 0;
	} while (true);
}

static void slots_check(const struct frame *table)
{
	struct sums sum = { .wrong = 1 };

	slots_end = stat_of(RECLAIMSTAT_TABLE_BYTES) / sizeof(struct swap_slot);
	wrong_before = malloc(slots_end / 8 + 1);
	CHECK(wrong_before);
	memset(wrong_before, 0xff, slots_end / 8 + 1);
	for (int i = 0; i < LOOKS && sum.wrong; i++) {
		tables_read(&tables);
		sum = slots_look(table, i == LOOKS - 1);
	}
	if (sum.wrong)
		FAIL("%lu swap slots contradict the page tables", sum.wrong);
	printf("pagercheck: %lu slots in use, %lu tokens\n", sum.slots, sum.tokens);
	free(wrong_before);
}

// ---- frames

struct lists {
	u64 listed, unseen, named_none, hand, archive, wrong;
};

// One of user memory. NULL: it is where it may be.
static const char *frame_wrong(const struct frame *f, u64 list, u64 slot, struct lists *l)
{
	bool cached = f->marks & 8;

	if (list != LRU_NONE && list <= LRU_STUCK) {
		l->listed++;
		return f->state == EVICTING && !slot ? "evicting, for no slot" : NULL;
	}
	if (list != LRU_NONE)
		return "on a list that is none";
	if (f->state == EVICTING || cached)
		return "in the swap cache and on no list";
	if (!f->mapcount)
		l->hand++;
	else if (f->word0)
		l->unseen++;
	else
		l->named_none++; /* the zero page */
	return NULL;
}

static struct lists frames_look(const struct frame *table, u64 first, u64 count, bool last)
{
	u64 archive = glass_vm(VMSTAT_ARCHIVE_PFN), pages = glass_vm(VMSTAT_ARCHIVE);
	struct lists l = { .archive = pages };
	u16 user = table[archive].pool;

	for (u64 pfn = first; pfn < first + count; pfn++) {
		struct frame f = glass_frame(&table[pfn]), again;
		u64 list = LRU_NONE, slot = 0, tokens = 0;
		const char *why;

		if (pfn - archive < pages || f.pool != user || (f.state != OWNED && f.state != EVICTING))
			continue;
		CHECK(!reclaim_frame(SLOT_RECLAIM, pfn, &list, &slot, &tokens));
		why = frame_wrong(&f, list, slot, &l);
		again = glass_frame(&table[pfn]);
		if (!why || again.gen != f.gen || again.state != f.state || again.marks != f.marks)
			continue;
		if (last)
			printf("pagercheck: frame %#lx: %s (state %u, marks %#x, word0 %#lx)\n", pfn, why, f.state,
			       f.marks, f.word0);
		l.wrong++;
	}
	return l;
}

static void frames_check(const struct frame *table, u64 first, u64 count)
{
	struct lists l = { .wrong = 1 };
	u64 news = 0;

	for (int i = 0; i < LOOKS && (l.wrong || l.unseen > news || l.hand > IN_HAND); i++) {
		l = frames_look(table, first, count, i == LOOKS - 1);
		news = stat_of(RECLAIMSTAT_NR_NEWS);
	}
	printf("pagercheck: %lu frames on lists, %lu new (%lu announced), %lu without a name, %lu in hand, %lu of the "
	       "archive\n",
	       l.listed, l.unseen, news, l.named_none, l.hand, l.archive);
	if (l.wrong)
		FAIL("%lu frames are where they may not be", l.wrong);
	if (l.unseen > news)
		FAIL("%lu frames are on no list, and only %lu were announced and not looked at yet", l.unseen, news);
	if (l.hand > IN_HAND)
		FAIL("%lu frames of user memory are mapped nowhere and kept by nobody", l.hand);
}

// ---- rmap

static void rmap_check(void)
{
	struct audit a;

	tables_read(&tables);
	audit_run(&tables, &a);
	printf("pagercheck: %lu frames in %lu places, %lu of them named by rmap\n", a.frames, a.places, a.named);
	if (audit_bad(&a))
		FAIL("rmap and the page tables differ: %lu differences", audit_bad(&a));
}

// Nothing on its way to or from the disk, and no work done since the last look.
static void rest_wait(void)
{
	static const u64 index[] = { RECLAIMSTAT_PSWPOUT, RECLAIMSTAT_PSWPIN, RECLAIMSTAT_QUANTA };
	u64 before[3] = { ~0ul }, now[3], moves = 1;

	for (int i = 0; i < REST_MAX; i++) {
		for (int k = 0; k < 3; k++)
			now[k] = stat_of(index[k]);
		moves = stat_of(RECLAIMSTAT_NR_WRITING) + stat_of(RECLAIMSTAT_NR_READING);
		if (!moves && !memcmp(now, before, sizeof(now)))
			return;
		if (i < REST_MAX - 1)
			memcpy(before, now, sizeof(now));
		usleep(REST_MS * 1000);
	}
	FAIL("reclaim does not come to rest within %d s: in the last step %lu pages out, %lu in, %lu quanta; %lu under "
	     "way",
	     REST_MS * REST_MAX / 1000, now[0] - before[0], now[1] - before[1], now[2] - before[2], moves);
}

int main(int argc, char **argv)
{
	u64 mib = argc > 1 ? strtoul(argv[1], NULL, 0) : 0, first, count;
	int families = argc > 2 ? atoi(argv[2]) : 2;
	const struct frame *table = glass_frames(&first, &count);

	if (argc > 3 || (argc > 1 && !mib) || families < 1 || families > 16)
		FAIL("say: pagercheck [MIB [FAMILIES]]");
	app_name = "pagercheck";
	if (mib)
		families_start(mib, families);
	rest_wait();
	slots_check(table);
	frames_check(table, first, count);
	rmap_check();
	if (mib)
		families_end(families);
	return check_done("pagercheck");
}
