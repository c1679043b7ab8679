// SPDX-License-Identifier: MIT
/*
 * exec. The argument block is built here, in pages that vm moves to the top of the new stack, so every pointer in it is
 * an address of the new image from the start:
 *
 *	STACK_TOP - pages * PAGE_SIZE                                                    STACK_TOP
 *	| ... room ... | argc | argv[], NULL | envp[], NULL | auxv pairs | strings ...   |
 *	               ^ sp, 16-byte aligned
 *
 * A file that starts with #! is run by the interpreter it names.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "rt.h"

#define ARGUMENTS_MAX (128 * 1024)
#define SCRIPT_LINE   128
#define SCRIPT_DEPTH  4
#define EXECL_MAX     64

struct block {
	char *base; // here
	u64 pages;
	u64 delta;    // from an address here to that in the new image
	char *string; // next string goes here
};

static u64 list_count(char *const *list)
{
	u64 n = 0;

	while (list && list[n])
		n++;
	return n;
}

static u64 list_bytes(char *const *list)
{
	u64 bytes = 0;

	for (; list && *list; list++)
		bytes += strlen(*list) + 1;
	return bytes;
}

static u64 auxv_pairs(void)
{
	u64 n = 0;

	while (rt_auxv && rt_auxv[2 * n] != AT_NULL)
		n++;
	return n;
}

// Copy the strings of a list; write their new addresses and the NULL behind them. Answers where the next word goes.
static u64 *list_put(struct block *block, u64 *to, char *const *list)
{
	for (; list && *list; list++) {
		size_t bytes = strlen(*list) + 1;

		memcpy(block->string, *list, bytes);
		*to++ = (u64)block->string + block->delta;
		block->string += bytes;
	}
	*to++ = 0;
	return to;
}

// What the kernel of this system told the first program stays true for all; only the descriptors to close change.
static void auxv_put(u64 *to)
{
	for (u64 i = 0; i < auxv_pairs(); i++) {
		if (rt_auxv[2 * i] == AT_JJOK_CLOEXEC)
			continue;
		*to++ = rt_auxv[2 * i];
		*to++ = rt_auxv[2 * i + 1];
	}
	if (rt_fd_cloexec) {
		*to++ = AT_JJOK_CLOEXEC;
		*to++ = rt_fd_cloexec;
	}
	*to++ = AT_NULL;
	*to = 0;
}

static err_t block_build(struct block *block, char *const *argv, char *const *envp, u64 *out_sp)
{
	u64 auxv_words = 2 * (auxv_pairs() + 2), argc = list_count(argv);
	u64 words = 1 + argc + 1 + list_count(envp) + 1 + auxv_words;
	u64 strings = list_bytes(argv) + list_bytes(envp), bytes = words * sizeof(u64) + strings + 16;
	u64 addr, *to;
	err_t err;

	if (bytes > ARGUMENTS_MAX)
		return -ERR_BIG;
	block->pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	err = vm_mmap(SLOT_VM, 0, block->pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MMAP_POPULATE, 0, 0, &addr);
	if (err)
		return err;
	block->base = (char *)addr;
	block->delta = STACK_TOP - block->pages * PAGE_SIZE - addr;
	block->string = block->base + block->pages * PAGE_SIZE - strings;
	to = (u64 *)(((u64)block->string - words * sizeof(u64)) & ~(u64)15);
	*out_sp = (u64)to + block->delta;
	*to++ = argc;
	to = list_put(block, to, argv);
	to = list_put(block, to, envp);
	auxv_put(to);
	return 0;
}

static void name_words(const char *path, u64 name[2])
{
	const char *slash = strrchr(path, '/');
	char bytes[16] = { 0 };

	strncpy(bytes, slash ? slash + 1 : path, sizeof(bytes) - 1);
	memcpy(name, bytes, sizeof(bytes));
}

static err_t exec_image(const char *path, char *const *argv, char *const *envp)
{
	struct block block;
	u64 page, size, mode, sp, name[2];
	err_t err = rt_path(path);

	if (!err)
		err = files_image(SLOT_FILES, &page, &size, &mode);
	if (!err && !(mode & 0111))
		err = -ERR_ACCES;
	if (!err)
		err = block_build(&block, argv, envp, &sp);
	if (err)
		return err;
	name_words(path, name);
	err = vm_exec(SLOT_VM, page, size, (u64)block.base, block.pages, sp, name[0], name[1]);
	vm_munmap(SLOT_VM, (u64)block.base, block.pages * PAGE_SIZE);
	return err;
}

// The first line of a script without "#!", cut at the first blank: interpreter, and the rest as one argument (NULL:
// none).
static bool script_parse(const char *path, char line[SCRIPT_LINE], char **interpreter, char **argument)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, line, SCRIPT_LINE - 1);
	char *end;

	if (fd >= 0)
		close(fd);
	if (len < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[len] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	*interpreter = line + 2 + strspn(line + 2, " \t");
	end = *interpreter + strcspn(*interpreter, " \t");
	*argument = end + strspn(end, " \t");
	*end = '\0';
	if (!**argument)
		*argument = NULL;
	return **interpreter;
}

static err_t exec_depth(const char *path, char *const *argv, char *const *envp, int depth);

// interpreter [argument] script arguments...
static err_t exec_script(const char *path, char *interpreter, char *argument, char *const *argv, char *const *envp,
			 int depth)
{
	u64 argc = list_count(argv), n = 0;
	char **args = malloc((argc + 4) * sizeof(*args));
	err_t err;

	if (!args)
		return -ERR_NOMEM;
	args[n++] = interpreter;
	if (argument)
		args[n++] = argument;
	args[n++] = (char *)path;
	for (u64 i = 1; i < argc; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	err = exec_depth(interpreter, args, envp, depth + 1);
	free(args);
	return err;
}

static err_t exec_depth(const char *path, char *const *argv, char *const *envp, int depth)
{
	char line[SCRIPT_LINE], *interpreter, *argument;
	err_t err = exec_image(path, argv, envp);

	if (err != -ERR_NOEXEC)
		return err;
	if (access(path, X_OK))
		return -ERR_ACCES;
	if (depth >= SCRIPT_DEPTH || !script_parse(path, line, &interpreter, &argument))
		return err;
	return exec_script(path, interpreter, argument, argv, envp, depth);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	err_t err = exec_depth(path, argv, envp, 0);

	return rt_fail(err == -ERR_ISDIR ? -ERR_ACCES : err);
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

// As POSIX wants it of execvp: a text without #! is run by the shell.
static err_t exec_or_shell(const char *path, char *const *argv, char *const *envp)
{
	err_t err = exec_depth(path, argv, envp, 0);

	return err == -ERR_NOEXEC ? exec_script(path, "/bin/sh", NULL, argv, envp, 0) : err;
}

static err_t exec_search(const char *file, char *const *argv, char *const *envp)
{
	const char *dir = getenv("PATH");
	char path[PATH_MAX];
	err_t err = -ERR_NOENT, last;

	for (dir = dir ? dir : "/bin"; *dir; dir += dir[0] == ':') {
		size_t len = strcspn(dir, ":");

		if (len + strlen(file) + 2 > sizeof(path))
			return -ERR_NAMETOOLONG;
		memcpy(path, dir, len);
		path[len] = '/';
		strcpy(path + len + (len > 0), file);
		last = exec_or_shell(path, argv, envp);
		if (last != -ERR_NOENT && last != -ERR_NOTDIR && last != -ERR_ISDIR && last != -ERR_ACCES)
			return last;
		if (last == -ERR_ACCES)
			err = last;
		dir += len;
	}
	return err;
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
	err_t err = strchr(file, '/') ? exec_or_shell(file, argv, envp)
		    : *file           ? exec_search(file, argv, envp)
				      : -ERR_NOENT;

	return rt_fail(err == -ERR_ISDIR ? -ERR_ACCES : err);
}

int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

// The arguments of execl and its kin. Answers NULL when there are more than EXECL_MAX.
static char **list_collect(char **args, const char *first, va_list *ap)
{
	int n = 0;

	for (char *arg = (char *)first; arg; arg = va_arg(*ap, char *)) {
		if (n == EXECL_MAX) {
			rt_fail(-ERR_BIG);
			return NULL;
		}
		args[n++] = arg;
	}
	args[n] = NULL;
	return args;
}

int execl(const char *path, const char *arg, ...)
{
	char *args[EXECL_MAX + 1];
	va_list ap;
	int result;

	va_start(ap, arg);
	result = list_collect(args, arg, &ap) ? execv(path, args) : -1;
	va_end(ap);
	return result;
}

int execlp(const char *file, const char *arg, ...)
{
	char *args[EXECL_MAX + 1];
	va_list ap;
	int result;

	va_start(ap, arg);
	result = list_collect(args, arg, &ap) ? execvp(file, args) : -1;
	va_end(ap);
	return result;
}

int execle(const char *path, const char *arg, ...)
{
	char *args[EXECL_MAX + 1];
	va_list ap;
	int result;

	va_start(ap, arg);
	result = list_collect(args, arg, &ap) ? execve(path, args, va_arg(ap, char **)) : -1;
	va_end(ap);
	return result;
}
