// SPDX-License-Identifier: MIT
// The shell's pure parts on the host: grammar, expansion, line editing; then random input, which must never read or
// write astray.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/app/sh/edit.h"
#include "user/app/sh/expand.h"
#include "user/app/sh/parse.h"

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
			exit(1); \
		} \
	} while (0)

// ---- grammar: a line is printed back in a plain form

static char form[4096];

static void add(const char *text)
{
	if (strlen(form) + strlen(text) < sizeof(form))
		strcat(form, text);
}

static void form_command(const struct command *c)
{
	static const char *const op[] = { "<", ">", ">>", ">&" };
	char text[600];

	add("{");
	for (int i = 0; i < c->count; i++) {
		add(i ? " " : "");
		add(c->words[i]);
	}
	for (const struct redirect *r = c->redirects; r; r = r->next) {
		snprintf(text, sizeof(text), " %d%s%s", r->fd, op[r->kind], r->word);
		add(text);
	}
	add("}");
}

static const char *parsed(const char *line)
{
	struct parse p;

	form[0] = '\0';
	if (!parse_line(&p, line)) {
		snprintf(form, sizeof(form), "error: %s%s", p.error, p.more ? " (more)" : "");
		parse_free(&p);
		return form;
	}
	for (const struct list *l = p.lists; l; l = l->next) {
		for (const struct pipeline *pl = l->pipelines; pl; pl = pl->next) {
			add(pl->join == JOIN_AND ? " && " : pl->join == JOIN_OR ? " || " : "");
			add(pl->negate ? "! " : "");
			for (const struct command *c = pl->commands; c; c = c->next) {
				form_command(c);
				add(c->next ? " | " : "");
			}
		}
		add(l->background ? " & " : "; ");
	}
	parse_free(&p);
	return form;
}

static void test_parse(void)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "# only a comment", "" },
		{ "a b c", "{a b c}; " },
		{ "a;b ; c # d", "{a}; {b}; {c}; " },
		{ "a & b", "{a} & {b}; " },
		{ "a&&b||c;d", "{a} && {b} || {c}; {d}; " },
		{ "a|b|c", "{a} | {b} | {c}; " },
		{ "! a | b", "! {a} | {b}; " },
		{ "a >x <y 2>>z 2>&1", "{a 1>x 0<y 2>>z 2>&1}; " },
		{ "a>x b", "{a b 1>x}; " },
		{ "> x", "{ 1>x}; " },
		{ "a 'b;c|d' \"e&f\" g\\;h", "{a 'b;c|d' \"e&f\" g\\;h}; " },
		{ "echo a#b", "{echo a#b}; " },
		{ "a\nb\n\nc\n", "{a}; {b}; {c}; " },
		{ "a \\\n b", "{a b}; " },
		{ "a2>x", "{a2 1>x}; " },
		{ "a 1 2 3 4 5 6 7 8", "{a 1 2 3 4 5 6 7 8}; " },
		{ "a 'b", "error: a quote is not closed (more)" },
		{ "a \"b\\\"", "error: a quote is not closed (more)" },
		{ "a |", "error: a command is missing before 'the end of line' (more)" },
		{ "a &&", "error: a command is missing before 'the end of line' (more)" },
		{ ";", "error: a command is missing before ';'" },
		{ "a;;b", "error: a command is missing before ';b'" },
		{ "| a", "error: a command is missing before '| '" },
		{ "a >", "error: a redirection needs a file name behind it" },
		{ "a > | b", "error: a redirection needs a file name behind it" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (strcmp(parsed(cases[i][0]), cases[i][1])) {
			fprintf(stderr, "parse '%s': got '%s', wanted '%s'\n", cases[i][0], form, cases[i][1]);
			exit(1);
		}
}

// ---- expansion

static const char *get(const char *name)
{
	return !strcmp(name, "A")       ? "one two"
	       : !strcmp(name, "EMPTY") ? ""
	       : !strcmp(name, "?")     ? "7"
	       : !strcmp(name, "1")     ? "first arg"
	       : !strcmp(name, "STAR")  ? "*"
					: NULL;
}

