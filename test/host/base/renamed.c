// SPDX-License-Identifier: MIT
// The libc-named parts of lib/base under other names, for base_test.c.
#define memcpy    base_memcpy
#define memmove   base_memmove
#define memset    base_memset
#define memcmp    base_memcmp
#define memchr    base_memchr
#define strlen    base_strlen
#define strnlen   base_strnlen
#define strcmp    base_strcmp
#define strncmp   base_strncmp
#define strchr    base_strchr
#define strrchr   base_strrchr
#define vsnprintf base_vsnprintf
#define snprintf  base_snprintf
#include <lib/base/fmt.c>
#include <lib/base/string.c>
