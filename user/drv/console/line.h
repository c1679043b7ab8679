// SPDX-License-Identifier: MIT
// The line discipline: from keys to what a reader gets. Pure.
#pragma once

#include "output.h"

#include <abi/abi.h>

#define LINE_BYTES  512  // of a line while it is typed
#define INPUT_ITEMS 1024 // bytes and ends that wait for a reader

struct line {
	u32 mode; // CONSOLE_*
	u32 len;  // of the line being typed
	u8 edit[LINE_BYTES];
	u32 head, tail; // of `item`; both run free
	u32 ends;       // newlines and ends of input among the items
	u16 item[INPUT_ITEMS];
};

// Takes a key; what the typist sees of it goes to `out`. True: it was Ctrl-C.
bool line_key(struct line *l, u8 key, struct output *out);
void line_push(struct line *l, u8 key); // for the reader, as it is
void line_mode(struct line *l, u32 mode);
bool line_ready(const struct line *l); // would a read return at once?
// Cooked: up to a newline (included) or an end of input (0 bytes when it stands first); raw: what there is.
u32 line_read(struct line *l, u8 *out, u32 len);
u32 line_count(const struct line *l); // bytes that a read would return
