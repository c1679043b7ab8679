// SPDX-License-Identifier: MIT
/*
 * What all servers share: the receive loop, parked requests, the argument page, and who of their clients is still
 * alive.
 *
 *	static void my_request(struct request *rq)
 *	{
 *		files_dispatch(rq); // generated; leaves the answer in rq, rq->reply = 0 when it was parked
 *	}
 *	void server_main(const struct server_info *info)
 *	{
 *		server_run(SLOT_SELF_ENDPOINT, SERVER_FRESH, my_request, my_bits);
 *	}
 *
 * The loop is inlined into its caller with both functions known, so a small server keeps its whole hot path in one
 * piece of code.
 */
#pragma once

#include <abi/stubs.h>
#include <base/panic.h>
#include <base/string.h>
#include <base/types.h>

// The thread's argument page, where lists travel to and from the kernel.
static inline u64 *server_argument(void)
{
	return (u64 *)ARGUMENT_VA;
}

// Is the client still there? Its slot may have a new owner by now, so slot and pid are compared.
static inline bool badge_alive(u64 badge)
{
	const struct liveness *live = (const struct liveness *)LIVENESS_VA;
	u64 slot = badge & 0xffff;

	return slot < sizeof(live->pid) / sizeof(live->pid[0]) && live->pid[slot] == badge >> 16;
}

static inline u64 badge_slot(u64 badge)
{
	return badge & 0xffff;
}

/*
 * Parked requests: a caller that waits for a byte, a child, some room. A thread has at most one request open, so an
 * array as large as the number of clients is never too small. Queues are first in, first out; entries live in one array
 * and are linked by index + 1.
 *
 *	free --park_put--> queued --park_take, park_drop_dead--> free
 */
struct parked {
	struct request rq; // label, words, badge and reply word as they came; the server may keep its progress in w[]
	u32 next;          // index + 1, 0: last
};

struct park {
	struct parked *entry;
	u32 count;
	u32 free; // index + 1
};

struct park_queue {
	u32 head, tail; // index + 1, 0: empty
};

void park_init(struct park *park, struct parked *entries, u32 count);
// Keep a request at the end of a queue. false: no room (answer NFILE). The caller then returns PARKED.
bool park_put(struct park *park, struct park_queue *queue, const struct request *rq) must_check;
// The oldest request of the queue, or NULL; it stays queued, so that its progress may be changed in place.
struct request *park_first(const struct park *park, const struct park_queue *queue);
// Take the oldest request out. false: the queue is empty.
bool park_take(struct park *park, struct park_queue *queue, struct request *rq) must_check;
// Let the oldest request go: it was looked at in place (park_first) and is answered.
static always_inline void park_pop(struct park *park, struct park_queue *queue)
{
	u32 link = queue->head;
	struct parked *entry = &park->entry[link - 1];

	queue->head = entry->next;
	if (!queue->head)
		queue->tail = 0;
	entry->next = park->free;
	park->free = link;
}
// Forget the requests of clients that are gone (after NOTIFY_DEATH). Returns how many went.
u32 park_drop_dead(struct park *park, struct park_queue *queue);

// How a server begins: SERVER_AGAIN first takes the requests that a predecessor received and did not answer.
enum server_start {
	SERVER_FRESH,
	SERVER_AGAIN,
};

// Open requests of a predecessor, each once, in no particular order.
static always_inline void server_redeliver(cptr_t endpoint, void (*request)(struct request *))
{
	struct request rq = { 0 };
	u64 go_on = 0;
	err_t err;

	for (; (err = ipc_recv(endpoint, IPC_REDELIVER, go_on, &rq)) == 0 || err == -ERR_AGAIN; go_on = 1) {
		if (err)
			continue;
		request(&rq);
		if (rq.reply)
			(void)ipc_reply(endpoint, &rq); /* STALE: the client was killed meanwhile */
	}
	if (err != -ERR_NOENT)
		panic("server: redelivery failed with error %d", err);
}

// Does the kernel's command line hold this word?
static inline bool server_word(const struct server_info *info, const char *word)
{
	const char *line = (const char *)info->cmdline, *end = line + sizeof(info->cmdline) - 1;
	u64 n = strlen(word);

	for (const char *s = line; s + n <= end && *s; s++)
		if ((s == line || s[-1] == ' ') && !strncmp(s, word, n) && (s[n] == ' ' || !s[n]))
			return true;
	return false;
}

// Receive for ever. `request` leaves the answer in rq (reply 0: none yet); `notified` gets the bits of the bound
// notification.
static always_inline _Noreturn void server_run(cptr_t endpoint, enum server_start start,
					       void (*request)(struct request *), void (*notified)(u64))
{
	struct request rq = { 0 };
	err_t err;

	if (start == SERVER_AGAIN)
		server_redeliver(endpoint, request);
	err = ipc_recv(endpoint, 0, 0, &rq);
	for (;;) {
		if (likely(!err)) {
			request(&rq);
		} else if (err == RECEIVED_BITS) {
			notified(rq.w[0]);
			rq.reply = 0;
		} else if (err == -ERR_STALE || err == -ERR_BADCAP) {
			/* The client was killed, or a capability to be sent is gone: nobody hears the answer. */
			rq.reply = 0;
			rq.caps = 0;
		} else {
			panic("server: receive failed with error %d", err);
		}
		err = ipc_reply_recv(endpoint, &rq);
	}
}
