// SPDX-License-Identifier: MIT
// The self-check: what mm/ can see (mm_check), then what only the kernel knows. At rest: everything is a violation that
// a healthy, quiet machine does not show.
#include <kernel/cap.h>
#include <kernel/check.h>
#include <kernel/device.h>
#include <kernel/ipc.h>
#include <lib/base/log.h>

// Argument pages are pinned by the kernel: not a device's pin, so mm_check_rest must not see them.
static void argument_pins(s32 delta)
{
	struct thread *t;
	for_each_thread(t) if (t->argument) virt_to_page(t->argument)->pins += delta * PIN_ARGUMENT;
}

static u64 check_queue(const struct thread *t, const struct thread *head)
{
	const struct thread *q = head;
	do {
		if (q == t)
			return 0;
		q = q ? q->next : NULL;
	} while (q && q != head);
	log_line("check: thread %s (%x) is in state %u but not on its queue", t->name, object_id(t), t->state);
	return 1;
}

static u64 check_thread(const struct thread *t)
{
	const struct endpoint *ep = t->wait;
	const struct notification *n = t->wait;
	switch (t->state) {
	case THREAD_WAIT_SEND:
		return check_queue(t, ep->senders);
	case THREAD_WAIT_RECV:
		return check_queue(t, ep->receivers) + (ep->senders ? 1 : 0);
	case THREAD_WAIT_NOTIFY:
		return check_queue(t, n->waiters);
	case THREAD_READY:
		return check_queue(t, t->hart->ready[t->priority]) + t->ahead;
	}
	return 0;
}

static u64 check_table(const struct captable *ct)
{
	u32 used = 0;
	for (u64 i = 0; i < CAP_MAX; i++) {
		const struct cap *slot = cap_slot(ct, i);
		if (!slot) {
			if (i)
				i |= CAP_PER_LEAF - 1;
			continue;
		}
		used += slot->rights != 0;
	}
	if (used == ct->used)
		return 0;
	log_line("check: capability table %x: %u slots in use, %u counted", object_id(ct), used, ct->used);
	return 1;
}

u64 self_check(void)
{
	argument_pins(-1);
	u64 bad = mm_check() + mm_check_rest(device_pins);
	argument_pins(1);
	struct thread *t;
	for_each_thread(t)
	{
		bad += check_thread(t);
		if (t->captable)
			bad += check_table(t->captable);
	}
	return bad;
}
