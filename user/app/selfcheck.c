// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "glass.h"

int main(int argc, char **argv)
{
	u64 violations;
	err_t err;

	app_start(argc, argv,
		  "selfcheck\nLets the kernel compare all page tables, the frame table, pools and the buddy lists.\n"
		  "Status 0: they agree, 1: they do not (the kernel log names each place).\n");
	err = sys_system(SLOT_SYSTEM, SYS_CHECK, 0, 0, 0, &violations, NULL, NULL, NULL);
	if (err)
		glass_fail("self-check", err);
	if (violations)
		app_fail("%lu violations; the kernel log names each place", violations);
	printf("jjok: self-check: ok\n");
	return 0;
}
