// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expand.h"

static void *resize(void *p, size_t bytes)
{
	p = realloc(p, bytes);
	if (!p) {
		fprintf(stderr, "sh: no memory for the words of this line\n");
		exit(2);
	}
	return p;
}

void strings_add(struct strings *s, const char *text, size_t len)
{
	char *copy = resize(NULL, len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	if (s->count + 2 > s->room) {
		s->room = s->room ? 2 * s->room : 8;
		s->item = resize(s->item, s->room * sizeof(*s->item));
	}
	s->item[s->count++] = copy;
	s->item[s->count] = NULL;
}

void strings_free(struct strings *s)
{
	for (int i = 0; i < s->count; i++)
		free(s->item[i]);
	free(s->item);
	*s = (struct strings){ 0 };
}

// The word as it grows: its text, and the same as a pattern, in which quoted characters carry a backslash.
struct field {
	const struct expand_env *env;
	struct strings *out;
	bool single;
	char *text, *pattern;
	size_t len, pattern_len, room;
	bool started;  // there is a word, be it empty ("")
	bool has_glob; // an unquoted * ? or [
};

static void put(struct field *f, char c, bool quoted)
{
	if (f->len + 2 > f->room) {
		f->room = f->room ? 2 * f->room : 64;
		f->text = resize(f->text, f->room);
		f->pattern = resize(f->pattern, 2 * f->room);
	}
	f->text[f->len++] = c;
	if (strchr("*?[\\", c)) {
		f->has_glob |= !quoted && c != '\\';
		if (quoted || c == '\\')
			f->pattern[f->pattern_len++] = '\\';
	}
	f->pattern[f->pattern_len++] = c;
	f->started = true;
}

static void finish(struct field *f)
{
	if (!f->started)
		return;
	if (f->has_glob && !f->single)
		f->pattern[f->pattern_len] = '\0';
	if (!f->has_glob || f->single || !f->env->glob || !f->env->glob(f->pattern, f->out))
		strings_add(f->out, f->text ? f->text : "", f->len);
	f->len = f->pattern_len = 0;
	f->started = f->has_glob = false;
}

static void put_value(struct field *f, const char *value, bool quoted)
{
	for (; *value; value++) {
		if (quoted || f->single || !isspace((unsigned char)*value))
			put(f, *value, quoted);
		else
			finish(f);
	}
}

// $@ and $*: all arguments; "$@" keeps them apart.
static void put_args(struct field *f, bool quoted, bool apart)
{
	for (int i = 0; i < f->env->count; i++) {
		if (i > 0 && quoted && !apart)
			put(f, ' ', true);
		else if (i > 0)
			finish(f);
		put_value(f, f->env->args[i], quoted);
		f->started |= quoted;
	}
}

// At a dollar sign. Answers what stands behind the variable.
static const char *put_variable(struct field *f, const char *c, bool quoted)
{
	bool braces = c[1] == '{';
	const char *start = c + 1 + braces, *end = start;
	char name[64];
	const char *value;

	if (isalpha((unsigned char)*end) || *end == '_')
		while (isalnum((unsigned char)*end) || *end == '_')
			end++;
	else if (*end && (isdigit((unsigned char)*end) || strchr("?$!#@*", *end)))
		end++;
	if (end == start || end - start >= (long)sizeof(name) || (braces && *end != '}')) {
		put(f, '$', quoted);
		return c + 1;
	}
	memcpy(name, start, end - start);
	name[end - start] = '\0';
	if (*name == '@' || *name == '*') {
		put_args(f, quoted, *name == '@');
	} else {
		value = f->env->get(name);
		if (value)
			put_value(f, value, quoted);
	}
	return end + braces;
}

static const char *put_double_quoted(struct field *f, const char *c)
{
	f->started |= strcmp(c, "\"$@\"") != 0 || f->env->count > 0;
	for (c++; *c && *c != '"';) {
		if (*c == '$') {
			c = put_variable(f, c, true);
			continue;
		}
		if (*c == '\\' && c[1] && strchr("$\"\\`", c[1]))
			c++;
		put(f, *c++, true);
	}
	return *c ? c + 1 : c;
}

static const char *put_single_quoted(struct field *f, const char *c)
{
	f->started = true;
	for (c++; *c && *c != '\''; c++)
		put(f, *c, true);
	return *c ? c + 1 : c;
}

void expand_word(const struct expand_env *env, const char *word, bool single, struct strings *out)
{
	struct field f = { .env = env, .out = out, .single = single };

	for (const char *c = word; *c;) {
		switch (*c) {
		case '\'':
			c = put_single_quoted(&f, c);
			break;
		case '"':
			c = put_double_quoted(&f, c);
			break;
		case '\\':
			if (c[1] && c[1] != '\n')
				put(&f, c[1], true);
			c += c[1] ? 2 : 1;
			break;
		case '$':
			c = put_variable(&f, c, false);
			break;
		default:
			put(&f, *c++, false);
		}
	}
	f.started |= single;
	finish(&f);
	free(f.text);
	free(f.pattern);
}
