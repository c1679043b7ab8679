// SPDX-License-Identifier: MIT
// struct page: one 32-byte record per frame. The kernel's ownership record, so also its authority record and its lock.
//
//	RESERVED --online--> FREE --alloc--> OWNED <--map/unmap--> OWNED (mapcount)
//	OWNED --evict--> EVICTING --rescue (map) | CANCEL--> OWNED;  EVICTING --free--> FREE
//	OWNED <--> OBJECT (object frames)   FREE/stash <--> TABLE (page tables)
// Which function performs which transition: mm/README.md.
#pragma once

#include <abi/abi.h>
#include <arch/arch.h>
#include <lib/base/panic.h>
#include <lib/base/types.h>

enum page_state {
	PAGE_RESERVED, // hole, firmware, kernel, poisoned
	PAGE_FREE,     // on a buddy list (head of a block) or inside a free block
	PAGE_OWNED,
	PAGE_EVICTING,
	PAGE_TABLE,
	PAGE_OBJECT,
};

// marks
#define PAGE_DIRTY     0x01 // content differs from what the pager last wrote out; sticky
#define PAGE_WRITEBACK 0x02 // being written out; after a crash it counts as DIRTY
#define PAGE_YOUNG     0x04 // was accessed since the pager last cleared this
#define PAGE_SWAPCACHE 0x08 // also lies in a swap slot
#define PAGE_ZEROED    0x10 // content may be shown to the owner as it is (zeroed, or his own)
#define PAGE_SECRET    0x20 // not in the direct map

struct page {
	u32 gen;      // grows at each free and move
	u16 pool;     // owner; while FREE the last owner
	u8 state : 4; // enum page_state
	u8 order : 4; // FREE: order of the block this page heads
	u8 pager;     // flags of the pager's own
	u32 mapcount; // leaves and held entries that name the frame
	u16 pins;     // PIN_*: why it must stay where it is
	u8 marks;     // PAGE_*
	u8 place;     // node:4 zone:2 migratetype:2
	union {
		u64 word0; // OWNED: mapping | EVICTING: token | OBJECT: slot bitmap | TABLE: aspace id:32 entries:10
			   // level:3
		struct {
			u32 prev, next; // FREE, heads of blocks: neighbours on the buddy's list, 0 none
		};
	};
	u64 word1; // OWNED: index | TABLE: va | OBJECT: type:8 slot size:16
};
_Static_assert(sizeof(struct page) == 32, "struct page must stay 32 bytes");

// RAM known to the kernel: [base, limit) in pfns; holes inside are RESERVED.
struct mem_info {
	pfn_t base, limit;
	u64 frames;   // frames of RAM that are not holes
	u64 reserved; // of them never given out: firmware, kernel image, this array
	// Frames in the direct map by the level of their leaf; the last entry stands for all above. Set at boot, no
	// leaf is split later.
	u64 direct_map[3];
};
extern struct mem_info mem;

const char *page_state_name(u32 state);

static always_inline struct page *pfn_to_page(pfn_t pfn)
{
	return ARCH_MEM_MAP + pfn;
}

static always_inline pfn_t page_to_pfn(const struct page *page)
{
	return page - ARCH_MEM_MAP;
}

static always_inline paddr_t pfn_to_paddr(pfn_t pfn)
{
	return pfn << PAGE_SHIFT;
}

static always_inline void *page_address(const struct page *page)
{
	return arch_p2v(pfn_to_paddr(page_to_pfn(page)));
}

static always_inline struct page *virt_to_page(const void *p)
{
	return pfn_to_page(arch_v2p(p) >> PAGE_SHIFT);
}

static always_inline frame_t frame_ref(const struct page *page)
{
	return (u64)page->gen << 32 | page_to_pfn(page);
}

// Who gives up the slot gives up the other copy: from now on the frame is the only place of its content.
static always_inline void page_uncache(struct page *page)
{
	if (page->marks & PAGE_SWAPCACHE)
		page->marks = (page->marks & ~PAGE_SWAPCACHE) | PAGE_DIRTY;
}

// Pins of all kinds.
static always_inline u32 page_pins(const struct page *page)
{
	return (page->pins & PIN_COUNT) + page->pins / PIN_ARGUMENT;
}

// The whole check of a frame reference: in range, and generation, pool and state as expected: one load, one compare.
// The first 8 bytes are gen:32 pool:16 state:4 order:4 pager:8 (little endian); shifting left by 12 drops order and
// pager flags. Returns NULL (the caller answers STALE) when any differs.
static always_inline struct page *frame_check(frame_t frame, u16 pool, enum page_state state)
{
	pfn_t pfn = (u32)frame;
	if (unlikely(pfn >= mem.limit))
		return NULL;
	struct page *page = pfn_to_page(pfn);
	u64 head;
	__builtin_memcpy(&head, page, 8);
	u64 want = frame >> 32 | (u64)pool << 32 | (u64)state << 48;
	return likely((head ^ want) << 12 == 0) ? page : NULL;
}
