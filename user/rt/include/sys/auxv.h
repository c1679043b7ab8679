// SPDX-License-Identifier: MIT
// The auxiliary vector: Linux's, and what Jjok adds from 0x6a00 ('j' << 8) on.
#pragma once

#define AT_NULL         0
#define AT_PAGESZ       6
#define AT_HWCAP        16
#define AT_CLKTCK       17
#define AT_HWCAP2       26
#define AT_EXECFN       31
#define AT_JJOK_FRAMES  0x6a00 // address of the frame table: struct page of every frame, indexed by pfn, read-only
#define AT_JJOK_CLOEXEC 0x6a01 // descriptors to close, one bit each

unsigned long getauxval(unsigned long type);
