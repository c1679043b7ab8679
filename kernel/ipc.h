// SPDX-License-Identifier: MIT
// Endpoints and notifications.
//
// Endpoint: senders and receivers are never both queued. Queues are ordered by priority, first come first served within
// one.
//	caller                     endpoint                    server
//	call ----------------------> receivers not empty? -----> resumes with the request; caller WAIT_REPLY
//	     ----------------------> else queued, WAIT_SEND ---> a later receive takes the most urgent one
//	resumes <------------------------------------------------ reply(word): word == caller's, caller WAIT_REPLY on an
// endpoint 	                                                          that the replier has RECV on
// A bound notification with bits pending ends the next receive before any sender does.
#pragma once

#include <kernel/thread.h>

struct endpoint {
	struct object obj;
	struct thread *receivers; // head of a circular list, NULL
	struct thread *senders;
	u64 signals; // bits of the bound notification that wait for a receive
	struct notification *bound;
	struct thread_node mark; // redelivery and death look at all threads, in steps
};
_Static_assert(sizeof(struct endpoint) <= 64, "ENDPOINT slot");

struct notification {
	struct object obj;
	u64 bits;
	struct thread *waiters;
	struct endpoint *endpoint; // bound: bits are delivered by receives there
};
_Static_assert(sizeof(struct notification) <= 64, "NOTIFICATION slot");

#define REPLY_NEXT (1ul << 32) // one call number

// The thread this reply word may answer on `ep`, or NULL (STALE). Reads no more than struct page and the thread itself:
// a freed slot is zeroed (state THREAD_NONE), so no guessed word names anything but a thread that waits on `ep` for
// exactly this answer.
static always_inline struct thread *reply_target(u64 word, const struct endpoint *ep)
{
	u64 id = (u32)word;
	u64 pfn = id >> (PAGE_SHIFT - 6);
	if (unlikely(pfn >= mem.limit))
		return NULL;
	struct page *page = pfn_to_page(pfn);
	if (unlikely(page->state != PAGE_OBJECT || (u8)page->word1 != TYPE_THREAD || id % (1024 / 64)))
		return NULL;
	struct thread *t = arch_p2v(id << 6);
	if (unlikely(t->state != THREAD_WAIT_REPLY || t->reply != word || t->wait != ep))
		return NULL;
	return t;
}

// The thread a reply word names. Mostly it is the one that was delivered last, which `serving` remembers for as long as
// it lives: then no struct page has to be asked whether the word names a thread at all.
static always_inline struct thread *fastpath_reply_target(const struct thread *server, u64 word,
							  const struct endpoint *ep)
{
	struct thread *t = server->serving;
	if (unlikely(!t || t->reply != word || t->state != THREAD_WAIT_REPLY || t->wait != ep))
		return NULL;
	return t;
}

// Slow paths: work on the registers in the context of the running thread.
void ipc_call(struct thread *self);
void ipc_reply_recv(struct thread *self);
void ipc_reply_map_recv(struct thread *self);
void ipc_reply(struct thread *self);
void ipc_recv(struct thread *self);
void ipc_notify(struct thread *self);
void ipc_wait(struct thread *self);

// A request in the thread's name (faults): its message is made when it is delivered (fault_words).
void ipc_fault_call(struct thread *t, struct endpoint *ep, u64 badge);
void notification_signal(struct notification *n, u64 bits);
err_t notification_bind(struct notification *n, struct endpoint *ep) must_check;
void notification_unbind(struct notification *n);
err_t endpoint_destroy_step(struct endpoint *ep) must_check; // AGAIN
err_t notification_destroy_step(struct notification *n) must_check;
void queue_insert(struct thread **head, struct thread *t);
void queue_remove(struct thread **head, struct thread *t);
