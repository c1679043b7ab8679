// SPDX-License-Identifier: MIT
/*
 * reclaim's records. docs/pagers.md has the protocol with vm, rmap and the disk driver.
 *
 * Truth lies in three places. The frame table says which frame is mapped, dirty, in the swap cache, and for which slot.
 * The state segment says which areas there are, and of each slot how many tokens are out, whether its page is on the
 * disk, and (as a hint that vm reads) which frame holds it. Lists, clusters, transfers and requests are volatile.
 *
 * A slot, by its word and count:
 *
 *	free (0, 0) --slot_alloc--> USED, count n, frame --written--> + ON_DISK --frame freed--> disk only
 *	     ^                                     ^                                                 |
 *	     |                                     +---------- read: BUSY, then frame ---------------+
 *	     +--- count 0, and no frame or its frame given up or freed, and no transfer (slot_settle)
 *
 * Invariants
 *	- a slot's word names a frame only while that frame's content is the slot's page: it is written before evict
 *	  shows the token, after a read is complete, and cleared before the frame is freed
 *	- BUSY means that a transfer names the slot; while it is set the slot is not given to anybody else
 *	- a frame is freed by reclaim only if its content is on the disk, or nobody can ask for it (count 0)
 *	- a frame is on at most one list; a list entry is of a frame's life, which its generation tells
 *	- reclaim never waits: what cannot go on (no frame, no transfer, ring full) stays queued, and every event that
 *	  could change that ends in work_quantum
 */
#pragma once

#include "sys.h"

#include <pager/frames.h>
#include <pager/state.h>
#include <pager/swap.h>

#define AREAS         8
#define CLUSTER       BLOCK_SEGMENTS
#define TRANSFERS     48
#define WRITES_MAX    32              // of them, so that reads always find one
#define PENDING       512             // requests of vm that wait for a frame or a transfer: one per process at most
#define STOCK         32              // frames in hand for reading
#define STOCK_LOW     4               // when nothing is to be read: at least
#define STOCK_REST    8               // at most
#define QUANTUM       32              // frames looked at in one quantum
#define DRAIN_MAX     256             // slots of one round of swapoff
#define SWAPSLOT_HELD SWAPSLOT_FAILED // a slot that holds nothing and never will: header, bad page

// A swap area: slots [base, base + pages); the first is the header's. base is a multiple of CLUSTER and not 0.
struct area {
	u32 state; // AREA_*
	u32 unit;
	u32 base, pages;
	u32 usable; // without header and bad ones
	s32 priority;
	u64 device_pages;
};
_Static_assert(sizeof(struct area) == 32, "staged as words");

struct reclaim_state {
	struct state_header header;
	struct area area[AREAS];
	u64 user_pool;        // number of the pool of user memory in the frame table
	frame_t stock[STOCK]; // frames in hand; which still are, the frame table tells
	frame_t header_frame; // for headers; kept from the first swapon on, since the next comes when memory is full
};
_Static_assert(sizeof(struct reclaim_state) <= SWAP_SHARE, "the segment's first page");

// ---- volatile

struct lru {
	u32 prev, next; // frame numbers, 0 none
	u32 gen : 24, list : 4;
	u32 referenced : 1; // the policy's
	u32 ahead : 1;      // was read ahead of need
	u32 alone : 1;      // is to be written alone: with others it failed
};
_Static_assert(sizeof(struct lru) == 12, "the only array per frame");

struct lru_list {
	u32 first, last, count;
};

struct transfer {
	u64 flow;
	u32 op;     // BLOCK_*, 0: free
	u32 slot;   // first
	u32 n;      // slots and frames; slot 0: the header of an area that is being opened
	u32 wanted; // bit i: vm waits for slot + i
	u32 sequence;
	u32 unit; // of the header
	frame_t frame[CLUSTER];
};

struct pending {
	u64 flow;
	u32 slot;
	bool quiet; // swapoff's: nobody is told
	bool alone; // nothing is read along with it: that has failed, or nobody will want it
};

