// SPDX-License-Identifier: MIT
// The fuzzer's world: made, and taken apart whatever the fuzzer has done to it.
#include "kfuzz.h"

#include <abi/abi_names.h>
#include <base/panic.h>

#define STEPS 200000 // of a pool's destruction; more is a loop
#define DEPTH 4      // tables in tables

// This server's slots are used again in each round.
enum {
	W_POOL,
	W_SUBPOOL,
	W_TABLE,
	W_ASPACE,
	W_ENDPOINT = W_ASPACE + 2,
	W_NOTIFY = W_ENDPOINT + 2,
	W_THREAD = W_NOTIFY + 2,
	W_SLOTS = W_THREAD + 2
};
static cptr_t slots[W_SLOTS], inner[DEPTH];

static void object(struct world *w, u32 which, u32 type, u64 arg)
{
	lab_check(type_name(type), lab_object(&w->bench, type, SLOT_SELF_CAPTABLE, slots[which], arg));
}

static void give(const struct world *w, u64 slot, cptr_t mine, u64 rights, u64 badge)
{
	lab_check("a capability", sys_cap_copy(w->table, slot, SLOT_SELF_CAPTABLE, mine, rights, badge, COPY_COPY));
}

static void give_all(const struct world *w)
{
	give(w, S_POOL, slots[W_POOL], 0, 0);
	give(w, S_SUBPOOL, slots[W_SUBPOOL], 0, 0);
	give(w, S_TABLE, w->table, 0, 0);
	for (u32 i = 0; i < 2; i++) {
		give(w, S_ASPACE_A + i, w->aspace[i], 0, 0);
		give(w, S_ENDPOINT_A + i, w->endpoint[i], 0, i * 77);
		give(w, S_NOTIFY_A + i, w->notify[i], 0, 0);
		give(w, S_THREAD_A + i, w->thread[i], 0, 0);
	}
	give(w, S_SYSTEM, SLOT_SYSTEM, RIGHT_SYSTEM_OBSERVE | RIGHT_SYSTEM_EVENT, 0);
	give(w, S_DEVICE, SLOT_DEVICE0, 0, 0);
	give(w, S_POOL_MAP_ONLY, slots[W_POOL], RIGHT_POOL_MAP, 0);
	give(w, S_ASPACE_WINDOW, w->aspace[0], RIGHT_ASPACE_MODIFY, 1);
	give(w, S_ENDPOINT_CALL, w->endpoint[0], RIGHT_ENDPOINT_CALL, 5);
}

void world_make(struct world *w)
{
	static struct lab_bench own = { .pool = SLOT_SELF_POOL };

	for (u32 i = 0; i < W_SLOTS && !slots[W_SLOTS - 1]; i++)
		slots[i] = lab_slot();
	for (u32 i = 0; i < DEPTH && !inner[DEPTH - 1]; i++)
		inner[i] = lab_slot();
	// The pool itself is an object in a frame of this server's, the same in each round: it outlives what is in it.
	own.bin[TYPE_POOL].used = 0;
	lab_check("the pool", lab_object(&own, TYPE_POOL, SLOT_SELF_CAPTABLE, slots[W_POOL], WORLD_POOL));
	*w = (struct world){ .bench = { .pool = slots[W_POOL] }, .subpool = slots[W_SUBPOOL], .table = slots[W_TABLE] };
	object(w, W_SUBPOOL, TYPE_POOL, WORLD_SUBPOOL);
	object(w, W_TABLE, TYPE_CAPTABLE, 0);
	lab_check("a leaf", lab_object(&w->bench, TYPE_CAPLEAF, w->table, 0, 0));
	for (u32 i = 0; i < 2; i++) {
		object(w, W_ASPACE + i, TYPE_ASPACE, 0);
		object(w, W_ENDPOINT + i, TYPE_ENDPOINT, 0);
		object(w, W_NOTIFY + i, TYPE_NOTIFICATION, 0);
		object(w, W_THREAD + i, TYPE_THREAD, 0);
		w->aspace[i] = slots[W_ASPACE + i];
		w->endpoint[i] = slots[W_ENDPOINT + i];
		w->notify[i] = slots[W_NOTIFY + i];
		w->thread[i] = slots[W_THREAD + i];
		lab_check("a window", sys_aspace_ctl(w->aspace[i], ASOP_WINDOW, 0, USER_BASE, WINDOW_END,
						     w->endpoint[i], slots[W_POOL], WIN_COW, NULL, NULL, NULL, NULL));
	}
	give_all(w);
}

// BUSY: something else that holds it goes first.
static void slot_empty(cptr_t table, u64 slot)
{
	err_t err = lab_delete(table, slot);

	if (err && err != -ERR_BUSY)
		panic("a slot of the world cannot be emptied: %s", err_name(err));
}

// One list of a table's slots, or less. Answers how many there were.
static u64 table_sweep(cptr_t table, u64 id, u32 depth)
{
	static u64 list[DEPTH][PAGE_SIZE / 24][2];
	const u64 *page = (const u64 *)ARGUMENT_VA;
	u64 count = 0, next = 1, first = 1, total = 0;

	for (; next; first = next) {
		if (sys_cap_list(table, first, &count, &next))
			return total; // a copy that lacks the right
		total += count;
		for (u64 i = 0; i < count; i++) {
			list[depth][i][0] = page[3 * i];
			list[depth][i][1] = page[3 * i + 1];
		}
		for (u64 i = 0; i < count; i++) {
			u32 slot = (u32)list[depth][i][0], type = (u8)(list[depth][i][0] >> 32);

			// A table made by the fuzzer may hold itself: its slots go before it does.
			if (type == TYPE_CAPTABLE && list[depth][i][1] != id && depth + 1 < DEPTH &&
			    !sys_cap_copy(SLOT_SELF_CAPTABLE, inner[depth], table, slot, 0, 0, COPY_COPY)) {
				(void)table_sweep(inner[depth], list[depth][i][1], depth + 1);
				slot_empty(SLOT_SELF_CAPTABLE, inner[depth]);
			}
			slot_empty(table, slot);
		}
	}
	return total;
}

static void pool_empty(cptr_t pool)
{
	for (u32 step = 0; step < STEPS; step++) {
		u64 left = 0;
		err_t err = sys_pool_destroy(pool, &left);

		if (!err)
			return;
		if (err == -ERR_AGAIN)
			continue;
		panic("a pool of the world is not destroyed: %s, %lu frames are left", err_name(err), left);
	}
	panic("the destruction of a pool does not end");
}

void world_unmake(struct world *w)
{
	err_t err;

	while ((err = sys_device(SLOT_DEVICE0, DEV_RESET, 0, 0, 0, 0, NULL, NULL, NULL, NULL)) == -ERR_AGAIN)
		;
	lab_check("to drop the pins", err);
	for (u32 i = 0; i < 2; i++)
		(void)sys_thread_ctl(w->thread[i], THREAD_KILL, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
	// What one sweep could not empty was held by what it emptied later.
	for (u32 i = 0; i < DEPTH && table_sweep(w->table, 0, 0); i++)
		;
	for (u32 i = W_SLOTS; i-- > W_SUBPOOL;)
		slot_empty(SLOT_SELF_CAPTABLE, slots[i]);
	pool_empty(slots[W_POOL]);
	slot_empty(SLOT_SELF_CAPTABLE, slots[W_POOL]);
}
