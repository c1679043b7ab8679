// SPDX-License-Identifier: MIT
// bench: the rows that a program sees, in the system as `make run` ships it. kbench has those of the kernel alone.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bench/samples.h>
#include <timed.h>

#include "counter.h"

#define KIB 1024ul
#define MIB (KIB * KIB)

extern struct samples *samples; // shared with children

_Noreturn void bench_fail(const char *what); // with the reason of errno
void *area_map(size_t bytes);                // anonymous, private
void area_unmap(void *area, size_t bytes);
void samples_make(void);
void samples_reset(void);
void row_print(const char *name, u64 value);
void row_print_tenths(const char *name, u64 tenths);
void row_median(const char *name);
void child_wait(pid_t child);
u64 system_stat(u64 index); // SYSSTAT_*

void rows_fault(void);
void rows_cow(void);
void rows_fork(void);
void rows_mapping(void);
void rows_pipe(void);
void rows_slab(void);
void rows_swap(void);
void rows_pressure(void);
void rows_system(u64 started);
void rows_vmalloc(void);
