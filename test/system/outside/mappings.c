// SPDX-License-Identifier: MIT
// Mappings, protections and the deaths they cause: every access is tried in a child, whose fate must be the expected
// one.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 40

static char *area;
static int wrong;

static int fate(int page, int write)
{
	int status;
	pid_t child = fork();

	if (child < 0) {
		perror("fork");
		exit(2);
	}
	if (child == 0) {
		volatile char *p = area + page * PAGE + page % PAGE;

		if (write)
			*p = 1;
		else
			(void)*p;
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 1 : -1;
}

static void expect(const char *what, int page, int readable, int writable)
{
	if (fate(page, 0) == readable && fate(page, 1) == writable)
		return;
	printf("mappings: %s: page %d should be %sreadable, %swritable\n", what, page, readable ? "" : "not ",
	       writable ? "" : "not ");
	wrong++;
}

int main(void)
{
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	for (int i = 0; i < PAGES; i += 2)
		memset(area + i * PAGE, i + 1, PAGE);
	if (mprotect(area + 5 * PAGE, 5 * PAGE, PROT_READ) || mprotect(area + 20 * PAGE, 3 * PAGE, PROT_NONE) ||
	    munmap(area + 30 * PAGE, 4 * PAGE)) {
		perror("mprotect");
		return 2;
	}
	for (int i = 0; i < PAGES; i++) {
		int gone = (i >= 20 && i < 23) || (i >= 30 && i < 34);

		expect("as set", i, !gone, !gone && !(i >= 5 && i < 10));
	}
	if (mprotect(area, 30 * PAGE, PROT_READ | PROT_WRITE) || mprotect(area + 34 * PAGE, 6 * PAGE, PROT_READ)) {
		perror("mprotect");
		return 2;
	}
	for (int i = 0; i < 30; i++)
		for (int k = 0; k < PAGE; k++)
			if (area[i * PAGE + k] != (i % 2 ? 0 : i + 1)) {
				printf("mappings: page %d lost its content\n", i);
				return 1;
			}
	for (int i = 0; i < PAGES; i += 3)
		expect("as set again", i, i < 30 || i >= 34, i < 30);
	if (munmap(area, PAGES * PAGE)) {
		perror("munmap");
		return 2;
	}
	expect("unmapped", 0, 0, 0);
	expect("unmapped", PAGES - 1, 0, 0);
	if (!wrong)
		puts("mappings: ok");
	return wrong != 0;
}
