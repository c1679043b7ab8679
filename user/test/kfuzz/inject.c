// SPDX-License-Identifier: MIT
/*
 * Want of memory at every place where a call takes some: the n-th charge of the pool fails, for n = 1, 2, ... until the
 * call succeeds without reaching it. A call that failed must have changed nothing that is counted, and must succeed
 * when it is simply made again.
 */
#include "kfuzz.h"

#include <abi/abi_names.h>
#include <base/log.h>
#include <base/panic.h>
#include <base/string.h>

#define BASE       0x20000000ul                           // untouched: every table is missing
#define AT_EDGE    (BASE + (LARGE_PAGES - 4) * PAGE_SIZE) // the last pages of one table
#define MANY       8
#define PLACES_MAX 40

static struct lab_bench bench;
static cptr_t pool, from, to, table;
static u64 *const page = (u64 *)ARGUMENT_VA;

static frame_t frames[MANY];

// Calls write their lists over the argument page.
static void frames_name(void)
{
	memcpy(page, frames, sizeof(frames));
}

static void some(void)
{
	lab_check("frames", sys_frame_alloc(pool, 0, MANY, 0, NULL, NULL));
	memcpy(frames, page, sizeof(frames));
}

static void some_free(void)
{
	frames_name();
	lab_check("to free frames", sys_frame_free(pool, MANY, 0, FREE_DISCARD, NULL));
}

static err_t map_one(void)
{
	return sys_map(to, BASE, pool, frames[0], 1, PROT_READ, 0, 0, 0, NULL, NULL);
}

static err_t map_list(void)
{
	return sys_map(to, AT_EDGE, pool, 0, MANY, PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL);
}

static err_t map_zero(void)
{
	return sys_map(to, AT_EDGE, pool, 0, MANY, PROT_READ | PROT_WRITE | MAP_ZERO | MAP_IF_EMPTY, 0, 1, 1, NULL,
		       NULL);
}

static err_t map_held(void)
{
	return sys_map(to, AT_EDGE, pool, 0, MANY, PROT_READ | MAP_HELD, 0, 0, 0, NULL, NULL);
}

// The two halves of a clone lie in tables apart.
static err_t clone_of(u64 op)
{
	u64 done = 0;

	for (u64 at = 0; at < MANY; at += done) {
		err_t err = sys_clone(to, AT_EDGE + at * PAGE_SIZE, from, AT_EDGE + at * PAGE_SIZE, MANY - at, op,
				      &done, NULL, NULL);

		if (err)
			return err;
	}
	return 0;
}

static err_t clone_share(void)
{
	return clone_of(CLONE_SHARE);
}

static err_t clone_cow(void)
{
	return clone_of(CLONE_COW);
}

static err_t token_write(void)
{
	return sys_unmap(to, BASE, 4, CAP_NULL, 0, 99, NULL, NULL, NULL, NULL);
}

