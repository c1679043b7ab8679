// SPDX-License-Identifier: MIT
// A state of the world as a number: everything but generations, which only grow, and what follows from the rest.
#include <test/model/oracle.h>

static u64 mix(u64 h, u64 x)
{
	h = (h ^ x) * 0xff51afd7ed558ccdul;
	return h ^ h >> 32;
}

// Versions by order of appearance, so that states which differ in their numbers only are one.
static u64 renamed(u64 *names, u32 *n, u64 word)
{
	for (u32 i = 0; i < *n; i++)
		if (names[i] == word)
			return i;
	names[(*n)++] = word;
	return *n - 1;
}

static u64 hash_pool(u64 h, const struct pool *p)
{
	u64 swept = p->sweep_aspace && aspaces ? aspaces->serial - p->sweep_aspace + 1 : 0;
	h = mix(h, p->id | (u64)p->dying << 16 | (u64)p->sweep_phase << 20 | p->usage << 32);
	return mix(h, p->limit ^ p->sweep_frame << 20 ^ swept << 50 ^ p->sweep_va << 8);
}

static u64 hash_frame(u64 h, u32 i, u64 *names, u32 *n)
{
	const struct page *page = &now.page[i];
	u64 head = page->pool | (u64)page->state << 16 | (u64)page->order << 20 | (u64)page->pager << 24;
	h = mix(h, head | (u64)page->mapcount << 32);
	h = mix(h, page->marks | page->pins << 8);
	h = mix(h, page->word0 * 31 + page->word1);
	if (page->pool == table_pool.id || (!alive(page) && page->state != PAGE_FREE))
		return h;
	h = mix(h, renamed(names, n, now.word[i]) | (u64)owners[now.word[i]] << 32);
	if (!alive(page))
		return h;
	u64 writing = page->marks & PAGE_WRITEBACK ? begun[i] : 0;
	return mix(h, renamed(names, n, safe[i]) | renamed(names, n, writing) << 32);
}

u64 oracle_hash(void)
{
	u64 h = 1, names[3 * FRAMES_MAX] = { 0 };
	u32 n = 1; // 0 is 0
	for (u32 i = 0; i < total; i++)
		h = hash_frame(h, i, names, &n);
	for (u32 as = 0; as < config.aspaces; as++)
		for (u32 va = 0; va < config.vas; va++)
			h = mix(h, now.entry[as][va]);
	for (u32 p = 0; p < config.pools; p++)
		h = hash_pool(h, &pool[p]);
	for (u32 hart = 0; hart < MACHINE_HARTS; hart++)
		h = mix(h, machine_aspace(hart) ? object_id(machine_aspace(hart)) : 0);
	return mix(h, machine_tlb_hash());
}
