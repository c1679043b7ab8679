// SPDX-License-Identifier: MIT
// Directories. A batch of names comes in the shared buffer and is copied out, since the next file operation reuses the
// buffer.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt.h"

struct dir {
	int fd;
	char *names; // one byte of kind, the name, NUL; and again
	size_t bytes, at;
	long position;
	struct dirent entry;
};

DIR *fdopendir(int fd)
{
	DIR *dir = calloc(1, sizeof(*dir));

	if (dir)
		dir->fd = fd;
	return dir;
}

DIR *opendir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

static int dir_refill(DIR *dir)
{
	u64 bytes;
	err_t err = files_readdir(SLOT_FILES, dir->fd, &bytes);
	char *names;

	if (err)
		return rt_fail(err);
	dir->bytes = dir->at = 0;
	if (!bytes)
		return 0;
	names = realloc(dir->names, bytes);
	if (!names)
		return -1;
	memcpy(names, rt_files_buffer(), bytes);
	dir->names = names;
	dir->bytes = bytes;
	return 1;
}

struct dirent *readdir(DIR *dir)
{
	static const unsigned char type[] = { [FD_CONSOLE] = DT_CHR, [FD_ARCHIVE] = DT_REG, [FD_RAM] = DT_REG,
					      [FD_PIPE] = DT_FIFO,   [FD_DIR] = DT_DIR,     [FD_NULL] = DT_CHR };
	unsigned char kind;
	size_t len;

	if (dir->at >= dir->bytes && dir_refill(dir) <= 0)
		return NULL;
	kind = dir->names[dir->at++];
	len = strnlen(dir->names + dir->at, dir->bytes - dir->at);
	if (len >= sizeof(dir->entry.d_name))
		len = sizeof(dir->entry.d_name) - 1;
	memcpy(dir->entry.d_name, dir->names + dir->at, len);
	dir->entry.d_name[len] = '\0';
	dir->at += strnlen(dir->names + dir->at, dir->bytes - dir->at) + 1;
	dir->entry.d_type = kind < sizeof(type) ? type[kind] : DT_UNKNOWN;
	dir->entry.d_ino = ++dir->position;
	return &dir->entry;
}

void rewinddir(DIR *dir)
{
	lseek(dir->fd, 0, SEEK_SET);
	dir->bytes = dir->at = 0;
	dir->position = 0;
}

int dirfd(DIR *dir)
{
	return dir->fd;
}

int closedir(DIR *dir)
{
	int fd = dir->fd;

	free(dir->names);
	free(dir);
	return close(fd);
}
