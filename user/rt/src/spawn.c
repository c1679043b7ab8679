// SPDX-License-Identifier: MIT
// posix_spawn: fork, the file actions in order, exec. The child reports why it failed through a pipe that exec closes.
#define _GNU_SOURCE // pipe2, execvpe
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum action { ACTION_OPEN, ACTION_DUP2, ACTION_CLOSE };

struct step {
	enum action action;
	int fd, from, flags;
	mode_t mode;
	char *path;
};

struct __posix_spawn_file_actions {
	int count;
	struct step *step;
};

struct __posix_spawnattr {
	short flags;
	pid_t group;
};

int posix_spawn_file_actions_init(posix_spawn_file_actions_t *out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : ENOMEM;
}

int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
	for (int i = 0; i < (*actions)->count; i++)
		free((*actions)->step[i].path);
	free((*actions)->step);
	free(*actions);
	*actions = NULL;
	return 0;
}

static int step_add(struct __posix_spawn_file_actions *actions, struct step step)
{
	struct step *more = realloc(actions->step, (actions->count + 1) * sizeof(*more));

	if (!more)
		return ENOMEM;
	actions->step = more;
	more[actions->count++] = step;
	return 0;
}

int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *restrict actions, int fd, const char *restrict path,
				     int flags, mode_t mode)
{
	struct step step = { ACTION_OPEN, .fd = fd, .flags = flags, .mode = mode, .path = strdup(path) };
	int err = step.path ? step_add(*actions, step) : ENOMEM;

	if (err)
		free(step.path);
	return err;
}

int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
	return step_add(*actions, (struct step){ ACTION_DUP2, .fd = to, .from = from });
}

int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
	return step_add(*actions, (struct step){ ACTION_CLOSE, .fd = fd });
}

int posix_spawnattr_init(posix_spawnattr_t *out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : ENOMEM;
}

int posix_spawnattr_destroy(posix_spawnattr_t *attr)
{
	free(*attr);
	*attr = NULL;
	return 0;
}

int posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags)
{
	(*attr)->flags = flags;
	return 0;
}

int posix_spawnattr_setpgroup(posix_spawnattr_t *attr, pid_t group)
{
	(*attr)->group = group;
	return 0;
}

static int step_do(const struct step *step)
{
	int fd;

	switch (step->action) {
	case ACTION_CLOSE:
		close(step->fd);
		return 0;
	case ACTION_DUP2:
		return dup2(step->from, step->fd);
	default:
		fd = open(step->path, step->flags, step->mode);
		if (fd < 0 || fd == step->fd)
			return fd;
		if (dup2(fd, step->fd) < 0)
			return -1;
		return close(fd);
	}
}

typedef int exec_fn(const char *, char *const *, char *const *);

_Noreturn static void child_run(int report, exec_fn *exec, const char *path, const posix_spawn_file_actions_t *actions,
				const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	bool ok = !attr || !((*attr)->flags & POSIX_SPAWN_SETPGROUP) || setpgid(0, (*attr)->group) == 0;

	for (int i = 0; ok && actions && i < (*actions)->count; i++)
		ok = step_do(&(*actions)->step[i]) >= 0;
	if (ok)
		exec(path, argv, envp);
	write(report, &errno, sizeof(errno));
	_exit(127);
}

static int spawn(exec_fn *exec, pid_t *out, const char *path, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	int report[2], err = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return errno;
	pid = fork();
	if (pid == 0)
		child_run(report[1], exec, path, actions, attr, argv, envp);
	if (pid < 0)
		err = errno;
	close(report[1]);
	if (pid > 0 && read(report[0], &err, sizeof(err)) == sizeof(err))
		waitpid(pid, NULL, 0);
	close(report[0]);
	if (!err && out)
		*out = pid;
	return err;
}

int posix_spawn(pid_t *restrict out, const char *restrict path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *restrict attr, char *const argv[], char *const envp[])
{
	return spawn(execve, out, path, actions, attr, argv, envp);
}

int posix_spawnp(pid_t *restrict out, const char *restrict file, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *restrict attr, char *const argv[], char *const envp[])
{
	return spawn(execvpe, out, file, actions, attr, argv, envp);
}
