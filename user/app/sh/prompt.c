// SPDX-License-Identifier: MIT
// A line from the terminal: bytes as they come, edited here.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "edit.h"
#include "sh.h"

static struct edit edit;
static char screen[512]; // what is drawn for one byte leaves at once
static size_t screen_len;

static void screen_flush(void)
{
	write(STDOUT_FILENO, screen, screen_len);
	screen_len = 0;
}

static void screen_put(const char *bytes, size_t len)
{
	while (len) {
		size_t part = len < sizeof(screen) - screen_len ? len : sizeof(screen) - screen_len;

		memcpy(screen + screen_len, bytes, part);
		screen_len += part;
		bytes += part;
		len -= part;
		if (screen_len == sizeof(screen))
			screen_flush();
	}
}

static int screen_width(void)
{
	struct winsize size;

	return ioctl(STDIN_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20 ? 80 : size.ws_col;
}

// One byte at a time: what is typed ahead belongs to the program that will read next, which may not be this one.
static int key_read(void)
{
	unsigned char key;

	screen_flush();
	return read(STDIN_FILENO, &key, 1) == 1 ? key : -1;
}

static void terminal_mode(bool raw)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t))
		return;
	if (raw)
		cfmakeraw(&t);
	else
		t.c_lflag |= ICANON | ECHO;
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

const char *prompt_line(const char *prompt)
{
	enum edit_event event = EDIT_GOES_ON;
	int key;

	if (!edit.out)
		edit_init(&edit, screen_put);
	terminal_mode(true);
	(void)interrupt_take(); // typed when the last job had ended
	edit_start(&edit, prompt, screen_width());
	while (event == EDIT_GOES_ON || event == EDIT_CANCELLED) {
		key = key_read();
		event = key < 0 ? EDIT_EOF : edit_byte(&edit, key);
		if (event == EDIT_CANCELLED) {
			(void)interrupt_take(); // the key was the interrupt
			edit_start(&edit, prompt, screen_width());
		}
	}
	terminal_mode(false);
	if (event == EDIT_EOF)
		screen_put("\n", 1);
	screen_flush();
	if (event == EDIT_EOF)
		return NULL;
	edit_history_add(&edit, edit.line);
	return edit.line;
}
