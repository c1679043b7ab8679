// SPDX-License-Identifier: MIT
// Every protection, mapped and changed to: what map and protect say was achieved is what the entry shows, never more
// than was asked but that write brings read, and held where nothing is left of it.
#include "kfuzz.h"

#include <base/log.h>
#include <base/panic.h>

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)
#define PROT_VA  0x20000000ul

static u64 *const entry = (u64 *)ARGUMENT_VA;

static void prot_expect(const char *call, cptr_t as, u64 asked, u64 achieved)
{
	u64 entries = 0, more = achieved & ~asked;
	u32 kind;

	lab_check("to list the entry", sys_scan(as, PROT_VA, 1, SCAN_LIST, NULL, &entries));
	kind = entry[0] & (PAGE_SIZE - 1);
	if (entries != 1 || kind != (achieved ? ENTRY_LEAF : ENTRY_HELD))
		panic("%s: of protection %lu, %lu was achieved, but the entry's kind is %u", call, asked, achieved,
		      kind);
	if (achieved && (entry[1] & PROT_ALL) != achieved)
		panic("%s: of protection %lu, %lu was achieved, but the entry shows %lu", call, asked, achieved,
		      entry[1] & PROT_ALL);
	if (more & ~(u64)PROT_READ || (more && !(asked & PROT_WRITE)))
		panic("%s: %lu was asked, and %lu is more", call, asked, achieved);
	if (asked & PROT_READ && achieved != asked)
		panic("%s: %lu was asked, which every CPU has, and %lu achieved", call, asked, achieved);
}

void prot_run(void)
{
	cptr_t pool = lab_slot(), as;
	struct lab_bench bench = { .pool = SLOT_SELF_POOL };
	u64 achieved = 0;
	frame_t frame;

	lab_check("a pool", lab_object(&bench, TYPE_POOL, SLOT_SELF_CAPTABLE, pool, 50));
	bench = (struct lab_bench){ .pool = pool };
	as = lab_make(&bench, TYPE_ASPACE, 0);
	lab_check("a window", sys_aspace_ctl(as, ASOP_WINDOW, 0, USER_BASE, WINDOW_END, SLOT_SELF_ENDPOINT, pool, 0,
					     NULL, NULL, NULL, NULL));
	frame = lab_frame(pool);
	for (u64 prot = 1; prot <= PROT_ALL; prot++) {
		lab_check("map", sys_map(as, PROT_VA, pool, frame, 1, prot, 0, 0, 0, NULL, &achieved));
		prot_expect("map", as, prot, achieved);
		for (u64 next = 1; next <= PROT_ALL; next++) {
			lab_check("protect", sys_protect(as, PROT_VA, 1, next, NULL, NULL, &achieved));
			prot_expect("protect", as, next, achieved);
		}
		lab_check("map held", sys_map(as, PROT_VA, pool, frame, 1, prot | MAP_HELD, 0, 0, 0, NULL, &achieved));
		if (achieved)
			panic("map held: %lu was achieved of %lu", achieved, prot);
		lab_check("unmap", sys_unmap(as, PROT_VA, 1, CAP_NULL, 0, 0, NULL, NULL, NULL, NULL));
	}
	log_line("kfuzz: what map and protect achieve: ok");
}
