// SPDX-License-Identifier: MIT
#include "swap.h"

int main(int argc, char **argv)
{
	app_start(argc, argv, "swapoff DEVICE\nBrings back what lies on the disk and lets it go.\n");
	if (argc != 2 || argv[1][0] == '-')
		app_usage();
	return swap_result(argv[1], "swapoff", reclaim_swapoff(SLOT_RECLAIM, swap_unit(argv[1])));
}
