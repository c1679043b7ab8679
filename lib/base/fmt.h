// SPDX-License-Identifier: MIT
// Text formatting without libc: %s %.*s %c %% %d %i %u %x %X %p with l, ll, z, h, widths, precision for strings, '-',
// '0' and '*'. No floating point.
#pragma once

#include <stdarg.h>

#include <lib/base/types.h>

// As C99: always terminates when size > 0, returns the length that the whole text has.
int vsnprintf(char *buf, size_t size, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
