// SPDX-License-Identifier: MIT
// Counters a program may read without a system call. The time-stamp counter is both; the kernel tells how
// fast it goes.
#pragma once

#include <lib/base/types.h>

#define ARCH_MACHINE  "x86_64"
#define ARCH_TIMER_HZ 1000000000 // of QEMU under -icount, should the kernel not tell

static inline u64 arch_time(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

// Cycles; under -icount instructions.
static inline u64 arch_cycles(void)
{
	return arch_time();
}
