// SPDX-License-Identifier: MIT
// Stands in for the machine's system calls where a server's core is compiled on the host: the core makes none but
// answers.
#pragma once

#include <pager/request.h>

#define RT_INLINE static inline __attribute__((unused))

_Noreturn void host_syscall(u64 nr);

RT_INLINE err_t arch_syscall(u64 nr, unsigned int nargs, u64 r[10])
{
	(void)nargs;
	(void)r;
	host_syscall(nr);
}

RT_INLINE err_t ipc_call(cptr_t endpoint, struct request *rq)
{
	(void)endpoint;
	(void)rq;
	host_syscall(NR_CALL);
}

RT_INLINE err_t ipc_reply_recv(cptr_t endpoint, struct request *rq)
{
	(void)endpoint;
	(void)rq;
	host_syscall(NR_REPLY_RECV);
}

// An answer is what the tests look at.
void host_reply(struct request *rq);

RT_INLINE err_t ipc_reply(cptr_t endpoint, struct request *rq)
{
	(void)endpoint;
	host_reply(rq);
	return 0;
}

RT_INLINE err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq)
{
	(void)endpoint;
	(void)flags;
	(void)deadline;
	(void)rq;
	host_syscall(NR_RECV);
}
