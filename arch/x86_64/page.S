// SPDX-License-Identifier: MIT
// Clear and copy 4 KiB: one instruction, which counts once for each of 512 words under -icount.

	.section .text.page, "ax"

	// void arch_page_clear(void *page)
	.global arch_page_clear
arch_page_clear:
	mov	$512, %ecx
	xor	%eax, %eax
	rep stosq
	ret

	// void arch_page_copy(void *dst, const void *src)
	.global arch_page_copy
arch_page_copy:
	mov	$512, %ecx
	rep movsq
	ret
