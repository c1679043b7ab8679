// SPDX-License-Identifier: MIT
/*
 *	lists    := andor { (';' | '&' | newline) andor }
 *	andor    := pipeline { ('&&' | '||') pipeline }
 *	pipeline := ['!'] command { '|' command }
 *	command  := { word | [digit] ('<' | '>' | '>>' | '>&' | '<&') word }
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

enum token {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_SEMICOLON, // newline too
	TOKEN_BACKGROUND,
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_PIPE,
	TOKEN_REDIRECT,
	TOKEN_ERROR,
};

struct lexer {
	struct parse *parse;
	const char *at;
	enum token token;
	const char *start; // of the token
	char *word;        // TOKEN_WORD
	enum redirect_kind kind;
	int fd; // TOKEN_REDIRECT
};

struct block {
	struct block *next;
	char data[];
};

static void *alloc(struct parse *p, size_t bytes)
{
	struct block *block = calloc(1, sizeof(*block) + bytes);

	if (!block) {
		fprintf(stderr, "sh: no memory for this line\n");
		exit(2);
	}
	block->next = p->blocks;
	p->blocks = block;
	return block->data;
}

void parse_free(struct parse *p)
{
	struct block *next;

	for (struct block *block = p->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	*p = (struct parse){ 0 };
}

static enum token fail(struct lexer *lex, const char *what, bool more)
{
	if (!lex->parse->error[0]) {
		snprintf(lex->parse->error, sizeof(lex->parse->error), "%s", what);
		lex->parse->more = more;
	}
	return lex->token = TOKEN_ERROR;
}

// One past the end of the word at `c`; NULL: a quote is open.
static const char *word_end(const char *c)
{
	while (*c && !strchr(" \t\r\n;&|<>", *c)) {
		if (*c == '\\') {
			c += c[1] ? 2 : 1;
		} else if (*c == '\'') {
			c = strchr(c + 1, '\'');
			if (!c)
				return NULL;
			c++;
		} else if (*c == '"') {
			for (c++; *c != '"'; c++) {
				if (*c == '\\' && c[1])
					c++;
				if (!*c)
					return NULL;
			}
			c++;
		} else {
			c++;
		}
	}
	return c;
}

static enum token lex_word(struct lexer *lex)
{
	const char *end = word_end(lex->at);

	if (!end)
		return fail(lex, "a quote is not closed", true);
	lex->word = alloc(lex->parse, end - lex->at + 1);
	memcpy(lex->word, lex->at, end - lex->at);
	lex->at = end;
	return lex->token = TOKEN_WORD;
}

static enum token lex_redirect(struct lexer *lex)
{
	bool out = *lex->at++ == '>';

	lex->kind = out ? REDIRECT_OUT : REDIRECT_IN;
	if (*lex->at == '&') {
		lex->kind = REDIRECT_DUP;
		lex->at++;
	} else if (out && *lex->at == '>') {
		lex->kind = REDIRECT_APPEND;
		lex->at++;
	}
	if (lex->fd < 0)
		lex->fd = out ? 1 : 0;
	return lex->token = TOKEN_REDIRECT;
}

static enum token lex_operator(struct lexer *lex, char c)
{
	bool twice = lex->at[1] == c && c != ';' && c != '\n';

	lex->at += twice ? 2 : 1;
	switch (c) {
	case '&':
		return lex->token = twice ? TOKEN_AND : TOKEN_BACKGROUND;
	case '|':
		return lex->token = twice ? TOKEN_OR : TOKEN_PIPE;
	default:
		return lex->token = TOKEN_SEMICOLON;
	}
}

static enum token lex_next(struct lexer *lex)
{
	char c;

	if (lex->token == TOKEN_ERROR)
		return TOKEN_ERROR;
	for (;;) {
		lex->at += strspn(lex->at, " \t\r");
		if (lex->at[0] != '\\' || lex->at[1] != '\n')
			break;
		lex->at += 2;
	}
	if (*lex->at == '#')
		lex->at += strcspn(lex->at, "\n");
	lex->start = lex->at;
	lex->fd = -1;
	c = *lex->at;
	if (!c)
		return lex->token = TOKEN_END;
	if (isdigit((unsigned char)c) && (lex->at[1] == '<' || lex->at[1] == '>')) {
		lex->fd = c - '0';
		c = *++lex->at;
	}
	if (c == '<' || c == '>')
		return lex_redirect(lex);
	return strchr(";&|\n", c) ? lex_operator(lex, c) : lex_word(lex);
}

static void word_add(struct parse *p, struct command *command, char *word)
{
	// Room doubles: it is full when count + 1 is a power of two.
	if ((command->count & (command->count + 1)) == 0) {
		char **words = alloc(p, (2 * (command->count + 1)) * sizeof(*words));

		if (command->count)
			memcpy(words, command->words, command->count * sizeof(*words));
		command->words = words;
	}
	command->words[command->count++] = word;
	command->words[command->count] = NULL;
}

static bool parse_redirect(struct lexer *lex, struct redirect **slot)
{
	struct redirect *redirect = alloc(lex->parse, sizeof(*redirect));

	redirect->kind = lex->kind;
	redirect->fd = lex->fd;
	if (lex_next(lex) != TOKEN_WORD) {
		fail(lex, "a redirection needs a file name behind it", false);
		return false;
	}
	redirect->word = lex->word;
	*slot = redirect;
	return true;
}

static struct command *parse_command(struct lexer *lex)
{
	struct command *command = alloc(lex->parse, sizeof(*command));
	struct redirect **last = &command->redirects;

	for (; lex->token == TOKEN_WORD || lex->token == TOKEN_REDIRECT; lex_next(lex)) {
		if (lex->token == TOKEN_WORD) {
			word_add(lex->parse, command, lex->word);
			continue;
		}
		if (!parse_redirect(lex, last))
			return NULL;
		last = &(*last)->next;
	}
	if (lex->token == TOKEN_ERROR)
		return NULL;
	if (!command->count && !command->redirects) {
		char text[64];

		snprintf(text, sizeof(text), "a command is missing before '%.*s'", lex->token == TOKEN_END ? 15 : 2,
			 lex->token == TOKEN_END ? "the end of line" : lex->start);
		fail(lex, text, lex->token == TOKEN_END);
		return NULL;
	}
	return command;
}

static struct pipeline *parse_pipeline(struct lexer *lex)
{
	struct pipeline *pipeline = alloc(lex->parse, sizeof(*pipeline));
	struct command **last = &pipeline->commands;

	while (lex->token == TOKEN_WORD && strcmp(lex->word, "!") == 0) {
		pipeline->negate = !pipeline->negate;
		lex_next(lex);
	}
	for (;;) {
		*last = parse_command(lex);
		if (!*last)
			return NULL;
		last = &(*last)->next;
		if (lex->token != TOKEN_PIPE)
			return pipeline;
		lex_next(lex);
	}
}

static struct list *parse_list(struct lexer *lex)
{
	struct list *list = alloc(lex->parse, sizeof(*list));
	struct pipeline **last = &list->pipelines;
	enum join join = JOIN_ALWAYS;

	list->text = lex->start;
	for (;;) {
		*last = parse_pipeline(lex);
		if (!*last)
			return NULL;
		(*last)->join = join;
		last = &(*last)->next;
		if (lex->token != TOKEN_AND && lex->token != TOKEN_OR)
			break;
		join = lex->token == TOKEN_AND ? JOIN_AND : JOIN_OR;
		lex_next(lex);
	}
	list->text_len = lex->start - list->text;
	while (list->text_len && isspace((unsigned char)list->text[list->text_len - 1]))
		list->text_len--;
	list->background = lex->token == TOKEN_BACKGROUND;
	if (lex->token == TOKEN_BACKGROUND || lex->token == TOKEN_SEMICOLON)
		lex_next(lex);
	return list;
}

bool parse_line(struct parse *p, const char *line)
{
	struct lexer lex = { .parse = p, .at = line };
	struct list **last = &p->lists;

	*p = (struct parse){ 0 };
	lex_next(&lex);
	for (;;) {
		// Empty lines and stray newlines; a lone ';' is an error of parse_command.
		while (lex.token == TOKEN_SEMICOLON && *lex.start == '\n')
			lex_next(&lex);
		if (lex.token == TOKEN_END)
			return true;
		if (lex.token == TOKEN_ERROR)
			return false;
		*last = parse_list(&lex);
		if (!*last)
			return false;
		last = &(*last)->next;
	}
}
