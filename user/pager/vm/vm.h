// SPDX-License-Identifier: MIT
/*
 * vm's records and what hangs from them.
 *
 * Truth lies in three places. The kernel's page tables say which page is where (vm has no record of an anonymous page).
 * The state segment (struct vm_state) says which ranges a process has, who its parent is, what it was answered.
 * Everything else here is volatile: trees, lists, counters and caches that record_rebuild makes again from the other
 * two.
 *
 * Invariants
 *   - VMAs of a process do not overlap; neighbours that could be one VMA are one.
 *   - An entry of window 0 exists only inside a VMA of the process. So entries go before records do, records come
 * before entries.
 *   - A frame of the user pool is one of: mapped, in the magazine, an object frame. Archive frames and the zero page
 * are mapped in vm itself, so that they are never exclusive and unmap(FREE) does not free them.
 *   - vm never waits and is one thread: between a request and its answer nothing else changes a client's window.
 */
#pragma once

#include "sys.h"

#include <pager/state.h>
#include <pager/vma.h>

#define PROCS           256  // process slots; slot 0 stands for init and holds the shadow address space
#define PROCS_RESERVED  8    // slots that only the first process may fill: a fork bomb leaves it room to act
#define VMAS            8192 // VMA records; record 0 is never used
#define VMAS_PER_PROC   4096 // so that no process takes all
#define OBJECT_FRAMES   512
#define PLACE_SLOTS     64 // most kernel objects in a frame: a place is frame index * PLACE_SLOTS + slot
#define MAGAZINE        64 // prepared frames
#define MAGAZINE_REFILL 32 // frames of one refill
#define AROUND_MAX      16 // most pages of one fault
#define NAME_BYTES      16
#define TABLE_FRAMES    16 // a process' pool starts with as many frames and grows by as many
#define PID_MAX         0x3fffffff

#define PAGE_OF(address) ((u64)(address) >> PAGE_SHIFT)
#define ADDRESS_OF(page) ((u64)(page) << PAGE_SHIFT)
// vm serves two windows of a program: below the servers' part of the map and, where there are more than three levels,
// above it (docs/internals.md).
#define LOW_START  PAGE_OF(USER_BASE)
#define LOW_END    PAGE_OF(USER_LOW_END)
#define HIGH_START PAGE_OF(USER_HIGH)

// Windows of a program's address space.
enum {
	WINDOW_LOW, // vm's; faults there are the fast ones
	WINDOW_FILES,
	WINDOW_HIGH, // vm's
	WINDOW_SLAB, // of those who attached
	WINDOW_VMALLOC,
};

#define PGOFF_END (1ul << 48)
_Static_assert(sizeof(struct vma) == 32, "VMA record");

enum {
	OBJ_POOL,
	OBJ_TABLE,
	OBJ_LEAF,
	OBJ_ASPACE,
	OBJ_THREAD,
	OBJ_NOTIFY,
	OBJ_KINDS,
};

/*
 *	FREE --create--> NEW --commit--> RUN --exit, kill--> EXIT --torn down--> ZOMBIE --wait--> FREE
 * A successor tears down what it finds NEW or EXIT.
 */
struct proc_record {
	u32 pid;
	u32 parent; // pid; 0: init
	u32 group;
	u32 state;  // PROC_*
	u32 status; // as wait reports it
	u32 thread; // object id
	u64 brk_start, brk;
	u64 limit; // bytes of address space, 0 none
	u8 name[NAME_BYTES];
	u16 object[OBJ_KINDS]; // place + 1 of its kernel objects (objects.c), 0 none
	u16 orphan;            // its parent is gone: nobody will ask for its status
	u16 attached;          // bit per ATTACH_*: has that server's window and endpoint (attach.c)
};
_Static_assert(sizeof(struct proc_record) % 8 == 0, "staged as words");

// What a request that must not be done twice was answered.
struct result {
	u64 reply;  // its reply word
	s64 status; // 0, -ERR, or RESULT_*: under way
	u64 word[2];
};
#define RESULT_MOVING    1 // mremap, exec: pages go to word[0]
#define RESULT_REPLACING 2 // exec: the old image goes, the arguments wait at word[0]
#define RESULT_BUILDING  3 // exec: the old image is gone, the new one comes
#define RESULT_STARTING  4 // exec: complete, to be started at word[0] with stack pointer word[1]

struct object_frame {
	frame_t frame; // 0: unused
	u64 kind;      // OBJ_*
};

