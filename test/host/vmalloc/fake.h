// SPDX-License-Identifier: MIT
// The kernel as vmalloc sees it: pools that grow out of one parent, windows of pages, capabilities in slots.
#pragma once

#include <setjmp.h>

#include <pager/vmalloc/vmalloc.h>

#define WINDOW_PAGES 8192 // of a client in these tests
#define FAKE_FRAMES  8192

#define CHECK(condition, ...) \
	do { \
		if (!(condition)) \
			fake_fail(__FILE__, __LINE__, #condition, __VA_ARGS__); \
	} while (0)
_Noreturn void fake_fail(const char *file, int line, const char *what, const char *fmt, ...);

struct fake_pool {
	u64 limit, usage;
	bool fixed; // the capability lacks CONTROL
};

struct fake_aspace {
	u32 pfn[WINDOW_PAGES];    // + 1; 0: empty
	bool large[WINDOW_PAGES]; // part of a 2 MiB leaf
	bool stale[WINDOW_PAGES]; // set by the test when an address is freed, cleared by unmap
	bool revoked;
};

extern u64 fake_free;    // frames that no pool has been promised
extern u32 fake_nomem;   // one refusal in so many calls, 0 none
extern u32 fake_kill_in; // system calls until the server is killed, 0 never
extern jmp_buf fake_killed;
extern u32 fake_order9; // blocks of 2 MiB there are

u64 fake_random(void);
void fake_reset(u64 seed, u64 frames);
// The next request brings this capability.
void fake_send_aspace(struct fake_aspace *as);
void fake_send_pool(struct fake_pool *pool);
u64 *fake_content(const struct fake_aspace *as, u32 page);            // of the frame there, NULL: nothing is mapped
u64 fake_mapped(const struct fake_aspace *as);                        // pages
void fake_client_end(struct fake_aspace *as, struct fake_pool *pool); // what vm does
void fake_check(void);