// Pages that wait in memory until there are CLUSTER consecutive slots, or no more come.
struct cluster {
	u32 slot, n;
	frame_t frame[CLUSTER];
};

// Who waits for free frames of user memory.
enum asker { ASKER_VM, ASKER_SLAB, ASKERS };

struct want {
	u64 frames; // free ones, 0 nothing
	u64 went;   // frames that left memory since
	u64 flow;
};

struct reclaim {
	struct state segment;
	struct reclaim_state *state;
	struct swap_share *share;
	struct swap_slot *slot;
	struct ring news, emptied;
	struct channel vm, disk, slab;
	bool slab_there;
	const u64 *places; // where rmap writes long lists
	struct frames frames;
	struct lru *lru; // indexed by frame number; NULL until the first swapon
	struct lru_list list[LRU_STUCK + 1];
	const struct policy *policy;
	u64 stats[RECLAIMSTAT_NR_NEWS + 1];
	u64 flow; // what the work at hand is done for

	struct transfer transfer[TRANSFERS];
	u32 transfers_free, writes;
	struct pending pending[PENDING];
	u32 pending_first, pending_count;
	u32 stocked; // of state->stock
	struct {
		u64 found; // what vm had counted at the last read
		u64 told;  // answers since, each of which makes one fault that finds its page
		u32 slot;  // of that read
		u32 pages; // that it was given
	} ahead;
	struct cluster cluster;
	u64 cached; // slots that name a frame
	u32 slots_used[AREAS];
	u32 slots_next[AREAS]; // where the next free one is looked for

	// what is wanted
	bool background; // until the high watermark is reached
	u64 read_flow;   // of the read that took frames from the pool since the last notification, 0 none
	u64 low_flow;    // of the one that took the pool below low: the next quantum is for it
	struct want want[ASKERS];
	u64 shrink, shrunk; // frames that a program wants out, and that went
	struct request shrink_rq;
	u64 fruitless;   // frames looked at since the last one that went
	bool news_left;  // more of the ring is to be read before anybody knows what frames there are
	u32 rescan;      // frame number that the reading of the frame table has come to
	u32 rescan_left; // frames that it has to go on, 0: not under way
	u64 slots_read;  // the same of the slot table after `emptied` overflowed
	u64 low, high, min;
	bool kicked; // the next quantum is asked for
	bool swept;  // since the last frame that went, slots were freed of what only cached them

	// swapon, swapoff
	struct request area_rq; // parked, reply 0: none
	u32 area_index;
	u32 drain_next; // slot that swapoff has come to
	u32 drain_end;  // of the window at hand, 0 none
	bool drain_told;
};
extern struct reclaim rc;

// What is done with the frames that may go (policy_*.c). A policy sees frame numbers, keeps them on the lists, and asks
// page_look whether one was used.
struct policy {
	const char *name;
	void (*add)(u32 pfn, bool read); // a frame that is new to the lists; `read`: it comes from swap
	u32 (*next)(u32 *budget); // the frame that should go next, page_look'ed at and old; 0: none within the budget
	void (*keep)(u32 pfn);    // it could not go
};
extern const struct policy policy_two;

enum look {
	LOOK_GONE,   // freed, or no longer a page of user memory: forget it
	LOOK_KEEP,   // cannot go now
	LOOK_YOUNG,  // was used since it was last looked at
	LOOK_OLD,    // mapped; its places are in the argument page
	LOOK_CACHED, // lies in the swap cache, not mapped
};
// Harvests the A bits of all places. Fills page_looked.
enum look page_look(u32 pfn);
extern struct looked {
	u32 pfn;
	frame_t frame;
	u64 places;
	u32 slot; // of the swap cache, 0 none
} looked;

static inline struct lru *lru_of(u32 pfn)
{
	return &rc.lru[pfn];
}

// Somebody waits for free frames.
static inline bool work_wanted(void)
{
	return rc.want[ASKER_VM].frames | rc.want[ASKER_SLAB].frames;
}

