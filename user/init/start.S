// SPDX-License-Identifier: MIT
// The head of init's flat image (record boot_image) and its first instructions.
// The kernel passes the address of boot_info in a0.
#include <abi/abi_const.h>

	.section .head, "a"
	.quad BOOT_IMAGE_MAGIC
	.quad image_text_pages
	.quad image_data_pages
	.quad image_bss_pages
	.quad _start

	.section .text.start, "ax"
	.globl _start
	.type _start, @function
_start:
	la sp, stack_end
	li gp, 0
	li s0, 0
	tail init_main
	.size _start, . - _start

	.section .bss.stack, "aw", @nobits
	.balign 16
	.skip 4 * 4096
stack_end:
