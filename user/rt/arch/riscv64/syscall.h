// SPDX-License-Identifier: MIT
/*
 * System calls of riscv64: the register convention of docs/internals.md in inline assembly. rt/ipc.h builds on it.
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

/* r[0 .. nargs-1] go in R_CAP, R_LABEL, R_W0 ..; r[1 .. 9] come back from R_LABEL, R_W0 ... */
RT_INLINE err_t arch_syscall(u64 nr, unsigned int nargs, u64 r[10])
{
	register u64 a7 __asm__("a7") = nr;
	register u64 a0 __asm__("a0");
	register u64 a1 __asm__("a1");
	register u64 a2 __asm__("a2");
	register u64 a3 __asm__("a3");
	register u64 a4 __asm__("a4");
	register u64 a5 __asm__("a5");
	register u64 a6 __asm__("a6");
	register u64 t0 __asm__("t0");
	register u64 t1 __asm__("t1");
	register u64 t2 __asm__("t2");

	REG_ARG(a0, 0);
	REG_ARG(a1, 1);
	REG_ARG(a2, 2);
	REG_ARG(a3, 3);
	REG_ARG(a4, 4);
	REG_ARG(a5, 5);
	REG_ARG(a6, 6);
	REG_ARG(t0, 7);
	REG_ARG(t1, 8);
	REG_ARG(t2, 9);
	__asm__ volatile("ecall"
			 : "+r"(a7), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5), "+r"(a6), "+r"(t0),
			   "+r"(t1), "+r"(t2)
			 :
			 : "t3", "t4", "t5", "t6", "memory");
	r[1] = a1;
	r[2] = a2;
	r[3] = a3;
	r[4] = a4;
	r[5] = a5;
	r[6] = a6;
	r[7] = t0;
	r[8] = t1;
	r[9] = t2;
	return (err_t)a0;
}

/* The registers of every IPC call. `flow` and `reply` are R_FLOW and R_REPLY on the way in; rq gets what comes out. */
RT_INLINE err_t arch_ipc(u64 nr, cptr_t cap, u64 flow, u64 reply, struct request *rq)
{
	register u64 a7 __asm__("a7") = nr;
	register u64 a0 __asm__("a0") = cap;
	register u64 a1 __asm__("a1") = rq->label;
	register u64 a2 __asm__("a2") = rq->w[0];
	register u64 a3 __asm__("a3") = rq->w[1];
	register u64 a4 __asm__("a4") = rq->w[2];
	register u64 a5 __asm__("a5") = rq->w[3];
	register u64 a6 __asm__("a6") = rq->w[4];
	register u64 t0 __asm__("t0") = rq->w[5];
	register u64 t1 __asm__("t1") = rq->w[6];
	register u64 t2 __asm__("t2") = rq->w[7];
	register u64 t3 __asm__("t3") = flow;
	register u64 t4 __asm__("t4");
	register u64 t5 __asm__("t5") = reply;

	__asm__ volatile("ecall"
			 : "+r"(a7), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5), "+r"(a6), "+r"(t0),
			   "+r"(t1), "+r"(t2), "+r"(t3), "=r"(t4), "+r"(t5)
			 :
			 : "t6", "memory");
	if ((s64)a0 < 0)
		return (err_t)a0;
	rq->label = a1;
	rq->w[0] = a2;
	rq->w[1] = a3;
	rq->w[2] = a4;
	rq->w[3] = a5;
	rq->w[4] = a6;
	rq->w[5] = t0;
	rq->w[6] = t1;
	rq->w[7] = t2;
	rq->flow = t3;
	rq->badge = t4;
	rq->reply = t5;
	return (err_t)a0;
}
