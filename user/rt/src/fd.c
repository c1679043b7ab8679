// SPDX-License-Identifier: MIT
/*
 * Descriptors. The server `files` owns them; this side only remembers which are the console, because that is asked
 * without a detour. Few bytes travel in the message's words, more through the shared buffer: a byte there counts only
 * when the reply succeeded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rt.h"

// read and write jump to one of these. Inlined together they would share one large frame, which a small message does
// not need.
#define PATH __attribute__((noinline)) static

#define READ_SMALL  56
#define WRITE_SMALL 48

u8 rt_fd_kind[FD_MAX];
u64 rt_fd_cloexec;
static u8 fd_flags[FD_MAX]; // O_ACCMODE and, above, O_APPEND: what F_GETFL tells

void rt_fd_init(void)
{
	u64 open = 0, console = 0;

	files_descriptors(SLOT_FILES, &open, &console);
	for (int fd = 0; fd < FD_MAX; fd++) {
		if (open >> fd & 1)
			rt_fd_kind[fd] = console >> fd & 1 ? FD_CONSOLE : FD_RAM;
		fd_flags[fd] = O_RDWR;
	}
}

void rt_fd_opened(u64 fd, u64 kind, int flags)
{
	rt_fd_kind[fd] = kind;
	fd_flags[fd] = (flags & O_ACCMODE) | (flags & O_APPEND ? 0x80 : 0);
	rt_fd_cloexec &= ~((u64)1 << fd);
	if (flags & O_CLOEXEC)
		rt_fd_cloexec |= (u64)1 << fd;
}

static inline bool fd_valid(int fd)
{
	return (unsigned int)fd < FD_MAX;
}

// Few bytes by hand: a call of memcpy costs more than the bytes.
static inline void words_store(char *to, const u64 *words, size_t len)
{
	if (len > 8) {
		memcpy(to, words, len);
		return;
	}
	for (u64 w = words[0]; len > 0; len--, w >>= 8)
		*to++ = (char)w;
}

static inline void words_load(u64 *words, const unsigned char *from, size_t len)
{
	if (len > 8) {
		memcpy(words, from, len);
		return;
	}
	for (size_t i = 0; i < len; i++)
		words[0] |= (u64)from[i] << (8 * i);
}

PATH ssize_t read_small(int fd, void *buf, size_t len)
{
	u64 done, w[7];
	err_t err = files_read_small(SLOT_FILES, fd, len, &done, &w[0], &w[1], &w[2], &w[3], &w[4], &w[5], &w[6]);

	if (err)
		return rt_fail(err);
	words_store(buf, w, done);
	return done;
}

size_t rt_buffer_there = PAGE_SIZE;

// How many of `want` bytes, which are more than the buffer has, can go through it at once.
static __attribute__((cold, noinline)) size_t buffer_ask(size_t want)
{
	u64 there;

	want = want < FILES_BUFFER_SIZE ? want : FILES_BUFFER_SIZE;
	if (want > rt_buffer_there && !files_buffer(SLOT_FILES, want, &there) && there > rt_buffer_there)
		rt_buffer_there = there;
	return want < rt_buffer_there ? want : rt_buffer_there;
}

// A pipe that was inherited is not known as one here.
static __attribute__((cold, noinline)) bool is_pipe(int fd)
{
	u64 kind = FD_PIPE;

	(void)files_fstat(SLOT_FILES, fd, &kind, NULL, NULL, NULL, NULL);
	return kind == FD_PIPE;
}

// A read that fills the buffer goes on only where more is known to be there without waiting: in files, not in pipes.
PATH ssize_t read_bulk(int fd, char *buf, size_t len)
{
	size_t total = 0;
	u64 done, want;

	do {
		err_t err;

		want = len - total;
		if (want > rt_buffer_there) /* a pipe holds no more than the first page */
			want = rt_fd_kind[fd] == FD_PIPE ? rt_buffer_there : buffer_ask(want);
		err = files_read(SLOT_FILES, fd, want, 0, &done);
		if (err)
			return total ? (ssize_t)total : rt_fail(err);
		memcpy(buf + total, rt_files_buffer(), done);
		total += done;
	} while (total < len && done == want && rt_fd_kind[fd] != FD_PIPE && (want > PAGE_SIZE || !is_pipe(fd)));
	return total;
}

ssize_t read(int fd, void *buf, size_t len)
{
	if (!fd_valid(fd))
		return rt_fail(-ERR_BADF);
	if (rt_fd_kind[fd] == FD_CONSOLE)
		return rt_console_read(buf, len);
	return len <= READ_SMALL ? read_small(fd, buf, len) : read_bulk(fd, buf, len);
}

PATH ssize_t write_bulk(int fd, const char *buf, size_t len)
{
	size_t total = 0;

	while (total < len) {
		u64 done, want = len - total;
		err_t err;

		if (want > rt_buffer_there)
			want = buffer_ask(want);
		memcpy(rt_files_buffer(), buf + total, want);
		err = files_write(SLOT_FILES, fd, want, 0, &done);
		if (err)
			return total ? (ssize_t)total : rt_fail(err);
		total += done;
	}
	return total;
}

