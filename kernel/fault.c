// SPDX-License-Identifier: MIT
// Faults and exceptions: calls made in the thread's name to the pager of the window the address lies in (exceptions,
// and addresses outside all windows: the pager of window 0).
//
// The message is made when it is delivered (fault_words), from the page tables as they are then: a fault that waited in
// a queue, or is delivered again to a restarted pager, describes the entry as it is.
#include <kernel/ipc.h>
#include <kernel/trap.h>
#include <lib/base/log.h>

static void start_flow(struct thread *t)
{
	t->flow = thread_new_flow(t);
}

void fault_words(const struct thread *t, u64 *label, u64 words[6])
{
	u32 id = object_id(t);
	u64 pc = ctx_pc(&t->ctx);
	if (t->in_fault == FAULT_EXCEPTION) {
		*label = OP_PAGER_EXCEPTION;
		__builtin_memcpy(words, (u64[]){ t->fault_access, t->fault_addr, pc, id, 0, 0 }, 48);
		return;
	}
	struct fault_entry e;
	aspace_fault(t->aspace, t->fault_window, t->fault_addr, t->fault_access, &e);
	u64 old = e.kind | (u64)e.prot << 8 | (u64)e.exclusive << 16 | (u64)e.same_pool << 17;
	*label = OP_PAGER_FAULT;
	__builtin_memcpy(words, (u64[]){ t->fault_addr, t->fault_access, old, e.what, id, pc }, 48);
}

// A hostile server can make such threads as fast as it likes: so many are named.
#define ORPHANS_NAMED 10 // a second

static void orphan_tell(const struct thread *t)
{
	static u64 next, unnamed;
	if (arch_time() < next) {
		unnamed++;
		return;
	}
	next = arch_time() + arch_timer_hz() / ORPHANS_NAMED;
	log_line("thread %s (%x): no pager for address %lx, pc %lx: stopped; %lu others since the last that was named",
		 t->name, object_id(t), t->fault_addr, ctx_pc(&t->ctx), unnamed);
	unnamed = 0;
}

// Nobody can be asked: the thread stops, and people are told.
static void fault_orphan(struct thread *t)
{
	if (t == init_thread)
		panic("init: nobody serves its fault at %lx, pc %lx", t->fault_addr, ctx_pc(&t->ctx));
	orphan_tell(t);
	t->in_fault = FAULT_NONE;
	t->state = THREAD_STOPPED;
}

static void exception(struct thread *t, u32 exc, u64 value)
{
	struct window *w = &t->aspace->window[0];
	start_flow(t);
	trace(EVENT_EXCEPTION, exc, value, ctx_pc(&t->ctx));
	t->in_fault = FAULT_EXCEPTION;
	t->fault_addr = value;
	t->fault_access = exc;
	t->fault_window = w;
	if (w->pager)
		ipc_fault_call(t, w->pager, w->badge);
	else
		fault_orphan(t);
}

static void page_fault(struct thread *t, struct window *w, u32 access, vaddr_t addr)
{
	struct hart *h = arch_hart();
	struct fault_entry e;
	if (aspace_fault(t->aspace, w, addr, access, &e)) {
		h->faults_spurious++;
		trace(EVENT_FAULT_SPURIOUS, addr, access, 0);
		return;
	}
	start_flow(t);
	trace(EVENT_FAULT, addr, access, e.kind | (u64)e.prot << 8);
	t->in_fault = w->deadline ? FAULT_TIMED : FAULT_PAGE;
	t->fault_addr = addr;
	t->fault_access = access;
	t->fault_window = w;
	if (w->deadline)
		timer_arm_in(t, w->deadline);
	ipc_fault_call(t, w->pager, w->badge);
}

void fault_deadline(struct thread *t)
{
	const struct window *w = t->fault_window;
	thread_unwait(t);
	if (!w->fallback) {
		fault_orphan(t);
		return;
	}
	ipc_fault_call(t, w->fallback, w->badge);
}

// The pager of a window has no mapping for its client. Who answers for the thread is the pager of window 0, which
// knows what a process is and hears of it as an exception; a thread that it refuses itself stays stopped for it to deal
// with.
void fault_refused(struct thread *t, u64 label)
{
	const struct window *w = &t->aspace->window[0];
	if (t->fault_window == w || !w->pager)
		return;
	t->in_fault = FAULT_EXCEPTION;
	t->fault_access = EXC_REFUSED | (u32)-label << 8;
	t->fault_window = (struct window *)w;
	ipc_fault_call(t, w->pager, w->badge);
}

static void enter(struct thread *t, u32 why)
{
	struct hart *h = arch_hart();
	kernel_lock();
	assert(h->cur == t && t->state == THREAD_RUNNING);
	h->entered = arch_cycles();
	h->entered_nr = why;
}

_Noreturn void trap_fault(struct thread *t, u64 access, vaddr_t addr)
{
	enter(t, ENTRY_FAULT);
	struct window *w = aspace_window(t->aspace, addr);
	if (w && w->pager)
		page_fault(t, w, access, addr);
	else
		exception(t, EXC_ADDRESS, addr);
	sched_exit();
}

_Noreturn void trap_exception(struct thread *t, u32 exc, u64 value)
{
	enter(t, ENTRY_EXCEPTION);
	exception(t, exc, value);
	sched_exit();
}

_Noreturn void trap_fp(struct thread *t)
{
	enter(t, ENTRY_EXCEPTION);
	fp_take(t);
	sched_exit();
}

_Noreturn void trap_interrupt(struct thread *t)
{
	enter(t, ENTRY_INTERRUPT);
	irq_service();
	sched_exit();
}
