// SPDX-License-Identifier: MIT
// Circular lists of threads ordered by priority, first come first served within one. The head is the most urgent.
// A thread on no queue is linked to itself, so that a fast path can make it a queue of one by setting the head.
#include <kernel/ipc.h>

void queue_insert(struct thread **head, struct thread *t)
{
	struct thread *first = *head;
	if (!first) {
		t->next = t->prev = t;
		*head = t;
		return;
	}
	// From the tail, past everything less urgent. Bounded by the threads that wait; servers see few.
	struct thread *after = first->prev;
	while (after->priority < t->priority && after != first)
		after = after->prev;
	bool at_head = after == first && first->priority < t->priority;
	if (at_head)
		after = first->prev;
	t->prev = after;
	t->next = after->next;
	after->next->prev = t;
	after->next = t;
	if (at_head)
		*head = t;
}

void queue_remove(struct thread **head, struct thread *t)
{
	if (t->next == t) {
		*head = NULL;
	} else {
		t->prev->next = t->next;
		t->next->prev = t->prev;
		if (*head == t)
			*head = t->next;
	}
	t->next = t->prev = t;
}
