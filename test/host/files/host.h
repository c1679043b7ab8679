// SPDX-License-Identifier: MIT
// The world around files' core on the host: pages, clients' buffers, who lives, and the answers to parked requests.
#pragma once

#include <user/srv/files/files.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(cond) ((cond) ? (void)0 : host_fail(__FILE__, __LINE__, #cond))

_Noreturn void host_fail(const char *file, int line, const char *what);

#define HOST_PAGES 700 // of the store

extern u32 host_quota; // pages that may be taken
extern u32 host_pages_used;
extern u32 host_live[CLIENTS];   // pid, 0 dead
extern const char *host_context; // shown by host_fail

struct host_answer {
	struct request rq;
	bool taken;
};
extern struct host_answer host_answers[2 * CLIENTS];
extern u32 host_answer_count;

void host_start(u32 nodes); // a fresh server with an archive of a few files
void host_stop(void);
u8 host_archive_byte(u32 i); // content of the archive's files
u8 *host_buffer(u64 slot);
u64 host_badge(u32 slot);
// Sends a request as a client would; returns its status, PARKED when no answer came; w gets the answer's words.
err_t host_call(u32 slot, u64 label, u64 w[MSG_WORDS], u64 *reply);
