// SPDX-License-Identifier: MIT
// What the shell must do itself.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sh.h"

static const char help_text[] =
	"A small shell. A line is commands with arguments, joined by:\n"
	"  ;  one after the other     &&  if the one before succeeded     ||  if it failed     &  in the background\n"
	"  |  output into the next    > >> <  files     2>  messages      2>&1  messages to where the output goes\n"
	"  '...' as it is     \"...\" with $VAR     \\x     * ? [a-z]  file names     $? $$ $! $1 $@     # comment\n"
	"Here: . cd exit export false help pwd set true unset wait. Everything else is a program in /bin:\n"
	"  files         ls cat head wc grep cp mv rm mkdir touch tee        words        echo seq\n"
	"  processes     ps kill sleep time sh                               a language   lua\n"
	"  memory        free buddyinfo page faults maps ptdump vtop caps    the machine  uptime selfcheck top\n"
	"  as in /proc   meminfo vmstat zoneinfo slabinfo vmallocinfo        swap         swapon swapoff\n"
	"  reverse map   rmapaudit migrate\n"
	"Each explains itself with --help. Ctrl-C ends what runs; exit, or Ctrl-D, in the first shell turns the "
	"machine off.\n"
	"Try: lua /demo/queens.lua      maps $$      vtop $$ 0x10000      page      ls /demo\n";

static int do_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	fputs(help_text, stdout);
	return 0;
}

static int do_cd(int argc, char **argv)
{
	const char *home = getenv("HOME"), *to = argc > 1 ? argv[1] : home ? home : "/";

	if (argc > 2) {
		message("cd: one directory at a time");
		return 2;
	}
	if (chdir(to)) {
		message("cd: %s: %s", to, strerror(errno));
		return 1;
	}
	return 0;
}

static int do_pwd(int argc, char **argv)
{
	char path[1024];

	(void)argc;
	(void)argv;
	if (!getcwd(path, sizeof(path))) {
		message("pwd: %s", strerror(errno));
		return 1;
	}
	puts(path);
	return 0;
}

static int do_exit(int argc, char **argv)
{
	exit(argc > 1 ? atoi(argv[1]) & 0xff : shell.status);
}

// export NAME, export NAME=VALUE. All variables of this shell are in the environment, so a name alone changes nothing.
static int do_export(int argc, char **argv)
{
	int status = 0;

	for (char **e = environ; argc == 1 && *e; e++)
		puts(*e);
	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals)
			continue;
		*equals = '\0';
		if (setenv(argv[i], equals + 1, 1)) {
			message("export: %s: %s", argv[i], strerror(errno));
			status = 1;
		}
		*equals = '=';
	}
	return status;
}

static int do_unset(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		unsetenv(argv[i]);
	return 0;
}

static int do_set(int argc, char **argv)
{
	(void)argv;
	return do_export(argc > 1 ? 1 : argc, argv);
}

static int do_wait(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	jobs_wait();
	return 0;
}

static int do_source(int argc, char **argv)
{
	if (argc != 2) {
		message(".: wants the name of a script");
		return 2;
	}
	if (run_file(argv[1]))
		return shell.status;
	message(".: %s: %s", argv[1], strerror(errno));
	return 1;
}

static int do_true(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int do_false(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

static const struct {
	const char *name;
	builtin_fn *run;
} builtins[] = {
	{ ".", do_source },      { ":", do_true },      { "cd", do_cd },       { "exit", do_exit },
	{ "export", do_export }, { "false", do_false }, { "help", do_help },   { "pwd", do_pwd },
	{ "set", do_set },       { "true", do_true },   { "unset", do_unset }, { "wait", do_wait },
};

builtin_fn *builtin_find(const char *name)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(*builtins); i++)
		if (strcmp(name, builtins[i].name) == 0)
			return builtins[i].run;
	return NULL;
}
