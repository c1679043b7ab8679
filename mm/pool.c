// SPDX-License-Identifier: MIT
// Pools: accounts of frames in a tree. A pool's limit is set aside in its parent, so a charge looks at one pool only.
//
// Invariants:
//	- usage + children <= limit; children == sum of the children's limits
//	- usage == frames whose struct page names the pool in a state other than FREE
//	- pools[id] == pool for every pool that is not destroyed
//
//	              pool_init         pool_destroy_step          usage 0
//	(zeroed slot) ----------> LIVE -------------------> DYING ---------> destroyed (id 0, limit 0, not in the tree)
//
// Ids. A FREE frame names its last owner, who may get it back unzeroed. So an id must not serve a new pool while such
// frames are around:
//
//	UNUSED --init--> LIVE --destroyed--> RETIRED --a sweep begins--> SWEEPING --it has passed all frames--> UNUSED
//
// A frame that is FREE and names a SWEEPING id can only lie ahead of the sweep: the pool has no frames that could
// become FREE behind it. Sweeps take a bounded step in each pool_init once ids get short, so destroying an empty pool
// costs nothing.
#include <lib/base/log.h>
#include <lib/base/string.h>
#include <mm/aspace.h>

enum id_state { ID_UNUSED, ID_LIVE, ID_RETIRED, ID_SWEEPING };

#define ID_SWEEP_BELOW (POOLS / 2) // sweep when fewer ids than this are unused
#define ID_SWEEP_STEP  1024        // frames per pool_init

// One step of destruction, in instructions, roughly.
#define WORK_DESTROY 10500
#define WORK_LOOK    9   // a frame looked at
#define WORK_FREE    420 // and one that is freed: the buddy may merge it many times

enum sweep_phase { SWEEP_ASPACES, SWEEP_FRAMES };

static struct pool *pools[POOLS];
static u8 id_state[POOLS];
static u32 ids_unused, ids_retired;
static u32 id_last;    // handed out last: ids go round
static pfn_t id_sweep; // frames before this one are swept; 0: no sweep is under way
struct pool *pool_events;
static struct pool **pool_events_end = &pool_events;

struct pool *pool_by_id(u16 id)
{
	assert(id < POOLS && pools[id]);
	return pools[id];
}

struct pool *pool_find(u16 id)
{
	return id < POOLS ? pools[id] : NULL;
}

// ---- watermarks

static void event_queue(struct pool *pool, u32 event)
{
	if (!pool->notify)
		return;
	if (!pool->pending) {
		pool->event_next = NULL;
		*pool_events_end = pool;
		pool_events_end = &pool->event_next;
	}
	pool->pending |= event;
}

static void event_drop(struct pool *pool)
{
	if (!pool->pending)
		return;
	pool->pending = 0;
	struct pool **link = &pool_events;
	while (*link != pool)
		link = &(*link)->event_next;
	*link = pool->event_next;
	if (!*link)
		pool_events_end = link;
}

bool pool_event_take(struct pool_event *event)
{
	struct pool *pool = pool_events;
	if (likely(!pool))
		return false;
	u64 low = pool->pending & POOL_EVENT_LOW ? pool->notify_low : 0;
	u64 high = pool->pending & POOL_EVENT_HIGH ? pool->notify_high : 0;
	*event = (struct pool_event){ pool, low | high };
	event_drop(pool);
	return true;
}

// Edge-triggered: one event when the room falls below low, the next only after it has risen above high.
void pool_marks_look(struct pool *pool)
{
	u64 room = pool_room(pool);
	if (unlikely(!pool->crossed && room < pool->low)) {
		pool->crossed = true;
		event_queue(pool, POOL_EVENT_LOW);
	} else if (unlikely(pool->crossed && room > pool->high)) {
		pool->crossed = false;
		event_queue(pool, POOL_EVENT_HIGH);
	}
}

err_t pool_set_marks(struct pool *pool, u64 low, u64 high, u64 min)
{
	if (pool->dying)
		return -ERR_DYING;
	if (low > high)
		return -ERR_INVAL;
	pool->low = low;
	pool->high = high;
	pool->min = min;
	pool_marks_look(pool);
	return 0;
}

