// SPDX-License-Identifier: MIT
// Trap entry and exit. In user mode GS is the user's and KERNEL_GS_BASE this hart's record; in the kernel the reverse.
//
//	system call -> words into the context -> its fast path (kernel/fastpath.c)
//	               (a fast path that declines) -> trap_slow_*: the rest into the context -> trap_syscall
//	fault, exception, interrupt -> the processor pushes into the context (rsp0), the rest follows -> trap_user
//	the same in the kernel -> trap_kernel (a bug: panic), or an interrupt that ends arch_idle
//	debug exception, NMI, double fault, machine check -> a stack of their own (IST): they may come between any two
//	               instructions, also before SWAPGS; the GS base tells where we were
// There is one stack per hart; every way out of the kernel abandons it.
#include <offsets.h>
#include <abi/abi_const.h>

#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define CR0_TS      8
#define RING_MASK   3
#define VECTOR_IRQ  32

	.section .text.trap, "ax"

	// ---- system call: rcx the return address, r11 the flags, rsp still the user's
	.global trap_syscall_entry
	.balign 64
trap_syscall_entry:
	swapgs
	mov	%rsp, %gs:HART_TMP
	mov	%gs:HART_CUR, %rsp
	mov	%rcx, THREAD_CTX + CTX_RIP(%rsp)
	mov	%r11, THREAD_CTX + CTX_RFLAGS(%rsp)
	mov	%gs:HART_TMP, %rcx
	mov	%rcx, THREAD_CTX + CTX_RSP(%rsp)
	mov	%rdx, THREAD_CTX + CTX_RDX(%rsp)
	mov	%r10, THREAD_CTX + CTX_R10(%rsp)
	mov	%r8, THREAD_CTX + CTX_R8(%rsp)
	mov	%r9, THREAD_CTX + CTX_R9(%rsp)
	mov	%r14, THREAD_CTX + CTX_R14(%rsp)
	mov	%r15, THREAD_CTX + CTX_R15(%rsp)
	mov	%rbx, THREAD_CTX + CTX_RBX(%rsp)
	mov	%rbp, THREAD_CTX + CTX_RBP(%rsp)
	mov	%rsp, %rbx		// rbx: the running thread, in all fast paths
	mov	%gs:HART_STACK, %rsp
	test	%rax, %rax		// NR_CALL is 0
	jz	syscall_call
	cmp	$NR_REPLY_RECV, %rax
	je	syscall_reply_recv
	cmp	$NR_REPLY_MAP_RECV, %rax
	je	syscall_reply_map_recv
	cmp	$NR_REPLY, %rax
	je	syscall_reply
	cmp	$NR_NOTIFY, %rax
	je	syscall_notify
	jmp	slow
syscall_call:
	call	fastpath_call
syscall_reply_recv:
	call	fastpath_reply_recv
syscall_reply:
	call	fastpath_reply
syscall_notify:
	call	fastpath_notify
syscall_reply_map_recv:
	mov	%r10, %rcx		// words 1 and 4 become the fourth and the seventh argument of a C function
	push	%r14
	call	fastpath_reply_map_recv

	// A fast path has made the running thread wait, and nobody is ready.
	.global trap_idle
trap_idle:
	mov	%gs:HART_STACK, %rsp
	xor	%ebp, %ebp
	call	sched_exit		// does not return

	// The fast paths decline by jumping here: index and label as they were, the words in the context.
	.global trap_slow_call
trap_slow_call:
	mov	$NR_CALL, %eax
	jmp	slow
	.global trap_slow_reply_recv
trap_slow_reply_recv:
	mov	$NR_REPLY_RECV, %eax
	jmp	slow
	.global trap_slow_reply
trap_slow_reply:
	mov	$NR_REPLY, %eax
	jmp	slow
	.global trap_slow_notify
trap_slow_notify:
	mov	$NR_NOTIFY, %eax
	jmp	slow
	.global trap_slow_reply_map_recv
trap_slow_reply_map_recv:
	mov	$NR_REPLY_MAP_RECV, %eax
