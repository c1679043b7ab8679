// SPDX-License-Identifier: MIT
// Inside the fake kernel: its objects and what its parts share.
#pragma once

#include "fake.h"

#include <pager/frames.h>

struct frame {
	struct frame_view *v; // what vm may look at
	bool dirtyful;        // content may not be shown (LAZY)
	struct pool *pool;
	u32 type, size;
	void *object[64];
};

struct pool {
	bool alive;
	struct pool *parent;
	u64 limit, usage, children;
};

#define MIDS    256
#define LEAVES  512
#define ENTRIES 512
// Entries of 1 GiB; which GiB each is: found by hashing.
struct mid {
	u64 index;
	struct fake_entry *leaf[LEAVES];
};
struct aspace {
	struct pool *pool;
	u64 leaves, tables;
	struct mid *mid[MIDS];
	u64 window_end[WINDOWS];
	u64 observed;
};

struct table;
struct cap {
	u32 type;
	void *object;
	u64 badge;
	u64 rights;
};
struct table {
	struct cap *leaf[CAP_LEAVES];
	struct object *leaf_object[CAP_LEAVES];
};

struct object { // bookkeeping of one kernel object
	u32 type;
	u32 refs;
	u32 pfn, slot;
	struct pool *home;
	union {
		struct pool pool;
		struct aspace aspace;
		struct table table;
		struct fake_thread thread;
		char endpoint;
	};
};

extern struct frame frames[FAKE_FRAMES];
extern struct frame_view views[FAKE_FRAMES];
extern struct object user_pool;
extern u64 content[FAKE_FRAMES][PAGE_SIZE / 8];
extern u32 free_list[FAKE_FRAMES], free_top;
extern struct object own_table;

// fake.c
bool nomem(void); // does this call run out of memory?
void call_begin(void);
err_t call_end(err_t err);

// fake_frame.c
bool charge(struct pool *pool, u64 n);
struct frame *frame_get(struct pool *pool, u64 ref, u32 state);
struct frame *frame_any(struct pool *pool, u64 ref); // OWNED or EVICTING
struct frame *frame_new(struct pool *pool);
void frame_release(struct frame *f);
u32 pfn_of(const struct frame *f);
struct fake_entry *entry_at(struct aspace *as, u64 page, bool make);
struct fake_entry *entry_used(struct aspace *as, u64 page);
// The entries in use, one after the other; *position begins with 0. NULL: that was all.
struct fake_entry *entry_next(struct aspace *as, u64 *position);
u64 entry_page(const struct aspace *as, u64 position); // of the entry that was found last
void entry_drop(struct aspace *as, struct fake_entry *e);

// fake_object.c
void unref(struct object *o);
struct cap *cap_at(struct table *t, u64 slot);
struct object *own(cptr_t slot, u32 type); // what vm holds in this slot
struct pool *own_pool(cptr_t slot);
struct aspace *own_as(cptr_t slot);
void cap_set(struct cap *c, struct object *o, u64 badge, u64 rights);
