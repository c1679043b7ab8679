// SPDX-License-Identifier: MIT
// sort: a merge sort whose runs lie in memory. The text of each run is laid out anew in its order, so that merging
// reads every run from front to back: input larger than RAM then costs a few sweeps of paging instead of one fault a
// line.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

enum { NUMERIC = 1, REVERSE = 2, UNIQUE = 4 };

#define RUN_BYTES (1ul << 20)

// Lines one after the other, each with a NUL in place of its newline.
struct run {
	char *text;
	size_t bytes;
	char *at; // while merging: the smallest line that is left
};

static unsigned int options;
static struct run *runs;
static size_t run_count, run_room;

static int lines_order(const char *a, const char *b)
{
	int order = 0;

	if (options & NUMERIC) {
		double x = strtod(a, NULL), y = strtod(b, NULL);

		order = (x > y) - (x < y);
	}
	if (!order)
		order = strcmp(a, b);
	return options & REVERSE ? -order : order;
}

// Equal lines stay as they came: they lie in this order in the chunk.
static int lines_compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int order = lines_order(x, y);

	return order ? order : (x > y) - (x < y);
}

static void *room(void *p)
{
	if (!p)
		app_fail("not enough memory");
	return p;
}

// A chunk of whole lines becomes a run.
static void run_add(char *chunk, size_t bytes)
{
	static char **line;
	static size_t line_room;
	size_t lines = 0;
	struct run *run;
	char *out;

	for (char *at = chunk; at < chunk + bytes; at += strlen(at) + 1) {
		if (lines == line_room) {
			line_room = line_room ? 2 * line_room : 1024;
			line = room(realloc(line, line_room * sizeof(*line)));
		}
		line[lines++] = at;
	}
	qsort(line, lines, sizeof(*line), lines_compare);
	if (run_count == run_room) {
		run_room = run_room ? 2 * run_room : 64;
		runs = room(realloc(runs, run_room * sizeof(*runs)));
	}
	run = &runs[run_count++];
	run->text = run->at = out = room(malloc(bytes));
	run->bytes = bytes;
	for (size_t i = 0; i < lines; i++) {
		size_t n = strlen(line[i]) + 1;

		memcpy(out, line[i], n);
		out += n;
	}
}

static struct {
	char *text;
	size_t bytes, room;
} chunk;

static void chunk_add(const char *line, size_t n)
{
	if (chunk.bytes && chunk.bytes + n + 1 > RUN_BYTES) {
		run_add(chunk.text, chunk.bytes);
		chunk.bytes = 0;
	}
	if (chunk.bytes + n + 1 > chunk.room) {
		chunk.room = chunk.bytes + n + 1 > RUN_BYTES ? chunk.bytes + n + 1 : RUN_BYTES;
		chunk.text = room(realloc(chunk.text, chunk.room));
	}
	memcpy(chunk.text + chunk.bytes, line, n);
	chunk.text[chunk.bytes + n] = '\0';
	chunk.bytes += n + 1;
}

static void input(FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		chunk_add(line, n);
	}
	free(line);
}

static bool run_before(size_t a, size_t b)
{
	int order = lines_order(runs[a].at, runs[b].at);

	return order ? order < 0 : a < b;
}

// heap[0] is the run whose next line comes first.
static void sink(size_t *heap, size_t n, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		size_t run = heap[i];

		if (child + 1 < n && run_before(heap[child + 1], heap[child]))
			child++;
		if (run_before(run, heap[child]))
			return;
		heap[i] = heap[child];
		heap[child] = run;
	}
}

static void line_out(const char *line)
{
	static char *last;
	static size_t last_room;
	size_t n = strlen(line) + 1;

	if (options & UNIQUE) {
		if (last && !lines_order(last, line))
			return;
		if (n > last_room)
			last = room(realloc(last, last_room = 2 * n));
		memcpy(last, line, n);
	}
	if (puts(line) < 0)
		app_fail("cannot write");
}

static void merge(void)
{
	size_t *heap = room(malloc((run_count + 1) * sizeof(*heap))), n = run_count;

	for (size_t i = 0; i < n; i++)
		heap[i] = i;
	for (size_t i = n; i-- > 0;)
		sink(heap, n, i);
	while (n) {
		struct run *run = &runs[heap[0]];

		line_out(run->at);
		run->at += strlen(run->at) + 1;
		if (run->at == run->text + run->bytes) {
			free(run->text);
			heap[0] = heap[--n];
		}
		sink(heap, n, 0);
	}
	free(heap);
}

int main(int argc, char **argv)
{
	int first, status = 0;

	app_start(argc, argv,
		  "sort [-nru] [FILE...]\nPrints the lines in order of their bytes.\n"
		  "-n: in order of the numbers they start with; -r: backwards; -u: of equal lines only one.\n");
	options = app_options(argc, argv, "nru", &first);
	if (first == argc)
		input(stdin);
	for (int i = first; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");

		if (!f) {
			status = app_warn(argv[i]);
			continue;
		}
		input(f);
		fclose(f);
	}
	if (chunk.bytes)
		run_add(chunk.text, chunk.bytes);
	free(chunk.text);
	merge();
	return fflush(stdout) ? app_warn("standard output") : status;
}
