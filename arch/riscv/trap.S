// SPDX-License-Identifier: MIT
// Trap entry and exit. sscratch holds the hart record in user mode and 0 in the kernel: a trap knows whence it comes.
//
//	system call -> callee-saved registers into the context -> its fast path (kernel/fastpath.c), words untouched
//	               (a fast path that declines) -> trap_slow_*: the rest into the context -> trap_syscall
//	anything else -> all registers into the context -> trap_user
//	trap in the kernel -> trap_kernel (a bug: panic)
// There is one stack per hart; every way out of the kernel abandons it.
#include <offsets.h>
#include <abi/abi_const.h>

	.section .text.trap, "ax"
	.global trap_entry
	.balign 4
trap_entry:
	csrrw	tp, sscratch, tp
	beqz	tp, from_kernel
	sd	t6, HART_TMP(tp)
	csrr	t6, scause
	addi	t6, t6, -8		// environment call from user mode
	bnez	t6, from_user

	// A system call: t6 and, where they carry nothing in, t4 are free by the ABI.
	ld	t6, HART_CUR(tp)
	sd	ra, THREAD_CTX + CTX_RA(t6)
	sd	sp, THREAD_CTX + CTX_SP(t6)
	sd	gp, THREAD_CTX + CTX_GP(t6)
	sd	s0, THREAD_CTX + CTX_S0(t6)
	sd	s1, THREAD_CTX + CTX_S1(t6)
	.irp	n, 2,3,4,5,6,7,8,9,10,11
	sd	s\n, THREAD_CTX + CTX_S2 + 8 * (\n - 2)(t6)
	.endr
	mv	s0, t6			// s0: the running thread, in all fast paths
	csrr	s1, sepc
	addi	s1, s1, 4
	sd	s1, THREAD_CTX + CTX_PC(s0)
	csrrw	s1, sscratch, zero
	sd	s1, THREAD_CTX + CTX_TP(s0)
	beqz	a7, fastpath_call	// NR_CALL is 0. The fast paths use no stack: sp is still the user's
	li	s1, NR_REPLY_RECV
	beq	a7, s1, fastpath_reply_recv
	li	s1, NR_REPLY_MAP_RECV
	beq	a7, s1, fastpath_reply_map_recv
	li	s1, NR_REPLY
	beq	a7, s1, fastpath_reply
	li	s1, NR_NOTIFY
	beq	a7, s1, fastpath_notify
	j	slow

	// A fast path has made the running thread wait, and nobody is ready.
	.global trap_idle
trap_idle:
	ld	sp, HART_STACK(tp)
	call	sched_exit		// does not return

	// The fast paths decline by jumping here with every register that the user passed as it was.
	.global trap_slow_call
trap_slow_call:
	li	a7, NR_CALL
	j	slow
	.global trap_slow_reply_recv
trap_slow_reply_recv:
	li	a7, NR_REPLY_RECV
	j	slow
	.global trap_slow_reply
trap_slow_reply:
	li	a7, NR_REPLY
	j	slow
	.global trap_slow_notify
trap_slow_notify:
	li	a7, NR_NOTIFY
	.irp	r, a3, a4, a5, a6, t0, t1, t2	// carry nothing in: the fast path has used them
	li	\r, 0
	.endr
	j	slow
	.global trap_slow_reply_map_recv
trap_slow_reply_map_recv:
	li	a7, NR_REPLY_MAP_RECV
	li	t1, 0			// R_W6 and R_W7 carry nothing in: that fast path does not keep them
	li	t2, 0
slow:
	// t4 and t6 hold the kernel's values by now: nothing of them may come back to the user.
	ld	sp, HART_STACK(tp)
	.irp	n, 0,1,2,3,4,5,6,7
	sd	a\n, THREAD_CTX + CTX_A0 + 8 * \n(s0)
	.endr
	.irp	n, 0,1,2
	sd	t\n, THREAD_CTX + CTX_T0 + 8 * \n(s0)
	.endr
	sd	t3, THREAD_CTX + CTX_T3(s0)
	sd	zero, THREAD_CTX + CTX_T3 + 8(s0)
	sd	t5, THREAD_CTX + CTX_T3 + 16(s0)
	sd	zero, THREAD_CTX + CTX_T3 + 24(s0)
	mv	a0, s0
	call	trap_syscall		// does not return

