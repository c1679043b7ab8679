// SPDX-License-Identifier: MIT
#pragma once

#include <lib/base/types.h>

// Copies at most size - 1 bytes of s and always ends dst with a NUL. size > 0.
static inline void string_copy(char *dst, const char *s, u64 size)
{
	u64 i = 0;

	for (; i + 1 < size && s[i]; i++)
		dst[i] = s[i];
	dst[i] = '\0';
}
