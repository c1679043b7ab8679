// SPDX-License-Identifier: MIT
/*
 * Time: the time counter, read without a system call. The machine has no clock driver, so the date is that of the boot
 * archive plus the time since power-on: files in it look as old as they are.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "rt.h"
#include <counter.h>

#define NS_PER_S 1000000000

static u64 timer_hz;  // 0: not asked yet
static u64 boot_date; // 0: not asked yet
static u64 start_ticks;

void rt_time_init(void)
{
	start_ticks = arch_time();
}

static void timer_ask(void)
{
	if (sys_system(SLOT_SYSTEM, SYS_STAT, SYSSTAT_TIMER_HZ, 0, 0, &timer_hz, NULL, NULL, NULL) || !timer_hz)
		timer_hz = ARCH_TIMER_HZ;
}

static u64 ticks_ns(u64 ticks)
{
	if (!timer_hz)
		timer_ask();
	return ticks / timer_hz * NS_PER_S + ticks % timer_hz * NS_PER_S / timer_hz;
}

static u64 now_ns(void)
{
	return ticks_ns(arch_time());
}

static u64 date_ask(void)
{
	struct stat st;
	int saved = errno;

	if (!boot_date && !stat("/bin/sh", &st))
		boot_date = st.st_mtime;
	errno = saved;
	return boot_date;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	u64 ns = now_ns();

	switch (clock) {
	case CLOCK_REALTIME:
		ns += date_ask() * NS_PER_S;
		break;
	case CLOCK_MONOTONIC:
		break;
	case CLOCK_PROCESS_CPUTIME_ID:
		ns = ticks_ns(arch_time() - start_ticks);
		break;
	default:
		return rt_fail(-ERR_INVAL);
	}
	ts->tv_sec = ns / NS_PER_S;
	ts->tv_nsec = ns % NS_PER_S;
	return 0;
}

int clock_getres(clockid_t clock, struct timespec *ts)
{
	if (!timer_hz)
		timer_ask();
	(void)clock;
	ts->tv_sec = 0;
	ts->tv_nsec = NS_PER_S / timer_hz;
	return 0;
}

int gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

// A wait on the process' own notification, which nobody sets.
static int sleep_until(u64 deadline)
{
	u64 bits;
	err_t err;

	do
		err = ipc_wait(SLOT_NOTIFY, IPC_DEADLINE, deadline, &bits);
	while (err >= 0);
	return err == -ERR_TIMEDOUT ? 0 : rt_fail(err);
}

int nanosleep(const struct timespec *want, struct timespec *left)
{
	if (want->tv_sec < 0 || want->tv_nsec < 0 || want->tv_nsec >= NS_PER_S)
		return rt_fail(-ERR_INVAL);
	if (left)
		*left = (struct timespec){ 0 };
	return sleep_until(now_ns() + (u64)want->tv_sec * NS_PER_S + want->tv_nsec);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *want, struct timespec *left)
{
	u64 deadline = (u64)want->tv_sec * NS_PER_S + want->tv_nsec;
	int result;

	if (!(flags & TIMER_ABSTIME))
		result = nanosleep(want, left);
	else
		result = sleep_until(clock == CLOCK_REALTIME ? deadline - date_ask() * NS_PER_S : deadline);
	return result ? errno : 0;
}

unsigned int sleep(unsigned int seconds)
{
	return nanosleep(&(struct timespec){ .tv_sec = seconds }, NULL) ? seconds : 0;
}

int usleep(useconds_t us)
{
	return nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
}

// Processor time is taken as the time since the program started: exact while nothing else runs.
clock_t clock(void)
{
	return ticks_ns(arch_time() - start_ticks) / (NS_PER_S / CLOCKS_PER_SEC);
}

clock_t times(struct tms *t)
{
	u64 tick = NS_PER_S / sysconf(_SC_CLK_TCK);

	if (t)
		*t = (struct tms){ .tms_utime = ticks_ns(arch_time() - start_ticks) / tick };
	return now_ns() / tick;
}

int getrusage(int who, struct rusage *usage)
{
	u64 us = ticks_ns(arch_time() - start_ticks) / 1000;

	*usage = (struct rusage){ 0 };
	if (who == RUSAGE_SELF)
		usage->ru_utime = (struct timeval){ us / 1000000, us % 1000000 };
	return 0;
}
