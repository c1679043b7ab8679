// SPDX-License-Identifier: MIT
// init's first instructions. The kernel passes the address of boot_info in R_CAP, which is init_main's argument.
	.section .text.start, "ax"
	.globl _start
	.type _start, @function
_start:
	mov $stack_end, %esp
	xor %ebp, %ebp
	call init_main
	ud2
	.size _start, . - _start
