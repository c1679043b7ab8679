// SPDX-License-Identifier: MIT
// What the files of the runtime share.
#pragma once

#include <sys/types.h>

#include <abi/console_client.h>
#include <abi/files_client.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

// Set errno from an error of the ABI, answer -1. Out of line: error paths should not take room in hot functions.
int rt_fail(err_t err) __attribute__((cold, noinline));

static inline int rt_result(err_t err)
{
	return err ? rt_fail(err) : 0;
}

// start.c: the auxiliary vector the program was started with, pairs {type, value}, the last type 0.
extern const u64 *rt_auxv;
extern const char *rt_name; // argv[0] without its path

// fd.c: what each descriptor is (FD_*); only FD_CONSOLE must be right, the others may be FD_RAM for "a file of some
// kind".
extern u8 rt_fd_kind[FD_MAX];
extern u64 rt_fd_cloexec; // bit per descriptor
void rt_fd_init(void);
void rt_fd_opened(u64 fd, u64 kind, int flags);

// path.c: put a path where files looks for it.
err_t rt_path(const char *path);
err_t rt_path_at(const char *path, size_t offset, size_t *out_bytes);

// console.c
ssize_t rt_console_write(const void *buf, size_t len);
ssize_t rt_console_read(void *buf, size_t len);

// process.c: the caller's pid, asked for once.
extern int rt_pid;

// kmem.c, where the program uses it: the child of a fork has no slabs.
void rt_kmem_forked(void) __attribute__((weak));

// time.c
void rt_time_init(void);

static inline char *rt_files_buffer(void)
{
	return (char *)FILES_BUFFER;
}

// fd.c: bytes of the buffer, from its start, that files has made. The first page is made when it is touched.
extern size_t rt_buffer_there;
