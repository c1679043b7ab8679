// SPDX-License-Identifier: MIT
// What C programs take for granted: stdio on files, numbers in and out, longjmp, time, environment, atexit, signals
// that kill.
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int wrong;

static void check(int good, const char *what)
{
	if (good)
		return;
	printf("library: %s (errno %d)\n", what, errno);
	wrong = 1;
}

static void numbers(void)
{
	char line[200];
	double d = 0;
	float f = 0;
	int i = 0;
	long l = 0;

	snprintf(line, sizeof(line), "%.3f %e %g %08.2f %5d|%-5d|%+d %#x %lu %s %c %%", 3.14159, 12345.678, 1e-10, -2.5,
		 42, 42, 42, 255, ~0ul, "text", 'c');
	check(!strcmp(line, "3.142 1.234568e+04 1e-10 -0002.50    42|42   |+42 0xff 18446744073709551615 text c %"),
	      "printf");
	check(sscanf("  17 -3.25 0x1f 1e3 word", "%d %f %lx %lf %199s", &i, &f, (unsigned long *)&l, &d, line) == 5,
	      "scanf");
	check(i == 17 && f == -3.25f && l == 31 && d == 1000.0 && !strcmp(line, "word"), "scanf's values");
	check(strtod("2.5e2xyz", NULL) == 250.0 && strtol("-0x10", NULL, 0) == -16, "strtod, strtol");
	check(fabs(sin(1.0) - 0.8414709848078965) < 1e-15 && fabs(pow(2.0, 0.5) - sqrt(2.0)) < 1e-15, "libm");
}

static void files(void)
{
	FILE *f = fopen("/tmp/library.txt", "w+");
	struct stat st;
	double sum = 0, d;
	int n = 0, c;

	check(f != NULL, "fopen");
	if (!f)
		return;
	for (int i = 0; i < 5000; i++)
		fprintf(f, "%d %.6f\n", i, i / 7.0);
	rewind(f);
	while (fscanf(f, "%d %lf", &c, &d) == 2) {
		check(c == n++, "a line");
		sum += d;
	}
	check(n == 5000 && fabs(sum - 5000.0 * 4999 / 14) < 0.01, "sum of the lines");
	check(!fseek(f, -10, SEEK_END) && fgetc(f) != EOF && ftell(f) > 60000, "fseek");
	check(ungetc('x', f) == 'x' && fgetc(f) == 'x', "ungetc");
	fclose(f);
	check(!stat("/tmp/library.txt", &st) && S_ISREG(st.st_mode) && st.st_size > 60000, "stat");
	check(!rename("/tmp/library.txt", "/tmp/library.old") && access("/tmp/library.txt", F_OK) && errno == ENOENT,
	      "rename");
	check(!unlink("/tmp/library.old") && !fopen("/tmp/library.old", "r"), "unlink");
	check(!fopen("/no/such/folder/file", "w"), "a folder that is not there");
}

static jmp_buf back;

static void dive(int depth)
{
	volatile char frame[500];

	memset((char *)frame, depth, sizeof(frame));
	if (depth < 100)
		dive(depth + 1);
	else
		longjmp(back, 77);
	check(frame[0] == depth, "a frame");
}

static void last_words(void)
{
	if (write(1, "library: atexit\n", 16) != 16)
		_exit(3);
}

static void endings(void)
{
	int status = 0;

	fflush(stdout);
	if (!fork())
		exit(5);
	wait(&status);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 5, "exit(5)");
	if (!fork())
		abort();
	wait(&status);
	check(WIFSIGNALED(status), "abort");
}

int main(void)
{
	time_t before = time(NULL);
	clock_t c = clock();
	struct timespec t0, t1, nap = { 0, 30000000 };
	volatile int local = 5;
	int jumped;

	atexit(last_words);
	numbers();
	files();
	jumped = setjmp(back);
	if (!jumped) {
		local = 6;
		dive(0);
	}
	check(jumped == 77 && local == 6, "longjmp");
	check(!clock_gettime(CLOCK_MONOTONIC, &t0) && !nanosleep(&nap, NULL) && !clock_gettime(CLOCK_MONOTONIC, &t1),
	      "clocks");
	check((t1.tv_sec - t0.tv_sec) * 1000000000l + t1.tv_nsec - t0.tv_nsec >= 30000000, "nanosleep is too short");
	check(time(NULL) >= before && clock() >= c && before > 1000000000, "time");
	check(!setenv("LIBRARY", "yes", 1) && getenv("LIBRARY") && !strcmp(getenv("LIBRARY"), "yes"), "setenv");
	endings();
	puts(wrong ? "library: wrong" : "library: ok");
	return wrong;
}
