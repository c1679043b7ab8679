// SPDX-License-Identifier: MIT
/*
 * Several processes use the FP unit at once, are preempted in the middle of their sums, fork in the middle of them, and
 * must get the bits that one process alone gets. The sums keep all FP registers busy and depend on the rounding mode.
 */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define LANES 24
#define STEPS 20000

struct sums {
	double lane[LANES];
};

static void sums_step(struct sums *s, uint64_t i, uint64_t salt)
{
	double x = (double)(i * 2 + 1 + salt) / 7.0;

	for (int k = 0; k < LANES; k++)
		s->lane[k] = s->lane[k] * 0.999 + x / (double)(k + 1 + salt % 5) - s->lane[(k + 5) % LANES] * 1e-3;
}

static struct sums sums_run(uint64_t salt, uint64_t from, uint64_t to, struct sums s)
{
	for (uint64_t i = from; i < to; i++)
		sums_step(&s, i, salt);
	return s;
}

static uint64_t bits(double d)
{
	uint64_t u;

	memcpy(&u, &d, sizeof(u));
	return u;
}

// The second half is run by parent and child, from values that lie in registers when fork is called.
static void fork_inside(uint64_t salt, struct sums *parent, struct sums *child_result)
{
	struct sums half = sums_run(salt, 0, STEPS / 2, (struct sums){ 0 });
	double kept = half.lane[3] * 3.5;
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	*(child ? parent : child_result) = sums_run(salt, STEPS / 2, STEPS, half);
	CHECK_EQUAL(bits(kept), bits(half.lane[3] * 3.5));
	if (!child)
		_exit(0);
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK_EQUAL(status, 0);
}

#define WORKERS 4

int main(void)
{
	struct sums *results = mmap(NULL, 2 * WORKERS * sizeof(*results), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static const int modes[WORKERS] = { FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD };
	pid_t child[WORKERS];
	int status;

	CHECK(results != MAP_FAILED);
	for (int w = 0; w < WORKERS; w++) {
		child[w] = fork();
		CHECK(child[w] >= 0);
		if (!child[w]) {
			CHECK(!fesetround(modes[w]));
			fork_inside(w + 1, &results[2 * w], &results[2 * w + 1]);
			CHECK_EQUAL(fegetround(), modes[w]);
			_exit(0);
		}
	}
	for (int w = 0; w < WORKERS; w++) {
		CHECK_EQUAL(waitpid(child[w], &status, 0), child[w]);
		CHECK_EQUAL(status, 0);
	}
	for (int w = 0; w < WORKERS; w++) {
		struct sums alone;

		CHECK(!fesetround(modes[w]));
		alone = sums_run(w + 1, 0, STEPS, (struct sums){ 0 });
		for (int k = 0; k < LANES; k++) {
			CHECK_EQUAL(bits(results[2 * w].lane[k]), bits(alone.lane[k]));
			CHECK_EQUAL(bits(results[2 * w + 1].lane[k]), bits(alone.lane[k]));
		}
		if (w)
			CHECK(bits(results[2 * w].lane[0]) != bits(results[0].lane[0]));
	}
	CHECK(!fesetround(FE_TONEAREST));
	printf("float: lane 0 of worker 1 is %.17g\n", results[0].lane[0]);
	return check_done("float");
}
