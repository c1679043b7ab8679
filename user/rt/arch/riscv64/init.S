// SPDX-License-Identifier: MIT
// init's first instructions. The kernel passes the address of boot_info in R_CAP, which is init_main's argument.
	.section .text.start, "ax"
	.globl _start
	.type _start, @function
_start:
	la sp, stack_end
	li gp, 0
	li s0, 0
	tail init_main
	.size _start, . - _start
