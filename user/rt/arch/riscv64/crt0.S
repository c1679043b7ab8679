// SPDX-License-Identifier: MIT
/* Entry of a program. The stack is Linux's: argc, argv[], NULL, envp[], NULL, auxv pairs. vm has set tp. */
	.section .text.start, "ax"
	.global _start
	.type _start, @function
_start:
	.option push
	.option norelax
	la	gp, __global_pointer$
	.option pop
	mv	a0, sp
	andi	sp, sp, -16
	li	s0, 0		/* end of the frame chain */
	li	ra, 0
	call	rt_start
	unimp
	.size _start, . - _start
