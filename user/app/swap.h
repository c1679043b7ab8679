// SPDX-License-Identifier: MIT
// What swapon and swapoff share.
#pragma once

#include <abi/reclaim_client.h>

#include "glass.h"

// The disk that /dev/vda, vda or /dev/vdb names, as its number; anything else ends the program.
u64 swap_unit(const char *device);

// What helps against an error of reclaim's. The last one's err is 0.
struct swap_advice {
	err_t err; // ERR_*
	const char *help;
};

// Says what reclaim answered, in the words of util-linux, and what to do about it. The program's status: 0 or 1.
int swap_result(const char *device, const char *call, err_t err, const struct swap_advice *advice);
