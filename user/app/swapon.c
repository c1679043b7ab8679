// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swap.h"

static const struct swap_advice advice[] = {
	{ ERR_NOENT, ": there is no such disk; give one with SWAP=" },
	{ ERR_INVAL, ": it has no swap header, or a damaged one; prepare it with mkswap" },
	{ ERR_IO, ": its first page cannot be read" },
	{ ERR_BUSY, ": it is in use already or read-only, or another swapon or swapoff is under way" },
	{ ERR_NFILE, ": no more swap areas can be in use" },
	{ ERR_NOMEM, ": the table of its pages, 8 bytes each, does not fit into free memory; end a program, or give "
		     "more with MEM=" },
	{ 0, NULL },
};

// As Linux' /proc/swaps: sizes in KiB.
static void area_print(u64 unit, u64 pages, u64 used, s64 priority)
{
	u64 bytes = pages * (PAGE_SIZE / 1024), in_use = used * (PAGE_SIZE / 1024);
	char name[16];
	int len = snprintf(name, sizeof(name), "/dev/vd%c", (char)('a' + unit));

	printf("%s%*s%s\t%lu\t%s%lu\t%s%ld\n", name, 40 - len, " ", "partition", bytes, bytes < 10000000 ? "\t" : "",
	       in_use, in_use < 10000000 ? "\t" : "", priority);
}

static int areas_print(void)
{
	u64 unit, pages, used, priority, bad, state;
	err_t err = 0;

	printf("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	for (u64 i = 0; !err; i++) {
		err = reclaim_area(SLOT_RECLAIM, i, &unit, &pages, &used, &priority, &bad, &state);
		if (!err && (state == AREA_ON || state == AREA_DRAINING))
			area_print(unit, pages, used, (s64)priority);
	}
	if (err != -ERR_NOENT && err != -ERR_BADCAP) /* without a reclaim server there is no swap */
		glass_fail("swap areas", err);
	return 0;
}

// Every disk that is there and not in use yet.
static int all_on(void)
{
	char device[] = "/dev/vda";
	int status = 0;

	for (u64 unit = 0; unit < BLOCK_UNITS; unit++) {
		err_t err = reclaim_swapon(SLOT_RECLAIM, unit, (u64)-1, NULL);

		if (err == -ERR_NOENT || err == -ERR_BADCAP)
			break;
		device[sizeof(device) - 2] = (char)('a' + unit);
		if (err != -ERR_BUSY)
			status |= swap_result(device, "swapon", err, advice);
	}
	return status;
}

int main(int argc, char **argv)
{
	s64 priority = -1;
	int first = 1;

	app_start(argc, argv,
		  "swapon [-s | -a] [-p PRIORITY] DEVICE\nUses a disk that mkswap has prepared. -a: all there are. -s, "
		  "or no "
		  "device: lists what is\nused, as Linux' /proc/swaps.\n");
	if (argc == 1 || (argc == 2 && (!strcmp(argv[1], "-s") || !strcmp(argv[1], "--summary"))))
		return areas_print();
	if (argc == 2 && (!strcmp(argv[1], "-a") || !strcmp(argv[1], "--all")))
		return all_on();
	if (argc > 3 && !strcmp(argv[1], "-p")) {
		priority = (s64)app_number(argv[2], "PRIORITY");
		first = 3;
		if (priority > 32767)
			app_fail("PRIORITY: at most 32767");
	}
	if (argc != first + 1 || argv[first][0] == '-')
		app_usage();
	return swap_result(argv[first], "swapon",
			   reclaim_swapon(SLOT_RECLAIM, swap_unit(argv[first]), (u64)priority, NULL), advice);
}