void pool_set_notify(struct pool *pool, void *notify, u64 low_bits, u64 high_bits)
{
	event_drop(pool);
	if (pool->dying)
		notify = NULL;
	pool->notify = notify;
	pool->notify_low = low_bits;
	pool->notify_high = high_bits;
	pool->crossed = false;
	pool_marks_look(pool);
}

// ---- charging

err_t pool_charge(struct pool *pool, u64 n, bool table)
{
	if (unlikely(pool->dying))
		return -ERR_DYING;
	if (unlikely(pool->inject) && --pool->inject == 0)
		return -ERR_NOMEM;
	u64 room = pool_room(pool), reserve = table ? 0 : pool->min;
	if (unlikely(n > room || room - n < reserve))
		return -ERR_NOMEM;
	pool->usage += n;
	pool_marks_look(pool);
	return 0;
}

// ---- ids

static void id_sweep_end(void)
{
	id_sweep = 0;
	for (u32 id = 1; id < POOLS; id++)
		if (id_state[id] == ID_SWEEPING) {
			id_state[id] = ID_UNUSED;
			ids_unused++;
		}
}

static void id_sweep_step(void)
{
	if (!id_sweep) {
		if (!ids_retired)
			return;
		for (u32 id = 1; id < POOLS; id++)
			if (id_state[id] == ID_RETIRED)
				id_state[id] = ID_SWEEPING;
		ids_retired = 0;
		id_sweep = mem.base;
	}
	pfn_t stop = mem.limit - id_sweep > ID_SWEEP_STEP ? id_sweep + ID_SWEEP_STEP : mem.limit;
	for (; id_sweep < stop; id_sweep++) {
		struct page *page = pfn_to_page(id_sweep);
		if (page->state == PAGE_FREE && id_state[page->pool] == ID_SWEEPING)
			page->pool = 0;
	}
	if (id_sweep == mem.limit)
		id_sweep_end();
}

static u16 id_take(struct pool *pool)
{
	if (ids_unused < ID_SWEEP_BELOW)
		id_sweep_step();
	if (!ids_unused)
		return 0;
	do {
		id_last = id_last % (POOLS - 1) + 1; // 1 .. POOLS - 1
	} while (id_state[id_last] != ID_UNUSED);
	ids_unused--;
	id_state[id_last] = ID_LIVE;
	pools[id_last] = pool;
	return id_last;
}

static void id_retire(u16 id)
{
	assert(id_state[id] == ID_LIVE);
	id_state[id] = ID_RETIRED;
	ids_retired++;
	pools[id] = NULL;
}

// ---- making and sizing

void pool_root_init(struct pool *pool, u64 limit)
{
	memset(pools, 0, sizeof(pools));
	memset(id_state, ID_UNUSED, sizeof(id_state));
	ids_unused = POOLS - 1;
	ids_retired = id_last = 0;
	id_sweep = 0;
	pool_events = NULL;
	pool_events_end = &pool_events;
	*pool = (struct pool){ .obj = pool->obj, .limit = limit };
	pool->id = id_take(pool);
}

err_t pool_init(struct pool *pool, struct pool *parent, u64 limit)
{
	if (parent->dying)
		return -ERR_DYING;
	if (limit > pool_room(parent))
		return -ERR_NOMEM;
	u16 id = id_take(pool);
	if (!id)
		return -ERR_NOMEM;
	*pool = (struct pool){
		.obj = pool->obj, .id = id, .parent = parent, .limit = limit, .sibling_next = parent->child
	};
	if (parent->child)
		parent->child->sibling_prev = pool;
	parent->child = pool;
	parent->children += limit;
	pool_marks_look(parent);
	return 0;
}

err_t pool_set_limit(struct pool *pool, u64 limit)
{
	struct pool *parent = pool->parent;
	if (pool->dying || (parent && parent->dying))
		return -ERR_DYING;
	if (!parent)
		return -ERR_INVAL;
	if (limit > pool->limit ? limit - pool->limit > pool_room(parent) : limit < pool->usage + pool->children)
		return -ERR_NOMEM;
	parent->children += limit - pool->limit;
	pool->limit = limit;
	pool_marks_look(pool);
	pool_marks_look(parent);
	return 0;
}

// ---- destruction

