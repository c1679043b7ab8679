// SPDX-License-Identifier: MIT
// What the system-call handlers share.
#pragma once

#include <abi/kernel.h>
#include <kernel/cap.h>
#include <kernel/thread.h>

// A capability named by an argument of a multiplexed call. 0, or the error to return.
#define ARG_CAP(t, index, TYPE, RIGHT, cap) cap_find((t)->captable, index, RIGHT_##TYPE##_##RIGHT, RIGHTS_##TYPE, cap)

// The window an address-space capability is restricted to, or WINDOW_ANY.
static inline u32 cap_window(const struct cap *cap)
{
	return cap->badge ? cap->badge - 1 : WINDOW_ANY;
}
