// SPDX-License-Identifier: MIT
// In front of the generated <abi/stubs.h>: what park.c and server.h name, for tests without a kernel.
#pragma once

#include <pager/request.h>

extern u64 fake_argument[PAGE_SIZE / sizeof(u64)];
extern struct liveness fake_liveness;
#undef ARGUMENT_VA
#undef LIVENESS_VA
#define ARGUMENT_VA fake_argument
#define LIVENESS_VA (&fake_liveness)

err_t ipc_reply(cptr_t endpoint, const struct request *rq);
err_t ipc_reply_recv(cptr_t endpoint, struct request *rq);
err_t ipc_recv(cptr_t endpoint, u64 flags, u64 deadline, struct request *rq);
err_t ipc_notify(cptr_t notification, u64 bits);
err_t ipc_notify_flow(cptr_t notification, u64 bits, u64 flow);
