// SPDX-License-Identifier: MIT
#include <stdio.h>

#include <abi/rmap_client.h>

#include "audit.h"

static void row(const char *what, u64 n, const char *why)
{
	printf("  %-12s %8lu  %s\n", what, n, why);
}

int main(int argc, char **argv)
{
	static struct tables tables;
	struct audit a;
	u64 name[2];
	err_t err;

	app_start(argc, argv,
		  "rmapaudit\nCompares what rmap answers with a walk of all page tables: every place that maps a page "
		  "of user memory\nmust be named, none twice, and none where nothing is mapped. Programs may run "
		  "meanwhile: what changed between\nwalk and answer is looked at again. Status 0: they agree, 1: "
		  "they do not.\n");
	if (argc != 1)
		app_usage();
	err = rmap_choice(SLOT_RMAP, &name[0], &name[1]);
	if (err == -ERR_BADCAP)
		app_fail("no rmap server runs on this machine");
	if (err)
		glass_fail("rmap", err);
	tables_read(&tables);
	audit_run(&tables, &a);
	printf("%.16s, %u processes, %zu entries with a page, %zu tokens\n", (const char *)name, tables.processes,
	       tables.pages.count, tables.tokens.count);
	row("frames", a.frames, "of user memory that page tables name");
	row("places", a.places, "that map them");
	row("named", a.named, "of these by rmap");
	row("locked", a.locked, "of these kept in memory by mlock: rmap does not name them");
	row("hints", a.hints, "named, in a mapping that could have the page and has another, or none");
	row("nameless", a.nameless, "frames that rmap need not know: the zero page");
	row("again", a.again, "frames looked at again");
	row("unsettled", a.unsure, "frames that changed each time");
	row("missing", a.missing, "places not named");
	row("wrong", a.wrong, "named where nothing is mapped");
	row("twice", a.twice, "named more than once");
	row("stray", a.stray, "entries outside of all mappings");
	if (audit_bad(&a)) {
		printf("rmapaudit: rmap and the page tables differ: %lu differences\n", audit_bad(&a));
		return 1;
	}
	printf("rmapaudit: rmap and the page tables agree\n");
	return 0;
}
