// SPDX-License-Identifier: MIT
/*
 * What waits in vm: faults and calls of programs that need a page which lies on a disk, or a frame when there is none.
 * reclaim is asked through a ring and answers through another one (docs/pagers.md); vm goes on meanwhile.
 *
 *	nothing --wait_page, wait_memory, wait_call--> on the list, oldest first --answer--> a fault: replied 0, so that
 *	   ^                                            |                                 its thread faults again
 *	   +------- wait_drop: the process ends --------+                                a call: done once more
 *
 * The first fault whose page has come is answered with the mapping instead (`arrived`, taken by wait_arrived), by the
 * system call that also waits for what comes next: that saves its thread a second fault.
 *
 * Nothing here outlives vm: the kernel delivers open requests to a successor again.
 *
 * Invariants: a process is on the list at most once (it has one thread); frames_asked == one SWAPREQ_FRAMES is out; who
 * waits for memory waits for its answer.
 */
#include "fault.h"
#include "request.h"
#include "swap.h"

#include <base/log.h>

#define CALLS       16   // calls that can wait at the same time; faults always can
#define FRAMES_MORE 32   // asked for beyond what is wanted, so that the next ones find some
#define FRAMES_CALL 64   // asked for by a call, which knows not what it needs
#define FRAMES_MOST 1024 // it gets more, the more often it failed

struct wait {
	u64 reply; // its reply word, 0: waits for nothing
	u64 flow;
	u64 addr;      // of a fault
	u32 slot : 29; // the swap slot whose page it waits for, 0: memory
	u32 access : 2;
	u32 changed : 1; // its entry may have changed meanwhile
	u16 next;        // process slot, 0: last
	u8 call;         // of calls[], + 1; 0: a fault
	u8 tries;
};

static struct wait waits[PROCS];
static u16 oldest, newest;
static u16 arrived;                 // process slot: its page is there, its fault is still to be answered. 0: none
static struct request calls[CALLS]; // reply 0: free
static bool frames_asked, last_try;
static u8 tries; // of the call that is done again
static u64 reclaim_starts;

struct channel reclaim;
bool memory_short;
u32 page_missing;

static bool ask(u64 flow, u64 what, u64 slot, u64 arg)
{
	struct swap_request request = { .flow = flow, .what = what, .slot = slot, .arg = arg };
	bool sent = channel_put(&reclaim, (const u64 *)&request);

	channel_flush(&reclaim);
	return sent;
}

static void enlist(struct proc *p, const struct wait *wait)
{
	u16 slot = (u16)proc_slot(p);

	assert(slot && !waits[slot].reply);
	waits[slot] = *wait;
	waits[slot].next = 0;
	if (newest)
		waits[newest].next = slot;
	else
		oldest = slot;
	newest = slot;
}

bool wait_page(struct proc *p, const struct fault *f, u64 slot, bool alone)
{
	struct wait wait = {
		.reply = f->reply, .flow = f->flow, .addr = f->addr, .slot = (u32)slot, .access = (u32)f->access & 3
	};

	if (!ask(f->flow, SWAPREQ_PAGE, slot, alone))
		return false;
	stats[VMSTAT_SWAP_MAJOR]++;
	enlist(p, &wait);
	return true;
}

// A full ring is no reason not to wait: whatever reclaim answers next, it is asked again (answers_end).
static void frames_ask(u64 flow, u64 want)
{
	if (!frames_asked)
		frames_asked = ask(flow, SWAPREQ_FRAMES, 0, want);
}

static bool wait_possible(void)
{
	return swap_there() && !last_try;
}

static u32 call_free(void)
{
	u32 i = 0;

	while (i < CALLS && calls[i].reply)
		i++;
	return i;
}

bool wait_call_possible(void)
{
	return wait_possible() && call_free() < CALLS;
}

bool wait_memory(struct proc *p, const struct fault *f, u32 want)
{
	struct wait wait = { .reply = f->reply, .flow = f->flow, .addr = f->addr };

	if (!wait_possible())
		return false;
	stats[VMSTAT_MEMORY_WAITS]++;
	enlist(p, &wait);
	frames_ask(f->flow, want + FRAMES_MORE);
	return true;
}

bool wait_call(const struct request *rq, u32 slot)
{
	struct proc *p = badge_proc(rq->badge);
	struct wait wait = { .reply = rq->reply, .flow = rq->flow, .slot = slot, .tries = tries };
	u32 i = call_free();

	if (!wait_possible() || i == CALLS || (slot && !ask(rq->flow, SWAPREQ_PAGE, slot, 0)))
		return false;
	calls[i] = *rq;
	wait.call = (u8)(i + 1);
	wait.tries += wait.tries < 4;
	enlist(p, &wait);
	if (!slot)
		frames_ask(rq->flow, (u64)FRAMES_CALL << wait.tries);
	_Static_assert(FRAMES_CALL << 4 == FRAMES_MOST, "as often as it helps");
	return true;
}

#define EVERYBODY ~0u

// Take those off the list that wait for a slot (0: for memory). Returns the first of them; they stay chained.
static u16 delist(u32 slot)
{
	u16 head = 0, last = 0, left = 0, next;

	for (u16 at = oldest; at; at = next) {
		next = waits[at].next;
		waits[at].next = 0;
		if (slot == EVERYBODY || waits[at].slot == slot) {
			*(last ? &waits[last].next : &head) = at;
			last = at;
		} else {
			*(left ? &waits[left].next : &oldest) = at;
			left = at;
		}
	}
	if (!left)
		oldest = 0;
	newest = left;
	return head;
}

