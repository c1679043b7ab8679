// SPDX-License-Identifier: MIT
// A line of the shell as a tree. Words stay as they were written, quotes included: expand.c resolves them when they are
// used.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum redirect_kind {
	REDIRECT_IN,     // [n]<word
	REDIRECT_OUT,    // [n]>word
	REDIRECT_APPEND, // [n]>>word
	REDIRECT_DUP,    // [n]>&word, [n]<&word
};

struct redirect {
	struct redirect *next;
	enum redirect_kind kind;
	int fd;
	char *word;
};

struct command {
	struct command *next; // the one behind |
	char **words;
	int count;
	struct redirect *redirects;
};

enum join {
	JOIN_ALWAYS,
	JOIN_AND, // only if the status before it is 0
	JOIN_OR,  // only if it is not
};

struct pipeline {
	struct pipeline *next;
	enum join join;
	bool negate;
	struct command *commands;
};

struct list {
	struct list *next;
	bool background;
	struct pipeline *pipelines;
	const char *text; // the source, for messages about background jobs
	int text_len;
};

struct parse {
	struct list *lists;
	char error[96]; // "" when the line is good
	bool more;      // the error is that the line ends too early: another line may complete it
	void *blocks;   // all memory of the tree
};

// false: p->error says why. parse_free in both cases.
bool parse_line(struct parse *p, const char *line);
void parse_free(struct parse *p);
