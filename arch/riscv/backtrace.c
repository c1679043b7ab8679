// SPDX-License-Identifier: MIT
// The call stack by frame pointers: the word below fp is the return address, the one below it the caller's fp.
#include "port.h"

// Stacks lie in the image. A broken chain must end the walk, not fault: the panic that asks for it has more to say.
static bool fp_valid(u64 fp)
{
	return fp % 16 == 0 && fp >= (u64)image_rodata_end + 16 && fp <= (u64)image_end;
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
		if (!pc_valid(frame[-1]))
			break;
		pcs[count++] = frame[-1];
		// Callers' frames lie above; anything else is a loop.
		if (frame[-2] <= fp)
			break;
		fp = frame[-2];
	}
	return count;
}
