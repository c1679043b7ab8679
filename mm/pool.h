// SPDX-License-Identifier: MIT
// Pools: accounts of frames. Limits are partitioned: a child's limit is taken from its parent's.
//
// Invariants: usage + sum(children's limits) <= limit; usage == frames whose struct page names this pool in a state
// other than FREE.
#pragma once

#include <lib/base/panic.h>
#include <mm/object.h>

#define POOLS 4096 // pool ids; id 0 is nobody

struct pool {
	struct object obj;
	u16 id;       // 0: destroyed, or never made
	bool dying;   // refuses alloc, map, clone
	bool crossed; // below low, not yet above high again
	u32 pending;  // POOL_EVENT_*: crossings not yet taken by the kernel
	struct pool *parent;
	struct pool *child; // first child
	struct pool *sibling_next, *sibling_prev;
	struct pool *event_next;     // queue of pools with pending events
	u64 limit;                   // frames
	u64 usage;                   // frames
	u64 children;                // frames given to children as their limits
	u64 low, high;               // watermarks on pool_room()
	u64 min;                     // reserve that only page tables may use
	u64 inject;                  // n: the n-th allocation from now fails (tests)
	void *notify;                // notification, opaque here
	u64 notify_low, notify_high; // bits
	u64 sweep_frame;             // pool_destroy: frames before this pfn are swept
	u64 sweep_aspace;            // address spaces from this serial on are swept; 0: none yet
	u64 sweep_va;                // and the next one up to here
	u32 sweep_phase;
};
_Static_assert(sizeof(struct pool) <= 256, "POOL slot");

#define POOL_EVENT_LOW  1
#define POOL_EVENT_HIGH 2

// Events that a call produced and that the kernel turns into notifications after it (mm/ names no notification).
struct pool_event {
	struct pool *pool;
	u64 bits;
};

// For the root and for children: keeps obj, sets all else.
void pool_root_init(struct pool *pool, u64 limit); // forgets every pool there was
// NOMEM: the parent has not that much left, or no pool id is free right now (retired ids are swept bit by bit: later
// calls succeed); DYING.
err_t pool_init(struct pool *pool, struct pool *parent, u64 limit) must_check;
struct pool *pool_by_id(u16 id); // must live
struct pool *pool_find(u16 id);  // NULL: no such pool
// The difference comes from or goes to the parent. INVAL: the root; NOMEM: the parent has too little, or the pool uses
// more; DYING.
err_t pool_set_limit(struct pool *pool, u64 limit) must_check;
// INVAL unless low <= high; DYING. Crossings are looked for at once.
err_t pool_set_marks(struct pool *pool, u64 low, u64 high, u64 min) must_check;
void pool_set_notify(struct pool *pool, void *notify, u64 low_bits, u64 high_bits); // NULL: none
// Account n frames; NOMEM when limit (or the reserve, unless `table`) would be crossed, DYING. Notes crossings of the
// watermarks.
err_t pool_charge(struct pool *pool, u64 n, bool table) must_check;
static always_inline void pool_uncharge(struct pool *pool, u64 n);
// Take the oldest unsent crossing. The kernel calls this on its way out of every call that can charge or uncharge.
bool pool_event_take(struct pool_event *event);
extern struct pool *pool_events; // NULL: nothing to take
// One bounded step of destruction: children first, then address spaces, then frames. AGAIN until usage is 0. *left =
// frames it still has, children's limits included. BUSY: what is left are object frames, page tables or pinned frames,
// whose users must go first; the pool stays dying and the next call sweeps again. The address space that a table
// belongs to is never touched from here.
err_t pool_destroy_step(struct pool *pool, u64 *left) must_check;
u64 pool_check(
	void); // limits partitioned, tree and ids consistent: violations, each logged in a line (usage: see mm_check)

// Frames the pool may still take, its children's share excluded.
static always_inline u64 pool_room(const struct pool *pool)
{
	return pool->limit - pool->children - pool->usage;
}

void pool_marks_look(struct pool *pool); // notes a crossing of the watermarks

static always_inline void pool_uncharge(struct pool *pool, u64 n)
{
	assert(pool->usage >= n);
	pool->usage -= n;
	if (unlikely(pool->crossed)) // else the room can only rise away from low
		pool_marks_look(pool);
}
