// SPDX-License-Identifier: MIT
// Areas: slots of spans. The head of a span's record is stored last in each operation: with it the slot is, or is no
// longer, the client's.
#include "vmalloc.h"

static u32 bits_below(u32 n)
{
	return n == 32 ? ~0u : (1u << n) - 1;
}

// ---- the lists of spans with room: PREPARED or EMPTY slots of areas that share a span

static u16 *room_head(struct client *c, const struct span *s)
{
	return &c->room[s->kind == SPAN_RAM][s->area];
}

static void room_link(struct client *c, struct span *s)
{
	u16 *head = room_head(c, s);

	s->listed = true;
	s->prev = 0;
	s->next = *head;
	spans[s->next].prev = (u16)span_index(s);
	*head = (u16)span_index(s);
}

static void room_unlink(struct client *c, struct span *s)
{
	s->listed = false;
	spans[s->next].prev = s->prev;
	if (s->prev)
		spans[s->prev].next = s->next;
	else
		*room_head(c, s) = s->next;
}

void area_settle(struct client *c, struct span *s)
{
	bool room = s->area <= SMALL && (s->ready | span_empty(s));

	if (room != s->listed) {
		if (room)
			room_link(c, s);
		else
			room_unlink(c, s);
	}
	if (span_busy(s) || s->ready || s->dirty || s->building)
		return;
	if (s->listed)
		room_unlink(c, s);
	span_release(c, s);
}

void area_dirty(struct client *c, struct span *s, u32 slots, u32 pages)
{
	s->dirty |= slots;
	c->lazy += pages;
	if (s->dirty_listed)
		return;
	s->dirty_listed = true;
	s->dirty_next = c->dirty;
	c->dirty = (u16)span_index(s);
}

// ---- taking and giving slots

// The slot is the client's from here on.
static u64 slot_take(struct client *c, struct span *s, u32 slot)
{
	u64 addr = ADDRESS_OF(slot_page(s, slot));

	if (s->ready >> slot & 1) {
		s->ready &= ~(1u << slot);
		c->prepared -= s->area;
	}
	result_note(c, addr);
	vms->span[span_index(s)].head |= 1ul << slot;
	if (s->listed && !(s->ready | span_empty(s)))
		room_unlink(c, s);
	return addr;
}

// A small span with a slot to give; a new one where there is none. `empty`: a prepared slot does not do.
static err_t room_find(struct client *c, enum span_kind kind, u32 area, bool empty, struct span **out)
{
	err_t err;

	for (u16 i = c->room[kind == SPAN_RAM][area]; i; i = spans[i].next) {
		*out = &spans[i];
		if (!empty || span_empty(*out))
			return 0;
	}
	err = span_new(c, kind, area, SLOTS, 1, out);
	if (!err)
		room_link(c, *out);
	return err;
}

// Slots that follow each other from `slot` on and are EMPTY, at most `most`.
static u32 empties_run(const struct span *s, u32 slot, u32 most)
{
	u32 other = ~span_empty(s) >> slot, run = other ? (u32)__builtin_ctz(other) : SLOTS;

	run = run < (u32)s->slots - slot ? run : s->slots - slot;
	return run < most ? run : most;
}

// Frames for the lowest EMPTY slot, and for those behind it while the client goes on asking: twice as many each time.
static err_t slots_fill(struct client *c, struct span *s, bool zero, u32 *slot)
{
	u32 most = zero ? 1 : c->batch, done;
	err_t err;

	*slot = bit_lowest(span_empty(s));
	if (most * s->area > PREPARED_MAX)
		most = PREPARED_MAX / s->area;
	err = pages_map(c, slot_page(s, *slot), empties_run(s, *slot, most), s->area, zero, &done);
	if (err) {
		area_settle(c, s);
		return err;
	}
	if (!zero && c->batch < SLOTS)
		c->batch *= 2;
	s->ready |= bits_below(done) << *slot;
	c->prepared += done * s->area;
	return 0;
}

static err_t small_alloc(struct client *c, u32 area, bool zero, u64 *addr)
{
	struct span *s;
	u32 slot;
	err_t err = room_find(c, SPAN_AREA, area, zero, &s);

	if (unlikely(err))
		return err;
	if (likely(s->ready && !zero))
		slot = bit_lowest(s->ready);
	else if ((err = slots_fill(c, s, zero, &slot)))
		return err;
	*addr = slot_take(c, s, slot);
	return 0;
}

// ---- areas with a span of their own are filled step by step

// Not finished and not to be: what it has goes.
static void area_undo(struct client *c, struct span *s)
{
	s->building = false;
	if (s->mapped)
		area_dirty(c, s, 1, s->mapped);
	area_settle(c, s);
}

static err_t fill_part(struct client *c, struct span *s, u32 *budget)
{
	u32 page = s->start + s->mapped, n = s->area - s->mapped, done;
	err_t err;

	if (s->try_large && n >= LARGE_PAGES) {
		err = pages_map_large(c, page, s->zero);
		if (!err) {
			s->mapped += LARGE_PAGES;
			s->large++;
			stats[VMALLOCSTAT_LARGE]++;
			*budget = 0;
			return 0;
		}
		s->try_large = false; /* no block of that order: single frames do as well */
	}
	n = n < BATCH ? n : BATCH;
	err = pages_map(c, page, 1, n, s->zero, &done);
	if (err)
		return err;
	s->mapped += n;
	*budget -= n;
	return 0;
}

static err_t fill_step(struct client *c, struct span *s, u64 *addr, u64 *left)
{
	u32 budget = VMALLOC_STEP;
	err_t err = 0;

	while (budget && s->mapped < s->area && !err)
		err = fill_part(c, s, &budget);
	if (err) {
		area_undo(c, s);
		return err;
	}
	*addr = ADDRESS_OF(s->start);
	*left = s->area - s->mapped;
	if (!*left) {
		s->building = false;
		(void)slot_take(c, s, 0);
	}
	return 0;
}

