// SPDX-License-Identifier: MIT
// Stands in front of the generated <abi/stubs.h> in the include path of slab's host tests: messages go to the server's
// core in the same program (world.c), its window is memory of the test.
#pragma once

#include <pager/request.h>

extern char *fake_window;
extern u64 fake_argument[PAGE_SIZE / sizeof(u64)];
extern struct liveness fake_liveness;
#undef SLAB_WINDOW
#undef ARGUMENT_VA
#undef LIVENESS_VA
#define SLAB_WINDOW ((u64)fake_window)
#define ARGUMENT_VA fake_argument
#define LIVENESS_VA (&fake_liveness)

#define RT_INLINE static inline __attribute__((unused))

err_t ipc_call(cptr_t endpoint, struct request *rq);
err_t ipc_reply(cptr_t endpoint, struct request *rq);
err_t ipc_reply_recv(cptr_t endpoint, struct request *rq);
err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq);