slow:
	mov	%gs:HART_STACK, %rsp
	mov	%rax, THREAD_CTX + CTX_RAX(%rbx)
	mov	%rdi, THREAD_CTX + CTX_RDI(%rbx)
	mov	%rsi, THREAD_CTX + CTX_RSI(%rbx)
	mov	%r12, THREAD_CTX + CTX_R12(%rbx)
	mov	%r13, THREAD_CTX + CTX_R13(%rbx)
	movq	$0, THREAD_CTX + CTX_RCX(%rbx)
	movq	$0, THREAD_CTX + CTX_R11(%rbx)
	mov	%rbx, %rdi
	xor	%ebp, %ebp
	call	trap_syscall		// does not return

	// ---- all else. On top of the stack: r11, then what the processor pushed (error, rip, cs, rflags, rsp, ss)
	.macro	save_below_r11
	push	%rcx
	push	%r13
	push	%r12
	push	%rsi
	push	%rdi
	push	%rax
	push	%rbp
	push	%rbx
	push	%r15
	push	%r14
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	cld
	clac
	mov	%gs:HART_CUR, %rdi
	mov	%gs:HART_STACK, %rsp
	xor	%ebp, %ebp
	.endm

	// Page fault: its fast path first. Error code: bit 1 a write, bit 4 a fetch.
	.balign 64
page_fault:
	testb	$RING_MASK, 16(%rsp)
	jz	page_fault_kernel
	push	%r11
	swapgs
	save_below_r11
	mov	THREAD_CTX + CTX_ERROR(%rdi), %ecx
	mov	%cr2, %rdx
	mov	%ecx, %esi
	shr	$1, %esi
	and	$ACCESS_WRITE, %esi
	shr	$3, %ecx
	and	$ACCESS_EXEC, %ecx
	or	%ecx, %esi
	call	fastpath_fault
page_fault_kernel:
	push	%r11
	mov	$14, %r11d
	jmp	from_kernel

	// Another processor has seen a reserved bit in an entry: a bug of ours, else the fault would come for ever.
	.global trap_slow_fault
trap_slow_fault:
	mov	%gs:HART_STACK, %rsp
	testb	$8, THREAD_CTX + CTX_ERROR(%rdi)
	jnz	reserved_bit
	testb	$4, THREAD_CTX + CTX_ERROR(%rdi)
	jz	as_supervisor
	call	trap_fault		// does not return
	// No mapping helps an access that the processor makes as supervisor for a program: SMAP forbids it for ever.
	// Under QEMU 7.2 these are lret and iret, whose stack is read so.
as_supervisor:
	mov	$13, %esi
	jmp	user_trap
reserved_bit:
	mov	$14, %esi		// panics
user_trap:
	mov	THREAD_CTX + CTX_ERROR(%rdi), %rdx
	call	trap_user		// does not return

	// r11: the vector
common:
	testb	$RING_MASK, 24(%rsp)
	jz	from_kernel
	swapgs
common_user:
	save_below_r11
	mov	%r11, %rsi
	mov	THREAD_CTX + CTX_ERROR(%rdi), %rdx
	call	trap_user		// does not return

from_kernel:
	cmp	$VECTOR_IRQ, %r11d
	jae	irq_kernel
	mov	%r11, %rdi
	mov	%cr2, %rsi
	mov	16(%rsp), %rdx
	mov	40(%rsp), %rcx
	mov	%rbp, %r8
	// The stack pointer itself may be what broke: panic on a fresh piece of the stack.
	lea	panic_stack_top(%rip), %rsp
	call	trap_kernel		// does not return

	// What a call may change, on this stack; r11, the error code and the frame lie there already.
	.macro	save_caller
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	.endm
	.macro	return_caller
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	pop	%r11
	add	$8, %rsp
	iretq
	.endm

	// An interrupt ends the wait of arch_idle, the only place where the kernel takes any.
irq_kernel:
	save_caller
	mov	%r11d, %edi
	cld
	call	irq_taken
	return_caller

	// Debug exception, on its own stack. From user mode the frame moves to the context. In the kernel it is
	// one that the user delayed by loading SS just before a system call: nothing of it concerns us.
