// SPDX-License-Identifier: MIT
// What the programs of the bench share.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#include <abi/abi_names.h>
#include <abi/stubs.h>

struct samples *samples;

void bench_fail(const char *what)
{
	fflush(stdout);
	perror(what);
	exit(1);
}

void *area_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bench_fail("mmap");
	return p;
}

void area_unmap(void *area, size_t bytes)
{
	if (munmap(area, bytes))
		bench_fail("munmap");
}

void samples_reset(void)
{
	memset(samples, 0, sizeof(*samples));
}

void row_print(const char *name, u64 value)
{
	printf("bench: %s %lu instructions\n", name, value);
	fflush(stdout);
}

void row_print_tenths(const char *name, u64 tenths)
{
	printf("bench: %s %lu.%lu instructions\n", name, tenths / 10, tenths % 10);
	fflush(stdout);
}

void row_median(const char *name)
{
	row_print(name, samples_median(samples));
}

void child_wait(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		bench_fail("wait");
	if (status) {
		fprintf(stderr, "bench: a child ended with status %#x\n", status);
		exit(1);
	}
}

void samples_make(void)
{
	samples = mmap(NULL, sizeof(*samples), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (samples == MAP_FAILED)
		bench_fail("mmap of the samples");
}

u64 system_stat(u64 index)
{
	u64 value = 0;
	err_t err = sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL);

	if (err) {
		fprintf(stderr, "bench: system counter %lu: %s\n", index, err_name(err));
		exit(1);
	}
	return value;
}
