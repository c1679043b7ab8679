// SPDX-License-Identifier: MIT
// Invariants. Implemented by kernel/panic.c (backtrace, trace tail, power off), by the servers' runtime, and by the
// host tests.
#pragma once

#include <lib/base/types.h>

_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Always compiled in: a broken invariant must stop the machine before it reaches user data.
#define assert(cond) \
	do { \
		if (unlikely(!(cond))) \
			panic("%s:%d: %s: broken invariant: %s", __FILE__, __LINE__, __func__, #cond); \
	} while (0)
