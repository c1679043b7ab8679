// SPDX-License-Identifier: MIT
// Trace points. Off: one load and one branch. On: trace_write (kernel/trace.c) stores one 48-byte record in the hart's
// ring.
#pragma once

#include <abi/abi.h>
#include <lib/base/types.h>

extern u64 trace_mask; // bit g lets events with id >> 4 == g in

void trace_write(u32 id, u64 a, u64 b, u64 c);

static always_inline void trace(u32 id, u64 a, u64 b, u64 c)
{
	if (unlikely(trace_mask >> (id >> 4) & 1))
		trace_write(id, a, b, c);
}
