// SPDX-License-Identifier: MIT
// Threads: birth, stop, death. State diagram: thread.h.
#include <kernel/cap.h>
#include <kernel/ipc.h>
#include <kernel/object.h>

struct thread_node thread_list = { .next = &thread_list, .prev = &thread_list };

static void node_insert(struct thread_node *node, struct thread_node *after)
{
	node->prev = after;
	node->next = after->next;
	after->next->prev = node;
	after->next = node;
}

static void node_remove(struct thread_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}

void walk_start(struct thread_node *mark)
{
	walk_stop(mark);
	node_insert(mark, &thread_list);
}

void walk_stop(struct thread_node *mark)
{
	if (mark->next)
		node_remove(mark);
}

bool walk_step(struct thread_node *mark, struct thread **t)
{
	struct thread_node *node = mark->next;
	node_remove(mark);
	if (node == &thread_list)
		return false;
	node_insert(mark, node);
	*t = node->thread;
	return true;
}

// Flow ids: hart, then a number for each run of flows, then a count. A run of one (step 0) is a thread that was told
// what to carry.
void thread_set_flow(struct thread *t, u64 flow)
{
	struct hart *h = arch_hart();
	if (!flow)
		h->flow += FLOW_RUN;
	t->flow_next = flow ? flow : (u64)h->id << 56 | h->flow;
	t->flow_step = flow ? 0 : 1;
}

// Call numbers of a reused slot go on above those of the thread that had it: a reply word somebody still holds stays
// stale.
static u32 call_epoch;

void thread_init(struct thread *t)
{
	t->state = THREAD_STOPPED;
	t->reply = (u64)call_epoch << 32 | object_id(t);
	t->next = t->prev = t->run_next = t->run_prev = t;
	thread_set_flow(t, 0);
	t->hart = arch_hart();
	arch_context_init(&t->ctx, 0, 0, 0);
	t->node.thread = t;
	node_insert(&t->node, &thread_list);
}

void thread_unwait(struct thread *t)
{
	struct endpoint *ep = t->wait;
	struct notification *n = t->wait;
	switch (t->state) {
	case THREAD_WAIT_SEND:
		queue_remove(&ep->senders, t);
		t->send_slot = 0; // nor does a later request carry it
		break;
	case THREAD_WAIT_RECV:
		queue_remove(&ep->receivers, t);
		break;
	case THREAD_WAIT_NOTIFY:
		queue_remove(&n->waiters, t);
		break;
	case THREAD_WAIT_REPLY:
		if (t->in_fault == FAULT_PAGE || t->in_fault == FAULT_TIMED)
			trace(EVENT_FAULT_DONE, t->fault_addr, -ERR_INTR, t->reply);
		t->reply += REPLY_NEXT; // its reply word is stale from now on
		break;
	case THREAD_READY:
		sched_remove(t);
		break;
	}
	timer_cancel(t);
	t->wait = NULL;
	t->state = THREAD_STOPPED;
}

// An abandoned system call returns INTR when the thread is resumed; an abandoned fault is simply taken again.
void thread_stop(struct thread *t, bool kill)
{
	bool waited = t->state >= THREAD_WAIT_SEND && !t->in_fault;
	thread_unwait(t);
	if (waited)
		ctx_set_status(&t->ctx, -ERR_INTR);
	t->in_fault = FAULT_NONE;
	t->killed |= kill;
}

static void argument_drop(struct thread *t)
{
	if (!t->argument)
		return;
	struct page *page = virt_to_page(t->argument);
	page->pins -= PIN_ARGUMENT;
	t->argument = NULL;
	t->argument_frame = 0;
	graveyard_wake();
}

err_t thread_set_argument(struct thread *t, struct pool *pool, frame_t frame)
{
	struct page *page = NULL;
	if (frame) {
		page = frame_check(frame, pool->id, PAGE_OWNED);
		if (!page)
			return -ERR_STALE;
		if ((page->pins & PIN_ARGUMENTS) == PIN_ARGUMENTS || page->marks & PAGE_SECRET)
			return -ERR_BUSY;
		if (!(page->marks & PAGE_ZEROED)) { // what the kernel reads there must not be another pool's
			arch_page_clear(page_address(page));
			page->marks |= PAGE_ZEROED;
		}
		page->pins += PIN_ARGUMENT;
	}
	argument_drop(t);
	if (page) {
		t->argument = page_address(page);
		t->argument_frame = frame;
	}
	return 0;
}

// `serving` may name a slot of a freed thread for as long as the slot is one for threads: it is zeroed then, or another
// thread's, and refutes the reply word itself. So who serves whom is only looked at when the last thread of a frame
// goes. A sibling that has begun to look starts over: what came to name this thread may lie behind it.
static bool frame_stays(const struct thread *t)
{
	const struct page *page = virt_to_page(t);
	for (u32 i = 0; i < PAGE_SIZE / OBJECT_SIZE_THREAD; i++) {
		struct thread *sibling = (void *)((char *)page_address(page) + i * OBJECT_SIZE_THREAD);
		if (sibling == t || !(page->word0 >> i & 1))
			continue;
		if (sibling->obj.step)
			walk_start(&sibling->node);
		return true;
	}
	return false;
}

static void thread_end(struct thread *t)
{
	struct hart *h = t->hart;
	thread_stop(t, true);
	argument_drop(t);
	call_epoch = MAX(call_epoch, (u32)(t->reply >> 32) + 1);
	if (h->fp_owner == t)
		h->fp_owner = NULL;
	if (h->cur == t)
		h->cur = NULL;
}

// Its node becomes the mark of the walk that looks for those who serve it.
err_t thread_destroy_step(struct thread *t)
{
	struct thread *s;
	if (!t->obj.step) {
		thread_end(t);
		walk_stop(&t->node);
		if (frame_stays(t))
			return 0;
		t->obj.step = 1;
		t->node.thread = NULL;
		walk_start(&t->node);
	}
	for (u32 i = 0; i < WALK_STEP; i++) {
		if (!walk_step(&t->node, &s))
			return 0;
		if (s && s->serving && virt_to_page(s->serving) == virt_to_page(t))
			s->serving = NULL;
	}
	return -ERR_AGAIN;
}
