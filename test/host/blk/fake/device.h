// SPDX-License-Identifier: MIT
// In front of the architecture's <device.h>: the host's fence.
#pragma once

static inline void device_barrier(void)
{
	__sync_synchronize();
}
