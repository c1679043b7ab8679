// SPDX-License-Identifier: MIT
// Entry from OpenSBI: a0 hart id, a1 physical address of the device tree, satp 0, supervisor mode. The firmware
// keeps the other harts.

	.section .text.head, "ax"
	.global _start
_start:
	csrr	s2, cycle
	csrw	sie, zero
	csrw	sscratch, zero
	mv	s1, a1
	mv	s3, a0
	la	t0, early_trap		// physical: paging is off
	csrw	stvec, t0

	la	t0, image_bss_start
	la	t1, image_bss_end
1:	sd	zero, 0(t0)
	addi	t0, t0, 8
	bltu	t0, t1, 1b

	la	sp, image_stack_top
	li	fp, 0
	li	ra, 0
	call	boot_tables		// a0: satp of the early tables

	// The low addresses are not in these tables: the fetch after the write to satp traps, to the same place
	// seen from above.
	ld	t0, higher_half_address
	csrw	stvec, t0
	sfence.vma
	csrw	satp, a0
	.balign	4
higher_half:
	la	t0, early_trap
	csrw	stvec, t0
	la	sp, image_stack_top
	mv	a0, s3
	mv	a1, s1
	mv	a2, s2
	tail	arch_boot

	.balign	8
higher_half_address:
	.dword	higher_half

	// Any trap until the kernel's own entry is installed: say what, and stop.
	.balign	4
early_trap:
	la	sp, image_stack_top
	csrr	a0, scause
	csrr	a1, sepc
	csrr	a2, stval
	call	boot_trap