from_user:
	// A fault, an exception or an interrupt: every register.
	ld	t6, HART_CUR(tp)
	beqz	t6, from_idle
	sd	ra, THREAD_CTX + CTX_RA(t6)
	sd	sp, THREAD_CTX + CTX_SP(t6)
	sd	gp, THREAD_CTX + CTX_GP(t6)
	.irp	n, 0,1,2
	sd	t\n, THREAD_CTX + CTX_T0 + 8 * \n(t6)
	.endr
	sd	s0, THREAD_CTX + CTX_S0(t6)
	sd	s1, THREAD_CTX + CTX_S1(t6)
	.irp	n, 0,1,2,3,4,5,6,7
	sd	a\n, THREAD_CTX + CTX_A0 + 8 * \n(t6)
	.endr
	.irp	n, 2,3,4,5,6,7,8,9,10,11
	sd	s\n, THREAD_CTX + CTX_S2 + 8 * (\n - 2)(t6)
	.endr
	.irp	n, 3,4,5
	sd	t\n, THREAD_CTX + CTX_T3 + 8 * (\n - 3)(t6)
	.endr
	ld	t0, HART_TMP(tp)
	sd	t0, THREAD_CTX + CTX_T3 + 24(t6)
	csrr	t0, sepc
	sd	t0, THREAD_CTX + CTX_PC(t6)
	csrrw	t0, sscratch, zero
	sd	t0, THREAD_CTX + CTX_TP(t6)
	mv	a0, t6
	csrr	t0, scause
	csrr	a2, stval
	// Page faults first: 15 store, 13 load, 12 fetch. Their fast path uses no stack.
	li	t1, 15
	li	a1, ACCESS_WRITE
	beq	t0, t1, fastpath_fault
	li	t1, 13
	li	a1, ACCESS_READ
	beq	t0, t1, fastpath_fault
	li	t1, 12
	li	a1, ACCESS_EXEC
	beq	t0, t1, fastpath_fault
	mv	a1, t0
	ld	sp, HART_STACK(tp)
	call	trap_user		// does not return

	.global trap_slow_fault
trap_slow_fault:
	ld	sp, HART_STACK(tp)
	call	trap_fault		// does not return

from_idle:
	// Cannot be: the idle loop waits with interrupts off. Treat it as a trap in the kernel.
	csrw	sscratch, zero
	ld	sp, HART_STACK(tp)
	j	kernel_trap

from_kernel:
	// tp was 0 in sscratch; what is in sscratch now is the hart record.
	csrrw	tp, sscratch, zero
kernel_trap:
	csrr	a0, scause
	csrr	a1, stval
	csrr	a2, sepc
	mv	a3, sp
	mv	a4, s0
	// The stack pointer itself may be what broke: panic on a fresh piece of the stack.
	la	t0, panic_stack_top
	mv	sp, t0
	call	trap_kernel		// does not return

	// arch_return_to_user(ctx): everything from the context.
	.global arch_return_to_user
arch_return_to_user:
	mv	t6, a0
	ld	t0, CTX_PC(t6)
	csrw	sepc, t0
	ld	t0, CTX_STATUS(t6)
	csrw	sstatus, t0
	ld	ra, CTX_RA(t6)
	ld	sp, CTX_SP(t6)
	ld	gp, CTX_GP(t6)
	csrw	sscratch, tp
	ld	tp, CTX_TP(t6)
	.irp	n, 0,1,2
	ld	t\n, CTX_T0 + 8 * \n(t6)
	.endr
	ld	s0, CTX_S0(t6)
	ld	s1, CTX_S1(t6)
	.irp	n, 0,1,2,3,4,5,6,7
	ld	a\n, CTX_A0 + 8 * \n(t6)
	.endr
	.irp	n, 2,3,4,5,6,7,8,9,10,11
	ld	s\n, CTX_S2 + 8 * (\n - 2)(t6)
	.endr
	.irp	n, 3,4,5,6
	ld	t\n, CTX_T3 + 8 * (\n - 3)(t6)
	.endr
	sret

	.bss
	.balign	16
	.space	4096
panic_stack_top:
