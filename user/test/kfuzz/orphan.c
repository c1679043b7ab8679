// SPDX-License-Identifier: MIT
// A thread whose fault nobody serves is stopped with a line. A hostile server has as many of them as it likes: the
// console must not be full of them.
#include "kfuzz.h"

#include <base/log.h>

#define PRIORITY 30
#define WAIT_NS  1000000ul

static u8 stack[16];

void orphans_run(u32 orphans, u64 (*now_ns)(void))
{
	struct lab_bench bench = { .pool = SLOT_SELF_POOL };
	struct lab_domain nowhere = { lab_make(&bench, TYPE_CAPTABLE, 0), lab_make(&bench, TYPE_ASPACE, 0) };
	cptr_t thread = lab_thread(&bench, PRIORITY);
	u64 bits;

	for (u32 i = 0; i < orphans; i++) {
		lab_run(thread, nowhere, (void (*)(void))orphans_run, stack);
		(void)ipc_wait(SLOT_SELF_NOTIFY, IPC_DEADLINE, now_ns() + WAIT_NS, &bits);
	}
	lab_check("to end the orphan", sys_thread_ctl(thread, THREAD_KILL, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
	log_line("kfuzz: %u threads without a pager: ok", orphans);
}
