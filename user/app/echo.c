// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "app.h"

int main(int argc, char **argv)
{
	int first = 1;

	app_start(argc, argv, "echo [-n] [WORD...]\nPrints its words. -n: without a newline.\n");
	if (argc > 1 && strcmp(argv[1], "-n") == 0)
		first = 2;
	for (int i = first; i < argc; i++)
		printf("%s%s", argv[i], i + 1 < argc ? " " : "");
	if (first == 1)
		putchar('\n');
	return fflush(stdout) ? app_warn("standard output") : 0;
}
