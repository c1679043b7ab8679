// SPDX-License-Identifier: MIT
// ELF64 executables for riscv64, static. Pure: parses bytes, maps nothing.
#pragma once

#include <base/types.h>

#define ELF_SEGMENTS 8

// A PT_LOAD segment whose pages can be mapped as they lie in the file.
struct elf_segment {
	u32 start;     // first page
	u32 file_end;  // pages [start, file_end) come from the file
	u32 end;       // pages [file_end, end) are zero
	u32 file_page; // page of the file at `start`
	u32 tail;      // bytes of the last file page that are file content; 0: the whole page, or nothing to zero
	u32 prot;      // PROT_*
};

struct elf_image {
	vaddr_t entry;
	u32 count;
	struct elf_segment segment[ELF_SEGMENTS]; // by address, disjoint
};

// NOEXEC: not an executable that this machine runs. `limit`: first page that a program may not use.
err_t elf_parse(const void *file, u64 bytes, u32 base, u32 limit, struct elf_image *image) must_check;
