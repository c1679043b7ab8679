// SPDX-License-Identifier: MIT
/*
 * vmalloc: contiguous addresses from scattered frames, in a window of each client.
 *
 *	main.c    receive loop            request.c  the operations         client.c  who has a window, recovery
 *	hot.h     alloc and free of a small area that is at hand, in a few dozen instructions
 *	area.c    areas: slots of spans   purge.c    unmapping what was freed
 *	span.c    the ranges of a window  pages.c    the only file that maps, unmaps and asks pools for frames
 *
 * A window is tiled by spans: free ones, and spans cut into slots of one size, each followed by a guard page. An area
 * is a slot. Areas of up to SMALL pages share a span of SLOTS slots (the lineage of Linux' vmap_block); larger ones
 * have a span of their own with one slot.
 *
 *	slot:  EMPTY --mapped ahead--> PREPARED --alloc--> BUSY --free--> LAZY --purge: unmapped, flushed--> EMPTY
 *	         '------------- alloc ------------------>'
 *	span:  FREE --span_new--> with slots --all EMPTY (settle)--> FREE, merged with its neighbours
 *
 * So an address that was freed is not used again before its page is unmapped everywhere, and one flush serves many
 * areas.
 *
 * Invariants
 *   - the spans of a client tile its window; no two neighbours are FREE; the tree knows the largest FREE one below each
 *   - ready, dirty and busy bits of a span are disjoint; entries exist only in PREPARED, BUSY and LAZY slots
 *   - a frame is mapped in the window or free: nothing is held back, so that whoever unmaps the window with UNMAP_FREE
 *     gets everything back (vm does, when the client dies)
 *   - the frames are of the client's own pool (a process': its child pool, which grows out of user memory): what a
 *     client takes is counted by the kernel as the client's
 *
 * What must outlive the server is in the state segment: clients, and the busy bits of spans. All else that is mapped in
 * a window is garbage to a successor, which unmaps it. Every operation commits with one store (span_record.head).
 */
#pragma once

#include "sys.h"

#include <base/rbtree.h>
#include <pager/state.h>

#define PROCS            256 // clients that are processes, by slot; then servers
#define CLIENTS          (PROCS + 32)
#define SPANS            1024 // records; span 0 is never used
#define SPANS_PER_CLIENT 512  // so that no client takes all
#define SMALL            16   // pages: larger areas have a span of their own
#define SLOTS            32
#define LAZY_MAX         128 // pages a client may have freed and not unmapped
#define PREPARED_MAX     64  // pages mapped ahead at a time
#define SLACK            192 // pages that a client's pool may have and not use

#define PAGE_OF(address) ((u32)((address) >> PAGE_SHIFT))
#define ADDRESS_OF(page) ((u64)(page) << PAGE_SHIFT)

enum span_kind {
	SPAN_NONE, // unused record
	SPAN_AREA, // slots of alloc
	SPAN_RAM,  // slots of map_ram
	SPAN_FREE, // volatile only
};

// ---- the state segment

struct span_record {
	u32 start; // page
	u32 area;  // pages of a slot, without its guard page
	u64 head;  // busy bits | client << 32 | slots << 48 | kind << 56; stored last, it is the commit
};

struct client_record {
	u64 badge; // 0: free
	u32 start, end;
	u64 reply;  // the last request that must not be done twice
	u64 answer; // and the area it made or freed
};

struct vmalloc_state {
	struct state_header header;
	struct client_record client[CLIENTS];
	struct span_record span[SPANS];
};

// ---- volatile

struct span {
	struct rb_node rb;
	u32 start, pages; // all of it
	u32 free_max;     // pages of the largest FREE span in the subtree
	u32 area;         // pages of a slot
	u32 ready, dirty; // bits of slots: PREPARED, LAZY
	u32 mapped;       // one slot: pages it has so far
	u32 purged;       // one slot, LAZY: pages looked at so far
	u16 next, prev;   // those of a kind and size with slots to give; next also chains unused records
	u16 dirty_next;
	u16 large; // 2 MiB leaves
	u8 slots;
	u8 kind;
	bool listed, dirty_listed;
	bool building; // one slot, neither BUSY nor LAZY: alloc is not finished
	bool zero;
	bool try_large;
};

struct client {
	u64 badge; // 0: none
	struct rb_tree tree;
	u16 room[2][SMALL + 1]; // spans of SPAN_AREA, SPAN_RAM by size, with PREPARED or EMPTY slots
	u16 dirty;              // spans with LAZY slots
	u16 spans;
	u16 hint; // the span found last
	u8 batch; // slots to prepare next time
	bool funded;
	bool short_of; // its pool had less than it was asked for
	u32 lazy, prepared;
};

