// SPDX-License-Identifier: MIT
// The program headers of a server's ELF file, checked. Pure. Servers are static: no relocation, no interpreter.
#pragma once

#include <lib/base/types.h>

#define ELF_SEGMENTS 4

struct elf_segment {
	vaddr_t start; // page-aligned
	u64 pages;
	u32 prot;   // PROT_*
	u64 offset; // of the bytes in the file
	u64 bytes;  // in the file; the rest of the pages is zero
	u64 skip;   // bytes from `start` to where they go
};

struct elf_image {
	vaddr_t entry;
	u32 segments;
	struct elf_segment segment[ELF_SEGMENTS];
};

// NOEXEC: not a static riscv64 program whose segments lie in [USER_BASE, limit), or one that is cut off.
err_t elf_read(const u8 *file, u64 size, vaddr_t limit, struct elf_image *image);
