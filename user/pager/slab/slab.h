// SPDX-License-Identifier: MIT
/*
 * slab: caches of small wired objects for processes.
 *
 *	main.c    receive loop, faults of the clients' windows, deaths, pressure, the channel with reclaim
 *	ops.c     the operations of the protocol
 *	cache.c   caches: making, merging, sizes, slub_debug=
 *	slabs.c   slabs: refill, flush, shrinking
 *	lists.c   the lists that slabs are in, and counters
 *	client.c  processes: what each has, its end
 *	share.c   how much memory there may be: growing at the expense of user memory, giving it back
 *	wait.c    refills that wait until pages of programs have left memory
 *	record.c  the state segment
 *	frames.c  frames of slabs: the only file of the core that talks to the kernel; the host tests bring their own
 *
 * Truth: the state segment (struct slab_state). A slab's record says whose it is, where its frames are and, bit by bit,
 * which objects are handed out. Lists and counters are volatile and made again by record_rebuild. Slab i lies at
 * SLAB_WINDOW + i * SLAB_STRIDE in its owner, and nowhere else. What a client writes into its pages is never read here.
 *
 * A slab's states, by the bits set (inuse):
 *
 *	none --refill--> full (all handed out: frozen, in no list)
 *	                  |  ^
 *	             flush|  |refill
 *	                  v  |
 *	                 partial --flush--> empty (0) --refill--> full
 *	                                     | shrink, pressure, cache_destroy, end of the owner
 *	                                     v
 *	                                    none
 */
#pragma once

#include "sys.h"

#include <base/types.h>
#include <pager/state.h>
#include <slab/layout.h>

#define CLIENTS    256 // process slots; as many as vm has
#define NAME_BYTES 16
#define MAP_WORDS  SLAB_MAP_WORDS
#define NONE       0xffffffff                             // no slab
#define COLUMNS    (KMALLOC_CLASSES + SLAB_CLIENT_CACHES) // caches that a client can have slabs of

struct cache_record {
	u8 name[NAME_BYTES];
	u32 size; // of an object; 0: the record is free
	u32 align;
	u32 flags; // SLAB_*
	u32 builtin;
};

struct slab_counts { // one word
	u16 cache;
	u16 inuse; // objects handed out: bits set in `used`
	u16 objects;
	u8 order;
	u8 fresh; // never given to its owner: its pages are zero
};

// Neighbours in lists. Volatile: it lies with the record because that is the memory that grows with the slabs.
struct node {
	u32 next, prev;         // slabs with room of {owner, cache}; records that are free
	u32 newer, older;       // empty slabs by age; newer UNLISTED: it cannot be given up
	u32 own_next, own_prev; // slabs of the owner
};

struct slab_record {
	u64 owner; // badge; 0: none
	frame_t frame;
	struct slab_counts n; // staged together with what follows, as far as there are objects
	u64 used[MAP_WORDS];
	struct node node; // not staged
};
#define SLAB_RECORD_BYTES offsetof(struct slab_record, node)

// What a request that succeeded, and must not be done twice, was answered.
struct result {
	u64 reply; // its reply word; what failed is simply tried again
	u64 word;
	u64 map[MAP_WORDS];
};

struct client_record {
	u64 badge; // 0: none
	u64 aspace;
	u64 caches[SLAB_CACHES / 64]; // that it has open
	struct result result;
};

struct slab_state {
	struct state_header header;
	struct cache_record cache[SLAB_CACHES];
	struct client_record client[CLIENTS];
	struct slab_record slab[]; // slab_table of them
};

// ---- volatile

struct cache {
	struct slab_layout layout;
	u32 users; // clients that have it open
	u32 slabs, active;
	u64 objects, inuse;
};

extern struct state slab_segment;
extern struct slab_state *sls;
extern struct cache caches[SLAB_CACHES];
extern u32 slab_table;             // records of slabs there are
extern u32 client_frames[CLIENTS]; // of slabs whose owner's slot this is
extern u64 stats[SLABSTAT_WAITED + 1];

static inline u32 slab_frames(const struct slab_record *s)
{
	return 1u << s->n.order;
}

// Words of its map that say something.
static inline u32 map_words(const struct slab_record *s)
{
	return (s->n.objects + 63u) / 64;
}

static inline u64 slab_address(u32 index)
{
	return SLAB_WINDOW + (u64)index * SLAB_STRIDE;
}

// record.c
enum state_found record_open(void *segment, u64 bytes); // of which so many are there
void record_resize(u64 bytes);
void record_rebuild(void);
u64 record_check(void); // invariants; number of violations (tests)
#define record_stage(dst, src, bytes) state_stage(&slab_segment, dst, src, bytes)
static inline void record_commit(void)
{
	state_commit(&slab_segment);
}
bool result_find(const struct request *rq, struct result *result);
void result_stage(const struct request *rq, u64 word, const u64 *map, u32 words); // of success

