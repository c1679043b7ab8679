// SPDX-License-Identifier: MIT
// The slow entry of every system call: decode (generated), rights (generated), act (sys_*.c), finish. IPC works on
// registers itself.
#include <kernel/ipc.h>
#include <kernel/syscall.h>
#include <kernel/trap.h>

#include <abi/kernel_decode.inc>

static bool ipc_dispatch(struct thread *t, u64 nr)
{
	switch (nr) {
	case NR_CALL:
		ipc_call(t);
		return true;
	case NR_REPLY_RECV:
		ipc_reply_recv(t);
		return true;
	case NR_REPLY_MAP_RECV:
		ipc_reply_map_recv(t);
		return true;
	case NR_REPLY:
		ipc_reply(t);
		return true;
	case NR_RECV:
		ipc_recv(t);
		return true;
	case NR_NOTIFY:
		ipc_notify(t);
		return true;
	case NR_WAIT:
		ipc_wait(t);
		return true;
	}
	return false;
}

_Noreturn void trap_syscall(struct thread *t)
{
	struct hart *h = arch_hart();
	kernel_lock();
	assert(h->cur == t && t->state == THREAD_RUNNING);
	u64 nr = ctx_reg(&t->ctx, R_NR) & 0xff;
	h->entered = arch_cycles();
	h->entered_nr = nr;
	h->syscalls++;
	trace(EVENT_SYS_ENTER, nr, ctx_reg(&t->ctx, R_CAP), ctx_reg(&t->ctx, R_LABEL));
	if (!ipc_dispatch(t, nr)) {
		t->fault_calls++;
		ctx_set_status(&t->ctx, syscall_decode(t, nr));
	}
	if (t->state == THREAD_RUNNING)
		trace(EVENT_SYS_EXIT, nr, ctx_reg(&t->ctx, R_STATUS), 0);
	sched_exit();
}
