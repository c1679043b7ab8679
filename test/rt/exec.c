// SPDX-License-Identifier: MIT
// exec, by way of the shell: it shows the arguments, the environment and the descriptors it was started with.
#include "check.h"
#include <fcntl.h>
#include <spawn.h>

static int status_of(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int spawn_sh(const char *line, char *const *envp)
{
	char *argv[] = { "sh", "-c", (char *)line, "name", "a b", "", "c", NULL };
	pid_t pid;

	CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, envp) == 0);
	return status_of(pid);
}

static void test_arguments(void)
{
	char *envp[] = { "WORD=two words", "PATH=/bin", NULL };

	CHECK(spawn_sh("exit $#", environ) == 3);
	CHECK(spawn_sh("echo \"$0|$1|$2|$3\" | grep -q '^name.a b..c$' && exit 9", environ) == 9);
	CHECK(spawn_sh("echo \"$WORD\" | grep -q '^two words$' && exit 8", envp) == 8);
}

static void test_errors(void)
{
	char *argv[] = { "x", NULL }, *many[3000], *envp[] = { NULL };
	pid_t pid;

	CHECK(execve("/bin/nosuch", argv, envp) == -1 && errno == ENOENT);
	CHECK(execve("/bin", argv, envp) == -1 && errno == EACCES);
	CHECK(execve("/etc/boot.manifest", argv, envp) == -1 && errno == EACCES);
	CHECK(execv("", argv) == -1 && errno == ENOENT && execvp("nosuch", argv) == -1 && errno == ENOENT);
	for (int i = 0; i < 2999; i++)
		many[i] = "an argument of more than fifty bytes, so that all together are too long";
	many[2999] = NULL;
	CHECK(execv("/bin/true", many) == -1 && errno == E2BIG);
	CHECK(posix_spawn(&pid, "/bin/nosuch", NULL, NULL, argv, envp) == ENOENT);
	many[1500] = NULL;
	CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, many, envp) == 0 && status_of(pid) == 0);
}

static void test_cloexec(void)
{
	int kept = open("/tmp/kept", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int closed = open("/tmp/closed", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char line[64], text[16] = { 0 };

	CHECK(kept >= 0 && kept < 10 && closed >= 0 && closed < 10);
	snprintf(line, sizeof(line), "echo in >&%d && echo out 2>/dev/null >&%d", kept, closed);
	CHECK(spawn_sh(line, environ) == 1);
	CHECK(pread(kept, text, sizeof(text), 0) == 3 && !strcmp(text, "in\n") && lseek(closed, 0, SEEK_END) == 0);
	CHECK(fcntl(closed, F_SETFD, 0) == 0 && fcntl(kept, F_SETFD, FD_CLOEXEC) == 0);
	snprintf(line, sizeof(line), "echo back >&%d && echo in 2>/dev/null >&%d", closed, kept);
	CHECK(spawn_sh(line, environ) == 1 && lseek(closed, 0, SEEK_END) == 5 && close(kept) == 0 &&
	      close(closed) == 0);
}

static void test_actions(void)
{
	char *argv[] = { "cat", NULL }, text[32] = { 0 };
	posix_spawn_file_actions_t actions;
	FILE *f = fopen("/tmp/in", "w");
	int fd;
	pid_t pid;

	CHECK(f && fputs("through cat", f) >= 0 && fclose(f) == 0);
	CHECK(posix_spawn_file_actions_init(&actions) == 0);
	CHECK(posix_spawn_file_actions_addopen(&actions, 0, "/tmp/in", O_RDONLY, 0) == 0);
	CHECK(posix_spawn_file_actions_addopen(&actions, 1, "/tmp/out", O_WRONLY | O_CREAT | O_TRUNC, 0644) == 0);
	CHECK(posix_spawnp(&pid, "cat", &actions, NULL, argv, environ) == 0 && status_of(pid) == 0);
	CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
	fd = open("/tmp/out", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text)) == 11 && !strcmp(text, "through cat") && close(fd) == 0);
}

void test_exec(void)
{
	test_arguments();
	test_errors();
	test_cloexec();
	test_actions();
}
