// SPDX-License-Identifier: MIT
// Processes: fork, wait, groups, and who is who.
#include <abi/abi_names.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt.h"

int rt_pid;

// The child has come without its descriptors (files was restarted in between): it must not go on as if it had them.
// Its parent reads the status, and whoever watches the console why. What stdio holds is the parent's to write.
static _Noreturn __attribute__((cold)) void child_without_files(err_t err)
{
	const char *const part[] = { rt_name, ": fork: the child ends, it has no descriptors: ", err_text(err), "\n" };

	for (u32 i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		rt_console_write(part[i], strlen(part[i]));
	_exit(127);
}

/*
 * files takes a snapshot of the descriptors before the child exists; the child picks it up by its token. If there is no
 * child after all, the caller takes it back itself, which changes nothing for it and frees the snapshot.
 */
pid_t fork(void)
{
	u64 token, pid;
	err_t err = files_fork_prepare(SLOT_FILES, &token);

	if (err)
		return rt_fail(err);
	err = vm_fork(SLOT_VM, &pid);
	if (err) {
		(void)files_fork_attach(SLOT_FILES, token); /* NOENT: files has dropped it already */
		return rt_fail(err);
	}
	if (pid == 0) {
		rt_pid = 0;
		rt_buffer_there = PAGE_SIZE;
		if (rt_kmem_forked)
			rt_kmem_forked();
		err = files_fork_attach(SLOT_FILES, token);
		if (err)
			child_without_files(err);
	}
	return pid;
}

pid_t vfork(void)
{
	return fork();
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	u64 ended, word;
	err_t err = vm_wait(SLOT_VM, (u64)(s64)pid, options & WNOHANG ? WAITF_NOHANG : 0, &ended, &word);

	if (err)
		return rt_fail(err);
	if (ended && status)
		*status = word;
	return ended;
}

pid_t wait(int *status)
{
	return waitpid(-1, status, 0);
}

pid_t getpid(void)
{
	u64 pid;

	if (!rt_pid && !vm_getpid(SLOT_VM, &pid, NULL, NULL))
		rt_pid = pid;
	return rt_pid;
}

pid_t getppid(void)
{
	u64 parent;
	err_t err = vm_getpid(SLOT_VM, NULL, &parent, NULL);

	return err ? rt_fail(err) : (pid_t)parent;
}

pid_t getpgrp(void)
{
	u64 group;
	err_t err = vm_getpid(SLOT_VM, NULL, NULL, &group);

	return err ? rt_fail(err) : (pid_t)group;
}

// A process' line of ps. Answers 0, or -ERR_SRCH.
static err_t process_find(pid_t pid, u64 *out_parent_group)
{
	u64 index = 0, found;

	do {
		err_t err = vm_ps(SLOT_VM, index, &found, out_parent_group, NULL, NULL, NULL, NULL, &index);

		if (err)
			return err;
		if (found == (u64)pid)
			return 0;
	} while (index);
	return -ERR_SRCH;
}

pid_t getpgid(pid_t pid)
{
	u64 parent_group;
	err_t err = pid ? process_find(pid, &parent_group) : 0;

	if (err)
		return rt_fail(err);
	return pid ? (pid_t)(parent_group >> 32) : getpgrp();
}

int setpgid(pid_t pid, pid_t group)
{
	return rt_result(vm_setgroup(SLOT_VM, pid, group));
}

int setpgrp(void)
{
	return setpgid(0, 0);
}

pid_t setsid(void)
{
	return setpgid(0, 0) ? -1 : getpid();
}

// There are no handlers, so a signal is a way to end. Signal 0 only asks whether the process is there.
int kill(pid_t pid, int sig)
{
	u64 ignored;

	if (sig == 0)
		return rt_result(pid > 0 ? process_find(pid, &ignored) : 0);
	if (pid == 0)
		pid = -getpgrp();
	return rt_result(vm_kill(SLOT_VM, (u64)(s64)pid, sig));
}

int killpg(pid_t group, int sig)
{
	return kill(-group, sig);
}
