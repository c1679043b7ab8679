// SPDX-License-Identifier: MIT
// The first instructions of a server. init put struct server_info at the stack pointer it starts the thread with.
	.section .text.start, "ax"
	.globl _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	mov %rsp, %rdi
	xor %ebp, %ebp
	call server_main
	mov $returned, %edi
	xor %eax, %eax
	call panic
	.cfi_endproc
	.size _start, . - _start

	.section .rodata.start, "a"
returned:
	.asciz "the server's main function returned"
