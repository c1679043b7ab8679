// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app.h"
#include <counter.h>
#include <time.h>

int main(int argc, char **argv)
{
	struct timespec before, after;
	uint64_t cycles;
	double seconds;
	int status;
	pid_t pid;

	app_start(argc, argv,
		  "time COMMAND [ARGUMENT...]\nRuns a program; then prints its wall time and the cycle counter's "
		  "difference.\n"
		  "Under -icount (make bench, make trace) cycles are instructions of the whole machine.\n");
	if (argc < 2)
		app_usage();
	clock_gettime(CLOCK_MONOTONIC, &before);
	cycles = arch_cycles();
	pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		fprintf(stderr, "time: %s: %s\n", argv[1], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return app_warn(argv[1]);
	cycles = arch_cycles() - cycles;
	clock_gettime(CLOCK_MONOTONIC, &after);
	seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	fprintf(stderr, "real %.3f s, %llu cycles\n", seconds, (unsigned long long)cycles);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
