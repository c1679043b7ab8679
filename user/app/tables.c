// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "tables.h"

static void entry_put(struct entries *e, const struct entry *entry)
{
	if (e->count == e->room) {
		size_t room = e->room ? 2 * e->room : 4096;
		struct entry *list = realloc(e->list, room * sizeof(*list));

		if (!list)
			app_fail("no memory for a list of %zu page-table entries", room);
		e->list = list;
		e->room = room;
	}
	e->list[e->count++] = *entry;
}

// Up to three entries from *addr on, which moves; ~0: that was all. Returns how many.
static u32 entries_ask(u64 index, u64 *addr, struct entry list[3])
{
	u64 next, word[6];
	err_t err = vm_entries(SLOT_VM, index, *addr, &next, &word[0], &word[1], &word[2], &word[3], &word[4],
			       &word[5]);
	u32 n = err ? 0 : next % PAGE_SIZE;

	for (u32 i = 0; i < n; i++)
		list[i] = (struct entry){ .what = word[2 * i + 1],
					  .place = PLACE_VA(word[2 * i]) | index,
					  .kind = word[2 * i] & 7,
					  .flags = word[2 * i] & (ENTRIES_LOCKED | ENTRIES_STRAY) };
	*addr = err || !PLACE_VA(next) ? ~0ul : PLACE_VA(next);
	return n;
}

static void process_read(struct tables *t, u64 index)
{
	struct entry list[3];

	for (u64 addr = 0; addr != ~0ul;) {
		u32 n = entries_ask(index, &addr, list);

		for (u32 i = 0; i < n; i++)
			entry_put(list[i].kind == ENTRY_TOKEN ? &t->tokens : &t->pages, &list[i]);
	}
}

static int entry_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	u32 p = (u32)x->what, q = (u32)y->what;

	if (p != q)
		return p < q ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

void tables_read(struct tables *t)
{
	u64 index = 0, next, parent_group, state_rss, name[2], cycles;

	t->pages.count = t->tokens.count = t->processes = 0;
	do {
		u64 pid = 0;
		err_t err = vm_ps(SLOT_VM, index, &pid, &parent_group, &state_rss, &name[0], &name[1], &cycles, &next);

		if (err || index >= RMAP_PROCS)
			glass_fail("process table", err);
		t->processes += pid != 0;
		if (pid || !index)
			process_read(t, index);
		index = next;
	} while (index);
	qsort(t->pages.list, t->pages.count, sizeof(struct entry), entry_compare);
	qsort(t->tokens.list, t->tokens.count, sizeof(struct entry), entry_compare);
}

bool tables_entry(u64 place, struct entry *out)
{
	u64 addr = PLACE_VA(place);
	struct entry list[3];

	if (!entries_ask(PLACE_INDEX(place), &addr, list) || list[0].place != place)
		return false;
	*out = list[0];
	return true;
}

size_t entries_group(const struct entries *e, size_t *from)
{
	size_t start = *from;

	while (*from < e->count && (u32)e->list[*from].what == (u32)e->list[start].what)
		++*from;
	return *from - start;
}
