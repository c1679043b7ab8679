// SPDX-License-Identifier: MIT
/*
 * The world around reclaim's core: a kernel with frames, marks and page tables of a few small processes, a reverse map
 * (that may lie), a disk with delays and errors. A page's content is one word.
 */
#pragma once

#include <pager/frames.h>
#include <pager/server.h>
#include <user/pager/reclaim/reclaim.h>

#define FIRST  16  // frame numbers begin here
#define FRAMES 112 // there are so many
#define PROCS  6
#define PAGES  48
#define DISKS  2
#define POOL   7 // number of the pool of user memory

enum entry_kind { NOTHING, PRESENT, SWAPPED };

struct entry {
	enum entry_kind kind;
	u32 what; // frame number or slot
	bool writable, accessed, dirty;
};

extern struct frame_view table[FIRST + FRAMES];
extern u64 content[FIRST + FRAMES];
extern struct entry pte[PROCS][PAGES];
extern u64 disk[DISKS][1024];
extern u32 disk_pages[DISKS];
extern u64 notified;      // bits for reclaim
extern u64 notified_vm;   // bits for vm
extern u64 notified_slab; // and for slab
extern u64 seed;
extern u32 error_rate;         // one of so many transfers fails, 0 none
extern u32 lie_rate;           // one of so many answers of the reverse map is wrong
extern u64 usage;              // frames of the pool in use
extern u64 high;               // the watermark at which the kernel looks out for low again
extern u64 pins;               // all together
extern struct request replied; // the last answer to a parked request
extern u64 replies;
extern char segment[1 << 17];

u64 rnd(u64 n);
_Noreturn void fail(const char *file, int line, const char *what);
#define EXPECT(cond) ((cond) ? (void)0 : fail(__FILE__, __LINE__, #cond))

void world_reset(void);
const struct server_info *world_info(void);
frame_t frame_new(bool reserve);   // 0: none
void entry_unmap(u32 p, u32 page); // of a frame; frees it when it may
bool disk_step(void);              // finishes one request, perhaps. False: there is none
void header_write(u32 unit, u32 pages, u32 bad);
u64 world_check(void); // counts and frames against page tables; violations
