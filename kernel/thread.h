// SPDX-License-Identifier: MIT
// Threads.
//
//	         thread_ctl START                      dispatch
//	STOPPED ------------------> READY <---------------------------> RUNNING (hart->cur)
//	   ^                          ^                                   |  call: no receiver      -> WAIT_SEND (on
// ep->senders) 	   | STOP, KILL (from any)    | reply, message, bits, deadline    |  call: receiver, fault  ->
// WAIT_REPLY (on no queue)
//	   +---- any state            +-----------------------------------+  recv                   -> WAIT_RECV (on
// ep->receivers) 	                                                                     wait                   ->
// WAIT_NOTIFY (on notification)
// Invariants: a thread is on at most one queue, the one its state names; WAIT_REPLY: `wait` is the endpoint the request
// went to and `reply` its reply word; a thread that is not RUNNING has its registers in `ctx`, FP in `ctx` unless a
// hart's fp_owner.
#pragma once

#include <kernel/hart.h>
#include <mm/aspace.h>

enum thread_state {
	THREAD_NONE, // also what a freed slot reads as
	THREAD_STOPPED,
	THREAD_READY,
	THREAD_RUNNING,
	THREAD_WAIT_SEND,
	THREAD_WAIT_REPLY,
	THREAD_WAIT_RECV,
	THREAD_WAIT_NOTIFY,
};

// Why a waiting thread waits when it did not call itself.
// TIMED: the window has a deadline, which the fast paths do not know.
enum { FAULT_NONE, FAULT_PAGE, FAULT_TIMED, FAULT_EXCEPTION };

struct captable;
struct endpoint;
struct notification;

// All threads, newest first, in a ring. A walk that takes more than one call keeps its place with a mark in the ring:
// threads come and go around it.
struct thread_node {
	struct thread_node *next, *prev; // NULL: not in the ring
	struct thread *thread;           // NULL: a mark, or the ring's head
};

struct thread {
	struct object obj;
	struct arch_context ctx;
	u8 state;
	u8 priority;
	u8 in_fault; // FAULT_*: the request is a fault: registers are complete, the reply resumes the instruction
	u8 killed;
	u8 ahead;               // hart->next: goes before the others of its priority (sched.c)
	u64 reply;              // reply word of the current or last request: call number << 32 | object id
	struct thread *serving; // whose request it was delivered last (fastpath_reply_target); cleared when that
				// thread's frame goes
	void *wait;             // endpoint or notification it waits on
	struct captable *captable;
	struct aspace *aspace;
	struct thread *next, *prev; // the queue it is on (queue.c)
	struct thread *run_next, *run_prev;
	u64 flow;      // flow it works for (kept while tracing)
	u64 flow_next; // flow of its next fault or outermost call
	u64 flow_step; // 1; 0: thread_ctl FLOW said which to carry
	u64 badge;     // WAIT_SEND: badge its request carries
	u64 *argument; // argument page in the direct map, NULL
	frame_t argument_frame;
	u64 fault_addr;                    // FAULT_PAGE: address; FAULT_EXCEPTION: value
	u32 fault_access;                  // FAULT_PAGE: ACCESS_*; FAULT_EXCEPTION: EXC_*
	const struct window *fault_window; // of `aspace`, which lives as long as the thread
	u64 recv_slot;                     // WAIT_RECV, WAIT_REPLY: slot for a capability that comes, 0 none
	u64 send_slot;                     // WAIT_SEND: capability it sends
	struct notification *bound;        // notification whose bits end its receive
	u64 deadline;                      // tick; 0: none
	struct thread *timer_left, *timer_right, *timer_up; // in the heap of deadlines (timer.c)
	u32 timer_rank;
	u32 introduced;  // trace.c: its name is in the trace since that epoch
	u64 cycles;      // processor time, accounted at slow switches
	u64 started;     // cycle counter when it was switched to
	u64 fault_calls; // pager: system calls since it took a fault
	struct thread_node node;
	struct hart *hart;
	char name[16];
};
_Static_assert(sizeof(struct thread) <= 1024, "THREAD slot");

extern struct thread_node thread_list;
extern struct thread *init_thread; // the machine ends with it

// The thread behind this node, marks left out; NULL: none.
static always_inline struct thread *thread_behind(const struct thread_node *node)
{
	do {
		node = node->next;
	} while (!node->thread && node != &thread_list);
	return node->thread;
}
#define for_each_thread(t) for ((t) = thread_behind(&thread_list); (t); (t) = thread_behind(&(t)->node))

// A walk in steps: from the newest thread on. walk_step: false at the end (the mark is out of the ring then); else the
// mark has moved behind one node more, whose thread is *t (NULL: another walk's mark).
#define WALK_STEP 256 // nodes that one call looks at
void walk_start(struct thread_node *mark);
void walk_stop(struct thread_node *mark);
bool walk_step(struct thread_node *mark, struct thread **t);

void thread_init(struct thread *t);
#define FLOW_RUN (1ul << 28)                      // flows a thread starts before its numbers meet another's
void thread_set_flow(struct thread *t, u64 flow); // thread_ctl FLOW

static always_inline u64 thread_new_flow(struct thread *t)
{
	u64 flow = t->flow_next;
	t->flow_next = flow + t->flow_step;
	return flow;
}

err_t thread_set_argument(struct thread *t, struct pool *pool, frame_t frame) must_check;
void thread_stop(struct thread *t, bool kill);
// Take it off whatever it waits on; its pending request is abandoned. The caller sets a new state.
void thread_unwait(struct thread *t);
err_t thread_destroy_step(struct thread *t) must_check; // AGAIN

// fault.c
void fault_deadline(struct thread *t);           // its pager did not answer in time: ask the window's fallback
void fault_refused(struct thread *t, u64 label); // its pager answered with an error; it is STOPPED, in_fault is NONE
void fault_words(const struct thread *t, u64 *label, u64 words[6]);

// sched.c
void sched_ready(struct thread *t);     // make READY, behind the others of its priority
void sched_hand_over(struct thread *t); // make READY, before them: the caller waits for it, or has served it
void sched_remove(struct thread *t);    // off the ready queue
_Noreturn void sched_exit(void);        // leave the kernel: the best thread runs
void sched_set_priority(struct thread *t, u8 priority);
void sched_preempt(void); // current to the tail of its queue (time slice over)

// timer.c
void timer_arm(struct thread *t, u64 deadline_ns); // absolute, in nanoseconds of the time counter
void timer_arm_in(struct thread *t, u64 ns);       // from now
void timer_disarm(struct thread *t);
void timer_update(struct hart *h); // set the hardware to the next deadline or slice end

static always_inline void timer_cancel(struct thread *t)
{
	if (unlikely(t->deadline != 0))
		timer_disarm(t);
}

// May the hardware have to be set to an earlier tick?
static always_inline bool timer_due(const struct hart *h)
{
	return h->timer_stale || (h->ready_map && !h->slice_on);
}
void timer_interrupt(void);

// fp.c
void fp_take(struct thread *t);  // the running thread used the unit while it was off
void fp_evict(struct thread *t); // its registers to memory
