// SPDX-License-Identifier: MIT
// Editing a line: bytes in, screen bytes out. Pure, so the host tests can type.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define EDIT_LINE    1024
#define EDIT_HISTORY 64

enum edit_event {
	EDIT_GOES_ON,
	EDIT_DONE,      // the line is in edit.line
	EDIT_EOF,       // Ctrl-D on an empty line
	EDIT_CANCELLED, // Ctrl-C
};

struct edit {
	char line[EDIT_LINE];
	int len, pos;
	int width;  // columns of the screen
	int escape; // bytes of an escape sequence seen
	char sequence[8];
	const char *prompt;
	char *history[EDIT_HISTORY]; // a ring
	int history_count;           // ever added
	int history_at;              // shown now; history_count: the line being written
	char draft[EDIT_LINE];       // that line, while another one is shown
	void (*out)(const char *bytes, size_t len);
};

void edit_init(struct edit *e, void (*out)(const char *, size_t));
void edit_start(struct edit *e, const char *prompt, int width);
enum edit_event edit_byte(struct edit *e, unsigned char c);
void edit_history_add(struct edit *e, const char *line);
