// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include <abi/abi_errno.h>

#include "swap.h"

u64 swap_unit(const char *device)
{
	const char *name = strncmp(device, "/dev/", 5) ? device : device + 5;

	if (strncmp(name, "vd", 2) || name[2] < 'a' || name[2] > 'z' || name[3])
		app_fail("%s: not a disk (/dev/vda, /dev/vdb ...)", device);
	return (u64)(name[2] - 'a');
}

int swap_result(const char *device, const char *call, err_t err, const struct swap_advice *advice)
{
	const char *help = "", *why = strerror(err_errno(err));

	if (!err)
		return 0;
	if (err == -ERR_BADCAP)
		why = "no reclaim server runs on this machine";
	for (; advice->err; advice++)
		if (advice->err == -err)
			help = advice->help;
	fflush(stdout);
	fprintf(stderr, "%s: %s: %s failed: %s%s\n", call, device, call, why, help);
	return 1;
}
