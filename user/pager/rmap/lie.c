// SPDX-License-Identifier: MIT
// A reverse map that lies on purpose (`rmap=lie` on the kernel's command line): nothing must be lost by it, since the
// kernel checks every place. One answer in four is right, so that the machine gets on.
#include "rmap.h"

static u64 next(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

u32 rmap_lie(struct place *list, u32 n, u32 most, u64 *seed)
{
	u64 r = next(seed), which = r >> 8;
	struct place *p = n ? &list[which % n] : NULL;

	switch (n ? r % 8 : 7) {
	case 0: /* one is missing */
		*p = list[n - 1];
		return n - 1;
	case 1: /* one twice */
		if (n == most)
			return n;
		list[n] = *p;
		return n + 1;
	case 2: /* a page that is another one */
		p->va ^= (1 + which % 8) << PAGE_SHIFT;
		return n;
	case 3: /* an address space that is none, or another object */
		p->aspace += 1 + (u32)(which % 4096);
		p->owner = (p->owner + 1 + (u32)(which % (RMAP_PROCS - 1))) % RMAP_PROCS;
		return n;
	case 4: /* nowhere */
		p->va = which << PAGE_SHIFT;
		return n;
	case 5:
		p->va |= 1 + which % (PAGE_SIZE - 1);
		return n;
	default:
		return n;
	}
}
