// SPDX-License-Identifier: MIT
/*
 * The bench's shortest loops. First, system calls and accesses between two readings of the cycle counter, by the
 * convention of the figures in docs/bench.md: rdcycle, the one instruction, rdcycle; the difference less 1, so that the
 * instruction itself counts and the second reading does not.
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
			 : [before] "=&r"(before), [after] "=&r"(after), "+r"(a7), "+r"(a0), "+r"(a1), "+r"(a2),
			   "+r"(a3), "+r"(a4), "+r"(a5), "+r"(a6), "+r"(t0), "+r"(t1), "+r"(t2), "+r"(t3), "+r"(t5)
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

/*
 * The shortest server: each request is answered with its own words, which stay in their registers. Returns the status
 * of a receive that brought no request.
 */
TIMED_INLINE err_t echo_loop(cptr_t endpoint)
{
	register u64 a0 __asm__("a0");

	__asm__ volatile("li t5, 0\n"
			 "1:\tli a7, %[nr]\n\t"
			 "mv a0, %[endpoint]\n\t"
			 "li a1, 0\n\t"
			 "li t3, 0\n\t"
			 "ecall\n\t"
			 "beqz a0, 1b"
			 : "=&r"(a0)
			 : [nr] "i"(NR_REPLY_RECV), [endpoint] "r"(endpoint)
			 : "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "t4", "t5", "t6",
			   "memory");
	return (err_t)a0;
}

/*
 * The shortest pager: each fault is answered with the next frame. Returns the status of a receive that brought no
 * fault, or of a mapping that was refused.
 */
TIMED_INLINE err_t pager_loop(cptr_t endpoint, cptr_t pool, u64 prot, const frame_t *frame)
{
	register u64 a0 __asm__("a0");

	__asm__ volatile("mv a0, %[endpoint]\n\t"
			 "li a7, %[recv]\n\t"
			 "li t3, 0\n\t"
			 "ecall\n\t"
			 "bnez a0, 2f\n"
			 "1:\tld a3, (%[frame])\n\t"
			 "addi %[frame], %[frame], 8\n\t"
			 "mv a0, %[endpoint]\n\t"
			 "mv a1, %[prot]\n\t"
			 "mv a2, %[pool]\n\t"
			 "li a4, 0\n\t"
			 "li a5, 0\n\t"
			 "li a6, 0\n\t"
			 "li t0, 0\n\t"
			 "li t3, 0\n\t"
			 "li a7, %[map]\n\t"
			 "ecall\n\t"
			 "beqz a0, 1b\n"
			 "2:"
			 : "=&r"(a0), [frame] "+r"(frame)
			 : [recv] "i"(NR_RECV), [map] "i"(NR_REPLY_MAP_RECV), [endpoint] "r"(endpoint),
			   [pool] "r"(pool), [prot] "r"(prot)
			 : "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "t4", "t5", "t6",
			   "memory");
	return (err_t)a0;
}
