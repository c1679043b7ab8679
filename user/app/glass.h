// SPDX-License-Identifier: MIT
// The looking glasses: programs that show what the kernel and vm hold. All they need is what every program has.
#pragma once

#include <abi/abi_names.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "app.h"

// struct page as the kernel lays it out (mm/page.h); programs see the table read-only.
struct frame {
	u32 gen;
	u16 pool;
	u8 state : 4, order : 4;
	u8 pager;
	u32 mapcount;
	u16 pins;
	u8 marks;
	u8 node : 4, zone : 2, migratetype : 2;
	u64 word0, word1;
};
_Static_assert(sizeof(struct frame) == 32, "as in the kernel");

enum frame_state { RESERVED, FREE, OWNED, EVICTING, TABLE, OBJECT };

// The frame table by pfn; memory begins at pfn *first and has *count frames.
const struct frame *glass_frames(u64 *first, u64 *count);
// Several fields belong together only if the frame was not freed meanwhile: its generation tells.
struct frame glass_frame(const struct frame *shared);

// A counter of the kernel (SYSSTAT_*) and of vm (VMSTAT_*).
u64 glass_sys(u64 index);
u64 glass_vm(u64 index);

// The end, with the error's text and what was asked.
_Noreturn void glass_fail(const char *what, err_t err);

// A process as the user names it: its pid, or self.
u64 glass_pid(const char *text);

struct walk {
	u64 entry, where, kind, what;
};

// One step of a page-table walk of a process.
err_t glass_walk(u64 pid, u64 va, u32 level, struct walk *out);

// "rwx", in `text`.
const char *glass_prot(u64 prot, char text[4]);

struct vma {
	u64 start, end, prot, flags, image, offset, rss;
};

// The mapping at or above an address; false: none. A process that is not there ends the program.
bool glass_vma(u64 pid, u64 addr, struct vma *out);
