// SPDX-License-Identifier: MIT
// What waits to be printed: a ring of bytes as the terminal gets them (a newline is stored as carriage return and
// newline).
#pragma once

#include <lib/base/types.h>

#define OUTPUT_BYTES 4096
#define OUTPUT_ECHO \
	256 // room that only echo may use, so that a typist sees what he types while a program floods the ring

struct output {
	u32 head, tail; // bytes taken out, bytes put in; both run free
	u8 byte[OUTPUT_BYTES];
};

static inline u32 output_used(const struct output *o)
{
	return o->tail - o->head;
}

// All of it or nothing. A program's text leaves OUTPUT_ECHO bytes free.
bool output_text(struct output *o, const u8 *text, u32 len);
// Echo is dropped when there is no room at all: it is a courtesy, not output.
void output_echo(struct output *o, const char *text);
// One byte for the terminal; the ring must not be empty.
static inline u8 output_take(struct output *o)
{
	return o->byte[o->head++ % OUTPUT_BYTES];
}
