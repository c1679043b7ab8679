// SPDX-License-Identifier: MIT
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"

enum { INVERT = 1, COUNT = 2, NUMBER = 4, IGNORE_CASE = 8, QUIET = 16 };

static unsigned long matches;

static void grep(const regex_t *pattern, FILE *f, const char *name, unsigned int options)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	for (unsigned long number = 1; (len = getline(&line, &size, f)) > 0; number++) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if ((regexec(pattern, line, 0, NULL, 0) == 0) == !!(options & INVERT))
			continue;
		matches++;
		if (options & (COUNT | QUIET))
			continue;
		if (name)
			printf("%s:", name);
		if (options & NUMBER)
			printf("%lu:", number);
		puts(line);
	}
	free(line);
}

int main(int argc, char **argv)
{
	unsigned int options;
	int first, err, status = 0;
	regex_t pattern;

	app_start(argc, argv,
		  "grep [-vcniq] PATTERN [FILE...]\nPrints the lines that match an extended regular expression.\n"
		  "-v: those that do not; -c: only their number; -n: with line numbers; -i: either case; -q: only the "
		  "status.\n"
		  "Status 0: there were some, 1: none, 2: an error.\n");
	options = app_options(argc, argv, "vcniq", &first);
	if (first == argc)
		app_usage();
	err = regcomp(&pattern, argv[first], REG_EXTENDED | REG_NOSUB | (options & IGNORE_CASE ? REG_ICASE : 0));
	if (err) {
		char text[100];

		regerror(err, &pattern, text, sizeof(text));
		fprintf(stderr, "grep: '%s': %s\n", argv[first], text);
		return 2;
	}
	if (first + 1 == argc)
		grep(&pattern, stdin, NULL, options);
	for (int i = first + 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");

		if (!f) {
			app_warn(argv[i]);
			status = 2;
			continue;
		}
		grep(&pattern, f, argc - first > 2 ? argv[i] : NULL, options);
		fclose(f);
	}
	if (options & COUNT)
		printf("%lu\n", matches);
	return status ? status : !matches;
}
