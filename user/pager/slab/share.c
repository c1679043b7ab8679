// SPDX-License-Identifier: MIT
/*
 * How much memory slab may use. Its pool is small at boot and grows when objects need it, at the expense of user
 * memory; what slabs do not need any more goes back there. init does both, up to what the manifest allows (`grow`), and
 * keeps a part of user memory free.
 *
 *	pool, in pages:  |-- program, segment --|---- slabs ----|-- room --|
 *	                 0                      own()                    limit
 *	                 base (boot manifest) <= limit <= most
 *
 * The table of slabs, at the end of the state segment, grows and shrinks in the same way.
 */
#include "slab.h"

#define RESERVE_PAGES 64  // of the pool: the program's image, stack, argument page, rings, page tables
#define STEP_SHARE    64  // of what there may be: the step by which the pool grows, and the room that it keeps,
#define STEP_MAX      64  // in pages, at most
#define TABLE_STEP    8   // pages that the table grows by
#define TABLE_TABLES  5   // page tables that these may need, and what else init asks for them
#define SHARE         8   // one process has at most all but 1/SHARE of all frames
#define LEAF          512 // pages of one page table

// Pages of a segment that has records for a cushion, which it keeps.
#define STATE_LEAST ((sizeof(struct slab_state) + PAGE_SIZE - 1) / PAGE_SIZE + TABLE_STEP)

static struct {
	u64 limit, base, most; // of the pool
	u64 state;             // pages of the segment
	u64 wanted;
} share;

static u64 own_of(u64 state)
{
	return RESERVE_PAGES + state + state / LEAF;
}

// Pages that slabs cannot have.
static u64 own(void)
{
	return own_of(share.state);
}

bool share_open(u64 base, u64 most, u64 state_pages)
{
	share.limit = share.base = base;
	share.most = most > base ? most : base;
	share.state = state_pages;
	share.wanted = 0;
	return base > own();
}

// With a table that has a record for each frame.
u64 share_most(void)
{
	u64 frames, table;

	if (share.most - share.base < 2 * (TABLE_STEP + TABLE_TABLES))
		return share.base - own_of(share.state); /* too little to make a table for */
	frames = share.most - own_of(STATE_LEAST) - TABLE_STEP - TABLE_TABLES;
	table = frames / (PAGE_SIZE / sizeof(struct slab_record) + 1);
	return frames - table - table / LEAF - 1;
}

u64 share_limit(void)
{
	return MIN(share.limit - own(), share_most());
}

// A slab has a frame at least; what there is at boot, and a step, may be too many.
u64 share_slabs(void)
{
	u64 most = share_most() + 2 * TABLE_STEP * PAGE_SIZE / sizeof(struct slab_record);

	return MIN(most, SLAB_COUNT);
}

u64 client_quota(void)
{
	return share_most() - share_most() / SHARE;
}

u64 share_grown(void)
{
	return share.limit - share.base;
}

bool share_as_at_boot(void)
{
	return share.limit == share.base && share.state <= STATE_LEAST;
}

u64 share_cushion(void)
{
	return share.base > own_of(STATE_LEAST) ? share.base - own_of(STATE_LEAST) : 0;
}

u64 share_step(void)
{
	return MIN(share_most() / STEP_SHARE, STEP_MAX);
}

bool share_room(u64 frames)
{
	return stats[SLABSTAT_FRAMES] + frames <= share_limit();
}

u64 share_wanted(void)
{
	return share.wanted;
}

// ---- the pool

static err_t limit_set(u64 pages)
{
	u64 limit = share.limit, wanted = 0;
	err_t err = init_pool_size(PEER_INIT, pages, &limit, &wanted);

	if (!err)
		share.limit = limit;
	share.wanted = wanted;
	return err == -ERR_NOMEM ? -ERR_AGAIN : err;
}

void share_read(void)
{
	(void)limit_set(0); /* an error: there is no `call init`, and so it never changed */
}

err_t share_grow(u64 frames)
{
	u64 least = own() + stats[SLABSTAT_FRAMES] + frames, good = MIN(least + share_step(), share.most);

	if (least > share.most || stats[SLABSTAT_FRAMES] + frames > share_most())
		return -ERR_NOMEM;
	if (!limit_set(good))
		return 0;
	return limit_set(least);
}

// ---- the table

static u64 table_bytes(u64 records)
{
	return sizeof(struct slab_state) + records * sizeof(struct slab_record);
}

err_t table_grow(void)
{
	u64 limit = own_of(share.state + TABLE_STEP) + stats[SLABSTAT_FRAMES] + TABLE_TABLES, pages = share.state;
	u32 before = slab_table;
	err_t err = 0;

	if (slab_table == SLAB_COUNT || slab_table >= share_most() || limit > share.most)
		return -ERR_NOMEM;
	if (limit > share.limit)
		err = limit_set(limit);
	if (err)
		return err;
	err = init_state_size(PEER_INIT, share.state + TABLE_STEP, &pages);
	if (pages <= share.state)
		return err ? err : -ERR_NOMEM;
	share.state = pages;
	record_resize(pages * PAGE_SIZE);
	records_add(before, slab_table);
	return 0;
}

// What lies behind the last slab, and a step more, goes.
static void table_shrink(void)
{
	u64 step = records_end() ? TABLE_STEP : 0;
	u64 pages = (table_bytes(records_end()) + PAGE_SIZE - 1) / PAGE_SIZE + step;
	u32 before = slab_table;

	pages = MAX(pages, STATE_LEAST);
	if (share.state <= pages + step)
		return;
	records_drop((u32)((pages * PAGE_SIZE - sizeof(struct slab_state)) / sizeof(struct slab_record)), before);
	record_resize(pages * PAGE_SIZE);
	(void)init_state_size(PEER_INIT, pages, &share.state);
}

// ---- giving back

void share_give_back(u64 spare)
{
	u64 pages;

	if (share_as_at_boot() || (spare && share_limit() - stats[SLABSTAT_FRAMES] <= 2 * spare))
		return;
	table_shrink();
	pages = MAX(own() + stats[SLABSTAT_FRAMES] + spare, share.base);
	if (pages < share.limit)
		(void)limit_set(pages);
}