static int fake_glob(const char *pattern, struct strings *out)
{
	if (!strcmp(pattern, "*.c")) {
		strings_add(out, "a.c", 3);
		strings_add(out, "b.c", 3);
		return 2;
	}
	if (!strcmp(pattern, "\\**")) {
		strings_add(out, "*x", 2);
		return 1;
	}
	return 0;
}

static const char *expanded(const char *word, bool single)
{
	static char *args[] = { "first arg", "second" };
	struct expand_env env = { get, fake_glob, args, 2 };
	struct strings out = { 0 };

	form[0] = '\0';
	expand_word(&env, word, single, &out);
	for (int i = 0; i < out.count; i++) {
		add("<");
		add(out.item[i]);
		add(">");
	}
	strings_free(&out);
	return form;
}

static void test_expand(void)
{
	static const char *const cases[][2] = {
		{ "plain", "<plain>" },
		{ "'a b'", "<a b>" },
		{ "a'b'\"c\"d", "<abcd>" },
		{ "\"\"", "<>" },
		{ "$A", "<one><two>" },
		{ "\"$A\"", "<one two>" },
		{ "x${A}y", "<xone><twoy>" },
		{ "'$A'", "<$A>" },
		{ "\\$A", "<$A>" },
		{ "$EMPTY", "" },
		{ "\"$EMPTY\"", "<>" },
		{ "$NOTSET", "" },
		{ "$?", "<7>" },
		{ "a$", "<a$>" },
		{ "${A", "<${A>" },
		{ "$1", "<first><arg>" },
		{ "\"$@\"", "<first arg><second>" },
		{ "$@", "<first><arg><second>" },
		{ "\"$*\"", "<first arg second>" },
		{ "x\"$@\"y", "<xfirst arg><secondy>" },
		{ "*.c", "<a.c><b.c>" },
		{ "'*'.c", "<*.c>" },
		{ "\\**", "<*x>" },
		{ "*.nothing", "<*.nothing>" },
		{ "\"a\\nb\\\"\"", "<a\\nb\">" },
		{ "\"$STAR\".c", "<*.c>" },
		{ "$STAR.c", "<a.c><b.c>" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (strcmp(expanded(cases[i][0], false), cases[i][1])) {
			fprintf(stderr, "expand '%s': got '%s', wanted '%s'\n", cases[i][0], form, cases[i][1]);
			exit(1);
		}
	CHECK(!strcmp(expanded("$A*.c", true), "<one two*.c>"));
	CHECK(!strcmp(expanded("", true), "<>"));
}

// ---- editing: a small screen interprets what is drawn

static struct {
	char row[256];
	int column;
	int rows; // newlines seen
} screen;

static void screen_csi(const char **at)
{
	int number = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++)
		number = number * 10 + **at - '0';
	if (**at == 'K')
		memset(screen.row + screen.column, 0, sizeof(screen.row) - screen.column);
	else if (**at == 'D')
		screen.column -= number;
	CHECK(screen.column >= 0);
}

static void screen_out(const char *bytes, size_t len)
{
	char copy[4096] = { 0 };

	CHECK(len < sizeof(copy));
	memcpy(copy, bytes, len);
	for (const char *c = copy; c < copy + len; c++) {
		if (*c == '\r') {
			screen.column = 0;
		} else if (*c == '\n') {
			screen.rows++;
			screen.column = 0;
			memset(screen.row, 0, sizeof(screen.row));
		} else if (*c == '\033' && c[1] == '[') {
			c += 2;
			screen_csi(&c);
		} else if (*c != '\a') {
			CHECK(screen.column < (int)sizeof(screen.row) - 1);
			screen.row[screen.column++] = *c;
		}
	}
}

static struct edit edit;

static enum edit_event type(const char *keys)
{
	enum edit_event event = EDIT_GOES_ON;

	for (; *keys; keys++)
		event = edit_byte(&edit, (unsigned char)*keys);
	return event;
}

static void typed(const char *keys, const char *line, int pos)
{
	char row[300];

	edit_start(&edit, "$ ", 80);
	CHECK(type(keys) == EDIT_GOES_ON);
	if (strcmp(edit.line, line) || edit.pos != pos) {
		fprintf(stderr, "typed '%s': line '%s' at %d, wanted '%s' at %d\n", keys, edit.line, edit.pos, line,
			pos);
		exit(1);
	}
	snprintf(row, sizeof(row), "$ %s", line);
	CHECK(!strcmp(screen.row, row) && screen.column == pos + 2);
}

static void test_edit(void)
{
	edit_init(&edit, screen_out);
	typed("abc", "abc", 3);
	typed("abc\x7f", "ab", 2);
	typed("abc\x01X", "Xabc", 1);
	typed("abc\033[D\033[DX", "aXbc", 2);
	typed("abc\033[HX\033[FY", "XabcY", 5);
	typed("abc\033[1~X\033[4~Y", "XabcY", 5);
	typed("abc\x01\033[3~", "bc", 0);
	typed("one two\x17", "one ", 4);
	typed("one two\033[D\033[D\x0b", "one t", 5);
	typed("one two\033[D\x15", "o", 0);
	typed("abc\x02\x02\x06Z", "abZc", 3);
	typed("\x7f\x15\x0b\x17\033[C\033[D", "", 0);
	CHECK(type("x\r") == EDIT_DONE);
	edit_start(&edit, "$ ", 80);
	CHECK(type("\x04") == EDIT_EOF);
	edit_start(&edit, "$ ", 80);
	CHECK(type("abc\x03") == EDIT_CANCELLED);
	edit_history_add(&edit, "first");
	edit_history_add(&edit, "second");
	edit_history_add(&edit, "second");
	edit_history_add(&edit, "  ");
	typed("dra\033[A", "second", 6);
	typed("dra\033[A\033[A", "first", 5);
	typed("dra\033[A\033[A\033[A", "first", 5);
	typed("dra\033[A\033[A\033[B\033[B", "dra", 3);
	for (int i = 0; i < 200; i++) {
		char line[16];

		snprintf(line, sizeof(line), "h%d", i);
		edit_history_add(&edit, line);
	}
	edit_start(&edit, "$ ", 20);
	for (int i = 0; i < 100; i++)
		type("\033[A");
	CHECK(!strcmp(edit.line, "h136"));
}

static unsigned long seed = 1;

static unsigned int random_next(void)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return seed >> 33;
}

