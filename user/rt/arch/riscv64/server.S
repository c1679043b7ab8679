// SPDX-License-Identifier: MIT
// The first instructions of a server. init put struct server_info at the stack pointer it starts the thread with.
	.section .text.start, "ax"
	.globl _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined ra
	li gp, 0
	mv a0, sp
	li s0, 0
	call server_main
	la a0, returned
	call panic
	.cfi_endproc
	.size _start, . - _start

	.section .rodata.start, "a"
returned:
	.asciz "the server's main function returned"
