// SPDX-License-Identifier: MIT
#pragma once

#include <lib/base/types.h>

// pages: of all buffers together.
void buffers_init(u64 pages);
// The frame behind a page of the client's buffer, made and mapped here when it is not there; 0: no memory.
frame_t buffer_frame(u64 slot, u64 page);
// Try again to free frames that dead clients still mapped.
void buffers_reap(void);
