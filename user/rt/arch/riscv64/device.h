// SPDX-License-Identifier: MIT
// Order between memory that a device reads and writes and its registers.
#pragma once

// Everything before it happens before everything after it, for memory and device registers alike: an ordinary fence
// between threads need not order registers.
static inline void device_barrier(void)
{
	__asm__ volatile("fence iorw, iorw" ::: "memory");
}