debug:
	testb	$RING_MASK, 8(%rsp)
	jz	1f
	swapgs
	push	%rax
	push	%rcx
	mov	%gs:HART_CUR, %rax
	mov	16(%rsp), %rcx
	mov	%rcx, THREAD_CTX + CTX_RIP(%rax)
	mov	32(%rsp), %rcx
	mov	%rcx, THREAD_CTX + CTX_RFLAGS(%rax)
	mov	40(%rsp), %rcx
	mov	%rcx, THREAD_CTX + CTX_RSP(%rax)
	mov	%r11, THREAD_CTX + CTX_R11(%rax)
	mov	%rax, %r11
	pop	%rcx
	pop	%rax
	lea	THREAD_CTX + CTX_R11(%r11), %rsp
	mov	$1, %r11d
	jmp	common_user
1:	iretq

	// NMI, double fault, machine check, on a stack of their own. r11: the vector.
urgent:
	save_caller
	push	%rbx
	xor	%ebx, %ebx
	mov	$MSR_GS_BASE, %ecx
	rdmsr
	test	%edx, %edx
	js	1f			// a kernel address: GS is ours already
	swapgs
	inc	%ebx
1:	mov	%r11d, %edi
	mov	88(%rsp), %rsi		// rip
	cld
	call	trap_urgent
	test	%ebx, %ebx
	jz	2f
	swapgs
2:	pop	%rbx
	return_caller

	// ---- arch_return_to_user(ctx): everything from the context
	.global arch_return_to_user
	.balign 64
arch_return_to_user:
	mov	%rdi, %rcx
	lea	CTX_END(%rcx), %r11
	mov	%r11, %gs:HART_RSP0
	mov	(%rcx), %r11		// CTX_USER is 0
	or	%gs:HART_FP, %r11
	jz	1f
	call	user_state_load
1:	lea	CTX_RDX(%rcx), %rsp
	pop	%rdx
	pop	%r10
	pop	%r8
	pop	%r9
	pop	%r14
	pop	%r15
	pop	%rbx
	pop	%rbp
	pop	%rax
	pop	%rdi
	pop	%rsi
	pop	%r12
	pop	%r13
	pop	%rcx
	pop	%r11
	add	$8, %rsp		// error
	swapgs
	iretq

	// FS base and FP unit as the context in rcx wants them. FS is written whenever the thread has one: a program
	// can change the base itself, by loading the selector. Changes rdx, r8 - r11.
	.global user_state_load
user_state_load:
	mov	%rax, %r8
	mov	%rcx, %r9
	mov	(%rcx), %r10
	mov	%r10, %rax
	btr	$63, %rax
	test	%rax, %rax
	jz	1f
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_FS_BASE, %ecx
	wrmsr
1:	mov	%r10, %rax
	xor	%gs:HART_FP, %rax
	jns	3f			// the unit is as it should be
	btcq	$63, %gs:HART_FP
	test	%r10, %r10
	js	2f
	mov	%cr0, %rax
	or	$CR0_TS, %rax
	mov	%rax, %cr0
	jmp	3f
2:	clts
3:	mov	%r8, %rax
	mov	%r9, %rcx
	ret

	// ---- one stub a vector: r11 and the vector, after an error code of 0 where the processor pushes none
	.macro	stub vector, to=common, error=0
	.balign	16
	.if	!\error
	push	$0
	.endif
	push	%r11
	mov	$\vector, %r11d
	jmp	\to
	.endm

	.global	trap_stubs
	.balign	16
trap_stubs:
	stub	0
	.balign	16
	jmp	debug
	stub	2, urgent
	stub	3
	stub	4
	stub	5
	stub	6
	stub	7
	stub	8, urgent, 1
	stub	9
	.irp	n, 10, 11, 12, 13
	stub	\n, common, 1
	.endr
	.balign	16
	jmp	page_fault
	stub	15
	stub	16
	stub	17, common, 1
	stub	18, urgent
	stub	19
	stub	20
	stub	21, common, 1
	.set	vector, 22
	.rept	60			// up to VECTOR_IPI
	stub	vector
	.set	vector, vector + 1
	.endr

	.global	trap_spurious
trap_spurious:
	iretq

	.bss
	.balign	16
	.space	4096
	.global	panic_stack_top
panic_stack_top:
