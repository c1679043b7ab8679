// SPDX-License-Identifier: MIT
/*
 * The shell. As first process it runs /etc/start, if there is one; with /etc/rc it runs that and ends with the status
 * of its last command, which turns the machine off; without /etc/rc it talks to the person at the console. `sh FILE`
 * and `sh -c LINE` do what they do elsewhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sh.h"

#define START "/etc/start"
#define RC    "/etc/rc"

static const char usage[] = "sh [-c LINE] [FILE [ARGUMENT...]]\n"
			    "The shell: runs a line, a script, or what is typed. Inside, `help` tells the rest.\n";

static const char banner[] = "\nThis is Jjok. Memory is managed by programs here: ps shows them to be ordinary.\n"
			     "Try:  help    ls /demo    lua /demo/queens.lua    maps $$    vtop $$ 0x10000    free    "
			     "(exit turns it off)\n\n";

static void type_lines(void)
{
	const char *line;
	char prompt[256], path[200];

	for (;;) {
		jobs_reap();
		fflush(NULL);
		snprintf(prompt, sizeof(prompt), "%s $ ", getcwd(path, sizeof(path)) ? path : "?");
		line = prompt_line(prompt);
		if (!line)
			return;
		run_line(line);
	}
}

static void read_lines(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0)
		run_line(line);
	free(line);
}

static void environment_init(void)
{
	setenv("PATH", "/bin", 0);
	setenv("HOME", "/", 0);
	setenv("TERM", "vt100", 0);
}

int main(int argc, char **argv)
{
	shell.args = argv;
	shell.count = argc;
	shell.pid = getpid();
	shell.first = shell.pid == 1;
	environment_init();
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "-c")) {
		if (argc < 3) {
			message("-c: wants a line (try: sh --help)");
			return 2;
		}
		shell.args += argc > 3 ? 3 : 0;
		shell.count = argc > 3 ? argc - 3 : 1;
		run_line(argv[2]);
		return shell.status;
	}
	shell.jobs = shell.first;
	if (shell.first && access(START, R_OK) == 0 && run_file(START))
		shell.status = 0; /* what failed has said so */
	if (argc > 1 || (shell.first && access(RC, R_OK) == 0)) {
		const char *script = argc > 1 ? argv[1] : RC;

		shell.args += argc > 1;
		shell.count -= argc > 1;
		if (run_file(script))
			return shell.status;
		message("%s: %s", script, strerror(errno));
		return 127;
	}
	shell.interactive = shell.jobs = isatty(STDIN_FILENO);
	if (!shell.interactive) {
		read_lines();
		return shell.status;
	}
	if (shell.first)
		fputs(banner, stdout);
	type_lines();
	return shell.status;
}
