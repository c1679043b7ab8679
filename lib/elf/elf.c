// SPDX-License-Identifier: MIT
// ELF64 parser (elf.h), after the System V ABI. Everything in the file is hostile: every sum is checked before it is
// made.
#include "elf.h"

#include <abi/abi.h>

#define ELF_MAGIC   0x464c457f /* "\177ELF" */
#define ELF_CLASS64 2
#define ELF_LITTLE  1
#define ELF_EXEC    2
#define PT_LOAD     1
#define PT_TLS      7
#define PF_X        1
#define PF_W        2
#define PF_R        4

struct elf_header {
	u32 magic;
	u8 class, data, version, abi;
	u8 pad[8];
	u16 type, machine;
	u32 elf_version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF64 header");

struct elf_program {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_program) == 56, "ELF64 program header");

static u64 page_up(u64 address)
{
	return (address + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static u32 prot_of(u32 flags)
{
	u32 prot = 0;

	if (flags & PF_R)
		prot |= PROT_READ;
	if (flags & PF_W)
		prot |= PROT_READ | PROT_WRITE;
	if (flags & PF_X)
		prot |= PROT_READ | PROT_EXEC;
	return prot;
}

static bool header_good(const struct elf_header *h, u64 bytes, u32 machine)
{
	return h->magic == ELF_MAGIC && h->class == ELF_CLASS64 && h->data == ELF_LITTLE && h->version == 1 &&
	       h->type == ELF_EXEC && h->machine == machine && h->phentsize == sizeof(struct elf_program) && h->phnum &&
	       h->phoff <= bytes && h->phnum * (u64)sizeof(struct elf_program) <= bytes - h->phoff;
}

static bool inside(const struct elf_program *ph, vaddr_t base, vaddr_t limit)
{
	return ph->vaddr >= base && ph->vaddr < limit && ph->memsz <= limit - ph->vaddr;
}

static err_t segment_parse(const struct elf_program *ph, u64 bytes, struct elf_segment *seg)
{
	if (ph->filesz > ph->memsz || ph->offset > bytes || ph->filesz > bytes - ph->offset)
		return -ERR_NOEXEC;
	/* Pages are mapped where they lie, so address and offset must agree within a page. */
	if ((ph->vaddr ^ ph->offset) % PAGE_SIZE)
		return -ERR_NOEXEC;
	seg->start = ph->vaddr >> PAGE_SHIFT;
	seg->file_end = ph->filesz ? page_up(ph->vaddr + ph->filesz) : seg->start;
	seg->end = page_up(ph->vaddr + ph->memsz);
	seg->file_page = ph->offset >> PAGE_SHIFT;
	seg->bytes = ph->filesz;
	seg->skip = (u32)(ph->vaddr % PAGE_SIZE);
	seg->tail = ph->memsz > ph->filesz && ph->filesz ? (u32)((ph->vaddr + ph->filesz) % PAGE_SIZE) : 0;
	seg->prot = prot_of(ph->flags);
	return 0;
}

// Its content lies in a PT_LOAD segment; only where it is matters.
static err_t tls_parse(const struct elf_program *ph, struct elf_image *image)
{
	if (image->tls_end || ph->align & (ph->align - 1) || ph->align > PAGE_SIZE)
		return -ERR_NOEXEC;
	image->tls_start = ph->vaddr;
	image->tls_end = ph->vaddr + ph->memsz;
	if (ph->align)
		image->tls_end = (image->tls_end + ph->align - 1) & -ph->align;
	return 0;
}

static bool entry_good(const struct elf_image *image)
{
	for (u32 i = 0; i < image->count; i++) {
		const struct elf_segment *seg = &image->segment[i];
		u64 page = image->entry >> PAGE_SHIFT;

		if (seg->prot & PROT_EXEC && page >= seg->start && page < seg->end)
			return true;
	}
	return false;
}

err_t elf_parse(const void *file, u64 bytes, u32 machine, vaddr_t base, vaddr_t limit, struct elf_image *image)
{
	u64 end = base >> PAGE_SHIFT;
	struct elf_header h;

	image->count = 0;
	image->tls_start = image->tls_end = 0;
	if (bytes < sizeof(h))
		return -ERR_NOEXEC;
	__builtin_memcpy(&h, file, sizeof(h));
	if (!header_good(&h, bytes, machine))
		return -ERR_NOEXEC;
	image->entry = h.entry;
	for (u32 i = 0; i < h.phnum; i++) {
		struct elf_segment *seg = &image->segment[image->count];
		struct elf_program ph;
		err_t err = 0;

		__builtin_memcpy(&ph, (const char *)file + h.phoff + i * sizeof(ph), sizeof(ph));
		if ((ph.type != PT_LOAD && ph.type != PT_TLS) || !ph.memsz)
			continue;
		if (!inside(&ph, base, limit))
			return -ERR_NOEXEC;
		if (ph.type == PT_TLS) {
			err = tls_parse(&ph, image);
			if (err)
				return err;
			continue;
		}
		if (image->count == ELF_SEGMENTS)
			return -ERR_NOEXEC;
		err = segment_parse(&ph, bytes, seg);
		if (err)
			return err;
		/* The standard wants them by address; two that share a page cannot be mapped. */
		if (seg->start < end)
			return -ERR_NOEXEC;
		end = seg->end;
		image->count++;
	}
	return entry_good(image) ? 0 : -ERR_NOEXEC;
}
