// SPDX-License-Identifier: MIT
#include "check.h"
#include <signal.h>

#include <trap.h>

#define CHILDREN 40

static void test_statuses(void)
{
	pid_t pid[CHILDREN];
	int status;

	fflush(NULL);
	for (int i = 0; i < CHILDREN; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(i * 7);
		CHECK(pid[i] > 0);
	}
	for (int i = CHILDREN - 1; i >= 0; i -= 2)
		CHECK(waitpid(pid[i], &status, 0) == pid[i] && WIFEXITED(status) &&
		      WEXITSTATUS(status) == (i * 7 & 0xff));
	for (int i = 0; i < CHILDREN; i += 2)
		CHECK(wait(&status) > 0 && WIFEXITED(status));
	CHECK(wait(NULL) == -1 && errno == ECHILD && waitpid(pid[0], NULL, 0) == -1 && errno == ECHILD);
}

static void tree(int depth)
{
	for (int i = 0; depth && i < 2; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			tree(depth - 1);
			_exit(depth);
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == depth);
	}
}

static void run_forever(void)
{
	for (;;)
		;
}

static void sleep_forever(void)
{
	for (;;)
		sleep(1000);
}

static void test_kill(void (*what)(void), int sig)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		what();
	usleep(2000);
	CHECK(kill(pid, 0) == 0 && waitpid(pid, &status, WNOHANG) == 0);
	CHECK(kill(pid, sig) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == sig);
	CHECK(kill(pid, 0) == -1 && errno == ESRCH && kill(pid, SIGTERM) == -1);
}

static void test_group(void)
{
	int status;
	pid_t first = 0;

	fflush(NULL);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0)
			sleep_forever();
		CHECK(setpgid(pid, first) == 0);
		first = first ? first : pid;
	}
	CHECK(getpgid(first) == first && getpgrp() != first && kill(-first, SIGTERM) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void leave_orphan(void)
{
	if (fork() == 0) {
		usleep(3000);
		_exit(getppid() == 1 ? 0 : 1);
	}
}

static void do_abort(void)
{
	abort();
}

static void do_raise(void)
{
	raise(SIGHUP);
}

static void do_illegal(void)
{
	arch_illegal();
}

static void handler(int sig)
{
	(void)sig;
}

void test_processes(void)
{
	int status;

	test_statuses();
	tree(4);
	test_kill(run_forever, SIGKILL);
	test_kill(sleep_forever, SIGTERM);
	test_group();
	CHECK(in_child(leave_orphan) == 0 && getpid() > 0 && getppid() > 0);
	status = in_child(do_abort);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	status = in_child(do_raise);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
	status = in_child(do_illegal);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
	CHECK(signal(SIGINT, handler) == SIG_ERR && errno == ENOSYS && signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	CHECK(kill(-12345, SIGTERM) == -1 && errno == ESRCH && kill(1 << 30, SIGTERM) == -1);
}
