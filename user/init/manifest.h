// SPDX-License-Identifier: MIT
// The boot manifest: which servers run, with which priority, memory and capabilities. user/boot.manifest explains the
// syntax. Pure: text in, checked records out; the graph of who waits for whom is checked in graph.c.
#pragma once

#include <abi/abi.h>
#include <lib/base/types.h>

#define MANIFEST_SERVERS 16
#define MANIFEST_PEERS   16
#define MANIFEST_DEVICES 8
#define MANIFEST_NAME    16 // bytes of a server's name, NUL included
#define MANIFEST_PATH    96 // as in record archive_entry
#define MANIFEST_RINGS   16
#define MANIFEST_PAGES   0x100000

#define PEER_INIT 0xff // the peer is init itself

enum peer_kind {
	PEER_CALL,   // endpoint with CALL, badge = the caller
	PEER_PASS,   // endpoint to mint and hand on to processes
	PEER_NOTIFY, // its notification with NOTIFY
	PEER_AREAS,  // a window that it serves (vmalloc), and its endpoint with this server's badge as its client
};

struct manifest_peer {
	u8 kind;
	u8 server; // index, or PEER_INIT; filled in when all servers are known
	u32 line;
	char name[MANIFEST_NAME];
};

// Memory that two servers share for their rings: `pages` for each direction.
struct manifest_ring {
	u8 server; // whose statement it is, and whose pool pays
	u8 peer;   // filled in when all servers are known
	u32 pages;
	u32 line;
	char name[MANIFEST_NAME];
};

enum liveness_use { LIVENESS_NONE, LIVENESS_READ, LIVENESS_WRITE };

struct manifest_server {
	char name[MANIFEST_NAME];
	char path[MANIFEST_PATH];
	u32 line;
	u32 priority;
	u32 pool_pages;   // its pool: the sum of both
	u32 pool_percent; // of the memory that is free at boot
	u32 grow_percent; // of user memory: what the pool may get from there when the server asks (init.pool_size)
	u32 stack_pages;
	u32 heap_pages;  // wired, at SERVER_HEAP
	u32 state_pages; // wired, at STATE_VA, outlives the program
	u32 system;      // rights on SYSTEM
	u8 liveness;
	bool archive;    // the boot archive, read-only, at ARCHIVE_VA
	bool user_pool;  // gets the pool of user memory: everything that is left
	u32 user_rights; // others: RIGHT_POOL_* on it
	u8 view;         // whose state segment it sees, 1 + index; 0 nobody's. Filled in when all servers are known
	bool view_write;
	u32 view_line;
	char view_name[MANIFEST_NAME];
	u8 devices;
	u8 peers;
	struct {
		char name[32];
		bool all; // every device of the name, were there none
	} device[MANIFEST_DEVICES];
	struct manifest_peer peer[MANIFEST_PEERS];
};

struct manifest {
	u32 servers;
	struct manifest_server server[MANIFEST_SERVERS];
	u32 rings;
	struct manifest_ring ring[MANIFEST_RINGS];
	char first[MANIFEST_PATH]; // the first program
};

struct manifest_error {
	u32 line;         // 0: the whole file
	const char *what; // the rule that was broken
	char word[160];   // the word, or the cycle, that broke it
};

// False: *error says where and why.
bool manifest_parse(const char *text, u64 size, struct manifest *m, struct manifest_error *error);

// The second half of parsing: what needs the whole manifest. False: as above.
bool manifest_resolve(struct manifest *m, struct manifest_error *error);

// The ends of rings that a server has (at most SERVER_RINGS), in the order of the statements, whichever side wrote
// them.
u32 manifest_rings(const struct manifest *m, u32 server, struct server_ring *ends);
// The end that `server` has of ring `ring`; `ends` is room for all of its ends.
const struct server_ring *manifest_ring_end(const struct manifest *m, u32 ring, u32 server, struct server_ring *ends);

// Calls and faults must not wait in a circle, and a call must go to a higher priority. False: *error names the circle
// or the call.
bool graph_check(const struct manifest *m, struct manifest_error *error);
