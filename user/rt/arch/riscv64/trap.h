// SPDX-License-Identifier: MIT
// Exceptions on purpose.
#pragma once

// EXC_BREAK
static inline void arch_breakpoint(void)
{
	__asm__ volatile("ebreak" ::: "memory");
}

// EXC_ILLEGAL
static inline void arch_illegal(void)
{
	__asm__ volatile("unimp" ::: "memory");
}
