// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include <abi/rmap_client.h>

#include "audit.h"

#define TRIES 8  // looks at a frame that changes
#define LINES 10 // differences that are told one by one
#define WIDE  4096

struct answer {
	u64 place[WIDE];
	u32 count; // of place; at most WIDE
};

struct verdict {
	u32 named, hints, locked, missing, wrong, twice;
	u64 example; // place of the last difference
};

static struct answer answer;

// false: rmap does not know the frame.
static bool rmap_ask(u64 pfn, struct answer *a)
{
	u64 count = 1, place[3];

	a->count = 0;
	for (u64 from = 0; from < count && a->count + 3 <= WIDE; from += 3) {
		err_t err = rmap_look(SLOT_RMAP, pfn, from, &count, &place[0], &place[1], &place[2]);

		if (err == -ERR_NOENT)
			return false;
		if (err)
			glass_fail("rmap", err);
		for (u64 i = 0; i < 3 && from + i < count; i++)
			a->place[a->count++] = place[i];
	}
	return true;
}

static bool answer_has(const struct answer *a, u64 place, u32 from)
{
	for (u32 i = from; i < a->count; i++)
		if (a->place[i] == place)
			return true;
	return false;
}

static bool group_has(const struct entry *e, size_t n, u64 place)
{
	for (size_t i = 0; i < n; i++)
		if (e[i].place == place)
			return true;
	return false;
}

// A place where the frame is not: is there a mapping at least, which could have it? Asked now: processes come and go.
static bool hint_possible(u64 place)
{
	u64 index = PLACE_INDEX(place), va = PLACE_VA(place), pid = 0, start, other;

	if (!index)
		return true;
	return index < RMAP_PROCS && !vm_ps(SLOT_VM, index, &pid, &other, &other, &other, &other, &other, &other) &&
	       pid && !vm_vma(SLOT_VM, pid, va, &start, &other, &other, &other, &other, &other) && start <= va;
}

// Of the places that map a frame, and what rmap says.
static struct verdict compare(const struct entry *e, size_t n, const struct answer *a)
{
	struct verdict v = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (answer_has(a, e[i].place, 0)) {
			v.named++;
		} else if (e[i].flags & ENTRIES_LOCKED) {
			v.locked++;
		} else {
			v.missing++;
			v.example = e[i].place;
		}
	}
	for (u32 i = 0; i < a->count; i++) {
		u64 place = a->place[i];

		if (answer_has(a, place, i + 1)) {
			v.twice++;
			v.example = place;
		} else if (group_has(e, n, place)) {
			continue;
		} else if (hint_possible(place)) {
			v.hints++;
		} else {
			v.wrong++;
			v.example = place;
		}
	}
	return v;
}

static bool verdict_bad(const struct verdict *v)
{
	return v->missing || v->wrong || v->twice;
}

static bool same_frame(const struct frame *a, const struct frame *b)
{
	return a->gen == b->gen && a->pool == b->pool && a->state == b->state && a->mapcount == b->mapcount &&
	       a->word0 == b->word0 && a->word1 == b->word1;
}

// The entries of a group as they are now, as far as they still name the frame.
static size_t group_now(const struct entry *e, size_t n, u64 reference, struct entry *now)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (tables_entry(e[i].place, &now[count]) && now[count].kind != ENTRY_TOKEN &&
		    now[count].what == reference)
			count++;
	return count;
}

/*
 * A difference may be a lie, or a change between the look at the tables and the question. Tables, question, tables:
 * when the frame and its places were the same before and after, it is a lie. A place in no mapping may have been one
 * when rmap was asked: it has to be named twice. 0: no lie, 1: one, -1: it changed each time.
 */
static int look_again(const struct entry *e, size_t n, const struct frame *table, struct verdict *v)
{
	struct entry *before = malloc(2 * n * sizeof(*before)), *after = before + n;
	u64 reference = e[0].what, pfn = (u32)reference;
	u64 nowhere = ~0ul; // what the last try found wrong
	int result = -1;

	if (!before)
		app_fail("no memory to look at a frame again");
	for (u32 tries = 0; tries < TRIES && result < 0; tries++) {
		struct frame first = glass_frame(&table[pfn]), last;
		size_t was = group_now(e, n, reference, before), is;
		bool known = rmap_ask(pfn, &answer);

		*v = compare(before, was, &answer);
		is = group_now(e, n, reference, after);
		last = glass_frame(&table[pfn]);
		if (first.gen != reference >> 32 || !was || (!known && !is))
			result = 0; /* it is another page by now */
		else if (known && !verdict_bad(v))
			result = 0;
		else if (was == is && same_frame(&first, &last) && (v->missing || v->twice || v->example == nowhere))
			result = 1;
		nowhere = v->wrong ? v->example : ~0ul;
	}
	free(before);
	return result;
}

static void tell(const struct entry *e, const struct verdict *v, u64 told)
{
	if (told < LINES)
		printf("rmap: frame %#x: %u places missing, %u named where nothing is, %u named twice (process index "
		       "%lu, %#lx)\n",
		       (u32)e->what, v->missing, v->wrong, v->twice, PLACE_INDEX(v->example), PLACE_VA(v->example));
	else if (told == LINES)
		printf("rmap: and so on\n");
}

static void group_audit(const struct entry *e, size_t n, const struct frame *table, struct audit *a)
{
	struct verdict v = { 0 };
	u64 told = a->missing + a->wrong + a->twice;
	bool known = rmap_ask((u32)e->what, &answer);

	if (known)
		v = compare(e, n, &answer);
	if (!known || verdict_bad(&v)) {
		int result = look_again(e, n, table, &v);

		a->again++;
		a->unsure += result < 0;
		if (result > 0)
			tell(e, &v, told);
		else
			v.missing = v.wrong = v.twice = 0;
	}
	a->places += n;
	a->named += v.named;
	a->hints += v.hints;
	a->locked += v.locked;
	a->missing += v.missing;
	a->wrong += v.wrong;
	a->twice += v.twice;
}

void audit_run(const struct tables *t, struct audit *a)
{
	u64 first, count;
	const struct frame *table = glass_frames(&first, &count);
	u16 user = table[glass_vm(VMSTAT_ARCHIVE_PFN)].pool;

	*a = (struct audit){ 0 };
	for (size_t i = 0, from = 0; from < t->pages.count; i = from) {
		size_t n = entries_group(&t->pages, &from);
		const struct entry *e = &t->pages.list[i];
		struct frame f = glass_frame(&table[(u32)e->what]);

		for (size_t k = 0; k < n; k++) {
			struct entry now;

			if (e[k].flags & ENTRIES_STRAY && tables_entry(e[k].place, &now))
				a->stray += (now.flags & ENTRIES_STRAY) != 0;
		}
		if (f.gen != e->what >> 32 || f.pool != user)
			continue; /* freed since, or a server's */
		a->frames++;
		if (f.word0)
			group_audit(e, n, table, a);
		else
			a->nameless++;
	}
}
