// SPDX-License-Identifier: MIT
// Order between memory that a device reads and writes and its registers.
#pragma once

// Everything before it happens before everything after it, for memory and device registers alike. Registers are mapped
// uncached, so only a store followed by a load of other memory needs the fence.
static inline void device_barrier(void)
{
	__asm__ volatile("mfence" ::: "memory");
}
