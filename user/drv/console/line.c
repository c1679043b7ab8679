// SPDX-License-Identifier: MIT
// The line discipline.
//
// Cooked: keys collect in `edit`, where erase (^H, DEL), kill (^U) and word erase (^W) work, until newline or ^D move
// them to the items that readers take. Raw: keys are items at once. Ctrl-C forgets everything typed so far in either
// mode; a raw reader is told by the byte.
//
// Invariants: ends == number of newlines and END items; items of a line stand before its end; edit is empty in raw
// mode.
#include "line.h"

#define END 0x100 // ^D: the reader gets what stands before it

#define CTRL(c) ((c)&0x1f)
#define DEL     0x7f

// False: no room; a reader is late.
static bool item_put(struct line *l, u16 item)
{
	if (l->tail - l->head == INPUT_ITEMS)
		return false;
	l->item[l->tail++ % INPUT_ITEMS] = item;
	l->ends += item == '\n' || item == END;
	return true;
}

static bool echoes(const struct line *l)
{
	return !(l->mode & CONSOLE_NOECHO);
}

static void key_echo(const struct line *l, u8 key, struct output *out)
{
	char text[3] = { (char)key, 0, 0 };

	if (!echoes(l))
		return;
	if (key < ' ' && key != '\n' && key != '\t') {
		text[0] = '^';
		text[1] = (char)(key | '@');
	}
	output_echo(out, text);
}

// Takes the last character off the line: in UTF-8 that may be several bytes.
static void char_erase(struct line *l, struct output *out)
{
	u8 last;

	do
		last = l->edit[--l->len];
	while (l->len && (last & 0xc0) == 0x80);
	if (!echoes(l))
		return;
	output_echo(out, "\b \b");
	if (last < ' ' && last != '\t')
		output_echo(out, "\b \b"); // it was shown as ^X
}

static void word_erase(struct line *l, struct output *out)
{
	while (l->len && (l->edit[l->len - 1] == ' ' || l->edit[l->len - 1] == '\t'))
		char_erase(l, out);
	while (l->len && l->edit[l->len - 1] != ' ' && l->edit[l->len - 1] != '\t')
		char_erase(l, out);
}

// The line goes to the readers, followed by `end`. It stays when there is no room for all of it.
static void line_finish(struct line *l, u16 end, struct output *out)
{
	if (INPUT_ITEMS - (l->tail - l->head) < l->len + 1) {
		output_echo(out, "\a");
		return;
	}
	for (u32 i = 0; i < l->len; i++)
		item_put(l, l->edit[i]);
	item_put(l, end);
	l->len = 0;
	if (end == '\n')
		key_echo(l, '\n', out);
}

static void key_cooked(struct line *l, u8 key, struct output *out)
{
	switch (key) {
	case CTRL('H'):
	case DEL:
		if (l->len)
			char_erase(l, out);
		return;
	case CTRL('U'):
		while (l->len)
			char_erase(l, out);
		return;
	case CTRL('W'):
		word_erase(l, out);
		return;
	case CTRL('D'):
		line_finish(l, END, out);
		return;
	case '\r':
	case '\n':
		line_finish(l, '\n', out);
		return;
	default:
		break;
	}
	if (l->len == LINE_BYTES) {
		output_echo(out, "\a");
		return;
	}
	l->edit[l->len++] = key;
	key_echo(l, key, out);
}

bool line_key(struct line *l, u8 key, struct output *out)
{
	if (key == CTRL('C')) {
		l->len = 0;
		l->head = l->tail;
		l->ends = 0;
		if (!(l->mode & CONSOLE_RAW))
			output_echo(out, "^C\n");
		return true;
	}
	if (!(l->mode & CONSOLE_RAW))
		key_cooked(l, key, out);
	else if (!item_put(l, key))
		output_echo(out, "\a");
	return false;
}

void line_push(struct line *l, u8 key)
{
	item_put(l, key);
}

void line_mode(struct line *l, u32 mode)
{
	// what was typed ahead of a raw reader is his, as it stands
	if (mode & CONSOLE_RAW) {
		for (u32 i = 0; i < l->len && item_put(l, l->edit[i]);)
			i++;
		l->len = 0;
	} else if (l->mode & CONSOLE_RAW && l->head != l->tail && l->item[l->head % INPUT_ITEMS] == CTRL('C')) {
		// the raw reader stopped before it saw it: it is vm's alone, and no input
		l->head++;
	}
	l->mode = mode;
}

bool line_ready(const struct line *l)
{
	if (l->mode & CONSOLE_RAW)
		return l->tail != l->head;
	// items without an end are left from raw mode; a full ring must be read or no end could come
	return l->ends || l->tail - l->head == INPUT_ITEMS;
}

u32 line_read(struct line *l, u8 *out, u32 len)
{
	u32 n = 0;

	while (n < len && l->head != l->tail) {
		u16 item = l->item[l->head % INPUT_ITEMS];

		// an end that follows bytes of this read belongs to them; alone it is an end of input, which a raw
		// reader sees as its key
		l->head++;
		l->ends -= item == '\n' || item == END;
		if (item == END && l->mode & CONSOLE_RAW)
			item = CTRL('D');
		if (item == END)
			break;
		out[n++] = (u8)item;
		if (item == '\n' && !(l->mode & CONSOLE_RAW))
			return n;
	}
	// the end of input of a line that just fits is used up with it
	if (n && n == len && !(l->mode & CONSOLE_RAW) && l->head != l->tail && l->item[l->head % INPUT_ITEMS] == END) {
		l->head++;
		l->ends--;
	}
	return n;
}

u32 line_count(const struct line *l)
{
	u32 n = 0;

	if (!line_ready(l))
		return 0;
	for (u32 at = l->head; at != l->tail; at++) {
		u16 item = l->item[at % INPUT_ITEMS];

		if (item == END && !(l->mode & CONSOLE_RAW))
			break;
		n++;
		if (item == '\n' && !(l->mode & CONSOLE_RAW))
			break;
	}
	return n;
}
