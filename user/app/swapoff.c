// SPDX-License-Identifier: MIT
#include "swap.h"

static const struct swap_advice advice[] = {
	{ ERR_NOENT, ": it is not in use" },
	{ ERR_BUSY, ": another swapon or swapoff is under way" },
	{ ERR_NOMEM, ": what lies there has no room in memory and on other swap disks; end a program, or swapon "
		     "another disk first" },
	{ 0, NULL },
};

int main(int argc, char **argv)
{
	app_start(argc, argv, "swapoff DEVICE\nBrings back what lies on the disk and lets it go.\n");
	if (argc != 2 || argv[1][0] == '-')
		app_usage();
	return swap_result(argv[1], "swapoff", reclaim_swapoff(SLOT_RECLAIM, swap_unit(argv[1])), advice);
}
