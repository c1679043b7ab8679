// SPDX-License-Identifier: MIT
// What the parts of vm's host test share: the model of processes and their pages, requests with trouble in them, single
// operations.
#pragma once

#include "fake.h"

// The pages that the model covers lie in two pieces: below MMAP_TOP, and at the end of the user half (or, with three
// levels, somewhere in the lower window).
#define AREA       800
#define LOW_AREA   500
#define HEAP       64
#define MODELS     12
#define BASE       (PAGE_OF(MMAP_TOP) - LOW_AREA)
#define SHARED_MAX 4096

#define check(cond) \
	do { \
		if (!(cond)) \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

struct shared_page {
	u64 value;
};

struct page {
	bool mapped;
	u8 prot, kind;
	u64 value; // private content
	struct shared_page *shared;
	u64 file; // content of the archive page, FILE
};

struct model {
	bool alive;
	u64 badge;
	u32 pid;
	u32 calls;
	struct page page[AREA];
	u32 heap_pages;
	u64 brk;
	struct page heap[HEAP];
};

extern u64 seed, rng;
extern bool verbose;
extern u64 high_area; // first page of the upper piece
extern u64 segment[(sizeof(struct vm_state) + 7) / 8];
extern struct model models[MODELS];
extern u64 survived; // kills of vm that it came back from

u64 rnd(u64 n);
extern struct server_info info; // what vm is started with
u64 page_at(u32 index);         // of the model's pages
u32 index_of(u64 page);         // AREA: out of the model's sight
u32 place(u32 n);               // a random index from where n pages lie side by side
struct request ask(struct model *m, u64 label, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
struct request request_of(struct model *m, u64 label);
void restart(void);                  // vm is killed and a successor opens the segment
void buried(void);                   // notice which models vm has ended
err_t serve(struct request *rq);     // as the shell does; when vm is killed in it, a successor gets the request again
u64 *content_at(u32 slot, u64 page); // what the process sees there
bool fault_serve(struct model *m, struct request *rq);                   // a fault message, genuine or forged
bool fault(struct model *m, u64 page, u64 access);                       // one page fault; false: the process is gone
bool touch(struct model *m, u64 page, u64 access);                       // until the access is allowed
void access_page(struct model *m, struct page *p, u64 page, bool write); // compares, and writes a new value
u64 file_value(u32 archive_page);

void op_touch(struct model *m);
void op_mmap(struct model *m);
void op_munmap(struct model *m);
void op_mprotect(struct model *m);
void op_madvise(struct model *m);
void op_mremap(struct model *m);
void op_brk(struct model *m);
void op_mlock(struct model *m);
void op_migrate(struct model *m);
extern u64 migrated;
void op_fork(struct model *m);
void op_end(struct model *m);
void op_wait(struct model *m);
