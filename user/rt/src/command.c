// SPDX-License-Identifier: MIT
// Commands for the shell: system, popen, pclose.
#define _GNU_SOURCE // pipe2
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt.h"

#define SHELL "/bin/sh"

static pid_t popen_pid[FD_MAX]; // by descriptor of the parent's end

_Noreturn static void shell_exec(const char *command)
{
	execl(SHELL, "sh", "-c", command, (char *)NULL);
	dprintf(STDERR_FILENO, "%s: %s\n", SHELL, strerror(errno));
	_exit(127);
}

int system(const char *command)
{
	int status;
	pid_t pid;

	if (!command)
		return access(SHELL, X_OK) == 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		shell_exec(command);
	return pid < 0 || waitpid(pid, &status, 0) < 0 ? -1 : status;
}

FILE *popen(const char *command, const char *mode)
{
	bool reading = mode[0] == 'r';
	int end[2], own, other;
	FILE *f;
	pid_t pid;

	if ((mode[0] != 'r' && mode[0] != 'w') || pipe2(end, O_CLOEXEC))
		return mode[0] != 'r' && mode[0] != 'w' ? (rt_fail(-ERR_INVAL), NULL) : NULL;
	own = end[!reading];
	other = end[reading];
	fflush(NULL);
	f = fdopen(own, reading ? "r" : "w");
	pid = f ? fork() : -1;
	if (pid == 0) {
		dup2(other, reading ? STDOUT_FILENO : STDIN_FILENO);
		shell_exec(command);
	}
	close(other);
	if (pid > 0) {
		popen_pid[own] = pid;
		return f;
	}
	if (f)
		fclose(f);
	else
		close(own);
	return NULL;
}

int pclose(FILE *f)
{
	int fd = fileno(f), status;
	pid_t pid = fd >= 0 && fd < FD_MAX ? popen_pid[fd] : 0;

	if (!pid)
		return rt_fail(-ERR_CHILD);
	popen_pid[fd] = 0;
	fclose(f);
	return waitpid(pid, &status, 0) < 0 ? -1 : status;
}
