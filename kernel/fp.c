// SPDX-License-Identifier: MIT
// Lazy FP: the unit keeps the registers of its last user (hart->fp_owner) while others run with it off; only a second
// user's first FP instruction moves registers. A context's FP-enable bit is set exactly while its thread is the owner.
#include <kernel/thread.h>

static void fp_drop(struct hart *h)
{
	arch_fp_save(&h->fp_owner->ctx);
	arch_fp_enable(&h->fp_owner->ctx, false);
	h->fp_owner = NULL;
}

void fp_take(struct thread *t)
{
	struct hart *h = arch_hart();
	if (h->fp_owner == t)
		return; // a fast path switched it off on the way; the context still says on
	if (h->fp_owner)
		fp_drop(h);
	arch_fp_restore(&t->ctx);
	arch_fp_enable(&t->ctx, true);
	h->fp_owner = t;
}

void fp_evict(struct thread *t)
{
	struct hart *h = t->hart;
	if (h->fp_owner == t)
		fp_drop(h);
}
