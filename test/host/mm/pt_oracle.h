// SPDX-License-Identifier: MIT
// The oracle of pt_random.c: what each page of each address space, and each frame, should be.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <mm/pgtable.h>
#include <test/host/mm/machine.h>

#define SPACES     3
#define BLOCKS     6
#define PAGES      (BLOCKS * PT_ENTRIES)
#define RAM        4096
#define FRAMES     2800 // owned at a time
#define POOLS_USED 2

struct page_model {
	u8 kind, prot;
	bool large, dirty, device;
	u32 pfn;
	u64 token;
};

struct frame_model {
	frame_t ref; // 0: not ours
	u8 pool;
	u32 mapcount, pins;
	bool dirty, swapcache, presentable, evicting;
	u64 value; // first word of its memory, once presentable
};

extern struct page_model model[SPACES][PAGES];
extern struct frame_model *frame;      // indexed by pfn
extern u32 owned[FRAMES], owned_count; // pfns
extern struct aspace *space[SPACES];
extern struct pool root, pool[POOLS_USED], table_pool[SPACES];
extern vaddr_t block_va[BLOCKS];
extern u64 now; // number of the operation, for messages

#define CHECK(cond, ...) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "operation %lu: %s: ", now, #cond); \
			fprintf(stderr, __VA_ARGS__); \
			fprintf(stderr, "\n"); \
			abort(); \
		} \
	} while (0)

vaddr_t page_va(u32 i);
u32 va_page(vaddr_t va);
void compare_page(u32 s, u32 i);
void compare_frame(u32 pfn);
void compare_range(u32 s, u32 from, u32 to);
void compare_frames(void);
void compare_all(void);
bool counts(const struct page_model *m);
void model_drop(struct page_model *m);
void model_gone(u32 pfn);
u64 page_pool(u32 s, u32 i); // the window's pool: 0, 1, or 2 for none
u32 pick_range(u32 *from, u32 most);
u32 pick_block_range(u32 *from);
frame_t pick_frame(u32 *p);
frame_t pick_frame_of(u32 p);
u32 pick_large(void);
struct frame_model *named(frame_t ref, u32 p);
void maybe_inject(u32 s);

struct counts {
	u64 tables, usage, leaves;
};
struct counts count_space(u32 s);
void same_counts(u32 s, struct counts before);
struct aspace *space_object(void);
void space_make(u32 s);
void space_destroy(u32 s);
void oracle_boot(u32 levels);
