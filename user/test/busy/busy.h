// SPDX-License-Identifier: MIT
// What the parent and the workers of `busy` share.
#pragma once

#include <stdint.h>

enum kind { MEMORY, SLAB, AREAS, FILES, PIPES, PROGRAMS, CONSOLE, KINDS };

// In memory that all of them share. A step is so little that each kind takes one now and then, however slow the disk.
struct tally {
	uint64_t steps[KINDS];
	uint64_t refused[KINDS]; // of them: there was no memory or no room at that moment, and that was said
};

extern struct tally *tally;
extern uint64_t memory_bytes; // what each worker of MEMORY fills

// Works until it is killed; ends with 1 when something is wrong. `key` makes its numbers.
_Noreturn void work(enum kind kind, uint64_t key);
// A file of a worker of FILES, which it may leave behind.
void work_file_name(char name[24], uint64_t key);
// The program that a worker of PROGRAMS starts: fills some pages, checks them, ends with `code`.
int leaf(int code);
