// SPDX-License-Identifier: MIT
// Clear and copy 4 KiB. Unrolled: the loop's own instructions would be much of the work, and every fault on fresh
// memory pays for it.

	.section .text.page, "ax"

	// void arch_page_clear(void *page): 4 rounds of 128 stores; 523 instructions. Changes a0 and a1 only, on which
	// arch_page_clear_fast (arch_inline.h) relies.
	.global arch_page_clear
	.balign	64
arch_page_clear:
	li	a1, 4096
	add	a1, a1, a0
1:	.set	offset, 0
	.rept	128
	sd	zero, offset(a0)
	.set	offset, offset + 8
	.endr
	addi	a0, a0, 1024
	bne	a0, a1, 1b
	ret

	// void arch_page_copy(void *dst, const void *src): 8 rounds of 64 words, 8 loads at a time; 1,051 instructions
	.global arch_page_copy
	.balign	64
arch_page_copy:
	li	t0, 4096
	add	t0, t0, a0
1:	.set	offset, 0
	.rept	8
	ld	a2, offset(a1)
	ld	a3, offset + 8(a1)
	ld	a4, offset + 16(a1)
	ld	a5, offset + 24(a1)
	ld	a6, offset + 32(a1)
	ld	a7, offset + 40(a1)
	ld	t1, offset + 48(a1)
	ld	t2, offset + 56(a1)
	sd	a2, offset(a0)
	sd	a3, offset + 8(a0)
	sd	a4, offset + 16(a0)
	sd	a5, offset + 24(a0)
	sd	a6, offset + 32(a0)
	sd	a7, offset + 40(a0)
	sd	t1, offset + 48(a0)
	sd	t2, offset + 56(a0)
	.set	offset, offset + 64
	.endr
	addi	a0, a0, 512
	addi	a1, a1, 512
	bne	a0, t0, 1b
	ret
