// SPDX-License-Identifier: MIT
#include "check.h"
#include <sys/time.h>
#include <time.h>

static long now_us(void)
{
	struct timespec ts;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void test_time(void)
{
	struct timespec ts = { 0, 30000000 };
	struct timeval tv;
	long before = now_us();
	clock_t cpu = clock();

	CHECK(nanosleep(&ts, NULL) == 0 && now_us() - before >= 30000 && clock() > cpu);
	before = now_us();
	CHECK(usleep(5000) == 0 && now_us() - before >= 5000 && sleep(0) == 0);
	ts.tv_nsec = 1000000000;
	CHECK(nanosleep(&ts, NULL) == -1 && errno == EINVAL);
	CHECK(gettimeofday(&tv, NULL) == 0 && tv.tv_sec > 1500000000 && time(NULL) >= tv.tv_sec);
}
