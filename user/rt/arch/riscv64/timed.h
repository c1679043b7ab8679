// SPDX-License-Identifier: MIT
/*
 * System calls and accesses between two readings of the cycle counter, by the convention of the figures in docs/bench.md: rdcycle, the one
 * instruction, rdcycle; the difference less 1, so that the instruction itself counts and the second reading does not.
 */
#pragma once

#include <pager/request.h>

#define TIMED_INLINE static inline __attribute__((__always_inline__))

// As arch_ipc (syscall.h). Sets *cost.
TIMED_INLINE err_t timed_ipc(u64 nr, cptr_t cap, u64 reply, struct request *rq, u64 *cost)
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
	register u64 t3 __asm__("t3") = 0;
	register u64 t5 __asm__("t5") = reply;
	u64 before, after;

	__asm__ volatile("rdcycle %[before]\n\tecall\n\trdcycle %[after]"
			 : [before] "=&r"(before), [after] "=&r"(after), "+r"(a7), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4),
			   "+r"(a5), "+r"(a6), "+r"(t0), "+r"(t1), "+r"(t2), "+r"(t3), "+r"(t5)
			 :
			 : "t4", "t6", "memory");
	*cost = after - before - 1;
	*rq = (struct request){ .label = a1, .w = { a2, a3, a4, a5, a6, t0, t1, t2 } };
	return (err_t)a0;
}

// As arch_syscall with all ten registers given. Sets *cost; r[1] is the first result.
TIMED_INLINE err_t timed_syscall(u64 nr, u64 r[10], u64 *cost)
{
	struct request rq = { .label = r[1], .w = { r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9] } };
	err_t err = timed_ipc(nr, r[0], 0, &rq, cost);

	r[1] = rq.label;
	return err;
}

TIMED_INLINE u64 timed_store(volatile void *p, u64 value)
{
	u64 before, after;

	__asm__ volatile("rdcycle %[before]\n\tsd %[value], (%[p])\n\trdcycle %[after]"
			 : [before] "=&r"(before), [after] "=&r"(after)
			 : [value] "r"(value), [p] "r"(p)
			 : "memory");
	return after - before - 1;
}

TIMED_INLINE u64 timed_load(const volatile void *p, u64 *value)
{
	u64 before, after;

	__asm__ volatile("rdcycle %[before]\n\tld %[value], (%[p])\n\trdcycle %[after]"
			 : [before] "=&r"(before), [after] "=&r"(after), [value] "=&r"(*value)
			 : [p] "r"(p)
			 : "memory");
	return after - before - 1;
}
