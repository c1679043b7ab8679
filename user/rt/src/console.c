// SPDX-License-Identifier: MIT
// The console: bytes travel in the words of messages. The mode goes with each read, so a program that dies leaves
// nothing behind.
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "rt.h"

#define CONSOLE_BYTES 56

static u64 console_mode_now;

ssize_t rt_console_write(const void *buf, size_t len)
{
	size_t total = 0;

	while (total < len) {
		u64 done, w[7] = { 0 }, want = len - total < CONSOLE_BYTES ? len - total : CONSOLE_BYTES;
		err_t err;

		memcpy(w, (const char *)buf + total, want);
		err = console_write(SLOT_CONSOLE, want, w[0], w[1], w[2], w[3], w[4], w[5], w[6], &done);
		if (err)
			return total ? (ssize_t)total : rt_fail(err);
		total += done;
	}
	return total;
}

ssize_t rt_console_read(void *buf, size_t len)
{
	u64 done, w[7], want = len < CONSOLE_BYTES ? len : CONSOLE_BYTES;
	err_t err = want ? console_read(SLOT_CONSOLE, want, console_mode_now, &done, &w[0], &w[1], &w[2], &w[3], &w[4],
					&w[5], &w[6])
			 : 0;

	if (err)
		return rt_fail(err);
	if (!want)
		return 0;
	memcpy(buf, w, done);
	return done;
}

int isatty(int fd)
{
	if ((unsigned int)fd >= FD_MAX || rt_fd_kind[fd] == FD_NONE)
		errno = EBADF;
	else if (rt_fd_kind[fd] == FD_CONSOLE)
		return 1;
	else
		errno = ENOTTY;
	return 0;
}

int tcgetattr(int fd, struct termios *t)
{
	if (!isatty(fd))
		return -1;
	*t = (struct termios){ .c_iflag = ICRNL, .c_oflag = OPOST | ONLCR, .c_cflag = CS8 | CREAD, .c_lflag = ISIG };
	if (!(console_mode_now & CONSOLE_RAW))
		t->c_lflag |= ICANON | ECHO;
	if (console_mode_now & CONSOLE_NOECHO)
		t->c_lflag &= ~ECHO;
	t->c_cc[VMIN] = 1;
	return 0;
}

// Of all that Unix terminals can do, the console knows lines or bytes, with echo or without. It is told at once, for
// what is typed ahead.
int tcsetattr(int fd, int when, const struct termios *t)
{
	(void)when;
	if (!isatty(fd))
		return -1;
	console_mode_now = t->c_lflag & ICANON ? (t->c_lflag & ECHO ? 0 : CONSOLE_NOECHO) : CONSOLE_RAW;
	return rt_result(console_mode(SLOT_CONSOLE, console_mode_now, NULL, NULL));
}

int tcflush(int fd, int queue)
{
	(void)queue;
	return isatty(fd) ? 0 : -1;
}

int tcdrain(int fd)
{
	return isatty(fd) ? rt_result(console_drain(SLOT_CONSOLE)) : -1;
}

void cfmakeraw(struct termios *t)
{
	t->c_lflag &= ~(ICANON | ECHO);
}

static int window_size(struct winsize *size)
{
	u64 columns, rows;
	err_t err = console_mode(SLOT_CONSOLE, console_mode_now, &columns, &rows);

	if (err)
		return rt_fail(err);
	*size = (struct winsize){ .ws_col = columns, .ws_row = rows };
	return 0;
}

int ioctl(int fd, unsigned long request, void *argument)
{
	u64 ready;
	err_t err;

	if (!isatty(fd))
		return -1;
	switch (request) {
	case TIOCGWINSZ:
		return window_size(argument);
	case FIONREAD:
		err = console_poll(SLOT_CONSOLE, &ready);
		if (err)
			return rt_fail(err);
		*(int *)argument = ready;
		return 0;
	default:
		return rt_fail(-ERR_INVAL);
	}
}

int tcsetpgrp(int fd, pid_t group)
{
	return isatty(fd) ? rt_result(vm_foreground(SLOT_VM, group, NULL)) : -1;
}

char *ttyname(int fd)
{
	return isatty(fd) ? "/dev/console" : NULL;
}
