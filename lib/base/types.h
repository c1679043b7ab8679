// SPDX-License-Identifier: MIT
// Scalar types of the whole system: kernel, user and host tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 paddr_t; /* physical address */
typedef u64 vaddr_t; /* virtual address */
typedef u64 pfn_t;   /* page frame number: paddr >> PAGE_SHIFT */
typedef u64 frame_t; /* frame reference: generation << 32 | pfn */
typedef u64 cptr_t;  /* index of a slot in the caller's capability table */
typedef int err_t;   /* 0, or -ERR_x */

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define always_inline inline __attribute__((__always_inline__))
#define must_check    __attribute__((warn_unused_result))

#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)        ((a) < (b) ? (a) : (b))
#define MAX(a, b)        ((a) > (b) ? (a) : (b))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)   ALIGN_DOWN((x) + (a)-1, a)