PATH ssize_t write_small(int fd, const void *buf, size_t len)
{
	u64 done, w[6] = { 0 };
	ssize_t rest;
	err_t err;

	words_load(w, buf, len);
	err = files_write_small(SLOT_FILES, fd, len, w[0], w[1], w[2], w[3], w[4], w[5], &done);
	if (err)
		return rt_fail(err);
	if (done == len)
		return done;
	// A pipe with little room took a part: the rest goes the long way, which waits.
	rest = write_bulk(fd, (const char *)buf + done, len - done);
	return rest < 0 ? (done ? (ssize_t)done : rest) : (ssize_t)done + rest;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	if (!fd_valid(fd))
		return rt_fail(-ERR_BADF);
	if (rt_fd_kind[fd] == FD_CONSOLE)
		return rt_console_write(buf, len);
	return len <= WRITE_SMALL ? write_small(fd, buf, len) : write_bulk(fd, buf, len);
}

int close(int fd)
{
	err_t err;

	if (!fd_valid(fd))
		return rt_fail(-ERR_BADF);
	err = files_close(SLOT_FILES, fd);
	if (err)
		return rt_fail(err);
	rt_fd_kind[fd] = FD_NONE;
	rt_fd_cloexec &= ~((u64)1 << fd);
	return 0;
}

off_t lseek(int fd, off_t offset, int whence)
{
	u64 at;
	err_t err;

	if (!fd_valid(fd))
		return rt_fail(-ERR_BADF);
	if (rt_fd_kind[fd] == FD_CONSOLE)
		return rt_fail(-ERR_SPIPE);
	err = files_seek(SLOT_FILES, fd, offset, whence, &at);
	return err ? rt_fail(err) : (off_t)at;
}

static int fd_duplicate(int fd, u64 to, u64 min)
{
	u64 got;
	err_t err;

	if (!fd_valid(fd))
		return rt_fail(-ERR_BADF);
	err = files_dup(SLOT_FILES, fd, to, min, &got);
	if (err)
		return rt_fail(err);
	rt_fd_kind[got] = rt_fd_kind[fd];
	fd_flags[got] = fd_flags[fd];
	rt_fd_cloexec &= ~((u64)1 << got);
	return got;
}

int dup(int fd)
{
	return fd_duplicate(fd, -1, 0);
}

int dup2(int fd, int to)
{
	if (!fd_valid(to))
		return rt_fail(-ERR_BADF);
	if (fd == to)
		return fcntl(fd, F_GETFD) < 0 ? -1 : to;
	return fd_duplicate(fd, to, 0);
}

static int cloexec_set(int fd, bool on)
{
	err_t err = files_cloexec(SLOT_FILES, fd, on);

	if (err)
		return rt_fail(err);
	rt_fd_cloexec &= ~((u64)1 << fd);
	rt_fd_cloexec |= (u64)on << fd;
	return 0;
}

int dup3(int fd, int to, int flags)
{
	int got;

	if (fd == to || (flags & ~O_CLOEXEC))
		return rt_fail(-ERR_INVAL);
	got = dup2(fd, to);
	return got >= 0 && flags && cloexec_set(got, true) ? -1 : got;
}

int pipe2(int fds[2], int flags)
{
	u64 reader, writer;
	err_t err;

	if (flags & ~O_CLOEXEC)
		return rt_fail(-ERR_INVAL);
	err = files_pipe(SLOT_FILES, &reader, &writer);
	if (err)
		return rt_fail(err);
	rt_fd_opened(reader, FD_PIPE, O_RDONLY);
	rt_fd_opened(writer, FD_PIPE, O_WRONLY);
	fds[0] = reader;
	fds[1] = writer;
	return flags && (cloexec_set(reader, true) || cloexec_set(writer, true)) ? -1 : 0;
}

int pipe(int fds[2])
{
	return pipe2(fds, 0);
}

static int fd_open_check(int fd)
{
	u64 kind;
	err_t err = fd_valid(fd) ? files_fstat(SLOT_FILES, fd, &kind, NULL, NULL, NULL, NULL) : -ERR_BADF;

	return rt_result(err);
}

int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;
	int got;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (fd_open_check(fd))
		return -1;
	switch (cmd) {
	case F_DUPFD:
		return fd_duplicate(fd, -1, (int)arg);
	case F_DUPFD_CLOEXEC:
		got = fd_duplicate(fd, -1, (int)arg);
		return got >= 0 && cloexec_set(got, true) ? -1 : got;
	case F_GETFD:
		return rt_fd_cloexec >> fd & 1 ? FD_CLOEXEC : 0;
	case F_SETFD:
		return cloexec_set(fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return (fd_flags[fd] & O_ACCMODE) | (fd_flags[fd] & 0x80 ? O_APPEND : 0);
	default:
		return rt_fail(-ERR_INVAL);
	}
}

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	off_t old = lseek(fd, 0, SEEK_CUR);
	ssize_t done;

	if (old < 0 || lseek(fd, offset, SEEK_SET) < 0)
		return -1;
	done = read(fd, buf, len);
	return lseek(fd, old, SEEK_SET) < 0 ? -1 : done;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	off_t old = lseek(fd, 0, SEEK_CUR);
	ssize_t done;

	if (old < 0 || lseek(fd, offset, SEEK_SET) < 0)
		return -1;
	done = write(fd, buf, len);
	return lseek(fd, old, SEEK_SET) < 0 ? -1 : done;
}

ssize_t readv(int fd, const struct iovec *iov, int count)
{
	ssize_t total = 0;

	for (int i = 0; i < count; i++) {
		ssize_t done = read(fd, iov[i].iov_base, iov[i].iov_len);

		if (done < 0)
			return total ? total : -1;
		total += done;
		if ((size_t)done < iov[i].iov_len)
			break;
	}
	return total;
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	ssize_t total = 0;

	for (int i = 0; i < count; i++) {
		ssize_t done = write(fd, iov[i].iov_base, iov[i].iov_len);

		if (done < 0)
			return total ? total : -1;
		total += done;
	}
	return total;
}
