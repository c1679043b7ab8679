// SPDX-License-Identifier: MIT
// Names: open, stat and what changes directories.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rt.h"

static u64 open_flags(int flags)
{
	static const u64 access[4] = { OPEN_READ, OPEN_WRITE, OPEN_READ | OPEN_WRITE, 0 };
	u64 out = access[flags & O_ACCMODE];

	out |= flags & O_CREAT ? OPEN_CREATE : 0;
	out |= flags & O_EXCL ? OPEN_EXCL : 0;
	out |= flags & O_TRUNC ? OPEN_TRUNC : 0;
	out |= flags & O_APPEND ? OPEN_APPEND : 0;
	out |= flags & O_DIRECTORY ? OPEN_DIRECTORY : 0;
	out |= flags & O_CLOEXEC ? OPEN_CLOEXEC : 0;
	return out;
}

static mode_t mask = 022;

int open(const char *path, int flags, ...)
{
	u64 fd, kind, mode = 0;
	err_t err = rt_path(path);
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, unsigned int) & ~mask;
		va_end(ap);
	}
	if (!err)
		err = files_open(SLOT_FILES, open_flags(flags), mode, &fd, &kind);
	if (err)
		return rt_fail(err);
	rt_fd_opened(fd, kind, flags);
	return fd;
}

int creat(const char *path, mode_t mode)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

mode_t umask(mode_t new)
{
	mode_t old = mask;

	mask = new & 0777;
	return old;
}

struct stat_reply {
	u64 kind, size, mode, mtime, inode;
};

static void stat_fill(struct stat *st, const struct stat_reply *r)
{
	static const mode_t type[] = {
		[FD_CONSOLE] = S_IFCHR, [FD_ARCHIVE] = S_IFREG, [FD_RAM] = S_IFREG,
		[FD_PIPE] = S_IFIFO,    [FD_DIR] = S_IFDIR,     [FD_NULL] = S_IFCHR,
	};
	u64 kind = r->kind < sizeof(type) / sizeof(*type) ? r->kind : FD_RAM;

	*st = (struct stat){
		.st_mode = type[kind] | (r->mode & 07777),
		.st_size = r->size,
		.st_ino = r->inode,
		.st_nlink = 1,
		.st_blksize = PAGE_SIZE,
		.st_blocks = (r->size + 511) / 512,
	};
	st->st_mtim.tv_sec = r->mtime;
	st->st_atim = st->st_ctim = st->st_mtim;
}

int stat(const char *path, struct stat *st)
{
	struct stat_reply r;
	err_t err = rt_path(path);

	if (!err)
		err = files_stat(SLOT_FILES, &r.kind, &r.size, &r.mode, &r.mtime, &r.inode);
	if (err)
		return rt_fail(err);
	stat_fill(st, &r);
	return 0;
}

int lstat(const char *path, struct stat *st)
{
	return stat(path, st);
}

int fstat(int fd, struct stat *st)
{
	struct stat_reply r;
	err_t err = files_fstat(SLOT_FILES, fd, &r.kind, &r.size, &r.mode, &r.mtime, &r.inode);

	if (err)
		return rt_fail(err);
	stat_fill(st, &r);
	return 0;
}

int access(const char *path, int how)
{
	struct stat st;

	if (stat(path, &st))
		return -1;
	if ((how & W_OK && !(st.st_mode & 0222)) || (how & X_OK && !(st.st_mode & 0111)))
		return rt_fail(-ERR_ACCES);
	return 0;
}

int unlink(const char *path)
{
	err_t err = rt_path(path);

	return rt_result(err ? err : files_unlink(SLOT_FILES));
}

int rmdir(const char *path)
{
	err_t err = rt_path(path);

	return rt_result(err ? err : files_rmdir(SLOT_FILES));
}

// picolibc's calls unlink only; the standard wants empty directories gone too.
int remove(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -1;
	return S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

int mkdir(const char *path, mode_t mode)
{
	err_t err = rt_path(path);

	return rt_result(err ? err : files_mkdir(SLOT_FILES, mode & ~mask));
}

int rename(const char *from, const char *to)
{
	size_t first, second;
	err_t err = rt_path_at(from, 0, &first);

	if (!err)
		err = rt_path_at(to, first, &second);
	return rt_result(err ? err : files_rename(SLOT_FILES));
}

int ftruncate(int fd, off_t size)
{
	return rt_result(files_ftruncate(SLOT_FILES, fd, size));
}

int truncate(const char *path, off_t size)
{
	int fd = open(path, O_WRONLY), result, saved;

	if (fd < 0)
		return -1;
	result = ftruncate(fd, size);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

int chdir(const char *path)
{
	err_t err = rt_path(path);

	return rt_result(err ? err : files_chdir(SLOT_FILES));
}

char *getcwd(char *buf, size_t size)
{
	u64 bytes;
	err_t err = files_getcwd(SLOT_FILES, &bytes);
	size_t need;

	if (!err && buf && !size)
		err = -ERR_INVAL;
	if (err) {
		rt_fail(err);
		return NULL;
	}
	need = strnlen(rt_files_buffer(), PATH_MAX) + 1;
	if (!buf) {
		size = size ? size : need;
		buf = malloc(size < need ? need : size);
		if (!buf)
			return NULL;
	}
	if (size < need) {
		rt_fail(-ERR_RANGE);
		return NULL;
	}
	memcpy(buf, rt_files_buffer(), need - 1);
	buf[need - 1] = '\0';
	return buf;
}

// Modes are kept from creation; there are no users, links or times to change.
int chmod(const char *path, mode_t mode)
{
	(void)mode;
	return access(path, F_OK);
}

int link(const char *from, const char *to)
{
	(void)from;
	(void)to;
	return rt_fail(-ERR_NOSYS);
}

int symlink(const char *from, const char *to)
{
	return link(from, to);
}

ssize_t readlink(const char *path, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return access(path, F_OK) ? -1 : rt_fail(-ERR_INVAL);
}

// Everything is in memory.
int fsync(int fd)
{
	struct stat st;

	return fstat(fd, &st);
}

int fdatasync(int fd)
{
	return fsync(fd);
}

void sync(void)
{
}
