// SPDX-License-Identifier: MIT
/*
 * One page moves to another frame, and every mapping of it with it. rmap says where it may be mapped; the kernel, who
 * knows how often it is, says whether that was all (AGE), and only then something happens.
 *
 *	places (rmap) -> write-protected -> copied
 *	-> private memory: each place gets the new frame in one step (IF_SAME)
 *	   shared memory: the processes' entries go, then the shadow's gets it
 *	-> the new frame gets its name -> the old one is free
 *
 * Nobody writes in between: a write fault waits for vm. reclaim may come at any step. What it has taken out already
 * stays with the old frame, which holds the same; and the new frame is nameless while it moves, so that reclaim finds
 * no place of it and leaves it alone. Shared memory is never in two frames: nothing but the shadow maps it then.
 *
 * Killed in between: both frames hold the page. The new one is in the magazine's list until it is mapped, the old one
 * until it is free (magazine_recover).
 */
#include "swap.h"

#include <abi/rmap_client.h>

struct place {
	u64 aspace, va;
};

struct move {
	frame_t from, to;
	u64 word0, word1;
	u64 places, moved;
	struct place place[EVICT_PLACES];
};

// What rmap names, into the argument page. BIG: more places than one call of the kernel takes.
static err_t candidates_list(frame_t frame, u64 *n)
{
	u64 *list = server_argument(), left = 0;

	*n = 0;
	do {
		u64 word[6];
		err_t err = rmap_few(PEER_RMAP_CALL, frame, *n, &left, &word[0], &word[1], &word[2], &word[3], &word[4],
				     &word[5]);
		u64 here = left < 3 ? left : 3;

		if (err)
			return err == -ERR_BADCAP ? -ERR_NOSYS : err;
		if (*n + here > EVICT_PLACES)
			return -ERR_BIG;
		__builtin_memcpy(&list[2 * *n], word, 2 * here * sizeof(u64));
		*n += here;
	} while (left > 3);
	return 0;
}

// All places, in m->place and in the argument page. BUSY: they are more, or a device has the frame.
static err_t places_find(struct move *m)
{
	u64 n = 0, counts = 0, marks = 0;
	err_t err = candidates_list(m->from, &n);

	if (!err)
		err = sys_frame_mark(SLOT_CLIENT_POOL, m->from, MARK_STAT, 0, 0, &marks, &counts, &m->word0, &m->word1);
	if (!err)
		err = sys_frame_mark(SLOT_CLIENT_POOL, m->from, MARK_AGE, n, 0, &marks, &counts, NULL, &m->places);
	if (err)
		return err;
	if (!m->places || m->places != (u32)counts || counts >> 32)
		return -ERR_BUSY;
	m->word0 = swap_word0(m->word0, 0);
	__builtin_memcpy(m->place, server_argument(), m->places * sizeof(struct place));
	return 0;
}

static struct proc *place_proc(const struct place *place)
{
	u32 slot = 0;

	while (slot < PROCS && rmap_share->aspace[slot] != place->aspace)
		slot++;
	return slot < PROCS ? &procs[slot] : NULL;
}

// The protection of a place without write; false: no mapping is there any more.
static bool place_prot(const struct place *place, struct proc **p, u64 *prot)
{
	u16 i;

	*p = place_proc(place);
	i = *p ? vma_find(*p, PAGE_OF(place->va)) : 0;
	*prot = vmas[i].prot & ~(u64)PROT_WRITE;
	return i && vmas[i].start <= PAGE_OF(place->va);
}

// What this makes read-only, the next write fault makes writable again.
static err_t places_protect(const struct move *m)
{
	err_t err = 0;

	for (u64 i = 0; i < m->places && !err; i++) {
		struct proc *p;
		u64 prot;

		err = place_prot(&m->place[i], &p, &prot) ? sys_protect(proc_cap(proc_slot(p), CAP_ASPACE),
									m->place[i].va, 1, prot, NULL, NULL, NULL)
							  : -ERR_BUSY;
	}
	return err;
}

// The new frame over the old one in one place. STALE: reclaim was faster.
static err_t place_move(const struct move *m, const struct place *place)
{
	struct proc *p;
	u64 prot;

	if (!place_prot(place, &p, &prot))
		return -ERR_STALE;
	return sys_map(proc_cap(proc_slot(p), CAP_ASPACE), place->va, SLOT_CLIENT_POOL, m->to, 1,
		       MAP_IF_SAME | (prot ? prot : MAP_HELD), m->from, 0, 0, NULL, NULL);
}

static void private_move(struct move *m)
{
	for (u64 i = 0; i < m->places; i++)
		m->moved += !place_move(m, &m->place[i]);
}

static void shared_move(struct move *m)
{
	const struct place *shadow = NULL;

	for (u64 i = 0; i < m->places; i++) {
		struct proc *p = place_proc(&m->place[i]);

		if (p && proc_slot(p))
			entries_unmap(p, PAGE_OF(m->place[i].va), 1, 0);
		else if (p)
			shadow = &m->place[i];
	}
	/* From here on the next fault of each looks into the shadow. */
	if (shadow && !place_move(m, shadow))
		m->moved = m->places;
}

static err_t page_move(struct move *m)
{
	err_t err = magazine_refill(1);

	if (!err)
		err = places_find(m);
	if (!err)
		err = places_protect(m);
	if (err)
		return err;
	m->to = magazine_take();
	if (sys_frame_fill(SLOT_CLIENT_POOL, m->to, m->from)) {
		magazine_return(m->to);
		return -ERR_BUSY;
	}
	assert(magazine.top + 1 < MAGAZINE); /* a refill ends below that */
	vms->magazine[magazine.top + 1] = m->from;
	if ((m->word0 & VMA_KIND_MASK) == VMA_SHARED)
		shared_move(m);
	else
		private_move(m);
	if (!m->moved) {
		magazine_return(m->to);
		return -ERR_BUSY;
	}
	(void)sys_frame_mark(SLOT_CLIENT_POOL, m->to, MARK_WORDS, m->word0, m->word1, NULL, NULL, NULL, NULL);
	/* BUSY: some places went with reclaim. */
	(void)sys_frame_free(SLOT_CLIENT_POOL, 0, m->from, FREE_DISCARD, NULL);
	return 0;
}

err_t vm_op_migrate(struct request *rq, u64 pid, u64 addr, u64 *out_from, u64 *out_to)
{
	static struct move m;
	struct proc *p = proc_by_pid(pid);
	u64 entries = 0;
	u16 i;
	err_t err;

	(void)rq;
	if (!p || proc_record(p)->state != PROC_RUN)
		return -ERR_SRCH;
	if (!rmap_share)
		return -ERR_NOSYS;
	i = vma_find(p, PAGE_OF(addr));
	if (!i || vmas[i].start > PAGE_OF(addr) ||
	    sys_scan(proc_cap(proc_slot(p), CAP_ASPACE), ADDRESS_OF(PAGE_OF(addr)), 1, SCAN_LIST, NULL, &entries) ||
	    !entries || (server_argument()[0] & (PAGE_SIZE - 1)) == ENTRY_TOKEN)
		return -ERR_NOENT;
	m = (struct move){ .from = server_argument()[2] };
	/* Its slot names the frame, and others may have its token. */
	if (frame_cached(m.from) && !swap_leave(m.from))
		return -ERR_BUSY;
	err = page_move(&m);
	tokens_tell();
	*out_from = (u32)m.from;
	*out_to = (u32)m.to;
	return err == -ERR_STALE || err == -ERR_NOENT ? -ERR_BUSY : err;
}
