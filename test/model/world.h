// SPDX-License-Identifier: MIT
// The model checker's world: pools, address spaces and frames of a tiny machine, operations of hostile servers and
// programs on them, and an oracle that looks at everything after each operation. The code under test is the kernel's
// own mm/*.c; the oracle shares none of it.
#pragma once

#include <test/host/mm/machine.h>

#define POOLS_MAX   3
#define ASPACES_MAX 3
#define VAS_MAX     12
#define FRAMES_MAX  64
#define TOKEN       0x1234567ul

struct config {
	u32 pools, aspaces, vas, frames; // frames: data frames; those for tables and objects come on top
	u32 stash;                       // tables each address space keeps
	u64 limit;                       // of each pool
	bool races;                      // programs on other harts run in the middle of kernel operations
};

enum op_kind {
	OP_ALLOC,   // p, n blocks of order `order`, flags
	OP_FREE,    // p, f, flags
	OP_MOVE,    // p -> q, f
	OP_FILL,    // p, f from g (NONE: zero)
	OP_MARK,    // p, f, mark; BEGIN: places as `lie` says
	OP_PIN,     // p, f
	OP_UNPIN,   // p, f
	OP_EVICT,   // p, f, flags, places as `lie` says
	OP_TAKE,    // p, f: an object in slot `slot`
	OP_PUT,     // f: the object there goes
	OP_MAP,     // as, va, p, f (and f + 1 .. with n > 1), g source, flags
	OP_UNMAP,   // as, va, n, flags, token; UNMAP_FREE: p
	OP_PROTECT, // as, va, n, flags
	OP_SCAN,    // as, va, n, flags
	OP_CLONE,   // bs, vb <- as, va, n, clone
	OP_ACCESS,  // hart's program at va; write
	OP_SWITCH,  // hart goes to as (NONE: nowhere)
	OP_DESTROY, // a step of pool_destroy of p
	OP_CREATE,  // pool p again
	OP_LIMIT,   // p gets limit n
	OP_AS_DESTROY,
	OP_AS_CREATE,
	OP_KINDS,
};

#define NONE  0xff
#define OWNER 0xfe // p: the pool that owns the frame; other values lie, mostly

// Which places of a frame an evict or mark names.
enum lie { LIE_NOT, LIE_MISSING, LIE_DOUBLE, LIE_OTHER, LIE_UNMAPPED, LIE_NO_ASPACE, LIE_EMPTY, LIES };

struct op {
	u8 kind, hart;
	u8 p, q;
	u8 f, g;
	s8 gen; // added to the generation of the reference to f: not 0 is a stale one
	u8 as, bs, va, vb, n;
	u8 mark, clone, lie, slot, order;
	bool write;
	u64 flags, token;
};

extern struct config config;
extern struct pool root_pool, table_pool, pool[POOLS_MAX];
extern struct aspace *aspace[ASPACES_MAX]; // NULL: not there
extern pfn_t frame_pfn[FRAMES_MAX];        // what f means
extern u32 frame_count;                    // all frames of RAM, tables included, in the large world
extern bool stopped[MACHINE_HARTS];        // the hart's program ended: it runs nothing although its root is loaded

void world_boot(const struct config *c);
// Do it and check everything. Returns what the call returned.
err_t world_step(const struct op *op);
void op_print(const struct op *op, err_t err);
vaddr_t va_of(u32 index);
// The place in page tables, if any.
pte_t *slot_of(u32 as, u32 va);

// ---- oracle.c
void oracle_boot(void);
void oracle_before(const struct op *op);
void oracle_after(const struct op *op, err_t err, u64 done);
// A program wrote to this frame: returns the version it writes.
u64 oracle_wrote(pfn_t pfn);
void oracle_read(pfn_t pfn, u64 version);
void oracle_pool_gone(u32 p);
u64 oracle_hash(void);
// The pool slot that owns the frame, or NONE.
u32 owner_of(const struct page *page);
// Everything that is wrong ends here: prints the last operations.
_Noreturn void model_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// ---- explore.c, random.c
// Every sequence of operations of the small world, shortest first, until the time is up.
void explore(u64 seconds);
void random_run(u64 steps, u64 seed);
