// SPDX-License-Identifier: MIT
/*
 * System calls of x86_64: the register convention of docs/internals.md in inline assembly. rt/ipc.h builds on it.
 *
 * The instruction keeps rsp and fs alone; rcx and r11 are destroyed by the CPU, every other register carries a result
 * or is zeroed. rbp carries word 7, but the compiler may need it for itself: it is saved on the stack around the
 * instruction and its word travels in rcx up to there. So the red zone must be off (-mno-red-zone).
 */
#pragma once

#include <pager/request.h>

#define RT_INLINE static inline __attribute__((__always_inline__))

/* Gives a register variable some value at no cost: for registers whose content the kernel does not look at. */
#define REG_ANY(reg) __asm__ volatile("" : "=r"(reg))
#define REG_ARG(reg, index) \
	do { \
		if (nargs > (index)) \
			reg = r[index]; \
		else \
			REG_ANY(reg); \
	} while (0)

#define SYSCALL_W7 "push %%rbp\n\tmov %%rcx, %%rbp\n\tsyscall\n\tmov %%rbp, %%rcx\n\tpop %%rbp"

/* r[0 .. nargs-1] go in R_CAP, R_LABEL, R_W0 ..; r[1 .. 9] come back from R_LABEL, R_W0 ... */
RT_INLINE err_t arch_syscall(u64 nr, unsigned int nargs, u64 r[10])
{
	register u64 rax __asm__("rax") = nr;
	register u64 rdi __asm__("rdi");
	register u64 rsi __asm__("rsi");
	register u64 rdx __asm__("rdx");
	register u64 r10 __asm__("r10");
	register u64 r8 __asm__("r8");
	register u64 r9 __asm__("r9");
	register u64 r14 __asm__("r14");
	register u64 r15 __asm__("r15");
	register u64 rbx __asm__("rbx");
	register u64 rcx __asm__("rcx");

	REG_ARG(rdi, 0);
	REG_ARG(rsi, 1);
	REG_ARG(rdx, 2);
	REG_ARG(r10, 3);
	REG_ARG(r8, 4);
	REG_ARG(r9, 5);
	REG_ARG(r14, 6);
	REG_ARG(r15, 7);
	REG_ARG(rbx, 8);
	REG_ARG(rcx, 9);
	__asm__ volatile(SYSCALL_W7
			 : "+r"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r14),
			   "+r"(r15), "+r"(rbx), "+r"(rcx)
			 :
			 : "r11", "r12", "r13", "memory", "cc");
	r[1] = rsi;
	r[2] = rdx;
	r[3] = r10;
	r[4] = r8;
	r[5] = r9;
	r[6] = r14;
	r[7] = r15;
	r[8] = rbx;
	r[9] = rcx;
	return (err_t)rax;
}

/* The registers of every IPC call. `flow` and `reply` are R_FLOW and R_REPLY on the way in; rq gets what comes out. */
RT_INLINE err_t arch_ipc(u64 nr, cptr_t cap, u64 flow, u64 reply, struct request *rq)
{
	register u64 rax __asm__("rax") = nr;
	register u64 rdi __asm__("rdi") = cap;
	register u64 rsi __asm__("rsi") = rq->label;
	register u64 rdx __asm__("rdx") = rq->w[0];
	register u64 r10 __asm__("r10") = rq->w[1];
	register u64 r8 __asm__("r8") = rq->w[2];
	register u64 r9 __asm__("r9") = rq->w[3];
	register u64 r14 __asm__("r14") = rq->w[4];
	register u64 r15 __asm__("r15") = rq->w[5];
	register u64 rbx __asm__("rbx") = rq->w[6];
	register u64 rcx __asm__("rcx") = rq->w[7];
	register u64 r12 __asm__("r12") = flow;
	register u64 r13 __asm__("r13") = reply;

	__asm__ volatile(SYSCALL_W7
			 : "+r"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r14),
			   "+r"(r15), "+r"(rbx), "+r"(rcx), "+r"(r12), "+r"(r13)
			 :
			 : "r11", "memory", "cc");
	if ((s64)rax < 0)
		return (err_t)rax;
	rq->label = rsi;
	rq->w[0] = rdx;
	rq->w[1] = r10;
	rq->w[2] = r8;
	rq->w[3] = r9;
	rq->w[4] = r14;
	rq->w[5] = r15;
	rq->w[6] = rbx;
	rq->w[7] = rcx;
	rq->flow = r12;
	rq->badge = rdi;
	rq->reply = r13;
	return (err_t)rax;
}
