// SPDX-License-Identifier: MIT
// Calls to the firmware (SBI 1.0).
#pragma once

#include <lib/base/types.h>

#define SBI_PUTCHAR_LEGACY 0x01
#define SBI_TIME           0x54494d45
#define SBI_TIME_SET       0
#define SBI_IPI            0x735049
#define SBI_IPI_SEND       0
#define SBI_SRST           0x53525354
#define SBI_SRST_RESET     0

// Returns SBI's error, 0 when it went well.
static inline long sbi_call(u64 extension, u64 function, u64 arg0, u64 arg1)
{
	register u64 a0 asm("a0") = arg0;
	register u64 a1 asm("a1") = arg1;
	register u64 a6 asm("a6") = function;
	register u64 a7 asm("a7") = extension;
	asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
	return a0;
}
