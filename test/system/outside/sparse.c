// SPDX-License-Identifier: MIT
// Sparse memory: a few pages here and there in gigabytes, forked and forked again, unmapped in pieces. What is read is
// computed again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE    4096ul
#define SPAN    (4ul << 30)
#define TOUCHED 600

static unsigned long value(unsigned long i, unsigned long salt)
{
	return (i + 1) * 0x9e3779b97f4a7c15ul ^ salt;
}

static unsigned long place(unsigned long i)
{
	return i * 0x9e3779b97f4a7c15ul % (SPAN / PAGE) * PAGE + i % 500 * 8;
}

static void fill(char *area, unsigned long salt, unsigned long step)
{
	for (unsigned long i = 0; i < TOUCHED; i += step)
		*(unsigned long *)(area + place(i)) = value(i, salt);
}

static int holds(const char *area, unsigned long salt, unsigned long step, unsigned long from)
{
	for (unsigned long i = from; i < TOUCHED; i += step)
		if (*(const unsigned long *)(area + place(i)) != value(i, salt))
			return 0;
	return 1;
}

static int child_run(char *area, int depth)
{
	int status;

	fill(area, depth, 2);
	if (depth < 4) {
		pid_t child = fork();

		if (child < 0)
			return 2;
		if (child == 0)
			_exit(child_run(area, depth + 1));
		if (waitpid(child, &status, 0) != child || status)
			return 3;
	}
	return holds(area, depth, 2, 0) && holds(area, 1000, 2, 1) ? 0 : 1;
}

int main(void)
{
	char *area = mmap(NULL, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;

	if (area == MAP_FAILED) {
		perror("sparse: mmap");
		return 2;
	}
	fill(area, 1000, 1);
	status = child_run(area, 1);
	if (status) {
		printf("sparse: wrong (%d)\n", status);
		return 1;
	}
	for (unsigned long at = 0; at < SPAN; at += SPAN / 8)
		if (munmap(area + at + SPAN / 16, SPAN / 16)) {
			perror("sparse: munmap");
			return 2;
		}
	for (unsigned long i = 1; i < TOUCHED; i += 2)
		if (place(i) % (SPAN / 8) < SPAN / 16 && *(unsigned long *)(area + place(i)) != value(i, 1000)) {
			puts("sparse: what stayed mapped has changed");
			return 1;
		}
	if (munmap(area, SPAN)) {
		perror("sparse: munmap");
		return 2;
	}
	puts("sparse: ok");
	return 0;
}
