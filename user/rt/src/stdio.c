// SPDX-License-Identifier: MIT
/*
 * What picolibc's stdio leaves to the system: the three standard streams, and a list of all open ones, so that exit and
 * fflush(NULL) reach them as the C standard wants. Streams are picolibc's own buffered files with a link behind them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio-bufio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt.h"

#define STREAM_BUFFER 4096

struct stream {
	struct __file_bufio bio; // first: a FILE * is its stream
	struct stream *next, **link;
	char buffer[STREAM_BUFFER];
};

static struct stream *streams;
static char stdin_buffer[STREAM_BUFFER], stdout_buffer[STREAM_BUFFER], stderr_buffer[256];

// Closing a standard stream must not free it.
static int standard_close(FILE *f)
{
	int flushed = __bufio_flush(f);

	return close(fileno(f)) ? EOF : flushed;
}

#define STANDARD(number, buffer, rw, bits) \
	FDEV_SETUP_BUFIO(number, buffer, sizeof(buffer), read, write, lseek, close, rw, bits)

static struct __file_bufio standard[3] = {
	STANDARD(STDIN_FILENO, stdin_buffer, __SRD, 0),
	STANDARD(STDOUT_FILENO, stdout_buffer, __SWR, 0),
	STANDARD(STDERR_FILENO, stderr_buffer, __SWR, __BLBF),
};

FILE *const stdin = &standard[0].xfile.cfile.file;
FILE *const stdout = &standard[1].xfile.cfile.file;
FILE *const stderr = &standard[2].xfile.cfile.file;

__attribute__((constructor(101))) static void standard_init(void)
{
	for (int i = 0; i < 3; i++)
		standard[i].xfile.cfile.close = standard_close;
	if (rt_fd_kind[STDOUT_FILENO] == FD_CONSOLE)
		standard[1].bflags |= __BLBF;
}

static int stream_flush(FILE *f)
{
	return f->flush ? f->flush(f) : 0;
}

int fflush(FILE *f)
{
	int result = 0;

	if (f)
		return stream_flush(f);
	for (int i = 1; i < 3; i++)
		result |= stream_flush(&standard[i].xfile.cfile.file);
	for (struct stream *s = streams; s; s = s->next)
		if (s->bio.dir == __SWR)
			result |= stream_flush(&s->bio.xfile.cfile.file);
	return result ? EOF : 0;
}

__attribute__((destructor(101))) static void streams_flush(void)
{
	fflush(NULL);
}

static int stream_close(FILE *f)
{
	struct stream *s = (struct stream *)f;
	int flushed = __bufio_flush(f), closed = close(fileno(f));

	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	if (s->bio.bflags & __BALL)
		free(s->bio.buf); // by setvbuf
	free(s);
	return closed ? EOF : flushed;
}

// A mode string as stream flags; 0: none.
static int mode_flags(const char *mode)
{
	int flags = mode[0] == 'r' ? __SRD : mode[0] == 'w' || mode[0] == 'a' ? __SWR : 0;

	return flags && strchr(mode, '+') ? __SRD | __SWR : flags;
}

FILE *fdopen(int fd, const char *mode)
{
	int flags = mode_flags(mode);
	struct stream *s;

	if (!flags) {
		errno = EINVAL;
		return NULL;
	}
	s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	s->bio = (struct __file_bufio)FDEV_SETUP_BUFIO(fd, s->buffer, sizeof(s->buffer), read, write, lseek, close,
						       flags, 0);
	s->bio.xfile.cfile.close = stream_close;
	if (rt_fd_kind[fd] == FD_CONSOLE)
		s->bio.bflags |= __BLBF;
	if (mode[0] == 'a')
		s->bio.pos = lseek(fd, 0, SEEK_END);
	s->next = streams;
	s->link = &streams;
	if (streams)
		streams->link = &s->next;
	streams = s;
	return &s->bio.xfile.cfile.file;
}

// Much data at once goes past the buffer. One byte by the ordinary way first: that turns the stream to writing.
size_t fwrite(const void *data, size_t size, size_t n, FILE *f)
{
	struct __file_bufio *bio = (struct __file_bufio *)f;
	const char *from = data;
	size_t len, at = 0;

	if (__builtin_mul_overflow(size, n, &len) || !len)
		return 0;
	if (len >= STREAM_BUFFER && f->flags & __SBUF && f->flags & __SWR) {
		if (putc(from[at++], f) == EOF || __bufio_flush(f))
			return 0;
		ssize_t done = write(fileno(f), from + at, len - at);
		if (done > 0) {
			bio->pos += done;
			at += done;
		}
	}
	for (; at < len; at++)
		if (putc(from[at], f) == EOF)
			break;
	return at / size;
}

// What the buffer holds is copied at once; getc refills it.
size_t fread(void *data, size_t size, size_t n, FILE *f)
{
	struct __file_bufio *bio = (struct __file_bufio *)f;
	char *to = data;
	size_t len, at = 0;
	int c;

	if (__builtin_mul_overflow(size, n, &len) || !len)
		return 0;
	while (at < len && (c = getc(f)) != EOF) {
		to[at++] = c;
		if (!(f->flags & __SBUF) || bio->dir != __SRD)
			continue;
		size_t ready = bio->len - bio->off, want = len - at;

		ready = ready < want ? ready : want;
		memcpy(to + at, bio->buf + bio->off, ready);
		bio->off += ready;
		at += ready;
	}
	return at / size;
}

ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *f)
{
	size_t len = 0;
	int c;

	do {
		c = getc(f);
		if (c == EOF)
			break;
		if (!*line || len + 2 > *size) {
			size_t larger = *size < 64 ? 128 : *size * 2;
			char *p = realloc(*line, larger);

			if (!p)
				return -1;
			*line = p;
			*size = larger;
		}
		(*line)[len++] = c;
	} while (c != delimiter);
	if (!len)
		return -1;
	(*line)[len] = '\0';
	return len;
}

ssize_t getline(char **line, size_t *size, FILE *f)
{
	return getdelim(line, size, '\n', f);
}

int vdprintf(int fd, const char *fmt, va_list ap)
{
	char *text;
	int len = vasprintf(&text, fmt, ap);

	if (len < 0)
		return -1;
	len = write(fd, text, len);
	free(text);
	return len;
}

int dprintf(int fd, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vdprintf(fd, fmt, ap);
	va_end(ap);
	return len;
}
