// SPDX-License-Identifier: MIT
// From words as written to the arguments of a program: quotes, $VARIABLES, splitting, file name patterns.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct strings {
	char **item; // NULL behind the last one
	int count, room;
};

void strings_add(struct strings *s, const char *text, size_t len);
void strings_free(struct strings *s);

struct expand_env {
	// The value of a name; one character for $? and its kin. NULL: not set.
	const char *(*get)(const char *name);
	// Names that match a pattern, sorted, added to `out`. Answers how many; a backslash before a character takes
	// its meaning.
	int (*glob)(const char *pattern, struct strings *out);
	char **args; // $1 ..
	int count;
};

// Add what a word becomes. With `single` it is always one string, without splitting and patterns (assignments, file
// names).
void expand_word(const struct expand_env *env, const char *word, bool single, struct strings *out);
