// SPDX-License-Identifier: MIT
// Requests that are not plain faults, notifications, and how vm begins. main.c holds the loop.
#include "request.h"
#include "swap.h"

#include <base/log.h>

#define ZERO_PAGE (SERVER_HEAP + PAGE_SIZE) // vm's own mapping of the zero page

// What init may ask: it is no process, and slot 0, where its badge leads, holds the shadow.
static bool init_may(u64 label)
{
	switch (label) {
	case OP_VM_SPAWN:
	case OP_VM_ARCHIVE:
	case OP_VM_WAIT:
	case OP_VM_KILL:
	case OP_VM_GETPID:
	case OP_VM_FOREGROUND:
	case OP_VM_PS:
	case OP_VM_VMA:
	case OP_VM_WALK:
	case OP_VM_CAPS:
	case OP_VM_STAT:
	case OP_VM_FAULT_HISTOGRAM:
		return true;
	default:
		return false;
	}
}

/*
 * These need frames or pages that may have to be brought first. They undo all they did when they fail, so they can be
 * done again from the start: the caller waits instead of hearing of a shortage that passes.
 */
#define OP_OF(label) ((label) - ((u64)PROTO_VM << 16))
static bool is_patient(u64 label)
{
	const u64 mask = 1ul << OP_OF(OP_VM_FORK) | 1ul << OP_OF(OP_VM_EXEC) | 1ul << OP_OF(OP_VM_MREMAP) |
			 1ul << OP_OF(OP_VM_MLOCK);

	return OP_OF(label) < 64 && mask >> OP_OF(label) & 1;
}

static void patient_request(struct request *rq)
{
	struct request asked = *rq;
	bool short_of_memory, missing;

	memory_short = false;
	page_missing = 0;
	vm_dispatch(rq);
	short_of_memory = (err_t)rq->label == -ERR_NOMEM && memory_short;
	missing = (err_t)rq->label == -ERR_AGAIN && page_missing;
	if (!rq->reply || !(short_of_memory || missing))
		return;
	if (wait_call(&asked, missing ? page_missing : 0)) {
		rq->reply = 0;
		return;
	}
	mlock_undo(&asked);
	reply_set_status(rq, -ERR_NOMEM);
}

void vm_request(struct request *rq)
{
	u64 label = rq->label;

	rq->caps = 0;
	if (label == OP_PAGER_EXCEPTION) {
		if (fault_exception(rq))
			reply_set_status(rq, 0);
		else
			rq->reply = 0;
	} else if (!badge_slot(rq->badge) && !init_may(label)) {
		reply_set_status(rq, -ERR_PERM);
	} else if (unlikely(is_patient(label))) {
		patient_request(rq);
	} else {
		vm_dispatch(rq);
	}
}

void vm_notified(u64 bits)
{
	if (bits & VM_NOTIFY_INTERRUPT)
		proc_interrupt();
	if (swap.share && bits & reclaim.in_bits)
		wait_answers();
	if (bits & VM_NOTIFY_AGAIN)
		unuse_go_on();
}

static err_t zero_page_make(void)
{
	struct vm_globals globals = vms->globals;
	u64 frame = 0;
	err_t err;

	if (globals.zero)
		return 0;
	err = sys_frame_alloc(SLOT_CLIENT_POOL, 0, 1, 0, NULL, &frame);
	if (err)
		return err;
	/* Mapped here too: so it is never exclusive, no mprotect makes it writable, and unmap(FREE) does not free it.
	 */
	err = sys_map(SLOT_SELF_ASPACE, ZERO_PAGE, SLOT_CLIENT_POOL, frame, 1, PROT_READ, 0, 0, 0, NULL, NULL);
	if (err)
		return err;
	globals.zero = frame;
	record_stage(&vms->globals, &globals, sizeof(globals));
	record_commit();
	return 0;
}

// The last root entry of the user half holds the frame table (docs/internals.md).
static void windows_find(u64 user_end, u64 levels)
{
	u64 end = PAGE_OF(user_end) - (1ul << 9 * (levels - 1));

	high_end = end > HIGH_START ? end : HIGH_START;
}

enum state_found vm_open(void *segment, const struct server_info *info)
{
	enum state_found found = record_open(segment);
	err_t err;

	windows_find(info->user_end, info->levels);
	swap_open(info);

	record_rebuild();
	object_recover();
	scratch_close();
	magazine_recover();
	shared_recover();
	proc_recover();
	err = zero_page_make();
	if (!err)
		err = shared_open();
	if (err)
		panic("vm: no memory for the zero page and the shadow: error %d", err);
	if (found == STATE_KEPT)
		log_line("vm: start %lu: %lu processes go on", (unsigned long)vms->header.starts,
			 (unsigned long)stats[VMSTAT_PROCS]);
	return found;
}
