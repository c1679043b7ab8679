// SPDX-License-Identifier: MIT
// What the parts of the shell share.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "expand.h"
#include "parse.h"

struct shell {
	int status;            // $?
	pid_t pid;             // $$, in its children too
	pid_t last_background; // $!
	bool interactive;
	bool jobs;        // gives each job a group of its own, so that Ctrl-C ends the job and not the shell
	bool interrupted; // Ctrl-C ended a job: the rest of the line is skipped
	bool first;       // it is process 1: its end is the machine's
	char **args;      // $0 ..
	int count;
};

extern struct shell shell;

// run.c
void run_line(const char *line); // parse and run; errors are reported and set the status
void run_lists(const struct list *lists);
bool run_file(const char *path); // the lines of a script; false: cannot be read, errno says why
void jobs_reap(void);            // tell of background jobs that have ended
void jobs_wait(void);
bool interrupt_take(void); // did a Ctrl-C find no job? It is ours now, and nobody is in the foreground
void message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// builtin.c: the function for a name; NULL: not a builtin. Answers its status.
typedef int builtin_fn(int argc, char **argv);
builtin_fn *builtin_find(const char *name);

// glob.c
int glob_names(const char *pattern, struct strings *out);

// prompt.c: a line typed at the terminal, NULL at the end of input.
const char *prompt_line(const char *prompt);
