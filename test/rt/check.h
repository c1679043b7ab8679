// SPDX-License-Identifier: MIT
// What the parts of the runtime's test share: each test is a function; a broken expectation ends the program with its
// place.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("%s:%d: failed: %s (errno %d: %s)\n", __FILE__, __LINE__, #cond, errno, \
			       strerror(errno)); \
			exit(1); \
		} \
	} while (0)

// What a child does in a process of its own: the wait status.
int in_child(void (*act)(void));

void test_stdio(void);
void test_descriptors(void);
void test_names(void);
void test_memory(void);
void test_processes(void);
void test_exec(void);
void test_commands(void);
void test_heap(void);
void test_time(void);
