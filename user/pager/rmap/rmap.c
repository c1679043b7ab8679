// SPDX-License-Identifier: MIT
// What rmap knows and answers (rmap.h).
#include "tree.h"

#include <base/list.h>
#include <base/panic.h>

void rmap_open(struct rmap *r, const struct vma *records, struct rmap_share *share, struct rmap_node *nodes,
	       bool (*memory)(void *, u64, bool))
{
	*r = (struct rmap){ .records = records, .share = share, .node = nodes, .memory = memory };
	/* Whatever was marked for a predecessor: everything is read now. */
	if (share)
		vma_changed_all(share);
	r->stats[RMAPSTAT_RESCANS]++;
	/* Node 0 stands for none. */
	if (!memory(nodes, sizeof(*nodes), true))
		panic("rmap: no memory for the first node");
}

// ---- records

// A node is in the tree when its interval is not empty.
static bool node_known(const struct rmap_node *n)
{
	return n->kind != VMA_FREE;
}

// What is locked in memory is no place to take a page from.
static bool record_usable(const struct vma *v)
{
	return !(v->flags & VMA_LOCKED) && v->kind != VMA_FREE && v->kind <= VMA_SHARED && v->owner < RMAP_PROCS &&
	       v->end > v->start;
}

static bool node_agrees(const struct rmap_node *n, const struct vma *v)
{
	return n->object == v->object && n->kind == v->kind && n->owner == v->owner && n->start == v->start &&
	       n->first == v->pgoff && n->last == v->pgoff + (v->end - v->start) - 1;
}

static void node_forget(struct rmap *r, u16 i)
{
	if (!node_known(&r->node[i]))
		return;
	r->sole = 0;
	tree_remove(r, i);
	r->node[i].kind = VMA_FREE;
	r->stats[RMAPSTAT_VMAS]--;
}

static void node_learn(struct rmap *r, u16 i, const struct vma *v)
{
	struct rmap_node *n = &r->node[i];

	n->object = v->object;
	n->kind = v->kind;
	n->owner = v->owner;
	n->start = v->start;
	n->first = v->pgoff;
	n->last = v->pgoff + (v->end - v->start) - 1;
	r->sole = 0;
	tree_insert(r, i);
	r->stats[RMAPSTAT_VMAS]++;
}

// Read one record again. A record that vm is just writing (rmap has interrupted it) is as good as absent: pages of a
// mapping that is being changed are not worth being found, and vm marks it when it is done.
static void record_read(struct rmap *r, u16 i)
{
	struct vma v = r->records[i];
	bool whole = v.check == vma_sum(&v);

	r->stats[RMAPSTAT_CHANGES]++;
	if (!whole) {
		r->stats[RMAPSTAT_TORN]++;
		vma_changed(r->share, i);
	}
	bool usable = whole && record_usable(&v);

	if (!r->memory(&r->node[i], sizeof(r->node[i]), usable))
		return;
	if (usable && node_known(&r->node[i]) && node_agrees(&r->node[i], &v))
		return;
	node_forget(r, i);
	if (usable)
		node_learn(r, i, &v);
}

// The marks are taken first: what changes while the records are read is marked again.
void rmap_sync(struct rmap *r)
{
	for (u32 s = 0; s < RMAP_VMAS / 64 / 64 && r->records; s++) {
		u64 words = __atomic_load_n(&r->share->summary[s], __ATOMIC_RELAXED);

		if (!words)
			continue;
		words = __atomic_exchange_n(&r->share->summary[s], 0, __ATOMIC_ACQ_REL);
		for (; words; words &= words - 1) {
			u32 w = s * 64 + (u32)__builtin_ctzl(words);
			u64 bits = __atomic_exchange_n(&r->share->changed[w], 0, __ATOMIC_ACQ_REL);

			for (; bits; bits &= bits - 1) {
				u32 i = w * 64 + (u32)__builtin_ctzl(bits);

				if (i)
					record_read(r, (u16)i);
			}
		}
	}
}

// ---- answers

struct collector {
	struct tree_found found;
	const struct rmap *r;
	struct place *list;
	u64 index;
	u32 skip, most, count;
};

static void collect(struct tree_found *found, u16 i)
{
	struct collector *c = container_of(found, struct collector, found);
	const struct rmap_node *n = &c->r->node[i];
	u32 aspace = c->r->share->aspace[n->owner];

	if (!aspace)
		return;
	if (c->skip) {
		c->skip--;
		return;
	}
	if (c->count < c->most)
		c->list[c->count] = (struct place){ .owner = n->owner,
						    .aspace = aspace,
						    .va = (n->start + (c->index - n->first)) << PAGE_SHIFT };
	c->count++;
}

struct counter {
	struct tree_found found;
	u32 count;
	u16 last;
};

static void count(struct tree_found *found, u16 i)
{
	struct counter *c = container_of(found, struct counter, found);

	c->count++;
	c->last = i;
}

// Most memory is private to one process, in few large ranges, and reclaim asks for one page after the other: when a
// page is in one record that meets no other, then its neighbours are found there without a search.
static void sole_find(struct rmap *r, u64 mapping, u64 index)
{
	struct counter c = { .found.each = count };

	tree_find(r, mapping, index, index, &c.found);
	if (c.count != 1)
		return;
	c.count = 0;
	tree_find(r, mapping, r->node[c.last].first, r->node[c.last].last, &c.found);
	if (c.count == 1)
		r->sole = c.last;
}

u32 rmap_places(struct rmap *r, u64 word0, u64 word1, u32 skip, struct place *list, u32 most)
{
	struct collector c = {
		.found.each = collect, .r = r, .list = list, .index = word1, .skip = skip, .most = most
	};
	u64 mapping = word0 & ((1ul << SWAP_WORD_SHIFT) - 1);

	if (!r->sole || !tree_contains(r, r->sole, mapping, word1)) {
		r->sole = 0;
		sole_find(r, mapping, word1);
	}
	if (r->sole)
		collect(&c.found, r->sole);
	else
		tree_find(r, mapping, word1, word1, &c.found);
	r->stats[RMAPSTAT_QUERIES]++;
	r->stats[RMAPSTAT_PLACES] += c.count < most ? c.count : most;
	r->stats[RMAPSTAT_FULL] += c.count > most;
	return c.count;
}

err_t rmap_frame(struct rmap *r, const struct frames *frames, frame_t frame, u32 skip, struct place *list, u32 most,
		 u32 *count)
{
	const struct frame_view *view = frame_of(frames, frame);
	u64 word0, word1;

	*count = 0;
	if (!view) {
		r->stats[RMAPSTAT_STALE]++;
		return -ERR_STALE;
	}
	word0 = view->word0;
	word1 = view->word1;
	if (view->state != FRAME_OWNED || !word0 || !r->records)
		return -ERR_NOENT;
	if (frame_gen(view) != frame >> 32)
		return -ERR_STALE;
	rmap_sync(r);
	*count = rmap_places(r, word0, word1, skip, list, most);
	return 0;
}

u64 rmap_run(const struct rmap *r, u64 *first)
{
	const struct rmap_node *n = &r->node[r->sole];

	if (!r->sole)
		return 0;
	*first = n->first;
	return n->last + 1ul;
}

u64 rmap_check(const struct rmap *r)
{
	return tree_check(r, r->stats[RMAPSTAT_VMAS]);
}
