// SPDX-License-Identifier: MIT
/*
 * The ranges of a window: a tree by address, augmented with the largest free range below. A new span comes from the
 * lowest address where it fits, so that what is used stays together.
 */
#include "vmalloc.h"

struct span spans[SPANS];
static u16 unused; // chained by next

static struct span *span_of(const struct rb_node *node)
{
	return rb_entry(node, struct span, rb);
}

static u32 free_below(const struct rb_node *node)
{
	return node ? span_of(node)->free_max : 0;
}

static bool span_update(struct rb_node *node)
{
	struct span *s = span_of(node);
	u32 max = s->kind == SPAN_FREE ? s->pages : 0, left = free_below(node->left), right = free_below(node->right);

	max = left > max ? left : max;
	max = right > max ? right : max;
	if (s->free_max == max)
		return false;
	s->free_max = max;
	return true;
}

// Records with content keep their index: span_place takes them from there.
void span_pool_reset(void)
{
	unused = 0;
	for (u32 i = SPANS - 1; i; i--) {
		if (vms->span[i].head)
			continue;
		spans[i] = (struct span){ .next = unused };
		unused = (u16)i;
	}
	stats[VMALLOCSTAT_SPANS] = 0;
	stats[VMALLOCSTAT_SPANS_MAX] = SPANS - 1;
}

static struct span *span_take(struct client *c)
{
	struct span *s = &spans[unused];

	assert(unused);
	unused = s->next;
	*s = (struct span){ .kind = SPAN_FREE };
	c->spans++;
	stats[VMALLOCSTAT_SPANS]++;
	return s;
}

static void span_give(struct client *c, struct span *s)
{
	s->kind = SPAN_NONE;
	s->next = unused;
	unused = (u16)span_index(s);
	if (c->hint == unused)
		c->hint = 0;
	c->spans--;
	stats[VMALLOCSTAT_SPANS]--;
}

// Are there records for two more spans?
static bool spans_left(const struct client *c)
{
	return unused && spans[unused].next && c->spans + 2 <= SPANS_PER_CLIENT;
}

static void span_insert(struct client *c, struct span *s)
{
	struct rb_node **link = &c->tree.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = s->start < span_of(parent)->start ? &parent->left : &parent->right;
	}
	rb_insert(&c->tree, &s->rb, parent, link);
}

// A new client: all of its window is one free span.
err_t span_first(struct client *c, u32 start, u32 pages)
{
	struct span *s;

	c->tree = (struct rb_tree){ .update = span_update };
	if (!spans_left(c))
		return -ERR_NFILE;
	s = span_take(c);
	s->start = start;
	s->pages = pages;
	span_insert(c, s);
	return 0;
}

struct span *span_find(struct client *c, u32 page)
{
	const struct rb_node *node = c->tree.root;
	struct span *s = &spans[c->hint];

	if (likely(c->hint && page - s->start < s->pages))
		return s;
	while (node) {
		s = span_of(node);
		if (page - s->start < s->pages) {
			c->hint = (u16)span_index(s);
			return s;
		}
		node = page < s->start ? node->left : node->right;
	}
	return NULL;
}

// The lowest free span of at least so many pages.
static struct span *span_fit(const struct client *c, u32 pages)
{
	const struct rb_node *node = c->tree.root;

	if (free_below(node) < pages)
		return NULL;
	for (;;) {
		struct span *s = span_of(node);

		if (free_below(node->left) >= pages)
			node = node->left;
		else if (s->kind == SPAN_FREE && s->pages >= pages)
			return s;
		else
			node = node->right;
	}
}

// `s` gets `pages` pages of a free span, `skip` pages behind its start; what lies before and after stays free.
static void span_carve(struct client *c, struct span *from, u32 skip, u32 pages, struct span *s)
{
	const struct span_record *r = &vms->span[span_index(s)];
	u32 after = from->pages - skip - pages;

	s->start = from->start + skip;
	s->pages = pages;
	s->kind = r->head >> 56;
	s->slots = (u8)(r->head >> 48);
	s->area = r->area;
	if (skip && after) {
		struct span *tail = span_take(c);

		tail->start = s->start + pages;
		tail->pages = after;
		span_insert(c, tail);
	}
	if (skip || after) {
		from->start += skip ? 0 : pages;
		from->pages = skip ? skip : after;
		rb_update(&c->tree, &from->rb);
	} else {
		rb_remove(&c->tree, &from->rb);
		span_give(c, from);
	}
	span_insert(c, s);
	c->hint = (u16)span_index(s);
}

