// SPDX-License-Identifier: MIT
#include "check.h"

#define BIG 300000

static void leave_unflushed(void)
{
	FILE *f = fopen("/tmp/unflushed", "w");

	fputs("kept", f);
	exit(0);
}

static void test_bulk(void)
{
	static unsigned char out[BIG], in[BIG];
	FILE *f = fopen("/tmp/bulk", "w+");

	CHECK(f);
	for (int i = 0; i < BIG; i++)
		out[i] = (unsigned char)(i * 7 + i / 256);
	CHECK(fwrite("head", 1, 4, f) == 4 && fwrite(out, 1, BIG, f) == BIG && fputc('x', f) == 'x');
	CHECK(fseek(f, 4, SEEK_SET) == 0 && fread(in, 1, BIG, f) == BIG && memcmp(in, out, BIG) == 0);
	CHECK(fgetc(f) == 'x' && fgetc(f) == EOF && feof(f));
	CHECK(fseek(f, 100004, SEEK_SET) == 0 && ftell(f) == 100004 && fread(in, 1000, 3, f) == 3);
	CHECK(memcmp(in, out + 100000, 3000) == 0 && ftell(f) == 103004);
	CHECK(fseek(f, -1, SEEK_END) == 0 && fgetc(f) == 'x');
	CHECK(fseek(f, 2, SEEK_SET) == 0 && fputs("AD", f) >= 0 && fseek(f, 0, SEEK_SET) == 0);
	CHECK(fread(in, 1, 4, f) == 4 && memcmp(in, "heAD", 4) == 0);
	CHECK(fclose(f) == 0 && remove("/tmp/bulk") == 0);
}

static void test_lines(void)
{
	FILE *f = fopen("/tmp/lines", "w");
	char *line = NULL, buf[16];
	size_t size = 0;
	double d;
	int n;

	CHECK(f && fprintf(f, "%s %d %.3f\n", "one", 2, 3.25) == 12 && fputs("no newline", f) >= 0 && fclose(f) == 0);
	f = fopen("/tmp/lines", "a");
	CHECK(f && fputs("!", f) >= 0 && fclose(f) == 0);
	f = fopen("/tmp/lines", "r");
	CHECK(f && fscanf(f, "%15s %d %lf", buf, &n, &d) == 3 && !strcmp(buf, "one") && n == 2 && d == 3.25);
	CHECK(getc(f) == '\n' && ungetc('Z', f) == 'Z');
	CHECK(getline(&line, &size, f) == 12 && !strcmp(line, "Zno newline!"));
	CHECK(getline(&line, &size, f) == -1 && feof(f));
	free(line);
	CHECK(fclose(f) == 0 && !fopen("/nosuch/file", "r") && errno == ENOENT && !fopen("/tmp/lines", "q") &&
	      errno == EINVAL);
}

void test_stdio(void)
{
	char text[8] = { 0 };
	FILE *f;

	test_bulk();
	test_lines();
	CHECK(in_child(leave_unflushed) == 0);
	f = fopen("/tmp/unflushed", "r");
	CHECK(f && fread(text, 1, sizeof(text), f) == 4 && !strcmp(text, "kept") && fclose(f) == 0);
	f = tmpfile();
	CHECK(f && fputs("temporary", f) >= 0 && fclose(f) == 0);
	CHECK(snprintf(text, sizeof(text), "%g", 0.1) == 3 && !strcmp(text, "0.1"));
}
