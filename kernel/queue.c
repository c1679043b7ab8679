// SPDX-License-Identifier: MIT
// Queues of threads: rings ordered by priority, first come first served within one. The head is the most urgent.
//
//	head -> a 40 <-> b 40 <-> c 20 <-> d 20 <-> e 1 <-> (head)       ring of all: next, prev
//	         a ------------->  c ------------->  e ---> (a)          ring of runs: run_next, run_prev
//
// A run is what has one priority; its first thread is on the ring of runs too, so a place is found in as many steps as
// there are priorities, however many wait. A thread that is not on a ring is linked to itself: a fast path makes a
// queue of one by setting the head, and may add to the end of a queue of one priority and take from its front.
#include <kernel/ipc.h>

static bool run_first(const struct thread *head, const struct thread *t)
{
	return t == head || t->prev->priority != t->priority;
}

void queue_insert(struct thread **head, struct thread *t)
{
	struct thread *first = *head, *behind = first;
	if (!first) {
		*head = t;
		return;
	}
	// The first that is less urgent; none: the end, which is in front of the head.
	while (behind->priority >= t->priority) {
		behind = behind->run_next;
		if (behind == first)
			break;
	}
	if (first->priority < t->priority)
		*head = t;
	t->prev = behind->prev;
	t->next = behind;
	behind->prev->next = t;
	behind->prev = t;
	if (!run_first(*head, t))
		return;
	t->run_prev = behind->run_prev;
	t->run_next = behind;
	behind->run_prev->run_next = t;
	behind->run_prev = t;
}

// The first of a run goes: the next of the run takes its place on the ring of runs, or the run is over.
static void run_leave(struct thread *t)
{
	struct thread *heir = t->next;
	if (heir->priority != t->priority) {
		t->run_prev->run_next = t->run_next;
		t->run_next->run_prev = t->run_prev;
	} else if (t->run_next != t) {
		heir->run_next = t->run_next;
		heir->run_prev = t->run_prev;
		t->run_prev->run_next = heir;
		t->run_next->run_prev = heir;
	}
	t->run_next = t->run_prev = t;
}

void queue_remove(struct thread **head, struct thread *t)
{
	if (t->next == t) {
		*head = NULL;
		return;
	}
	if (run_first(*head, t))
		run_leave(t);
	t->prev->next = t->next;
	t->next->prev = t->prev;
	if (*head == t)
		*head = t->next;
	t->next = t->prev = t;
}
