// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

void check_failed(const char *file, int line, const char *fmt, ...)
{
	const char *reason = strerror(errno);
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "FAILED: %s:%d (pid %d): ", file, line, getpid());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (errno: %s)\n", reason);
	exit(1);
}

int check_done(const char *name)
{
	printf("%s: ok\n", name);
	return 0;
}

int child_run(void (*part)(void *), void *arg)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		part(arg);
		fflush(NULL);
		_exit(0);
	}
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	return status;
}

void child_exits(void (*part)(void *), void *arg, int status)
{
	int found = child_run(part, arg);

	if (!WIFEXITED(found) || WEXITSTATUS(found) != status)
		FAIL("a child ended with wait status %#x, expected exit status %d", found, status);
}

void child_dies(void (*part)(void *), void *arg, int signal)
{
	int found = child_run(part, arg);

	if (!WIFSIGNALED(found) || WTERMSIG(found) != signal)
		FAIL("a child ended with wait status %#x, expected signal %d", found, signal);
}
