// SPDX-License-Identifier: MIT
/*
 * slab: caches of small wired objects for processes.
 *
 *	main.c    receive loop, faults of the clients' windows, deaths, pressure
 *	ops.c     the operations of the protocol
 *	cache.c   caches: making, merging, sizes, slub_debug=
 *	slabs.c   slabs: refill, flush, lists, shrinking
 *	client.c  processes: what each has, its end
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

#include <abi/abi.h>
#include <base/types.h>
#include <pager/server.h>
#include <pager/state.h>
#include <slab/layout.h>

#define CLIENTS    256 // process slots; as many as vm has
#define NAME_BYTES 16
#define MAP_WORDS  SLAB_MAP_WORDS
#define NONE       0xffff // no slab

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

struct slab_record {
	u64 owner; // badge; 0: none
	frame_t frame;
	struct slab_counts n; // staged together with what follows, as far as there are objects
	u64 used[MAP_WORDS];
};

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
	struct slab_record slab[SLAB_COUNT];
};

// ---- volatile

struct cache {
	struct slab_layout layout;
	u32 users; // clients that have it open
	u32 slabs, active;
	u64 objects, inuse;
};

// Neighbours in the list of slabs with room of {owner, cache} (hashed), and in that of empty slabs by age.
struct node {
	u16 next, prev;
	u16 newer, older;
};

extern struct state slab_segment;
extern struct slab_state *sls;
extern struct cache caches[SLAB_CACHES];
extern struct node nodes[SLAB_COUNT];
extern u32 client_frames[CLIENTS]; // of slabs whose owner's slot this is
extern u64 stats[SLABSTAT_FAULTS + 1];
extern u64 frames_limit; // frames there may be in slabs

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
enum state_found record_open(void *segment);
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

// slabs.c
void slabs_reset(void);
void slab_list(u32 index); // a record that was found: counters and lists
err_t slab_refill(struct client_record *c, u32 cache, const struct request *rq, u32 *index, bool *fresh,
		  u64 map[MAP_WORDS]);
err_t slab_flush(struct client_record *c, u64 index, const struct request *rq, const u64 map[MAP_WORDS]);
u64 slabs_shrink(u64 owner, u32 cache, u32 most); // owner 0: anybody's, cache 0: any; frames freed
u64 slabs_release(u64 owner);                     // all that it has, in use or not; frames freed
bool slabs_held(u64 owner, u32 cache);            // does it have any of this cache?
bool slab_fault(u64 badge, u64 addr, u32 *index); // the slab that the address lies in, if it is the client's

// client.c
struct client_record *client_get(u64 badge); // NULL: not a living process
void client_begin(struct client_record *c, u64 aspace);
void client_detach(u64 badge);
void clients_reap(void);
u32 clients_count(void);
u64 client_quota(void);

// frames.c
err_t frames_take(u32 order, frame_t *first) must_check; // zeroed when they are first mapped
// Frames of a slab at `va` in `aspace`; BUSY: they are mapped elsewhere, nothing was done.
err_t frames_return(frame_t first, u32 order, u64 aspace, u64 va) must_check;
bool frames_known(frame_t first); // still the server's
void frames_recover(void);        // those of a predecessor that no record names

// main.c
bool client_lives(u64 badge);
