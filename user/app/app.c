// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app.h"

const char *app_name = "?";
static const char *app_help = "";

void app_start(int argc, char **argv, const char *help)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;

	app_help = help;
	if (argc > 0)
		app_name = slash ? slash + 1 : argv[0];
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		exit(0);
	}
}

int app_warn(const char *what)
{
	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", app_name, what, strerror(errno));
	return 1;
}

void app_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	fprintf(stderr, "%s: ", app_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

void app_usage(void)
{
	fprintf(stderr, "%.*s (try: %s --help)\n", (int)strcspn(app_help, "\n"), app_help, app_name);
	exit(2);
}

int app_each_target(int argc, char **argv, int (*op)(const char *source, const char *target))
{
	const char *last = argv[argc - 1];
	char path[PATH_MAX];
	int status = 0;
	bool directory;
	struct stat st;

	if (argc < 3)
		app_usage();
	directory = stat(last, &st) == 0 && S_ISDIR(st.st_mode);
	if (argc > 3 && !directory)
		app_fail("%s: is not a directory", last);
	for (int i = 1; i < argc - 1; i++) {
		const char *slash = strrchr(argv[i], '/');

		snprintf(path, sizeof(path), "%s/%s", last, slash ? slash + 1 : argv[i]);
		status |= op(argv[i], directory ? path : last);
	}
	return status;
}

uint64_t app_number(const char *text, const char *what)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		app_fail("%s: '%s' is not a number", what, text);
	return value;
}

unsigned int app_options(int argc, char **argv, const char *known, int *first)
{
	unsigned int found = 0;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		for (const char *c = argv[i] + 1; *c; c++) {
			const char *at = strchr(known, *c);

			if (!at) {
				fprintf(stderr, "%s: no option -%c\n", app_name, *c);
				app_usage();
			}
			found |= 1u << (at - known);
		}
	}
	*first = i;
	return found;
}