static void test_random(int steps)
{
	static const char letters[] = "ab \t;&|<>'\"\\$?{}A@*[]#!12=\n";
	char line[64];

	for (int step = 0; step < steps; step++) {
		int len = random_next() % (sizeof(line) - 1);

		for (int i = 0; i < len; i++)
			line[i] = letters[random_next() % (sizeof(letters) - 1)];
		line[len] = '\0';
		parsed(line);
		expanded(line, step & 1);
	}
	edit_start(&edit, "prompt $ ", 24);
	for (int step = 0; step < steps * 10; step++) {
		static const char keys[] = "\033\033\033[[[OABCDFH0123;~";
		unsigned int r = random_next();
		unsigned char c = r % 3 ? (unsigned char)keys[r / 3 % (sizeof(keys) - 1)] : r / 3 % 256;

		if (edit_byte(&edit, c) != EDIT_GOES_ON)
			edit_start(&edit, "prompt $ ", 24);
		CHECK(edit.len >= 0 && edit.len < EDIT_LINE && edit.pos >= 0 && edit.pos <= edit.len);
		CHECK((int)strlen(edit.line) == edit.len);
	}
}

int main(void)
{
	test_parse();
	test_expand();
	test_edit();
	test_random(100000);
	printf("sh_test: ok\n");
	return 0;
}
