// SPDX-License-Identifier: MIT
/*
 * What the kernel's own bench and fuzzer build their worlds from: objects made by hand, and domains that show this very
 * server's image.
 *
 * A domain is an address space and a capability table. The image (code and data) is shared into it at the same
 * addresses, so a function of this server runs there as it is and sees the same variables; what its capabilities are is
 * the domain's table alone.
 *
 * Nothing here is taken back one by one: the machine is powered off, or the pool is destroyed.
 */
#pragma once

#include <abi/stubs.h>
#include <base/types.h>

#define LAB_SELF  ((struct lab_domain){ SLOT_SELF_CAPTABLE, SLOT_SELF_ASPACE })
#define LAB_STACK 8192

struct lab_domain {
	cptr_t table; // slots of this server's own table
	cptr_t aspace;
};

// A pool that pays, and the object frames in it that have slots left.
struct lab_bench {
	cptr_t pool;
	struct {
		frame_t frame;
		u32 used;
	} bin[TYPE_CAPLEAF + 1];
	u64 id; // object id of the last one made
};

// Something that must not fail has failed: a line that says what, then the server's end.
void lab_check(const char *what, err_t err);

cptr_t lab_slot(void); // the next free slot of this server's table; leaves are added as needed
frame_t lab_frame(cptr_t pool);
// An object of `bench`, its first capability in `slot` of `table`.
err_t lab_object(struct lab_bench *bench, u32 type, cptr_t table, u64 slot, u64 arg) must_check;
cptr_t lab_make(struct lab_bench *bench, u32 type, u64 arg); // in a slot of this server's
struct lab_domain lab_domain(struct lab_bench *bench, cptr_t pager);
// Show the image in it. Its window must cover USER_BASE.
void lab_image(struct lab_domain domain);
// A thread that lives in the domain; lab_run starts it, again and again, on the stack given.
cptr_t lab_thread(struct lab_bench *bench, u64 priority);
void lab_run(cptr_t thread, struct lab_domain domain, void (*entry)(void), u8 *stack);
// An argument page, mapped at `va` in the domain.
void lab_argument(cptr_t pool, cptr_t thread, struct lab_domain domain, u64 va);
// The domain's slot `slot` gets what lies in this server's slot `mine`.
void lab_give(struct lab_domain domain, u64 slot, cptr_t mine, u64 rights);

// Delete what a slot of a table holds, in as many steps as it takes. BUSY: something else must go first. An empty slot
// is fine.
err_t lab_delete(cptr_t table, u64 slot) must_check;

// A number from the kernel's command line: "name=123".
u64 lab_number(const char *cmdline, const char *name, u64 otherwise);
