// SPDX-License-Identifier: MIT
// From the first instruction to main, and from exit to the end.
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "rt.h"

int main(int argc, char **argv, char **envp);
void __libc_init_array(void);
_Noreturn void rt_start(u64 *stack);

const u64 *rt_auxv;
const char *rt_name = "?";

static void name_set(const char *path)
{
	for (rt_name = path ? path : "?"; path && *path; path++)
		if (*path == '/')
			rt_name = path + 1;
}

_Noreturn void rt_start(u64 *stack)
{
	u64 argc = stack[0];
	char **argv = (char **)(stack + 1), **envp = argv + argc + 1, **end = envp;
	u64 cloexec;

	while (*end)
		end++;
	rt_auxv = (const u64 *)(end + 1);
	environ = envp;
	name_set(argv[0]);
	cloexec = getauxval(AT_JJOK_CLOEXEC);
	if (cloexec)
		files_exec(SLOT_FILES);
	rt_fd_init();
	rt_time_init();
	__libc_init_array();
	exit(main(argc, argv, envp));
}

unsigned long getauxval(unsigned long type)
{
	for (const u64 *av = rt_auxv; av && av[0] != AT_NULL; av += 2)
		if (av[0] == type)
			return av[1];
	return type == AT_PAGESZ ? PAGE_SIZE : 0;
}

_Noreturn void _exit(int status)
{
	vm_exit(SLOT_VM, (u64)(status & 0xff) << 8);
	// vm does not answer; should it be gone, there is nothing left that could end this process.
	for (;;)
		ipc_wait(SLOT_NOTIFY, 0, 0, &(u64){ 0 });
}
