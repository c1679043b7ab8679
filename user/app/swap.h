// SPDX-License-Identifier: MIT
// What swapon and swapoff share.
#pragma once

#include <abi/reclaim_client.h>

#include "glass.h"

// The disk that /dev/vda, vda or /dev/vdb names, as its number; anything else ends the program.
u64 swap_unit(const char *device);

// What reclaim answered, in the words of util-linux; 0, or 1 after a line on stderr.
int swap_result(const char *device, const char *call, err_t err);
