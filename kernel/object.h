// SPDX-License-Identifier: MIT
// Making kernel objects by type (object_create) and counting them.
#pragma once

#include <mm/pool.h>

extern u64 objects_alive;

// Objects that died of another's death wait to be taken apart: one bounded step, which sched_exit takes on each slow
// way out. False: it could do nothing now.
bool graveyard_step(void);
extern u32 graveyard;      // 0: nobody waits there
void graveyard_wake(void); // a frame was let go: dead pools that waited for that are looked at again

// Make an object of TYPE_* in slot `slot` of `frame`, which belongs to `pool`. `arg`: POOL: its limit; `payer`: ASPACE:
// pool of its tables. refs is 0: the caller inserts the first capability, or (CAPLEAF) hands it to a table. Errors:
// INVAL and those of object_take, pool_init, aspace_init.
err_t object_make(struct pool *pool, frame_t frame, u64 slot, u64 type, u64 arg, struct pool *payer,
		  void **obj) must_check;
// All rights of a type that object_make makes.
u32 object_rights(u32 type);