// A frame has left memory.
static inline void work_went(void)
{
	rc.want[ASKER_VM].went++;
	rc.want[ASKER_SLAB].went++;
}

static inline u32 slot_word(u32 slot)
{
	return __atomic_load_n(&rc.slot[slot].frame, __ATOMIC_ACQUIRE);
}

// Nobody else writes it.
static inline void slot_set(u32 slot, u32 word)
{
	rc.cached += ((word & SWAPSLOT_FRAME) != 0) - ((slot_word(slot) & SWAPSLOT_FRAME) != 0);
	__atomic_store_n(&rc.slot[slot].frame, word, __ATOMIC_RELEASE);
}

// Flags only: which frame it names stays.
static inline void slot_flags(u32 slot, u32 clear, u32 set)
{
	__atomic_store_n(&rc.slot[slot].frame, (slot_word(slot) & ~clear) | set, __ATOMIC_RELEASE);
}

static inline u32 slot_count(u32 slot)
{
	return __atomic_load_n(&rc.slot[slot].count, __ATOMIC_ACQUIRE);
}

// Frames that user memory may still take.
u64 pool_room(void);

// lists.c
void list_add(u32 pfn, u32 list); // at the head; its entry becomes that of the frame's present life
void list_remove(u32 pfn);
void list_move(u32 pfn, u32 list);
void list_forget(frame_t frame); // of a life that is over
u32 list_of(u32 pfn);            // LRU_NONE for what was freed since
err_t lists_make(void) must_check;

// slots.c
u32 slot_alloc(void); // 0: swap is full
void slot_free(u32 slot);
// What is left of a slot whose count or frame has changed: frees what nobody can ask for. True: the slot is free now.
bool slot_settle(u32 slot);
void slots_emptied(void);            // the ring; in bounded steps
bool slots_read_on(void);            // after its overflow. True: there is more to do
struct area *slot_area(u32 slot);    // NULL: none
u32 area_used(const struct area *a); // slots
u64 swap_free(void);

// io.c
struct transfer *transfer_new(u32 op, u32 slot) must_check; // NULL: none free
void transfer_start(struct transfer *t);
void transfer_end(struct transfer *t);
void transfers_done(void);

// swapin.c
void swapin_request(u32 slot, u64 flow, bool quiet, bool alone);
bool swapin_waiting(void);
void swapin_run(void);
void swapin_done(struct transfer *t, err_t err);
void answer(u64 what, u64 slot, err_t status, u64 flow);
void answer_slab(u64 what, u64 flow);
// There is at least one frame, and n if they can be had at once; for work of this flow.
bool stock_fill(u32 n, u64 flow);
void stock_settle(void); // what is in hand at rest
static inline bool stock_settled(void)
{
	return rc.stocked >= STOCK_LOW && rc.stocked <= STOCK_REST;
}

// swapout.c
bool page_out(void); // the frame looked at. False: it stays
void cluster_flush(void);
void swapout_done(struct transfer *t, err_t err);
bool cached_out(void); // the frame looked at, which nobody maps. False: it stays

// work.c
void work_quantum(void); // as much as is good at once; asks for the next quantum if there is one
void work_frames(enum asker who, u64 n, u64 flow); // somebody wants free frames
void marks_set(u64 low, u64 high);
void rescan_start(void); // read the frame table for frames that are on no list

// area.c
err_t area_open(struct request *rq, u64 unit, u64 priority);
err_t area_close(struct request *rq, u64 unit);
void area_header_done(err_t err);
void area_drain(void);               // goes on as far as it can
void area_drained(u64 round);        // vm has done this round
bool area_drain_stop(void);          // swapoff fails: memory is out. False: none is under way
void area_request_drop_dead(void);   // callers that were killed
err_t memory_ready(void) must_check; // lists, a frame in hand, watermarks

// recover.c
void recover(void);

// slots.c again: numbers that follow from the table
void slots_count(struct area *a);

// request.c
void reclaim_open(const struct server_info *info, void *segment);
void reclaim_request(struct request *rq);
void reclaim_notified(u64 bits);
