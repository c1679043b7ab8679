// SPDX-License-Identifier: MIT
/*
 * Refills for which user memory has no room. Reclaim is asked to bring pages of programs out of memory; meanwhile the
 * request is parked, and the server serves others.
 *
 *	refused --wait_park, frames_ask--> parked --wait_answered: tried again--> answered
 *	                                     ^------------ refused again ------------'  TRIES times
 *
 * Volatile: a successor gets the open requests again, and asks again.
 */
#include "slab.h"

#define TRIES 8 // others may take what was freed

static struct parked entries[CLIENTS];
static struct park park;
static struct park_queue queue;
static bool asked;   // reclaim has still to answer
static u64 tries;    // of the request at hand
static bool no_hope; // it is not parked again

void wait_reset(void)
{
	park_init(&park, entries, CLIENTS);
	queue = (struct park_queue){ 0 };
	asked = no_hope = false;
	tries = 0;
}

err_t wait_park(const struct request *rq)
{
	struct request waits = *rq;

	if (no_hope || tries == TRIES)
		return -ERR_NOMEM;
	if (!asked)
		asked = frames_ask(share_wanted(), rq->flow);
	waits.w[1] = tries; /* a refill has one argument */
	if (!asked || !park_put(&park, &queue, &waits))
		return -ERR_NOMEM;
	stats[SLABSTAT_WAITED] += !tries;
	return PARKED;
}

void wait_answered(bool progress)
{
	struct park_queue before = queue;
	struct request rq;

	asked = false;
	queue = (struct park_queue){ 0 };
	no_hope = !progress;
	while (park_take(&park, &before, &rq)) {
		tries = rq.w[1] + 1;
		slab_dispatch(&rq);
		if (rq.reply)
			(void)ipc_reply(SLOT_SELF_ENDPOINT, &rq); /* STALE: the client was killed */
	}
	no_hope = false;
	tries = 0;
}