// cache.c
void caches_make(const char *cmdline); // those of kmalloc; options of slub_debug= and slab_nomerge
void cache_layout_set(u32 id);
err_t cache_open(struct client_record *c, const struct cache_record *wanted, const struct request *rq, u32 *id);
err_t cache_close(struct client_record *c, u32 id, const struct request *rq); // rq NULL: nobody asked
bool cache_usable(const struct client_record *c, u64 id);                     // open, or one of kmalloc's

// lists.c
void lists_reset(void);
void records_add(u32 from, u32 to); // free ones, which are to be had
void records_drop(u32 from, u32 to);
u32 record_free(void);       // NONE: there is none
u32 records_end(void);       // records from here on are free
void slab_list(u32 index);   // a record that was found: counters and lists
void slab_unlist(u32 index); // its record is about to go,
void slab_gone(u32 index);   // and went: it is free
void slab_leave(u32 index);  // the lists that go by its objects
void slab_enter(u32 index);
void slab_hold(u32 index);                // an empty slab that cannot be given up: it is not the oldest any more
u32 slab_oldest(void);                    // NONE: no slab is empty
u32 slab_newer(u32 index);                // than this empty one
u32 slab_first(u64 owner);                // NONE: it has none
u32 slab_with_room(u64 owner, u32 cache); // a partial one, or else an empty one. NONE: there is none
u64 empty_frames(void);                   // that can be given up
void column_take(u64 owner, u32 cache);   // the client has opened it
void column_drop(u64 owner, u32 cache);
bool column_known(u64 owner, u32 cache);

// slabs.c
err_t slab_refill(struct client_record *c, u32 cache, const struct request *rq, u32 *index, bool *fresh,
		  u64 map[MAP_WORDS]);
err_t slab_flush(struct client_record *c, u64 index, const struct request *rq, const u64 map[MAP_WORDS]);
u64 slabs_shrink(u64 owner, u32 cache, u32 most); // owner 0: anybody's, cache 0: any; frames freed
void slabs_relieve(void);              // user memory is short: everything empty that came from there goes back
void slabs_settle(void);               // after slabs became empty, or went: what is more than a cushion goes back
u64 slabs_release(u64 owner);          // all that it has, in use or not; frames freed
bool slabs_held(u64 owner, u32 cache); // does it have any of this cache?
bool slab_fault(u64 badge, u64 addr, u32 *index); // the slab that the address lies in, if it is the client's

// client.c
struct client_record *client_get(u64 badge); // NULL: not a living process
void client_begin(struct client_record *c, u64 aspace);
void client_detach(u64 badge);
void clients_reap(void);
u32 clients_count(void);
u64 client_quota(void);

// share.c
bool share_open(u64 base, u64 most, u64 state_pages); // pages of the pool, of the segment. False: too few
void share_read(void);                                // what a predecessor had made of it
u64 share_limit(void);                                // frames there may be in slabs now,
u64 share_most(void);                                 // and ever
u64 share_grown(void);                                // pages of user memory
bool share_as_at_boot(void);
u64 share_slabs(void);   // numbers of slabs are always below
u64 share_step(void);    // frames of room kept of user memory, so that not each slab is a message to init
u64 share_cushion(void); // frames of empty slabs that are kept
bool share_room(u64 frames);
// Room for so many more frames of slabs. AGAIN: user memory is short, share_wanted tells; NOMEM: that is the bound.
err_t share_grow(u64 frames) must_check;
void share_give_back(u64 spare);   // all room but for so many frames
err_t table_grow(void) must_check; // more records of slabs. The same errors
u64 share_wanted(void);            // frames that must be free in user memory, so that AGAIN would have been 0

// wait.c
void wait_reset(void);
err_t wait_park(const struct request *rq); // a refill that met AGAIN. PARKED, or NOMEM: nobody can help
void wait_answered(bool progress);         // reclaim has brought pages out; false: it cannot

// frames.c
err_t frames_take(u32 order, frame_t *first) must_check; // zeroed when they are first mapped
// Frames of a slab at `va` in `aspace`; BUSY: they are mapped elsewhere, nothing was done.
err_t frames_return(frame_t first, u32 order, u64 aspace, u64 va) must_check;
bool frames_known(frame_t first); // still the server's
void frames_recover(void);        // those of a predecessor that no record names

// main.c
bool client_lives(u64 badge);
bool frames_ask(u64 frames, u64 flow); // asks reclaim for so many free frames in user memory. False: there is none