static err_t stash(void)
{
	return sys_aspace_ctl(to, ASOP_STASH, 6, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
}

static err_t aspace_make(void)
{
	err_t err = lab_object(&bench, TYPE_ASPACE, table, 1, 0);

	if (!err)
		lab_check("to delete", lab_delete(table, 1));
	return err;
}

static err_t frames_take(void)
{
	u64 done = 0, first = 0;
	err_t err = sys_frame_alloc(pool, 2, 1, 0, &done, &first);

	for (u64 i = 0; i < 4 && !err; i++)
		lab_check("to free", sys_frame_free(pool, 0, first + i, FREE_DISCARD, NULL));
	return err;
}

static const struct {
	const char *name;
	err_t (*call)(void);
	bool source; // `from` has pages to clone
} cases[] = {
	{ "map", map_one, false },
	{ "map of a list", map_list, false },
	{ "map that zeroes", map_zero, false },
	{ "map of held entries", map_held, false },
	{ "clone SHARE", clone_share, true },
	{ "clone COW", clone_cow, true },
	{ "unmap that leaves tokens", token_write, false },
	{ "stash", stash, false },
	{ "an address space", aspace_make, false },
	{ "frames", frames_take, false },
};

static u64 usage(void)
{
	u64 used = 0;

	lab_check("to look at a pool", sys_pool_ctl(pool, POOLOP_STAT, 0, 0, 0, NULL, &used, NULL, NULL));
	return used;
}

static u64 leaves(cptr_t aspace)
{
	u64 n = 0;

	lab_check("to look at an address space",
		  sys_aspace_ctl(aspace, ASOP_STAT, 0, 0, 0, 0, 0, 0, NULL, NULL, &n, NULL));
	return n;
}

static void clear(cptr_t aspace)
{
	u64 done;

	lab_check("to empty a stash", sys_aspace_ctl(aspace, ASOP_STASH, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
	for (u64 va = USER_BASE; va < WINDOW_END; va += done * PAGE_SIZE)
		lab_check("to unmap", sys_unmap(aspace, va, (WINDOW_END - va) / PAGE_SIZE, CAP_NULL, 0, 0, &done, NULL,
						NULL, NULL));
	lab_check("to empty a stash", sys_aspace_ctl(aspace, ASOP_STASH, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
}

// One case with the n-th charge failing. false: the call did not make so many.
static bool inject_one(u32 c, u64 n)
{
	u64 used, mapped;
	err_t err;

	some();
	if (cases[c].source)
		lab_check("to map the source",
			  sys_map(from, AT_EDGE, pool, 0, MANY, PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL));
	used = usage();
	mapped = leaves(to);
	lab_check("to inject", sys_pool_ctl(pool, POOLOP_INJECT, n, 0, 0, NULL, NULL, NULL, NULL));
	frames_name();
	err = cases[c].call();
	lab_check("to inject", sys_pool_ctl(pool, POOLOP_INJECT, 0, 0, 0, NULL, NULL, NULL, NULL));
	if (err && err != -ERR_NOMEM)
		panic("%s, charge %lu refused: %s", cases[c].name, n, err_name(err));
	if (err && (usage() != used || leaves(to) != mapped))
		panic("%s, charge %lu refused: %lu frames before, %lu after; %lu leaves before, %lu after",
		      cases[c].name, n, used, usage(), mapped, leaves(to));
	if (err) {
		frames_name();
		lab_check(cases[c].name, cases[c].call());
	}
	clear(to);
	clear(from);
	some_free();
	return err;
}

void inject_run(void)
{
	u64 violations = 0, places = 0;

	pool = lab_slot();
	bench = (struct lab_bench){ .pool = SLOT_SELF_POOL };
	lab_check("a pool", lab_object(&bench, TYPE_POOL, SLOT_SELF_CAPTABLE, pool, 300));
	bench = (struct lab_bench){ .pool = pool };
	table = lab_make(&bench, TYPE_CAPTABLE, 0);
	lab_check("a leaf", lab_object(&bench, TYPE_CAPLEAF, table, 0, 0));
	from = lab_make(&bench, TYPE_ASPACE, 0);
	to = lab_make(&bench, TYPE_ASPACE, 0);
	for (u32 i = 0; i < 2; i++)
		lab_check("a window", sys_aspace_ctl(i ? to : from, ASOP_WINDOW, 0, USER_BASE, WINDOW_END,
						     SLOT_SELF_ENDPOINT, pool, 0, NULL, NULL, NULL, NULL));
	for (u32 c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		u64 n = 1;

		while (inject_one(c, n))
			if (++n > PLACES_MAX)
				panic("%s never succeeds", cases[c].name);
		places += n - 1;
	}
	lab_check("the self-check", sys_system(SLOT_SYSTEM, SYS_CHECK, 0, 0, 0, &violations, NULL, NULL, NULL));
	if (violations)
		panic("after want of memory the self-check found %lu violations", violations);
	log_line("kfuzz: want of memory at %lu places of %u operations: ok", places,
		 (u32)(sizeof(cases) / sizeof(cases[0])));
}
