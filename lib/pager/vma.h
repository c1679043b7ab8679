// SPDX-License-Identifier: MIT
/*
 * vm's record of a mapping, which lies in vm's state segment and which rmap looks at; and how vm says that one changed.
 *
 * A page of a VMA has a name that survives fork, mremap and copy-on-write: {object, kind} and an index. vm writes it
 * into struct page with each map (vma_word0, vma_word1), and rmap finds the VMAs that contain it.
 */
#pragma once

#include <abi/abi.h>
#include <base/types.h>

enum vma_kind {
	VMA_FREE,   // unused record
	VMA_ANON,   // zero-filled on demand, private
	VMA_FILE,   // pages of the boot archive, private
	VMA_SHARED, // pages of the shadow address space
};
#define VMA_KIND_MASK 3

// Flags of a VMA.
#define VMA_STACK      1 // reported as growing down
#define VMA_LOCKED     2 // its pages stay in memory (mlock): rmap names no place of them
#define VMA_RANDOM     4 // no fault-around, no readahead
#define VMA_SEQUENTIAL 8 // fault-around at once

// Addresses are page numbers; 48 bits hold those of any paging mode. pgoff: ANON page number when it was made; FILE
// archive page; SHARED page in the shadow. pgoff plus length stays below 2^48.
struct vma {
	u64 owner : 16, start : 48; // owner: process slot
	u64 kind : 8, prot : 8, end : 48;
	u64 flags : 16, pgoff : 48;
	u32 object; // ANON: lineage it was made in; FILE: first archive page of the file; SHARED: number of the mapping
	u32 check;
};
_Static_assert(sizeof(struct vma) == 32, "VMA record");

// A record that is being written does not sum up.
static inline u32 vma_sum(const struct vma *v)
{
	u64 w[3], sum;

	_Static_assert(offsetof(struct vma, check) == sizeof(w) + sizeof(u32), "the sum covers all before it");
	__builtin_memcpy(w, v, sizeof(w));
	sum = ~w[0] ^ (w[1] << 17 | w[1] >> 47) ^ (w[2] << 41 | w[2] >> 23) ^ (u64)v->object << 7;
	return (u32)(sum ^ sum >> 32);
}

static inline u64 vma_word0(const struct vma *v)
{
	return (u64)v->object << 2 | v->kind;
}

static inline u64 vma_word1(const struct vma *v, u64 page)
{
	return v->pgoff + (page - v->start);
}

// vm, after the commit: rmap reads the record again before it next answers. Bits are only ever lost to a reader who
// takes them, so a reader that interrupts this at any point sees the change now or later.
static inline void vma_changed(struct rmap_share *share, u32 index)
{
	__atomic_fetch_or(&share->changed[index / 64], 1ul << index % 64, __ATOMIC_RELEASE);
	__atomic_fetch_or(&share->summary[index / 64 / 64], 1ul << index / 64 % 64, __ATOMIC_RELEASE);
}

// Has rmap still to read the record?
static inline bool vma_unread(const struct rmap_share *share, u32 index)
{
	return __atomic_load_n(&share->changed[index / 64], __ATOMIC_RELAXED) >> index % 64 & 1;
}

// A start: everything may have changed.
static inline void vma_changed_all(struct rmap_share *share)
{
	for (u32 i = 0; i < RMAP_VMAS / 64; i++)
		__atomic_store_n(&share->changed[i], ~0ul, __ATOMIC_RELEASE);
	for (u32 i = 0; i < RMAP_VMAS / 64 / 64; i++)
		__atomic_store_n(&share->summary[i], ~0ul, __ATOMIC_RELEASE);
}
