// SPDX-License-Identifier: MIT
// The head of init's flat image (record boot_image), and its stack. Its first instructions are the architecture's.
#include <abi/abi_const.h>

	.section .head, "a"
	.quad BOOT_IMAGE_MAGIC
	.quad image_text_pages
	.quad image_data_pages
	.quad image_bss_pages
	.quad _start

	.section .bss.stack, "aw", @nobits
	.balign 16
	.skip 4 * 4096
	.globl stack_end
stack_end:
