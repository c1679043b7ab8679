// SPDX-License-Identifier: MIT
// The runtime under test, on the machine: what a C program may expect of it. /test/rt_test [NAME] runs one part.
#include "check.h"

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "stdio", test_stdio },         { "descriptors", test_descriptors },
	{ "names", test_names },         { "memory", test_memory },
	{ "processes", test_processes }, { "exec", test_exec },
	{ "commands", test_commands },   { "heap", test_heap },
	{ "time", test_time },
};

int in_child(void (*act)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		act();
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name))
			continue;
		tests[i].run();
		printf("rt_test: %s ok\n", tests[i].name);
		fflush(stdout);
	}
	printf("rt_test: OK\n");
	return 0;
}