extern struct vmalloc_state *vms;
extern struct client clients[CLIENTS];
extern struct span spans[SPANS];
extern u64 stats[VMALLOCSTAT_SPANS_MAX + 1];

static inline u32 client_index(const struct client *c)
{
	return (u32)(c - clients);
}

static inline struct client_record *client_record(const struct client *c)
{
	return &vms->client[client_index(c)];
}

static inline u32 span_index(const struct span *s)
{
	return (u32)(s - spans);
}

static inline u32 span_busy(const struct span *s)
{
	return (u32)vms->span[span_index(s)].head;
}

// Slots that have neither entries nor an owner.
static inline u32 span_empty(const struct span *s)
{
	u32 all = s->slots == 32 ? ~0u : (1u << s->slots) - 1;

	return s->building ? 0 : all & ~(span_busy(s) | s->ready | s->dirty);
}

// Number of the lowest bit. The machine has no instruction for it, and gcc's function takes twenty.
static inline u32 bit_lowest(u32 bits)
{
	static const u8 place[32] = { 0,  1,  28, 2,  29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4,  8,
				      31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6,  11, 5,  10, 9 };

	return place[((bits & -bits) * 0x077cb531u) >> 27];
}

static inline u32 slot_page(const struct span *s, u32 slot)
{
	return s->start + slot * (s->area + 1);
}

// span.c: the ranges of a window
void span_pool_reset(void);
err_t span_first(struct client *c, u32 start, u32 pages) must_check;
struct span *span_find(struct client *c, u32 page); // the one that has the page; NULL: outside the window
// A span of `slots` slots out of the lowest free range that has room; aligned to `align` pages where that is possible.
// NOSPC, NFILE.
err_t span_new(struct client *c, enum span_kind kind, u32 area, u32 slots, u32 align, struct span **out) must_check;
err_t span_place(struct client *c, u32 i) must_check; // as its record says
void span_release(struct client *c, struct span *s);  // all slots are EMPTY
void span_drop_all(struct client *c);
u64 span_check(const struct client *c); // violations (tests)

// area.c
err_t area_alloc(struct client *c, u64 bytes, u64 flags, u64 *addr, u64 *left) must_check;
err_t area_fill(struct client *c, u64 addr, u64 *left) must_check;
err_t area_free(struct client *c, u64 addr, enum span_kind kind, u32 pages, u64 *left) must_check; // pages 0: any
err_t area_map_ram(struct client *c, u64 list, u64 count, u64 *addr) must_check;
bool area_busy(struct client *c, u64 addr);                              // does an area in use start there?
void area_settle(struct client *c, struct span *s);                      // its slots have changed
bool area_has(struct client *c, u32 page);                               // is the page in an area in use?
void area_dirty(struct client *c, struct span *s, u32 slots, u32 pages); // these slots are LAZY now

// purge.c
u32 purge(struct client *c, u32 budget);   // pages left
void prepared_drop(struct client *c);      // PREPARED slots become LAZY
bool relieve(struct client *c, err_t why); // make room, of the client's own first; false: nothing to be had
bool relieve_all(void);

// pages.c
// Frames for `slots` areas of `area` pages each, from `page` on, a guard page behind each. *done: areas that got them.
err_t pages_map(struct client *c, u32 page, u32 slots, u32 area, bool zero, u32 *done) must_check;
err_t pages_map_large(struct client *c, u32 page, bool zero) must_check; // one 2 MiB leaf
err_t pages_alias(struct client *c, u32 page, u32 source, u32 pages) must_check;
void pages_unmap(struct client *c, u32 page, u32 pages); // and free the frames that are mapped nowhere else
// A pool with more than `most` unused frames gives back all but `keep`. Returns how many.
u64 pages_trim(struct client *c, u32 most, u32 keep);
// A page of the client's, readable here until page_close.
err_t page_open(struct client *c, u32 page, const u64 **out) must_check;
void page_close(void);

// client.c
enum state_found clients_open(void *segment);
struct client *client_find(u64 badge);
struct client *client_at(u64 badge); // where it belongs; NULL: not a badge of a client
err_t client_attach(u64 badge, u64 start, u64 end) must_check;
err_t client_fund(u64 badge) must_check;
err_t client_detach(u64 badge) must_check;
// Once only: what a request made or freed is noted before the commit. `result_done` true: it was done before.
void result_note(struct client *c, u64 answer);
bool result_done(const struct client *c, u64 *answer);
extern u64 serving; // reply word of the request at hand

// request.c
void vmalloc_request(struct request *rq);
void vmalloc_request_cap(
	struct request *rq); // one that brought a capability: nothing stays but what attach and fund take
void vmalloc_notified(u64 bits);
u64 vmalloc_count(u64 index); // VMALLOCSTAT_*
void fault_report(const struct request *rq);
