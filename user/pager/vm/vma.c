// SPDX-License-Identifier: MIT
/*
 * The VMAs of a process: an AVL tree by address over indices of records, threaded as a list, augmented with the largest
 * gap below. The tree is volatile; each change goes to the records first (one commit), then to the tree.
 *
 * Invariants (vma_check): in order and disjoint; prev/next agree with the tree; gap == start - end of prev (or the
 * window's start); gap_max == largest gap of the subtree; heights of siblings differ by at most one. Only the search
 * for gaps recurses, as deep as the tree is high: 1.44 * log2(VMAS) < 20.
 */
#include "swap.h"

struct vma_node nodes[VMAS];
static u16 free_head; // linked through nodes[].next
static u32 free_count;

static const struct vma *vma_at(u16 i)
{
	return &vmas[i];
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

static inline void node_update(u16 i)
{
	struct vma_node *n = &nodes[i];
	const struct vma_node *l = &nodes[n->left], *r = &nodes[n->right];

	n->height = (u8)(1 + (l->height > r->height ? l->height : r->height));
	n->gap_max = max_u64(n->gap, max_u64(l->gap_max, r->gap_max));
}

// Node 0 stands for "none": it takes a parent like any other and keeps height and gaps 0.
static inline void left_set(u16 i, u16 child)
{
	nodes[i].left = child;
	nodes[child].parent = i;
}

static inline void right_set(u16 i, u16 child)
{
	nodes[i].right = child;
	nodes[child].parent = i;
}

static void child_replace(struct proc *p, u16 parent, u16 old, u16 new)
{
	if (!parent)
		p->root = new;
	else if (nodes[parent].left == old)
		nodes[parent].left = new;
	else
		nodes[parent].right = new;
	nodes[new].parent = parent;
}

static u16 rotate_right(u16 i)
{
	u16 top = nodes[i].left;

	left_set(i, nodes[top].right);
	right_set(top, i);
	node_update(i);
	node_update(top);
	return top;
}

static u16 rotate_left(u16 i)
{
	u16 top = nodes[i].right;

	right_set(i, nodes[top].left);
	left_set(top, i);
	node_update(i);
	node_update(top);
	return top;
}

// i leans by two: the top of the subtree after one or two rotations.
static u16 rebalance(u16 i)
{
	const struct vma_node *n = &nodes[i], *l = &nodes[n->left], *r = &nodes[n->right];

	if (l->height > r->height) {
		if (nodes[l->left].height < nodes[l->right].height)
			left_set(i, rotate_left(n->left));
		return rotate_right(i);
	}
	if (nodes[r->right].height < nodes[r->left].height)
		right_set(i, rotate_right(n->right));
	return rotate_left(i);
}

// A subtree of i, or its gap, has changed: heights, gaps and balance from i upwards, as far as it matters.
static void tree_fix(struct proc *p, u16 i)
{
	while (i) {
		struct vma_node *n = &nodes[i];
		u32 lh = nodes[n->left].height, rh = nodes[n->right].height;
		u16 parent = n->parent;

		if (unlikely(lh > rh + 1 || rh > lh + 1)) {
			child_replace(p, parent, i, rebalance(i));
		} else {
			u64 gap_max = max_u64(n->gap, max_u64(nodes[n->left].gap_max, nodes[n->right].gap_max));
			u8 height = (u8)(1 + (lh > rh ? lh : rh));

			if (n->height == height && n->gap_max == gap_max)
				return;
			n->height = height;
			n->gap_max = gap_max;
		}
		i = parent;
	}
}

// A node whose neighbours in order are known goes below one of them: next has no left child, or prev, which lies in it,
// no right one.
static void tree_attach(struct proc *p, u16 i, u16 prev, u16 next)
{
	if (next && !nodes[next].left)
		left_set(next, i);
	else if (prev)
		right_set(prev, i);
	else
		child_replace(p, 0, 0, i);
}

// The place of i, which has two children, is taken by its successor.
static void tree_remove_inner(struct proc *p, u16 i)
{
	struct vma_node *n = &nodes[i];
	u16 next = n->next, parent = nodes[next].parent;

	if (parent == i) {
		parent = next;
	} else {
		left_set(parent, nodes[next].right);
		right_set(next, n->right);
	}
	left_set(next, n->left);
	child_replace(p, n->parent, i, next);
	nodes[next].height = n->height;
	nodes[next].gap_max = n->gap_max;
	tree_fix(p, parent);
}

static void tree_remove(struct proc *p, u16 i)
{
	const struct vma_node *n = &nodes[i];

	if (n->left && n->right) {
		tree_remove_inner(p, i);
	} else {
		child_replace(p, n->parent, i, n->left ? n->left : n->right);
		tree_fix(p, n->parent);
	}
}

// prev or an address has changed. Node 0 keeps its gap of 0.
static void gap_set(struct proc *p, u16 i)
{
	struct vma_node *n = &nodes[i];

	if (!i)
		return;
	n->gap = vma_at(i)->start - (n->prev ? vma_at(n->prev)->end : LOW_START);
	tree_fix(p, i);
}

void vma_pool_reset(void)
{
	free_head = 0;
	free_count = 0;
	for (u32 i = VMAS - 1; i; i--) {
		nodes[i] = (struct vma_node){ 0 };
		if (vmas[i].kind == VMA_FREE) {
			nodes[i].next = free_head;
			free_head = (u16)i;
			free_count++;
		}
	}
}

bool vma_records_left(u32 n)
{
	return free_count >= n;
}

static u16 pool_take(void)
{
	u16 i = free_head;

	if (i) {
		free_head = nodes[i].next;
		free_count--;
		nodes[i] = (struct vma_node){ 0 };
	}
	return i;
}

static void pool_put(u16 i)
{
	nodes[i].next = free_head;
	free_head = i;
	free_count++;
}

static void stage_vma(u16 i, const struct vma *v)
{
	struct vma checked = *v;

	checked.check = vma_sum(&checked);
	record_stage(&vmas[i], &checked, sizeof(checked));
}

static void stage_free(u16 i)
{
	struct vma none = { 0 };

	record_stage(&vmas[i], &none, sizeof(none));
}

u16 vma_find(const struct proc *p, u64 page)
{
	const struct vma *hint = vma_at(p->hint);
	u16 i = p->root, found = 0;

	if (page - hint->start < hint->end - hint->start)
		return p->hint;
	while (i) {
		if (vma_at(i)->end > page) {
			found = i;
			i = nodes[i].left;
		} else {
			i = nodes[i].right;
		}
	}
	return found;
}

// Put a record into the volatile side.
void vma_link(struct proc *p, u16 i, u16 next)
{
	const struct vma *v = vma_at(i);
	struct vma_node *n = &nodes[i];
	u16 prev = next ? nodes[next].prev : p->last;

	*n = (struct vma_node){ .height = 1, .prev = prev, .next = next };
	n->known = rmap_share && vma_unread(rmap_share, i);
	n->gap = n->gap_max = v->start - (prev ? vma_at(prev)->end : LOW_START);
	if (prev)
		nodes[prev].next = i;
	else
		p->first = i;
	if (next) {
		nodes[next].prev = i;
		nodes[next].gap = vma_at(next)->start - v->end;
	} else {
		p->last = i;
	}
	tree_attach(p, i, prev, next);
	tree_fix(p, n->parent);
	tree_fix(p, next); /* it lies above i: its gap has changed too */
	p->hint = i;
	p->vmas++;
	p->pages += v->end - v->start;
}

static void vma_unlink(struct proc *p, u16 i)
{
	struct vma_node *n = &nodes[i];

	if (n->prev)
		nodes[n->prev].next = n->next;
	else
		p->first = n->next;
	if (n->next) {
		nodes[n->next].prev = n->prev;
		nodes[n->next].gap += n->gap + (vma_at(i)->end - vma_at(i)->start);
	} else {
		p->last = n->prev;
	}
	tree_remove(p, i);
	tree_fix(p, n->next); /* mostly it lay on the way up already */
	p->vmas--;
	p->pages -= vma_at(i)->end - vma_at(i)->start;
	if (p->hint == i)
		p->hint = 0;
}

// rmap reads the record again. It need not know of one without entries; but what it knows must not be out of date.
static void mark_changed(u16 i)
{
	if (!rmap_share || !(nodes[i].touched | nodes[i].known))
		return;
	vma_changed(rmap_share, i);
	if (swap.share)
		__atomic_fetch_add(&swap.share->changes, 1, __ATOMIC_RELEASE);
}

void vma_touch(u16 i)
{
	if (nodes[i].touched)
		return;
	nodes[i].touched = true;
	mark_changed(i);
}

u16 vma_add(struct proc *p, const struct vma *v, u16 next)
{
	u16 i = p->vmas < VMAS_PER_PROC ? pool_take() : 0;

	if (!i) {
		record_drop();
		return 0;
	}
	stage_vma(i, v);
	record_commit();
	vma_link(p, i, next);
	return i;
}

void vma_delete(struct proc *p, u16 i)
{
	vma_unlink(p, i);
	stage_free(i);
	record_commit();
	mark_changed(i);
	pool_put(i);
}

void vma_change(struct proc *p, u16 i, const struct vma *v)
{
	u64 start = vma_at(i)->start, end = vma_at(i)->end;
	bool known = v->start == start && v->end == end && v->flags == vma_at(i)->flags;

	p->pages += v->end - v->start;
	p->pages -= end - start;
	stage_vma(i, v);
	record_commit();
	if (v->start != start)
		gap_set(p, i);
	if (v->end != end)
		gap_set(p, nodes[i].next);
	if (!known)
		mark_changed(i);
}

u16 vma_split(struct proc *p, u16 i, u64 page)
{
	struct vma low = *vma_at(i), high = low;
	u16 j = p->vmas < VMAS_PER_PROC ? pool_take() : 0;

	assert(low.start < page && page < low.end);
	if (!j)
		return 0;
	high.start = page;
	high.pgoff += page - low.start;
	low.end = page;
	stage_vma(i, &low);
	stage_vma(j, &high);
	record_commit();
	p->pages -= high.end - high.start;
	vma_link(p, j, nodes[i].next);
	nodes[j].touched = nodes[i].touched;
	nodes[j].known |= nodes[i].known;
	mark_changed(i);
	mark_changed(j);
	if (high.kind == VMA_SHARED)
		shared_hold(vma_at(j));
	return j;
}

bool vma_fits(const struct vma *l, const struct vma *r)
{
	return l->end == r->start && l->kind == r->kind && l->prot == r->prot && l->flags == r->flags &&
	       l->object == r->object && l->pgoff + (l->end - l->start) == r->pgoff;
}

static bool vma_joins(u16 a, u16 b)
{
	return a && b && vma_fits(vma_at(a), vma_at(b));
}

// a takes over b's pages; one commit for both records.
static void vma_join(struct proc *p, u16 a, u16 b)
{
	struct vma v = *vma_at(a);
	struct vma gone = *vma_at(b);

	v.end = gone.end;
	vma_unlink(p, b);
	p->hint = a;
	p->pages += gone.end - gone.start;
	stage_vma(a, &v);
	stage_free(b);
	record_commit();
	nodes[a].touched |= nodes[b].touched;
	mark_changed(a);
	mark_changed(b);
	gap_set(p, nodes[a].next);
	pool_put(b);
	if (gone.kind == VMA_SHARED)
		shared_release(&gone);
}

u16 vma_merge(struct proc *p, u16 i)
{
	u16 prev = nodes[i].prev, next = nodes[i].next;

	if (vma_joins(i, next))
		vma_join(p, i, next);
	if (vma_joins(prev, i)) {
		vma_join(p, prev, i);
		return prev;
	}
	return i;
}

bool vma_free_range(const struct proc *p, u64 start, u64 end)
{
	u16 i = vma_find(p, start);

	return !i || vma_at(i)->start >= end;
}

// The highest address of a free run of `pages` inside [low, high) within this subtree, 0 none.
static u64 gap_search(u16 tree, u64 pages, u64 low, u64 high)
{
	const struct vma_node *n = &nodes[tree];
	u64 start, from, to, found;

	if (n->gap_max < pages) /* also: no subtree */
		return 0;
	start = vma_at(tree)->start;
	from = max_u64(start - n->gap, low);
	to = start < high ? start : high;
	if (vma_at(tree)->end < high && (found = gap_search(n->right, pages, low, high)))
		return found;
	if (to > from && to - from >= pages)
		return to - pages;
	return start > low ? gap_search(n->left, pages, low, high) : 0;
}

u64 vma_gap(const struct proc *p, u64 pages, u64 low, u64 high)
{
	u64 from = max_u64(p->last ? vma_at(p->last)->end : LOW_START, low);

	if (high > from && high - from >= pages)
		return high - pages;
	return gap_search(p->root, pages, low, high);
}

void vma_drop_all(struct proc *p)
{
	for (u16 i = p->first, next; i; i = next) {
		struct vma gone = *vma_at(i);

		next = nodes[i].next;
		/* One store frees it; the process is not running, so no commit has to cover more. The rest is for rmap,
		 * which would read a record that does not sum up again and again. */
		vmas[i].kind = VMA_FREE;
		state_barrier();
		vmas[i] = (struct vma){ 0 };
		mark_changed(i);
		pool_put(i);
		if (gone.kind == VMA_SHARED && gone.owner)
			shared_release(&gone);
	}
	p->root = p->first = p->last = p->hint = 0;
	p->vmas = 0;
	p->pages = 0;
}

static u64 tree_check(u16 tree, u16 *walk, u32 *count)
{
	const struct vma_node *n = &nodes[tree];
	struct vma_node copy = *n;
	u64 bad = 0;

	if (!tree)
		return 0;
	bad += tree_check(n->left, walk, count);
	bad += *walk != tree; /* the list comes by in the same order */
	*walk = n->next;
	(*count)++;
	bad += tree_check(n->right, walk, count);
	node_update(tree);
	bad += n->height != copy.height || n->gap_max != copy.gap_max;
	bad += nodes[n->left].height > nodes[n->right].height + 1 || nodes[n->right].height > nodes[n->left].height + 1;
	bad += (n->left && nodes[n->left].parent != tree) || (n->right && nodes[n->right].parent != tree);
	return bad;
}

u64 vma_check(const struct proc *p)
{
	u16 walk = p->first;
	u32 count = 0;
	u64 end = LOW_START, pages = 0, bad = tree_check(p->root, &walk, &count);

	for (u16 i = p->first; i; i = nodes[i].next) {
		const struct vma *v = vma_at(i);

		bad += v->start < end || v->start >= v->end || v->owner != proc_slot(p) || v->check != vma_sum(v);
		bad += nodes[i].gap != v->start - end;
		/* Two that fit have been joined; the shadow's own never fit. */
		bad += vma_joins(nodes[i].prev, i);
		end = v->end;
		pages += v->end - v->start;
	}
	return bad + walk + (count != p->vmas) + (pages != p->pages) + (p->last && nodes[p->last].next);
}
