// SPDX-License-Identifier: MIT
/*
 * rmap: where a frame is mapped, by objects (the way of Linux 2.6.7). A page of a mapping has a name that it keeps over
 * fork, mremap and copy-on-write, {mapping = object and kind, index}; vm writes it into struct page. All VMAs of the
 * system hang in one interval tree, ordered by mapping and first index; those that contain a page's name are where it
 * may be mapped. Whether it is, the kernel sees: an answer is a hint, and may name too many places.
 *
 * The truth is vm's VMA records, which rmap reads where they lie. Of each it knows a copy, as it was when it last read
 * it:
 *
 *	absent --record read, whole and in use--> known --marked as changed, read again--> known, or absent
 *
 * Invariants: a known record is in the tree exactly once, under the key of its copy; every record that differs from its
 * copy is marked as changed, so that an answer, which reads the marked ones first, is of now. Everything here is
 * volatile: a successor reads all records.
 */
#pragma once

#include <pager/frames.h>
#include <pager/vma.h>

#define RMAP_KIND "anon_vma+i_mmap" // as the operation `choice` names it

struct place {
	u32 owner; // process slot
	u32 aspace;
	u64 va;
};

struct rmap_node {
	u64 owner : 16, first : 48; // index of its first page
	u64 kind : 4, max_kind : 4, height : 8, last : 48;
	u64 left : 16, max : 48; // largest {mapping, last} of the subtree, with max_object and max_kind
	u64 right : 16, start : 48;
	u32 object;
	u32 max_object;
};
_Static_assert(sizeof(struct rmap_node) == 40, "one for each VMA record");

struct rmap {
	const struct vma *records; // vm's, RMAP_VMAS of them; record 0 is never used. NULL until vm has made them
	struct rmap_share *share;
	struct rmap_node *node; // RMAP_VMAS; memory comes with rmap_memory
	u16 root;
	u16 sole; // a known record that meets no other: all pages in it are nowhere else. The last answer's, 0: none
	u64 stats[RMAPSTAT_NODE_BYTES + 1];
	// Are these bytes of nodes usable? With `make` they become so, zeroed, if there is memory.
	bool (*memory)(void *from, u64 bytes, bool make);
};

void rmap_open(struct rmap *r, const struct vma *records, struct rmap_share *share, struct rmap_node *nodes,
	       bool (*memory)(void *, u64, bool));
// Read the records that vm has marked.
void rmap_sync(struct rmap *r);
// The places of the page {word0, word1}, without the first `skip`, at most `most`. Returns how many there are after the
// skipped ones, and puts in the list what fits.
u32 rmap_places(struct rmap *r, u64 word0, u64 word1, u32 skip, struct place *list, u32 most);
// The places of a frame, as rmap_places. Syncs. STALE, NOENT (nobody has said what it is).
err_t rmap_frame(struct rmap *r, const struct frames *frames, frame_t frame, u32 skip, struct place *list, u32 most,
		 u32 *count) must_check;
// The pages around the one last asked for that are in the same place and nowhere else: *first to below the result
// (word1 of frames), 0: none known.
u64 rmap_run(const struct rmap *r, u64 *first);
u64 rmap_check(const struct rmap *r); // violations of the tree's invariants (tests)

// lie.c: a test aid. Makes a list wrong in a way that depends on the seed. Returns the new number of places.
u32 rmap_lie(struct place *list, u32 n, u32 most, u64 *seed);