static void pool_end(struct pool *pool)
{
	struct pool *parent = pool->parent;
	assert(!pool->usage && !pool->children && !pool->child);
	if (pool->sibling_prev)
		pool->sibling_prev->sibling_next = pool->sibling_next;
	else if (parent)
		parent->child = pool->sibling_next;
	if (pool->sibling_next)
		pool->sibling_next->sibling_prev = pool->sibling_prev;
	if (parent) {
		parent->children -= pool->limit;
		pool_marks_look(parent);
	}
	event_drop(pool);
	id_retire(pool->id);
	// The references it holds go with the object.
	*pool = (struct pool){ .obj = pool->obj, .parent = parent, .notify = pool->notify, .dying = true };
}

// Strip the pool's frames from the address spaces, newest first. No entry for them can appear behind the sweep: a dying
// pool's frames are neither mapped nor cloned nor moved, and address spaces made since then are empty of them.
static void sweep_aspaces(struct pool *pool)
{
	struct aspace *as = aspaces;
	while (as && pool->sweep_aspace && as->serial >= pool->sweep_aspace)
		as = as->next;
	if (!as) {
		pool->sweep_phase = SWEEP_FRAMES;
		pool->sweep_frame = mem.base;
		return;
	}
	if (aspace_strip_pool(as, pool, &pool->sweep_va) == -ERR_AGAIN)
		return;
	pool->sweep_aspace = as->serial;
	pool->sweep_va = 0;
}

static err_t sweep_frames(struct pool *pool)
{
	s64 work = WORK_DESTROY;
	for (; pool->sweep_frame < mem.limit && work > 0; pool->sweep_frame++, work -= WORK_LOOK) {
		struct page *page = pfn_to_page(pool->sweep_frame);
		if (page->pool == pool->id && page_reclaim(page))
			work -= WORK_FREE;
	}
	if (!pool->usage)
		return 0;
	if (pool->sweep_frame < mem.limit)
		return -ERR_AGAIN;
	pool->sweep_phase = SWEEP_ASPACES;
	pool->sweep_aspace = pool->sweep_va = 0;
	return -ERR_BUSY;
}

static err_t destroy_one(struct pool *pool)
{
	err_t err = 0;
	if (pool->usage && pool->sweep_phase == SWEEP_ASPACES) {
		sweep_aspaces(pool);
		return -ERR_AGAIN;
	}
	if (pool->usage)
		err = sweep_frames(pool);
	if (!err)
		pool_end(pool);
	return err;
}

err_t pool_destroy_step(struct pool *pool, u64 *left)
{
	*left = 0;
	if (!pool->id)
		return 0;
	struct pool *victim = pool;
	victim->dying = true;
	while (victim->child) {
		victim = victim->child;
		victim->dying = true;
	}
	err_t err = destroy_one(victim);
	*left = pool->usage + pool->children;
	return err || victim == pool ? err : -ERR_AGAIN;
}

// ---- self-check

static u64 check_one(const struct pool *pool, u32 id)
{
	u64 bad = 0, limits = 0;
	if (pool->id != id) {
		log_line("check: pool %u: id: expected %u, found %u", id, id, pool->id);
		bad++;
	}
	for (const struct pool *child = pool->child; child; child = child->sibling_next) {
		limits += child->limit;
		if (child->parent != pool) {
			log_line("check: pool %u: parent: expected %u, found another", child->id, id);
			bad++;
		}
	}
	if (limits != pool->children) {
		log_line("check: pool %u: limits of its children: expected %lu, found %lu", id, pool->children, limits);
		bad++;
	}
	if (pool->usage + pool->children > pool->limit) {
		log_line("check: pool %u: expected at most %lu frames, found %lu used, %lu given to children", id,
			 pool->limit, pool->usage, pool->children);
		bad++;
	}
	return bad;
}

u64 pool_check(void)
{
	u64 bad = 0;
	for (u32 id = 1; id < POOLS; id++) {
		if ((id_state[id] == ID_LIVE) != (pools[id] != NULL)) {
			log_line("check: pool %u: expected one when its id is live, found state %u", id, id_state[id]);
			bad++;
		} else if (pools[id]) {
			bad += check_one(pools[id], id);
		}
	}
	return bad;
}
