// SPDX-License-Identifier: MIT
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },   { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "ABRT", SIGABRT }, { "KILL", SIGKILL }, { "SEGV", SIGSEGV }, { "TERM", SIGTERM },
};

static int signal_number(const char *text)
{
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (!strcmp(text, signals[i].name))
			return signals[i].number;
	return (int)app_number(text, "signal");
}

int main(int argc, char **argv)
{
	int sig = SIGTERM, first = 1, status = 0;

	app_start(
		argc, argv,
		"kill [-SIGNAL] PID...\nEnds processes; -PID after -- is a process group. There are no handlers: every "
		"signal kills,\n"
		"and its number (15 if none is given) is what the parent sees. 0 only asks if the process is there.\n");
	if (argc > 2 && argv[1][0] == '-' && strcmp(argv[1], "--")) {
		sig = signal_number(argv[1] + 1);
		first = 2;
	}
	if (first < argc && !strcmp(argv[first], "--"))
		first++;
	if (first >= argc)
		app_usage();
	for (int i = first; i < argc; i++) {
		bool group = argv[i][0] == '-';
		pid_t pid = (pid_t)app_number(argv[i] + group, "pid");

		if (kill(group ? -pid : pid, sig))
			status = app_warn(argv[i]);
	}
	return status;
}
