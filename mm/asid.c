// SPDX-License-Identifier: MIT
// Address-space identifiers, given out in generations.
//
// Invariant: two address spaces with a valid root (as->root != 0) never have the same ASID, unless the CPU has none
// (then all have 0 and every switch flushes). When the numbers run out a new generation begins: all roots become
// invalid, every hart flushes everything before it runs a program again, and numbers are given out anew, on demand. A
// root that a hart has loaded at this moment keeps its number, because that hart may go on making translations with it
// before it notices.
#include <mm/aspace.h>
#include <mm/tlb.h>

static u32 asid_count; // numbers there are, 0 included, which is the kernel's own; 0: not asked yet
static u32 asid_next = 1;
static u32 asid_generation = 1;

static u32 asid_kept[TLB_HARTS]; // numbers of this generation that were given before it began; 0: none
static u32 asid_kept_count;

static bool asid_loaded(const struct aspace *as)
{
	for (u32 i = 0; i < tlb_harts; i++) {
		if (tlb_hart[i]->as == as)
			return true;
	}
	return false;
}

static bool asid_is_kept(u32 asid)
{
	for (u32 i = 0; i < asid_kept_count; i++) {
		if (asid_kept[i] == asid)
			return true;
	}
	return false;
}

static void asid_new_generation(void)
{
	asid_generation++;
	asid_kept_count = 0;
	for (struct aspace *as = aspaces; as; as = as->next) {
		if (as->root && asid_loaded(as)) {
			as->asid_gen = asid_generation;
			asid_kept[asid_kept_count++] = as->asid;
		} else {
			as->root = 0;
			as->harts = 0;
		}
	}
	tlb_flush_everything();
	asid_next = 1;
}

static u32 asid_take(void)
{
	for (u32 tries = 0; tries <= 2 * TLB_HARTS; tries++) {
		if (asid_next >= asid_count)
			asid_new_generation();
		u32 asid = asid_next++;
		if (!asid_is_kept(asid))
			return asid;
	}
	panic("asid: %u numbers are too few for %u harts", asid_count, tlb_harts);
}

void aspace_activate(struct aspace *as)
{
	if (as->root)
		return;
	assert(tlb_harts != 0);
	if (!asid_count)
		asid_count = 1u << arch_asid_bits();
	as->asid = asid_count > 1 ? asid_take() : 0;
	as->asid_gen = asid_generation;
	as->harts = (1ul << tlb_harts) - 1; // any of them may switch to it from now on, by the fast path
	as->root = arch_root_value(arch_v2p(as->table), as->asid);
}
