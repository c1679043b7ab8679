// SPDX-License-Identifier: MIT
/*
 * The line on the screen is redrawn after each change: carriage return, prompt, the part of the line that fits, clear
 * to the end, and the cursor back to its place. A line wider than the screen shows the part around the cursor.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edit.h"

enum {
	CTRL_A = 1,
	CTRL_B = 2,
	CTRL_C = 3,
	CTRL_D = 4,
	CTRL_E = 5,
	CTRL_F = 6,
	CTRL_H = 8,
	CTRL_K = 11,
	CTRL_L = 12,
	CTRL_N = 14,
	CTRL_P = 16,
	CTRL_U = 21,
	CTRL_W = 23,
	ESCAPE = 27,
	DELETE = 127,
};

void edit_init(struct edit *e, void (*out)(const char *, size_t))
{
	*e = (struct edit){ .out = out };
}

static void redraw(struct edit *e)
{
	int room = e->width - (int)strlen(e->prompt) - 1, from = 0, shown;
	char back[32];

	if (room < 8)
		room = 8;
	if (e->pos > room)
		from = e->pos - room;
	shown = e->len - from < room ? e->len - from : room;
	e->out("\r", 1);
	e->out(e->prompt, strlen(e->prompt));
	e->out(e->line + from, shown);
	e->out("\033[K", 3);
	if (from + shown > e->pos)
		e->out(back, snprintf(back, sizeof(back), "\033[%dD", from + shown - e->pos));
}

void edit_start(struct edit *e, const char *prompt, int width)
{
	e->prompt = prompt;
	e->width = width;
	e->len = e->pos = e->escape = 0;
	e->line[0] = '\0';
	e->history_at = e->history_count;
	redraw(e);
}

void edit_history_add(struct edit *e, const char *line)
{
	char **slot = &e->history[e->history_count % EDIT_HISTORY];
	char *last = e->history_count ? e->history[(e->history_count - 1) % EDIT_HISTORY] : NULL;
	char *copy;

	if (!line[strspn(line, " \t")] || (last && strcmp(last, line) == 0))
		return;
	copy = strdup(line);
	if (!copy)
		return;
	free(*slot);
	*slot = copy;
	e->history_count++;
}

static void history_show(struct edit *e, int at)
{
	int oldest = e->history_count > EDIT_HISTORY ? e->history_count - EDIT_HISTORY : 0;

	if (at < oldest || at > e->history_count)
		return;
	if (e->history_at == e->history_count)
		strcpy(e->draft, e->line);
	snprintf(e->line, sizeof(e->line), "%s", at == e->history_count ? e->draft : e->history[at % EDIT_HISTORY]);
	e->history_at = at;
	e->len = e->pos = strlen(e->line);
}

static void insert(struct edit *e, char c)
{
	if (e->len + 1 >= EDIT_LINE) {
		e->out("\a", 1);
		return;
	}
	memmove(e->line + e->pos + 1, e->line + e->pos, e->len - e->pos + 1);
	e->line[e->pos++] = c;
	e->len++;
}

// Remove the bytes from `from` up to `to`; the cursor ends there.
static void cut(struct edit *e, int from, int to)
{
	memmove(e->line + from, e->line + to, e->len - to + 1);
	e->len -= to - from;
	e->pos = from;
}

static int word_start(const struct edit *e)
{
	int at = e->pos;

	while (at > 0 && isspace((unsigned char)e->line[at - 1]))
		at--;
	while (at > 0 && !isspace((unsigned char)e->line[at - 1]))
		at--;
	return at;
}

static void move(struct edit *e, int to)
{
	if (to >= 0 && to <= e->len)
		e->pos = to;
}

// ESC [ or ESC O, digits, a letter or ~.
static void escape_end(struct edit *e, char c)
{
	int number = atoi(e->sequence);

	e->escape = 0;
	if (c == 'A')
		history_show(e, e->history_at - 1);
	else if (c == 'B')
		history_show(e, e->history_at + 1);
	else if (c == 'C')
		move(e, e->pos + 1);
	else if (c == 'D')
		move(e, e->pos - 1);
	else if (c == 'H' || (c == '~' && (number == 1 || number == 7)))
		move(e, 0);
	else if (c == 'F' || (c == '~' && (number == 4 || number == 8)))
		move(e, e->len);
	else if (c == '~' && number == 3 && e->pos < e->len)
		cut(e, e->pos, e->pos + 1);
}

static void escape_byte(struct edit *e, unsigned char c)
{
	if (e->escape == 1) {
		e->escape = c == '[' || c == 'O' ? 2 : 0;
		memset(e->sequence, 0, sizeof(e->sequence));
		return;
	}
	if ((isdigit(c) || c == ';') && e->escape - 2 < (int)sizeof(e->sequence) - 1) {
		e->sequence[e->escape++ - 2] = c;
		return;
	}
	escape_end(e, c);
	redraw(e);
}

static void control(struct edit *e, unsigned char c)
{
	switch (c) {
	case CTRL_A:
		move(e, 0);
		break;
	case CTRL_B:
		move(e, e->pos - 1);
		break;
	case CTRL_D:
		if (e->pos < e->len)
			cut(e, e->pos, e->pos + 1);
		break;
	case CTRL_E:
		move(e, e->len);
		break;
	case CTRL_F:
		move(e, e->pos + 1);
		break;
	case CTRL_H:
	case DELETE:
		if (e->pos > 0)
			cut(e, e->pos - 1, e->pos);
		break;
	case CTRL_K:
		cut(e, e->pos, e->len);
		break;
	case CTRL_L:
		e->out("\033[H\033[2J", 7);
		break;
	case CTRL_N:
		history_show(e, e->history_at + 1);
		break;
	case CTRL_P:
		history_show(e, e->history_at - 1);
		break;
	case CTRL_U:
		cut(e, 0, e->pos);
		break;
	case CTRL_W:
		cut(e, word_start(e), e->pos);
		break;
	}
	redraw(e);
}

enum edit_event edit_byte(struct edit *e, unsigned char c)
{
	if (e->escape) {
		escape_byte(e, c);
		return EDIT_GOES_ON;
	}
	if (c == ESCAPE) {
		e->escape = 1;
		return EDIT_GOES_ON;
	}
	if (c == '\r' || c == '\n') {
		e->out("\n", 1);
		return EDIT_DONE;
	}
	if (c == CTRL_C) {
		e->out("^C\n", 3);
		return EDIT_CANCELLED;
	}
	if (c == CTRL_D && e->len == 0)
		return EDIT_EOF;
	if (c < 32 || c == DELETE) {
		control(e, c);
		return EDIT_GOES_ON;
	}
	insert(e, (char)c);
	// The common case, typing at the end of a line that fits, needs one byte.
	if (e->pos == e->len && (int)strlen(e->prompt) + e->len + 1 < e->width)
		e->out((char *)&c, 1);
	else
		redraw(e);
	return EDIT_GOES_ON;
}
