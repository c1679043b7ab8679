// SPDX-License-Identifier: MIT
/* Entry of a program. The stack is Linux's: argc, argv[], NULL, envp[], NULL, auxv pairs. vm has set the fs base. */
	.section .text.start, "ax"
	.global _start
	.type _start, @function
_start:
	mov	%rsp, %rdi
	and	$-16, %rsp
	xor	%ebp, %ebp	/* end of the frame chain */
	call	rt_start
	ud2
	.size _start, . - _start
	.section .note.GNU-stack, "", @progbits
