// SPDX-License-Identifier: MIT
/*
 * The bench's shortest loops. First, system calls and accesses between two readings of the time-stamp counter, by the
 * convention of the figures in docs/bench.md: the one instruction counts, the second reading does not. A reading needs
 * rax and rdx, which carry words of a message, so some moves lie between the two readings; they are known by number and
 * taken off. The lower half of the counter is enough for what is measured.
 */
#pragma once

#include <pager/request.h>

#define TIMED_INLINE static inline __attribute__((__always_inline__))

#define TIMED_IPC_OVERHEAD    6 // the second reading, and what stands around the instruction
#define TIMED_ACCESS_OVERHEAD 2

// As arch_ipc (syscall.h). Sets *cost.
TIMED_INLINE err_t timed_ipc(u64 nr, cptr_t cap, u64 reply, struct request *rq, u64 *cost)
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
	register u64 r12 __asm__("r12") = 0;
	register u64 r13 __asm__("r13") = reply;
	register u64 r11 __asm__("r11");

	__asm__ volatile("push %%rbp\n\t"
			 "push %%rdx\n\t"
			 "mov %%rcx, %%rbp\n\t"
			 "mov %%rax, %%r11\n\t"
			 "rdtsc\n\t"
			 "push %%rax\n\t"
			 "mov 8(%%rsp), %%rdx\n\t"
			 "mov %%r11, %%rax\n\t"
			 "syscall\n\t"
			 "mov %%rax, %%r11\n\t"
			 "mov %%rdx, %%rcx\n\t"
			 "rdtsc\n\t"
			 "pop %%rdx\n\t"
			 "sub %%edx, %%eax\n\t"
			 "mov %%rcx, %%rdx\n\t"
			 "mov %%rbp, %%rcx\n\t"
			 "add $8, %%rsp\n\t"
			 "pop %%rbp"
			 : "+r"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r14),
			   "+r"(r15), "+r"(rbx), "+r"(rcx), "+r"(r12), "+r"(r13), "=r"(r11)
			 :
			 : "memory", "cc");
	*cost = (u32)rax - TIMED_IPC_OVERHEAD;
	*rq = (struct request){ .label = rsi, .w = { rdx, r10, r8, r9, r14, r15, rbx, rcx } };
	return (err_t)r11;
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
	u32 before, after;

	__asm__ volatile("rdtsc\n\tmov %%eax, %[before]\n\tmov %[value], (%[p])\n\trdtsc"
			 : [before] "=&r"(before), "=&a"(after)
			 : [value] "r"(value), [p] "r"(p)
			 : "rdx", "memory");
	return after - before - TIMED_ACCESS_OVERHEAD;
}

TIMED_INLINE u64 timed_load(const volatile void *p, u64 *value)
{
	u32 before, after;

	__asm__ volatile("rdtsc\n\tmov %%eax, %[before]\n\tmov (%[p]), %[value]\n\trdtsc"
			 : [before] "=&r"(before), "=&a"(after), [value] "=&r"(*value)
			 : [p] "r"(p)
			 : "rdx", "memory");
	return after - before - TIMED_ACCESS_OVERHEAD;
}

/*
 * The shortest server: each request is answered with its own words, which stay in their registers. The endpoint is kept
 * on the stack, since a receive leaves no register as it was. Returns the status of a receive that brought no request.
 */
TIMED_INLINE err_t echo_loop(cptr_t endpoint)
{
	u64 rax;

	__asm__ volatile("push %%rbp\n\t"
			 "push %[endpoint]\n\t"
			 "xor %%r13d, %%r13d\n"
			 "1:\tmov %[nr], %%eax\n\t"
			 "mov (%%rsp), %%rdi\n\t"
			 "xor %%esi, %%esi\n\t"
			 "xor %%r12d, %%r12d\n\t"
			 "syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jz 1b\n\t"
			 "add $8, %%rsp\n\t"
			 "pop %%rbp"
			 : "=&a"(rax)
			 : [nr] "i"(NR_REPLY_RECV), [endpoint] "D"(endpoint)
			 : "rsi", "rdx", "r10", "r8", "r9", "r14", "r15", "rbx", "rcx", "r11", "r12", "r13", "memory",
			   "cc");
	return (err_t)rax;
}

// What the pager's loop needs in each round.
struct pager_loop {
	u64 endpoint, pool, prot;
	const frame_t *frame;
};

/*
 * The shortest pager: each fault is answered with the next frame. Its constants lie where rsp points. Returns the
 * status of a receive that brought no fault, or of a mapping that was refused.
 */
TIMED_INLINE err_t pager_loop(cptr_t endpoint, cptr_t pool, u64 prot, const frame_t *frame)
{
	struct pager_loop loop = { endpoint, pool, prot, frame };
	u64 rax;

	__asm__ volatile("push %%rbp\n\t"
			 "push %%rbx\n\t"
			 "mov (%%rbx), %%rdi\n\t"
			 "mov %[recv], %%eax\n\t"
			 "xor %%r12d, %%r12d\n\t"
			 "syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 2f\n"
			 "1:\tmov (%%rsp), %%rbx\n\t"
			 "mov 24(%%rbx), %%r10\n\t"
			 "mov (%%r10), %%r10\n\t"
			 "addq $8, 24(%%rbx)\n\t"
			 "mov (%%rbx), %%rdi\n\t"
			 "mov 8(%%rbx), %%rdx\n\t"
			 "mov 16(%%rbx), %%rsi\n\t"
			 "xor %%r8d, %%r8d\n\t"
			 "xor %%r9d, %%r9d\n\t"
			 "xor %%r14d, %%r14d\n\t"
			 "xor %%r15d, %%r15d\n\t"
			 "xor %%r12d, %%r12d\n\t"
			 "mov %[map], %%eax\n\t"
			 "syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jz 1b\n"
			 "2:\tadd $8, %%rsp\n\t"
			 "pop %%rbp"
			 : "=&a"(rax), "+m"(loop)
			 : [recv] "i"(NR_RECV), [map] "i"(NR_REPLY_MAP_RECV), "b"(&loop)
			 : "rdi", "rsi", "rdx", "r10", "r8", "r9", "r14", "r15", "rcx", "r11", "r12", "r13", "memory",
			   "cc");
	return (err_t)rax;
}
