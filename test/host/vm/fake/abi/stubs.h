// SPDX-License-Identifier: MIT
// Stands in front of the generated <abi/stubs.h> in the include path of vm's host tests: the same calls, answered by
// fake.c.
#pragma once

#include <pager/request.h>

// Fixed addresses of a server become the test's memory.
extern u64 fake_argument[PAGE_SIZE / sizeof(u64)];
extern char fake_archive[];
extern char fake_heap[2 * PAGE_SIZE];
extern struct liveness fake_liveness;
#undef ARGUMENT_VA
#undef ARCHIVE_VA
#undef SERVER_HEAP
#undef LIVENESS_VA
#undef VIEW_VA
extern u64 fake_view[];
#define VIEW_VA     ((u64)fake_view)
#define ARGUMENT_VA fake_argument
#define ARCHIVE_VA  fake_archive
#define SERVER_HEAP ((u64)fake_heap)
#define LIVENESS_VA (&fake_liveness)

struct map_reply {
	u64 prot;
	cptr_t pool;
	frame_t frame;
	frame_t source;
	u64 word0;
	u64 word1;
	u64 count;
};

err_t ipc_reply(cptr_t endpoint, const struct request *rq);
err_t ipc_reply_recv(cptr_t endpoint, struct request *rq);
err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq);
err_t ipc_call(cptr_t endpoint, struct request *rq);
err_t ipc_notify(cptr_t notification, u64 bits);
err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow);

err_t sys_thread_ctl(cptr_t thread, u64 op, u64 a, u64 b, u64 c, u64 d, u64 *r0, u64 *r1, u64 *r2, u64 *r3);
err_t sys_thread_regs(cptr_t thread, u64 op, u64 from);
err_t sys_cap_copy(cptr_t dst, u64 dst_slot, cptr_t src, u64 src_slot, u64 rights, u64 badge, u64 op);
err_t sys_cap_delete(cptr_t table, u64 slot);
err_t sys_cap_revoke(cptr_t table, u64 slot, u64 *done);
err_t sys_cap_list(cptr_t table, u64 first, u64 *count, u64 *next);
err_t sys_object_create(cptr_t pool, u64 frame, u64 slot, u64 type, cptr_t dst, u64 dst_slot, u64 arg, u64 *id);
err_t sys_pool_ctl(cptr_t pool, u64 op, u64 a, u64 b, u64 c, u64 *r0, u64 *r1, u64 *r2, u64 *r3);
err_t sys_pool_destroy(cptr_t pool, u64 *left);
err_t sys_frame_alloc(cptr_t pool, u64 order, u64 count, u64 flags, u64 *done, u64 *first);
err_t sys_frame_free(cptr_t pool, u64 count, u64 frame, u64 flags, u64 *done);
err_t sys_frame_fill(cptr_t pool, u64 dst, u64 src);
err_t sys_frame_mark(cptr_t pool, u64 frame, u64 op, u64 a, u64 b, u64 *r0, u64 *r1, u64 *r2, u64 *r3);
err_t sys_aspace_ctl(cptr_t aspace, u64 op, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 *r0, u64 *r1, u64 *r2,
		     u64 *r3);
err_t sys_map(cptr_t aspace, u64 va, cptr_t pool, u64 frame, u64 count, u64 prot, u64 source, u64 word0, u64 word1,
	      u64 *done, u64 *achieved);
err_t sys_unmap(cptr_t aspace, u64 va, u64 count, cptr_t pool, u64 flags, u64 token, u64 *done, u64 *removed,
		u64 *freed, u64 *tokens);
err_t sys_protect(cptr_t aspace, u64 va, u64 count, u64 prot, u64 *done, u64 *changed, u64 *achieved);
err_t sys_scan(cptr_t aspace, u64 va, u64 count, u64 flags, u64 *done, u64 *entries);
err_t sys_clone(cptr_t dst, u64 dva, cptr_t src, u64 sva, u64 count, u64 op, u64 *done, u64 *copied, u64 *tokens);
err_t sys_system(cptr_t system, u64 op, u64 a, u64 b, u64 c, u64 *r0, u64 *r1, u64 *r2, u64 *r3);
