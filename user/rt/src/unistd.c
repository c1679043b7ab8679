// SPDX-License-Identifier: MIT
// What programs ask about the system: one machine, one user, no surprises.
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "rt.h"
#include <counter.h>

static long stat_get(u64 index)
{
	u64 value;

	return sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL) ? -1 : (long)value;
}

long sysconf(int name)
{
	switch (name) {
	case _SC_PAGESIZE:
		return PAGE_SIZE;
	case _SC_CLK_TCK:
		return 100;
	case _SC_OPEN_MAX:
		return FD_MAX;
	case _SC_ARG_MAX:
		return 128 * 1024;
	case _SC_NPROCESSORS_CONF:
	case _SC_NPROCESSORS_ONLN:
		return 1;
	case _SC_PHYS_PAGES:
		return stat_get(SYSSTAT_FRAMES);
	case _SC_AVPHYS_PAGES:
		return stat_get(SYSSTAT_FREE);
	default:
		return rt_fail(-ERR_INVAL);
	}
}

int getpagesize(void)
{
	return PAGE_SIZE;
}

long pathconf(const char *path, int name)
{
	(void)path;
	return name == _PC_PATH_MAX ? PATH_MAX : name == _PC_NAME_MAX ? 95 : rt_fail(-ERR_INVAL);
}

long fpathconf(int fd, int name)
{
	(void)fd;
	return pathconf("/", name);
}

uid_t getuid(void)
{
	return 0;
}

uid_t geteuid(void)
{
	return 0;
}

gid_t getgid(void)
{
	return 0;
}

gid_t getegid(void)
{
	return 0;
}

char *getlogin(void)
{
	return "root";
}

int gethostname(char *name, size_t size)
{
	if (size < sizeof("jjok"))
		return rt_fail(-ERR_NAMETOOLONG);
	strcpy(name, "jjok");
	return 0;
}

int uname(struct utsname *name)
{
	*name = (struct utsname){ "Jjok", "jjok", "1", "first light", ARCH_MACHINE };
	return 0;
}

// Not a secret: a stream that differs from run to run as far as the machine's counters do (under -icount it does not).
int getentropy(void *buf, size_t len)
{
	static u64 state;
	unsigned char *to = buf;

	if (len > 256)
		return rt_fail(-ERR_IO);
	while (len--) {
		state += 0x9e3779b97f4a7c15 + arch_cycles() + (u64)getpid();
		u64 z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
		*to++ = (z ^ z >> 27) >> 24;
	}
	return 0;
}

// Threads of other processes run when this one waits; there is none of the same process.
int sched_yield(void)
{
	return 0;
}

int pause(void)
{
	u64 bits;

	ipc_wait(SLOT_NOTIFY, 0, 0, &bits);
	return rt_fail(-ERR_INTR);
}