void wait_drop(struct proc *p)
{
	u16 slot = (u16)proc_slot(p), before = 0, at = oldest;
	struct wait *wait = &waits[slot];

	if (!wait->reply)
		return;
	while (at && at != slot) {
		before = at;
		at = waits[at].next;
	}
	if (at) { /* else it is in a chain that is being answered */
		*(before ? &waits[before].next : &oldest) = wait->next;
		if (newest == slot)
			newest = before;
	}
	if (wait->call)
		calls[wait->call - 1].reply = 0;
	wait->reply = 0;
}

static void fault_again(u64 reply)
{
	struct request rq = { .reply = reply };

	(void)ipc_reply(SLOT_SELF_ENDPOINT, &rq); /* STALE: it was killed from outside */
}

static void call_end(struct request *rq)
{
	if (rq->reply)
		(void)ipc_reply(SLOT_SELF_ENDPOINT, rq);
}

void wait_entry_changed(const struct proc *p)
{
	waits[proc_slot(p)].changed = 1;
}

bool wait_arrived(struct fault *f)
{
	struct wait *wait = &waits[arrived];
	u64 badge = procs[arrived].badge;

	arrived = 0;
	if (!wait->reply)
		return false;
	*f = (struct fault){ .badge = badge,
			     .addr = wait->addr,
			     .access = wait->access,
			     .old = ENTRY_TOKEN,
			     .what = wait->changed ? 0 : wait->slot,
			     .reply = wait->reply,
			     .flow = wait->flow };
	wait->reply = 0;
	return true;
}

// One that was taken off the list, and has not ended since, tries again.
static void wait_again(u16 slot)
{
	struct wait wait = waits[slot];
	struct request rq;

	waits[slot].reply = 0;
	if (!wait.reply)
		return;
	if (!wait.call) {
		fault_again(wait.reply);
		return;
	}
	rq = calls[wait.call - 1];
	calls[wait.call - 1].reply = 0;
	tries = wait.tries;
	vm_request(&rq);
	tries = 0;
	call_end(&rq);
}

// The page of a slot is there.
static void page_arrived(u32 slot)
{
	for (u16 at = delist(slot), next; at; at = next) {
		next = waits[at].next;
		if (arrived || waits[at].call)
			wait_again(at);
		else
			arrived = at;
	}
}

// Everybody who waits for a slot (0: for memory) tries again.
static void again_all(u32 slot)
{
	for (u16 at = delist(slot), next; at; at = next) {
		next = waits[at].next;
		wait_again(at);
	}
}

// The disk does not give the page: whoever waits for it cannot go on.
static void page_lost(u32 slot)
{
	for (u16 at = delist(slot), next; at; at = next) {
		struct proc *p = &procs[at];
		struct wait *wait = &waits[at];

		next = wait->next;
		if (!wait->reply)
			continue;
		if (wait->call) {
			struct request rq = calls[wait->call - 1];

			wait_drop(p);
			mlock_undo(&rq);
			reply_set_status(&rq, -ERR_NOMEM);
			call_end(&rq);
			continue;
		}
		log_line("vm: %s (pid %u) killed: its page at 0x%lx cannot be read from swap (slot %u)", proc_name(p),
			 proc_record(p)->pid, (unsigned long)wait->addr, slot);
		stats[VMSTAT_IO_KILLS]++;
		proc_end(p, KILL_BUS);
	}
}

static bool faults_wait(void)
{
	for (u16 at = oldest; at; at = waits[at].next)
		if (!waits[at].slot && !waits[at].call)
			return true;
	return false;
}

// reclaim can free nothing. A fault cannot be refused, so somebody has to go for it; a call can.
static void no_progress(void)
{
	if (faults_wait())
		(void)oom_kill(NULL);
	else
		last_try = true;
	again_all(0);
	last_try = false;
}

static void answer(const struct swap_answer *a)
{
	switch (a->what) {
	case SWAPANS_PAGE:
		if (!a->status)
			page_arrived((u32)a->slot);
		else if ((s64)a->status == -ERR_IO)
			page_lost((u32)a->slot);
		else
			again_all((u32)a->slot);
		return;
	case SWAPANS_FRAMES:
		frames_asked = false;
		again_all(0);
		return;
	case SWAPANS_NO_PROGRESS:
		frames_asked = false;
		no_progress();
		return;
	case SWAPANS_UNUSE:
		unuse_begin();
		return;
	default:
		log_line("vm: reclaim answers %lu, which means nothing", (unsigned long)a->what);
	}
}

void wait_answers(void)
{
	u64 starts = __atomic_load_n(&swap.share->starts, __ATOMIC_ACQUIRE);
	bool lost = channel_overflowed(&reclaim) || (reclaim_starts && starts != reclaim_starts);
	struct swap_answer a;

	reclaim_starts = starts;
	while (channel_take(&reclaim, (u64 *)&a))
		answer(&a);
	if (lost) { /* or reclaim has forgotten the questions: everybody asks again */
		frames_asked = false;
		again_all(EVERYBODY);
		unuse_lost();
	}
	/* Who came to wait while the ring was full. */
	for (u16 at = oldest; at && !frames_asked; at = waits[at].next)
		if (!waits[at].slot)
			frames_ask(waits[at].flow, FRAMES_MORE);
}
