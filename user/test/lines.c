// SPDX-License-Identifier: MIT
/*
 * lines make MIB SEED | sort | lines check MIB SEED: a stream of random lines, and whether what comes back is exactly
 * those lines in order. Neither end keeps any of it: the memory it takes is the sorter's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define MIB  (1ul << 20)
#define LINE 128 // most bytes of one

static struct random source;

// 20 to 100 letters and digits, the first ones random.
static size_t line_make(char *line)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	uint64_t bits = random_next(&source);
	size_t n = 20 + bits % 81;

	for (size_t i = 0; i < n; i++)
		line[i] = digits[bits >> i % 12 * 5 & 31];
	line[n] = '\0';
	return n;
}

// Order does not matter to the sum of these.
static uint64_t line_hash(const char *line)
{
	uint64_t h = 14695981039346656037ul; // FNV-1a

	for (; *line; line++)
		h = (h ^ (unsigned char)*line) * 1099511628211ul;
	return h ^ h >> 29;
}

static void make(uint64_t bytes)
{
	char line[LINE];

	for (uint64_t done = 0; done < bytes;) {
		done += line_make(line) + 1;
		CHECK(puts(line) >= 0);
	}
	CHECK(!fflush(stdout));
}

static void check(uint64_t bytes)
{
	char line[LINE], last[LINE] = "";
	uint64_t sum = 0, lines = 0;

	while (fgets(line, sizeof(line), stdin)) {
		char *end = strchr(line, '\n');

		CHECK(end);
		*end = '\0';
		if (strcmp(last, line) > 0)
			FAIL("line %lu, %s, comes after %s", lines, line, last);
		strcpy(last, line);
		sum += line_hash(line);
		lines++;
	}
	for (uint64_t done = 0; done < bytes; lines--) {
		done += line_make(line) + 1;
		sum -= line_hash(line);
	}
	if (lines || sum)
		FAIL("%ld lines more than there were, sum off by %#lx", (long)lines, sum);
	printf("lines: %lu MiB in order\n", bytes / MIB);
	exit(check_done("lines"));
}

int main(int argc, char **argv)
{
	if (argc != 4)
		FAIL("say: lines make|check MIB SEED");
	source.state = strtoul(argv[3], NULL, 0);
	if (!strcmp(argv[1], "check"))
		check(strtoul(argv[2], NULL, 0) * MIB);
	make(strtoul(argv[2], NULL, 0) * MIB);
	return 0;
}