struct vm_globals {
	u32 next_pid;
	u32 next_object;
	u32 foreground;  // group that Ctrl-C ends
	u32 interrupted; // a Ctrl-C found nobody and waits for the next group
	u32 first;       // slot of the first process, 0 none yet
	u32 spare;
	frame_t archive; // reference of the boot archive's first frame
	u64 archive_pages;
	frame_t zero; // the zero page
};

struct vm_state {
	struct state_header header;
	struct vm_globals globals;
	struct proc_record proc[PROCS];
	struct result result[PROCS];
	frame_t magazine[MAGAZINE]; // what the last refills brought; which are used is in the frame table
	struct object_frame object[OBJECT_FRAMES];
	struct vma vma[VMAS];
};

// ---- volatile

struct proc {
	u64 badge;
	u16 root; // of the VMA tree
	u16 first, last;
	u16 hint;     // the VMA of the last fault or change: often the next one's
	u64 seq_next; // page that a sequential reader faults on next
	u32 seq_run;  // pages mapped by its last fault
	u32 vmas;
	u64 pages; // sum of the VMAs
	u64 spare;
	u64 wait_reply; // parked wait, 0 none
	s64 wait_pid;
};
_Static_assert(sizeof(struct proc) == 64, "indexed by a shift on every fault");

struct vma_node {
	u64 gap;     // free pages between prev and this one
	u64 gap_max; // largest in this subtree
	u16 left, right, parent;
	u16 prev, next;
	u8 height;
	u8 touched; // there may be entries: what was never touched need not be unmapped, cloned, protected, or known to
		    // rmap
	u8 known;   // rmap may know of it nevertheless: it was told to read all, and has not done so yet when this came
	u8 spare[3];
};
_Static_assert(sizeof(struct vma_node) == 32, "indexed by a shift");

struct magazine {
	u32 top;
	bool low; // the last refill brought less than asked
};

extern struct state vm_segment;
extern struct vm_state *vms;
extern struct vma *vmas; // its records of mappings
extern struct proc procs[PROCS];
extern struct vma_node nodes[VMAS];
extern struct magazine magazine;
extern u64 high_end; // page above the second window; HIGH_START where there is none
extern u64 stats[VMSTAT_COUNT];

static inline u32 proc_slot(const struct proc *p)
{
	return (u32)(p - procs);
}

static inline struct proc_record *proc_record(const struct proc *p)
{
	return &vms->proc[proc_slot(p)];
}

// The process of a request. Badges are minted by vm alone and die with their process, so this cannot miss.
static inline struct proc *badge_proc(u64 badge)
{
	return &procs[badge & (PROCS - 1)];
}

static inline frame_t archive_frame(u64 page)
{
	return vms->globals.archive + page;
}

// record.c: the segment
enum state_found record_open(void *segment);
void record_rebuild(void);
static always_inline void record_stage(void *dst, const void *src, u32 bytes)
{
	state_stage(&vm_segment, dst, src, bytes);
}
static inline void record_commit(void)
{
	state_commit(&vm_segment);
}
static inline void record_drop(void)
{
	state_drop(&vm_segment);
}
void proc_stage(const struct proc *p, const struct proc_record *record);
// Results by call number: `result_find` true: the request was done before; answer what it was answered.
bool result_find(const struct request *rq, struct result *result);
void result_stage(const struct request *rq, s64 status, u64 word0, u64 word1);
void result_forget(const struct request *rq); // the request was undone and may come again. Commits

// vma.c: the tree of a process
u16 vma_find(const struct proc *p, u64 page) must_check; // the first that ends above page, 0 none
bool vma_records_left(u32 n);
u16 vma_add(struct proc *p, const struct vma *v, u16 next) must_check; // before `next`; 0: no record left. Commits
void vma_delete(struct proc *p, u16 index);                            // Commits
void vma_change(struct proc *p, u16 index, const struct vma *v);       // same order among its neighbours. Commits
u16 vma_split(struct proc *p, u16 index, u64 page) must_check;         // the part from page on, 0: no record left
bool vma_fits(const struct vma *low, const struct vma *high);          // may the two be one VMA?
u16 vma_merge(struct proc *p, u16 index); // with both neighbours where possible; the VMA it is in now
u64 vma_gap(const struct proc *p, u64 pages, u64 low, u64 high) must_check; // highest gap, 0 none
bool vma_free_range(const struct proc *p, u64 start, u64 end);
void vma_pool_reset(void);
void vma_link(struct proc *p, u16 index, u16 next); // next: the VMA that follows it, 0 none
void vma_touch(u16 index);                          // there will be entries: before the first one
void vma_drop_all(struct proc *p);                  // records only; the process is NEW or EXIT
u64 vma_check(const struct proc *p);                // invariants of one tree; number of violations (tests)

