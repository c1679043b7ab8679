// SPDX-License-Identifier: MIT
// The call stack by frame pointers: the word at fp is the caller's fp, the one above it the return address.
#include "port.h"

// Stacks lie in the image. A broken chain must end the walk, not fault: the panic that asks for it has more to say.
static bool fp_valid(u64 fp)
{
	return fp % 8 == 0 && fp >= (u64)image_rodata_end && fp <= (u64)image_end - 16;
}

static bool pc_valid(u64 pc)
{
	return pc >= (u64)image_start && pc < (u64)image_text_end;
}

u32 arch_backtrace(u64 fp, u64 *pcs, u32 max)
{
	u32 count = 0;
	while (count < max && fp_valid(fp)) {
		const u64 *frame = (const u64 *)fp;
		if (!pc_valid(frame[1]))
			break;
		pcs[count++] = frame[1];
		// Callers' frames lie above; anything else is a loop.
		if (frame[0] <= fp)
			break;
		fp = frame[0];
	}
	return count;
}
