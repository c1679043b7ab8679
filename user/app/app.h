// SPDX-License-Identifier: MIT
// What the small programs share: --help, and messages that say who, what and why.
#pragma once

#include <stdbool.h>
#include <stdint.h>

extern const char *app_name;

// First thing in main: sets the name; --help prints the text and ends the program. The text starts with the usage line.
void app_start(int argc, char **argv, const char *help);

// "name: what: reason of errno" to stderr. Answers 1, a status for main.
int app_warn(const char *what);

// "name: ..." to stderr, and the end with status 1.
_Noreturn void app_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Wrong arguments: the usage line, status 2.
_Noreturn void app_usage(void);

// `NAME FILE TARGET` and `NAME FILE... DIRECTORY`: calls op(file, target) for each FILE; a directory's name is
// completed with the file's. Answers the statuses or'ed together.
int app_each_target(int argc, char **argv, int (*op)(const char *source, const char *target));

// A number (decimal, 0x hex); anything else ends the program with a line that names `what`.
uint64_t app_number(const char *text, const char *what);

// The option letters in `known` that argv holds, as bits in that order; *first becomes the first argument that is no
// option.
unsigned int app_options(int argc, char **argv, const char *known, int *first);
