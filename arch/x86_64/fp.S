// SPDX-License-Identifier: MIT
// FP and SSE registers to and from memory, 512 bytes, aligned to 16. Wider registers are off (CR4.OSXSAVE is 0).

	.section .text.fp, "ax"

	// void fp_store(u8 *state)
	.global fp_store
fp_store:
	fxsave64 (%rdi)
	ret

	// void fp_load(const u8 *state)
	.global fp_load
fp_load:
	fxrstor64 (%rdi)
	ret