err_t span_new(struct client *c, enum span_kind kind, u32 area, u32 slots, u32 align, struct span **out)
{
	u32 pages = slots * (area + 1), skip = 0;
	struct span_record *r;
	struct span *from;

	if (!spans_left(c))
		return -ERR_NFILE;
	from = align > 1 ? span_fit(c, pages + align - 1) : NULL;
	if (from)
		skip = -from->start & (align - 1);
	else
		from = span_fit(c, pages);
	if (!from)
		return -ERR_NOSPC;
	*out = span_take(c);
	r = &vms->span[span_index(*out)];
	r->start = from->start + skip;
	r->area = area;
	state_barrier();
	r->head = (u64)client_index(c) << 32 | (u64)slots << 48 | (u64)kind << 56;
	span_carve(c, from, skip, pages, *out);
	return 0;
}

// What a predecessor had in record i, at its place. INVAL: that is not free.
err_t span_place(struct client *c, u32 i)
{
	const struct span_record *r = &vms->span[i];
	u32 pages = (u32)(u8)(r->head >> 48) * (r->area + 1);
	struct span *from = span_find(c, r->start);

	if (!spans_left(c))
		return -ERR_NFILE;
	if (!from || from->kind != SPAN_FREE || pages > from->pages - (r->start - from->start))
		return -ERR_INVAL;
	spans[i] = (struct span){ 0 };
	c->spans++;
	stats[VMALLOCSTAT_SPANS]++;
	span_carve(c, from, r->start - from->start, pages, &spans[i]);
	return 0;
}

static struct span *span_merge(struct client *c, struct span *low, struct span *high)
{
	rb_remove(&c->tree, &high->rb);
	low->pages += high->pages;
	span_give(c, high);
	rb_update(&c->tree, &low->rb);
	return low;
}

void span_release(struct client *c, struct span *s)
{
	struct rb_node *node;

	vms->span[span_index(s)].head = 0;
	s->kind = SPAN_FREE;
	s->ready = s->dirty = s->mapped = s->purged = s->large = s->slots = 0;
	rb_update(&c->tree, &s->rb);
	node = rb_prev(&s->rb);
	if (node && span_of(node)->kind == SPAN_FREE)
		s = span_merge(c, span_of(node), s);
	node = rb_next(&s->rb);
	if (node && span_of(node)->kind == SPAN_FREE)
		(void)span_merge(c, s, span_of(node));
}

void span_drop_all(struct client *c)
{
	struct rb_node *node;

	while ((node = rb_first(&c->tree)) != NULL) {
		struct span *s = span_of(node);

		rb_remove(&c->tree, node);
		vms->span[span_index(s)].head = 0;
		span_give(c, s);
	}
}

static u64 span_wrong(const struct client *c, const struct span *s)
{
	u64 bad = 0;
	u32 busy = span_busy(s);

	if (s->kind == SPAN_FREE)
		return busy || s->ready || s->dirty || s->listed || s->dirty_listed;
	bad += (busy & s->ready) || (busy & s->dirty) || (s->ready & s->dirty);
	bad += s->pages != s->slots * (s->area + 1) || (s->slots > 1 && s->area > SMALL);
	bad += s->listed != (s->area <= SMALL && (s->ready | span_empty(s)));
	bad += s->dirty_listed != (s->dirty != 0);
	bad += !(busy | s->ready | s->dirty) && !s->building;
	bad += (u16)(vms->span[span_index(s)].head >> 32) != client_index(c);
	return bad;
}

u64 span_check(const struct client *c)
{
	u32 at = client_record(c)->start, max = 0, n = 0;
	bool after_free = false;
	u64 bad = 0;

	rb_for_each(node, &c->tree) {
		const struct span *s = span_of(node);

		bad += s->start != at || !s->pages;
		bad += after_free && s->kind == SPAN_FREE;
		bad += span_wrong(c, s);
		after_free = s->kind == SPAN_FREE;
		if (after_free && s->pages > max)
			max = s->pages;
		at = s->start + s->pages;
		n++;
	}
	return bad + (at != client_record(c)->end) + (free_below(c->tree.root) != max) + (n != c->spans);
}
