// SPDX-License-Identifier: MIT
#include <string.h>

#include "swap.h"

static const struct swap_advice advice[] = {
	{ ERR_NOENT, ": it is not in use" },
	{ ERR_BUSY, ": another swapon or swapoff is under way" },
	{ ERR_NOMEM, ": what lies there has no room in memory and on other swap disks; end a program, or swapon "
		     "another disk first" },
	{ 0, NULL },
};

// Every disk that is in use.
static int all_off(void)
{
	char device[] = "/dev/vda";
	int status = 0;

	for (u64 unit = 0; unit < BLOCK_UNITS; unit++) {
		err_t err = reclaim_swapoff(SLOT_RECLAIM, unit);

		if (err == -ERR_BADCAP)
			break; /* without a reclaim server there is no swap */
		device[sizeof(device) - 2] = (char)('a' + unit);
		if (err != -ERR_NOENT)
			status |= swap_result(device, "swapoff", err, advice);
	}
	return status;
}

int main(int argc, char **argv)
{
	app_start(argc, argv,
		  "swapoff DEVICE | -a\nBrings back what lies on the disk and lets it go. -a: of all disks in use.\n");
	if (argc == 2 && (!strcmp(argv[1], "-a") || !strcmp(argv[1], "--all")))
		return all_off();
	if (argc != 2 || argv[1][0] == '-')
		app_usage();
	return swap_result(argv[1], "swapoff", reclaim_swapoff(SLOT_RECLAIM, swap_unit(argv[1])), advice);
}