// map.c: ranges of an address space
u64 window_end(u64 page); // where the window ends in which the page lies
err_t region_check(u64 addr, u64 len, u64 *start, u64 *end) must_check;
// A request that cannot have what it waited for: if it was mlock, its pages may go again.
void mlock_undo(const struct request *asked);
err_t region_add(struct proc *p, const struct vma *v) must_check;
err_t region_unmap(struct proc *p, u64 start, u64 end);
err_t region_populate(struct proc *p, u64 start, u64 end);
void entries_unmap(struct proc *p, u64 start, u64 pages, u64 flags);
err_t entries_clone(struct proc *dst, u64 dpage, struct proc *src, u64 spage, u64 pages, u64 op) must_check;

u64 rss_count(const struct proc *p);                         // pages it has in memory, the kernel says
u64 entries_count(const struct proc *p, u64 start, u64 end); // in a range of pages (look.c)

// shared.c: memory that processes share
err_t shared_open(void) must_check;
err_t shared_create(struct vma *v) must_check;
void shared_recover(void);
void shared_hold(const struct vma *v);
void shared_release(const struct vma *v);
err_t shared_frame(const struct vma *v, u64 page, frame_t *frame) must_check;
err_t shared_map(struct proc *p, const struct vma *v, u64 page) must_check;
bool shared_write(const struct vma *v, u64 page, frame_t frame); // false: try again

// magazine.c
err_t magazine_refill(u32 want) must_check; // at least one frame when it returns 0; NOMEM
void magazine_recover(void);
void magazine_return(frame_t frame); // a frame that was not used after all
frame_t magazine_take(void);         // top > 0
bool frame_unused(frame_t frame);

// wait.c, as far as all need it
extern bool memory_short;       // a frame or a table was refused since this was last cleared
extern u32 page_missing;        // after -ERR_AGAIN: the swap slot whose page has to be brought first
void wait_drop(struct proc *p); // it ends, or its call is gone
bool wait_call_possible(void);  // for memory

// swap.c
extern struct rmap_share *rmap_share; // NULL: there is no rmap
extern bool tokens_unsure;            // those that go may never have been counted

// oom.c
#define OOM_SPARED_MAX 4
extern u32 oom_spared;                      // refusals in a row that killed nobody
bool oom_kill(const struct proc *for_whom); // false: it was `for_whom` itself that had to go

// objects.c: slots of kernel objects
err_t object_make(struct proc *p, u32 kind, cptr_t table, u64 slot, u64 arg, u64 *id) must_check;
void object_release(struct proc *p, u32 kind);
u32 objects_shrink(void); // memory is short: empty object frames go; answers how many
void object_recover(void);
u64 object_frames(void);

// attach.c: servers that a process has when it asks
void attach_empty(struct proc *p);
void attach_drop(struct proc *p);
void attach_exec(struct proc *p);         // what an image had of its own goes with it
u64 attach_entries(const struct proc *p); // in the windows of others
u64 attach_pages(const struct proc *p);   // frames that it has beside its own pages, and that go with it

// life.c: processes as kernel objects
void cap_drop(cptr_t slot); // from vm's own table
err_t leaf_need(u32 slot) must_check;
err_t life_create(struct proc *p) must_check;
void aspace_known(u32 slot, u64 id); // its address space, to rmap; 0: it goes
void life_destroy(struct proc *p);
err_t windows_make(u32 slot, cptr_t pager, u64 flags) must_check; // vm's windows in its address space
err_t pool_grow(struct proc *p) must_check;

// proc.c: the table
struct proc *proc_alloc(const struct proc *parent) must_check; // NEW, with a pid; NULL: table full
void proc_discard(struct proc *p);                             // a NEW one
void proc_commit(struct proc *p);                              // NEW -> RUN
struct proc *proc_by_pid(u64 pid) must_check;
void proc_end(struct proc *p, u32 status); // RUN -> ZOMBIE or FREE; its thread never returns
void proc_interrupt(void);                 // Ctrl-C
void proc_recover(void);
const char *proc_name(const struct proc *p);

// exec.c
void scratch_close(void);
void exec_recover(struct proc *p);
