// SPDX-License-Identifier: MIT
// Stands in front of the generated <abi/stubs.h> in the include path of reclaim's host test: the same calls, answered
// by world.c.
#pragma once

#include <pager/request.h>

extern u64 fake_argument[PAGE_SIZE / sizeof(u64)];
extern char fake_heap[17 * PAGE_SIZE];
extern struct liveness fake_liveness;
#undef ARGUMENT_VA
#undef SERVER_HEAP
#undef LIVENESS_VA
#define ARGUMENT_VA fake_argument
#define SERVER_HEAP ((u64)fake_heap + PAGE_SIZE)
#define LIVENESS_VA (&fake_liveness)

err_t ipc_reply(cptr_t endpoint, const struct request *rq);
err_t ipc_reply_recv(cptr_t endpoint, struct request *rq);
err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq);
err_t ipc_notify(cptr_t notification, u64 bits);
err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow);
err_t sys_pool_ctl(cptr_t pool, u64 op, u64 a, u64 b, u64 c, u64 *r0, u64 *r1, u64 *r2, u64 *r3);
err_t sys_frame_alloc(cptr_t pool, u64 order, u64 count, u64 flags, u64 *done, u64 *first);
err_t sys_frame_free(cptr_t pool, u64 count, u64 frame, u64 flags, u64 *done);
err_t sys_frame_mark(cptr_t pool, u64 frame, u64 op, u64 a, u64 b, u64 *r0, u64 *r1, u64 *r2, u64 *r3);
err_t sys_aspace_ctl(cptr_t aspace, u64 op, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 *r0, u64 *r1, u64 *r2,
		     u64 *r3);
err_t sys_map(cptr_t aspace, u64 va, cptr_t pool, u64 frame, u64 count, u64 prot, u64 source, u64 word0, u64 word1,
	      u64 *done, u64 *achieved);
err_t sys_unmap(cptr_t aspace, u64 va, u64 count, cptr_t pool, u64 flags, u64 token, u64 *done, u64 *removed,
		u64 *freed, u64 *tokens);
err_t sys_evict(cptr_t pool, u64 frame, u64 token, u64 count, u64 flags, u64 *left);
