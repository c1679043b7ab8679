// SPDX-License-Identifier: MIT
/*
 * What the guest's test programs share: checks that say what was expected, children that must end in a certain way,
 * random numbers from a seed. A program prints "NAME: ok" and ends with 0, or "FAILED: ..." and ends with 1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// "FAILED: file:line: ..." with the reason of errno, and the end. In a child: its status is 1, which its parent does
// not expect.
_Noreturn void check_failed(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define FAIL(...) check_failed(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) \
	do { \
		if (!(condition)) \
			FAIL("%s", #condition); \
	} while (0)
#define CHECK_EQUAL(found, expected) \
	do { \
		uint64_t found_ = (uint64_t)(found), expected_ = (uint64_t)(expected); \
		if (found_ != expected_) \
			FAIL("%s: %#lx, expected %#lx", #found, found_, expected_); \
	} while (0)

// Prints "NAME: ok"; answers 0, a status for main.
int check_done(const char *name);

// Runs part(arg) in a child, which ends with 0 when it returns. Answers the wait status.
int child_run(void (*part)(void *), void *arg);
// The child must end with this exit status, or by this signal.
void child_exits(void (*part)(void *), void *arg, int status);
void child_dies(void (*part)(void *), void *arg, int signal);

struct random {
	uint64_t state;
};

// splitmix64: every seed is a good one.
static inline uint64_t random_next(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ul;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}

static inline uint64_t random_below(struct random *r, uint64_t n)
{
	return random_next(r) % n;
}
