// SPDX-License-Identifier: MIT
// Counters a program may read without a system call.
#pragma once

#include <lib/base/types.h>

#define ARCH_MACHINE  "riscv64"
#define ARCH_TIMER_HZ 10000000 // of QEMU's virt, should the kernel not tell

static inline u64 arch_time(void)
{
	u64 t;

	__asm__ volatile("rdtime %0" : "=r"(t));
	return t;
}

// Cycles; under -icount instructions.
static inline u64 arch_cycles(void)
{
	u64 c;

	__asm__ volatile("rdcycle %0" : "=r"(c));
	return c;
}
