// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "app.h"

static void head(FILE *f, uint64_t lines)
{
	int c;

	while (lines && (c = getc(f)) != EOF) {
		putchar(c);
		lines -= c == '\n';
	}
}

int main(int argc, char **argv)
{
	uint64_t lines = 10;
	int first = 1, status = 0;

	app_start(argc, argv,
		  "head [-n LINES | -LINES] [FILE...]\nPrints the first lines (10) of files or of standard input.\n");
	if (argc > 1 && argv[1][0] == '-' && argv[1][1] >= '0' && argv[1][1] <= '9') {
		lines = app_number(argv[1] + 1, "-LINES");
		first = 2;
	} else if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		lines = app_number(argv[2], "-n");
		first = 3;
	}
	if (first == argc)
		head(stdin, lines);
	for (int i = first; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");

		if (!f) {
			status = app_warn(argv[i]);
			continue;
		}
		head(f, lines);
		fclose(f);
	}
	return status;
}
