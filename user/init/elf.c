// SPDX-License-Identifier: MIT
#include "elf.h"

#include <abi/abi.h>
#include <lib/base/string.h>

// ELF64, from the System V ABI. Fields are copied out because a file need not be aligned.
struct elf_header {
	u8 ident[16];
	u16 type;
	u16 machine;
	u32 version;
	u64 entry;
	u64 phoff;
	u64 shoff;
	u32 flags;
	u16 ehsize;
	u16 phentsize;
	u16 phnum;
	u16 shentsize;
	u16 shnum;
	u16 shstrndx;
};

struct elf_program {
	u32 type;
	u32 flags;
	u64 offset;
	u64 vaddr;
	u64 paddr;
	u64 filesz;
	u64 memsz;
	u64 align;
};

#define ELF_EXEC     2
#define ELF_RISCV    243
#define ELF_LOAD     1
#define ELF_PROGRAMS 32

static bool header_good(const struct elf_header *h, u64 size)
{
	static const u8 ident[7] = { 0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */, 1 /* version */ };

	return !memcmp(h->ident, ident, sizeof(ident)) && h->type == ELF_EXEC && h->machine == ELF_RISCV &&
	       h->phentsize == sizeof(struct elf_program) && h->phnum && h->phnum <= ELF_PROGRAMS && h->phoff <= size &&
	       size - h->phoff >= (u64)h->phnum * sizeof(struct elf_program);
}

static bool segment_take(const struct elf_program *p, u64 size, vaddr_t limit, struct elf_segment *s)
{
	// ELF's flags are X, W, R from bit 0; PROT_* are R, W, X.
	static const u32 prot[8] = { 0,
				     PROT_EXEC,
				     PROT_WRITE,
				     PROT_WRITE | PROT_EXEC,
				     PROT_READ,
				     PROT_READ | PROT_EXEC,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE | PROT_EXEC };
	u64 skip = p->vaddr % PAGE_SIZE;

	if (p->filesz > p->memsz || p->offset > size || p->filesz > size - p->offset)
		return false;
	if (p->vaddr < USER_BASE || p->vaddr >= limit || p->memsz > limit - p->vaddr)
		return false;
	s->prot = prot[p->flags & 7];
	if (!(s->prot & PROT_READ) || (s->prot & PROT_WRITE && s->prot & PROT_EXEC))
		return false;
	s->start = p->vaddr - skip;
	s->skip = skip;
	s->offset = p->offset;
	s->bytes = p->filesz;
	s->pages = (skip + p->memsz + PAGE_SIZE - 1) / PAGE_SIZE;
	return true;
}

static bool entry_inside(const struct elf_image *image)
{
	for (u32 i = 0; i < image->segments; i++) {
		const struct elf_segment *s = &image->segment[i];

		if (s->prot & PROT_EXEC && image->entry >= s->start && image->entry < s->start + s->pages * PAGE_SIZE)
			return true;
	}
	return false;
}

err_t elf_read(const u8 *file, u64 size, vaddr_t limit, struct elf_image *image)
{
	struct elf_header h;
	vaddr_t end = USER_BASE;

	if (size < sizeof(h))
		return -ERR_NOEXEC;
	memcpy(&h, file, sizeof(h));
	if (!header_good(&h, size))
		return -ERR_NOEXEC;
	image->entry = h.entry;
	image->segments = 0;
	for (u32 i = 0; i < h.phnum; i++) {
		struct elf_program p;
		struct elf_segment *s = &image->segment[image->segments];

		memcpy(&p, file + h.phoff + i * sizeof(p), sizeof(p));
		if (p.type != ELF_LOAD || !p.memsz)
			continue;
		if (image->segments == ELF_SEGMENTS || !segment_take(&p, size, limit, s))
			return -ERR_NOEXEC;
		// ELF orders them by address; pages of two segments must not overlap
		if (s->start < end)
			return -ERR_NOEXEC;
		end = s->start + s->pages * PAGE_SIZE;
		image->segments++;
	}
	return entry_inside(image) ? 0 : -ERR_NOEXEC;
}
