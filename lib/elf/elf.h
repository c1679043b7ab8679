// SPDX-License-Identifier: MIT
// Static ELF64 executables: their segments and thread-local storage, checked. Pure: parses bytes, maps nothing.
#pragma once

#include <base/types.h>

#define ELF_SEGMENTS 8

// A PT_LOAD segment whose pages can be mapped as they lie in the file.
struct elf_segment {
	u64 start;     // first page
	u64 file_end;  // pages [start, file_end) come from the file
	u64 end;       // pages [file_end, end) are zero
	u64 file_page; // page of the file at `start`
	u64 bytes;     // that come from the file, from byte `skip` of the first page on
	u32 skip;
	u32 tail; // bytes of the last file page that are file content; 0: the whole page, or nothing to zero
	u32 prot; // PROT_*
};

struct elf_image {
	vaddr_t entry;
	vaddr_t tls_start, tls_end; // PT_TLS, rounded up to its alignment; 0, 0 without
	u32 count;
	struct elf_segment segment[ELF_SEGMENTS]; // by address, disjoint
};

// NOEXEC: not an executable for `machine` (ELF's number) whose segments lie in [base, limit), which are pages' starts.
err_t elf_parse(const void *file, u64 bytes, u32 machine, vaddr_t base, vaddr_t limit,
		struct elf_image *image) must_check;