static err_t big_alloc(struct client *c, u32 area, bool zero, u64 *addr, u64 *left)
{
	u32 align = area >= LARGE_PAGES ? LARGE_PAGES : 1;
	struct span *s;
	err_t err = span_new(c, SPAN_AREA, area, 1, align, &s);

	if (err)
		return err;
	s->building = true;
	s->zero = zero;
	s->try_large = align > 1 && s->start % LARGE_PAGES == 0;
	return fill_step(c, s, addr, left);
}

err_t area_alloc(struct client *c, u64 bytes, u64 flags, u64 *addr, u64 *left)
{
	u64 pages = bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
	bool zero = flags & VMALLOC_ZERO;

	if (!bytes || flags & ~(u64)VMALLOC_ZERO)
		return -ERR_INVAL;
	if (pages >= client_record(c)->end - client_record(c)->start)
		return -ERR_RANGE; /* with its guard page it fits in no window */
	*left = 0;
	if (likely(pages <= SMALL))
		return small_alloc(c, (u32)pages, zero, addr);
	return big_alloc(c, (u32)pages, zero, addr, left);
}

err_t area_fill(struct client *c, u64 addr, u64 *left)
{
	struct span *s = span_find(c, PAGE_OF(addr));

	if (!s || !s->building || addr != ADDRESS_OF(s->start))
		return -ERR_NOENT;
	return fill_step(c, s, &addr, left);
}

// ---- an area by its address

// The slot a page lies in, guard page included. false: the span has none.
static bool slot_find(const struct span *s, u32 page, u32 *slot)
{
	if (s->kind == SPAN_FREE)
		return false;
	*slot = (page - s->start) / (s->area + 1);
	return true;
}

bool area_has(struct client *c, u32 page)
{
	const struct span *s = span_find(c, page);
	u32 slot;

	return s && slot_find(s, page, &slot) && span_busy(s) >> slot & 1 && page - slot_page(s, slot) < s->area;
}

static bool area_find(struct client *c, u64 addr, struct span **out, u32 *slot)
{
	*out = addr >> PAGE_SHIFT >> 32 ? NULL : span_find(c, PAGE_OF(addr));
	return *out && slot_find(*out, PAGE_OF(addr), slot) && span_busy(*out) >> *slot & 1 &&
	       addr == ADDRESS_OF(slot_page(*out, *slot));
}

bool area_busy(struct client *c, u64 addr)
{
	struct span *s;
	u32 slot;

	return area_find(c, addr, &s, &slot);
}

err_t area_free(struct client *c, u64 addr, enum span_kind kind, u32 pages, u64 *left)
{
	struct span *s;
	u32 slot;

	if (unlikely(!area_find(c, addr, &s, &slot) || s->kind != kind))
		return -ERR_NOENT;
	if (pages && pages != s->area)
		return -ERR_INVAL;
	result_note(c, addr);
	vms->span[span_index(s)].head &= ~(1ul << slot);
	area_dirty(c, s, 1u << slot, s->area);
	*left = 0;
	if (unlikely(c->lazy > LAZY_MAX))
		*left = purge(c, VMALLOC_STEP);
	return 0;
}

// ---- pages of areas once more

// The list lies in memory that its client can write: it is read once, page by page. A run of pages that follow each
// other is one call.
static err_t ram_fill(struct client *c, u32 page, const u64 *list, u32 count)
{
	u32 first = 0, run = 0;
	err_t err = 0;

	for (u32 i = 0; i < count && !err; i++) {
		u64 addr = *(const volatile u64 *)&list[i];

		if (addr % PAGE_SIZE || addr >> PAGE_SHIFT >> 32 || !area_has(c, PAGE_OF(addr)))
			return -ERR_FAULT;
		if (run && PAGE_OF(addr) != first + run) {
			err = pages_alias(c, page + i - run, first, run);
			run = 0;
		}
		if (!run)
			first = PAGE_OF(addr);
		run++;
	}
	return err ? err : pages_alias(c, page + count - run, first, run);
}

static err_t ram_slot(struct client *c, u32 count, struct span **s, u32 *slot)
{
	err_t err;

	*slot = 0;
	if (count > SMALL) {
		err = span_new(c, SPAN_RAM, count, 1, 1, s);
		if (!err)
			(*s)->mapped = count;
		return err;
	}
	err = room_find(c, SPAN_RAM, count, true, s);
	if (!err)
		*slot = bit_lowest(span_empty(*s));
	return err;
}

err_t area_map_ram(struct client *c, u64 list, u64 count, u64 *addr)
{
	const u64 *pages;
	struct span *s;
	u32 slot;
	err_t err;

	if (!count || list % sizeof(u64) || list % PAGE_SIZE + count * sizeof(u64) > PAGE_SIZE)
		return count > VMALLOC_RAM_PAGES ? -ERR_BIG : -ERR_INVAL;
	if (list >> PAGE_SHIFT >> 32 || !area_has(c, PAGE_OF(list)))
		return -ERR_FAULT;
	err = ram_slot(c, (u32)count, &s, &slot);
	if (err)
		return err;
	err = page_open(c, PAGE_OF(list), &pages);
	if (!err) {
		err = ram_fill(c, slot_page(s, slot), pages + list % PAGE_SIZE / sizeof(u64), (u32)count);
		page_close();
	}
	if (err) {
		pages_unmap(c, slot_page(s, slot), (u32)count);
		area_settle(c, s);
		return err;
	}
	*addr = slot_take(c, s, slot);
	return 0;
}
