// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "app.h"

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 0);

	if (end == text || *end)
		app_fail("'%s' is not a number", text);
	return value;
}

int main(int argc, char **argv)
{
	long from = 1, step = 1, to;

	app_start(argc, argv, "seq [FROM [STEP]] TO\nPrints whole numbers, one a line.\n");
	if (argc < 2 || argc > 4)
		app_usage();
	to = number(argv[argc - 1]);
	if (argc > 2)
		from = number(argv[1]);
	if (argc > 3)
		step = number(argv[2]);
	if (!step)
		app_fail("a step of 0 never arrives");
	for (long i = from; step > 0 ? i <= to : i >= to; i += step)
		printf("%ld\n", i);
	return 0;
}
