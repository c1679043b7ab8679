// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "app.h"

struct count {
	unsigned long lines, words, bytes;
};

enum { LINES = 1, WORDS = 2, BYTES = 4 };

static int count_file(int fd, const char *name, struct count *count)
{
	static char buffer[65536];
	bool word = false;
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
		count->bytes += got;
		for (ssize_t i = 0; i < got; i++) {
			bool space = isspace((unsigned char)buffer[i]);

			count->lines += buffer[i] == '\n';
			count->words += word && space;
			word = !space;
		}
	}
	count->words += word;
	return got < 0 ? app_warn(name) : 0;
}

static void print(const struct count *count, unsigned int which, const char *name)
{
	if (which & LINES)
		printf("%8lu", count->lines);
	if (which & WORDS)
		printf("%8lu", count->words);
	if (which & BYTES)
		printf("%8lu", count->bytes);
	printf(" %s\n", name);
}

int main(int argc, char **argv)
{
	struct count total = { 0 };
	int first, status = 0;
	unsigned int which;

	app_start(argc, argv, "wc [-lwc] [FILE...]\nCounts lines, words and bytes of files or of standard input.\n");
	which = app_options(argc, argv, "lwc", &first);
	which = which ? which : LINES | WORDS | BYTES;
	if (first == argc) {
		status = count_file(STDIN_FILENO, "standard input", &total);
		print(&total, which, "");
	}
	for (int i = first; i < argc; i++) {
		struct count count = { 0 };
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0) {
			status = app_warn(argv[i]);
			continue;
		}
		status |= count_file(fd, argv[i], &count);
		close(fd);
		print(&count, which, argv[i]);
		total.lines += count.lines;
		total.words += count.words;
		total.bytes += count.bytes;
	}
	if (argc - first > 1)
		print(&total, which, "total");
	return status;
}
