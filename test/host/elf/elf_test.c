// SPDX-License-Identifier: MIT
// The ELF parser: one good file of each architecture, then mutated and cut-off ones against what a caller relies on.
#include <lib/elf/elf.h>

#include <abi/abi.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT     0x20000000ul
#define FILE_SIZE 0x1900
#define PROGRAMS  4

#define EXPECT(cond) ((cond) ? (void)0 : fail(__LINE__, #cond))

static u64 state;

static _Noreturn void fail(int line, const char *what)
{
	fprintf(stderr, "elf_test.c:%d: failed: %s (state %#llx)\n", line, what, (unsigned long long)state);
	abort();
}

static u64 rnd(u64 below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % below;
}

static void file_make(u8 *file, u16 machine)
{
	Elf64_Ehdr h = { .e_type = ET_EXEC,
			 .e_machine = machine,
			 .e_entry = 0x10100,
			 .e_phoff = 64,
			 .e_phentsize = 56,
			 .e_phnum = PROGRAMS };
	Elf64_Phdr p[PROGRAMS] = {
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_X,
		  .p_offset = 0x1000,
		  .p_vaddr = 0x10000,
		  .p_filesz = 0x800,
		  .p_memsz = 0x800 },
		{ .p_type = PT_NOTE, .p_offset = ~0ull },
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_W,
		  .p_offset = 0x1800,
		  .p_vaddr = 0x11800,
		  .p_filesz = 0x100,
		  .p_memsz = 0x3000 },
		{ .p_type = PT_TLS,
		  .p_offset = 0x1800,
		  .p_vaddr = 0x11800,
		  .p_filesz = 8,
		  .p_memsz = 0x21,
		  .p_align = 32 },
	};

	memcpy(h.e_ident, ELFMAG "\2\1\1", 7);
	memcpy(file, &h, sizeof(h));
	memcpy(file + 64, p, sizeof(p));
}

static void good_check(u16 machine)
{
	static u8 file[FILE_SIZE];
	struct elf_image image;

	file_make(file, machine);
	EXPECT(!elf_parse(file, FILE_SIZE, machine, USER_BASE, LIMIT, &image) && image.count == 2 &&
	       image.entry == 0x10100);
	struct elf_segment *text = &image.segment[0], *data = &image.segment[1];

	EXPECT(text->start == 0x10 && text->file_end == 0x11 && text->end == 0x11 && text->file_page == 1 &&
	       !text->tail);
	EXPECT(text->prot == (PROT_READ | PROT_EXEC) && !text->skip && text->bytes == 0x800);
	EXPECT(data->start == 0x11 && data->file_end == 0x12 && data->end == 0x15 && data->file_page == 1);
	EXPECT(data->tail == 0x900 && data->skip == 0x800 && data->bytes == 0x100 &&
	       data->prot == (PROT_READ | PROT_WRITE));
	EXPECT(image.tls_start == 0x11800 && image.tls_end == 0x11840);
	EXPECT(elf_parse(file, 63, machine, USER_BASE, LIMIT, &image) == -ERR_NOEXEC);
	EXPECT(elf_parse(file, FILE_SIZE - 1, machine, USER_BASE, LIMIT, &image) == -ERR_NOEXEC);
	EXPECT(elf_parse(file, FILE_SIZE, machine + 1, USER_BASE, LIMIT, &image) == -ERR_NOEXEC);
	EXPECT(elf_parse(file, FILE_SIZE, machine, 0x11000, LIMIT, &image) == -ERR_NOEXEC);
	EXPECT(elf_parse(file, FILE_SIZE, machine, USER_BASE, 0x14000, &image) == -ERR_NOEXEC);
}

// Whatever the file said, this much holds.
static void image_check(const struct elf_image *image, u64 size)
{
	u64 end = USER_BASE / PAGE_SIZE;
	bool entry = false;

	EXPECT(image->count && image->count <= ELF_SEGMENTS);
	for (u32 i = 0; i < image->count; i++) {
		const struct elf_segment *s = &image->segment[i];

		EXPECT(s->start >= end && s->start <= s->file_end && s->file_end <= s->end && s->start < s->end);
		EXPECT(s->end <= LIMIT / PAGE_SIZE);
		EXPECT(s->skip < PAGE_SIZE && s->tail < PAGE_SIZE);
		EXPECT(s->file_page * PAGE_SIZE + s->skip <= size);
		EXPECT(s->bytes <= size - s->file_page * PAGE_SIZE - s->skip || !s->bytes);
		EXPECT(s->skip + s->bytes <= (s->end - s->start) * PAGE_SIZE);
		EXPECT(s->file_end == s->start ||
		       s->file_page + (s->file_end - s->start) <= (size + PAGE_SIZE - 1) / PAGE_SIZE);
		entry |= s->prot & PROT_EXEC && image->entry / PAGE_SIZE >= s->start &&
			 image->entry / PAGE_SIZE < s->end;
		end = s->end;
	}
	EXPECT(entry);
	EXPECT(image->tls_start <= image->tls_end && image->tls_end < LIMIT + PAGE_SIZE);
	EXPECT(!image->tls_end || image->tls_start >= USER_BASE);
}

static void mutated_check(u64 rounds)
{
	static const u8 values[] = { 0, 1, 4, 7, 0x10, 0x7f, 0x80, 0xff, 0xfe };
	static u8 file[FILE_SIZE];
	u64 good = 0;

	for (u64 i = 0; i < rounds; i++) {
		u64 size = rnd(4) ? FILE_SIZE : rnd(64 + PROGRAMS * 56 + 8);
		u8 *copy = malloc(size + 1); // of the exact size, so that a read beyond is seen
		struct elf_image image;

		file_make(file, EM_RISCV);
		for (u64 n = 1 + rnd(3); n; n--)
			file[rnd(64 + PROGRAMS * 56)] = rnd(3) ? values[rnd(sizeof(values))] : (u8)rnd(256);
		memcpy(copy + 1, file, size);
		if (!elf_parse(copy + 1, size, EM_RISCV, USER_BASE, LIMIT, &image)) {
			image_check(&image, size);
			good++;
		}
		free(copy);
	}
	EXPECT(good && good < rounds);
}

int main(int argc, char **argv)
{
	const char *how = getenv("JJOK_TEST");

	state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	good_check(EM_RISCV);
	good_check(EM_X86_64);
	mutated_check(how && !strcmp(how, "full") ? 3000000 : 300000);
	printf("elf: OK\n");
	return 0;
}
