// SPDX-License-Identifier: MIT
// init: the first file of the boot archive, a flat image that is mapped where it lies.
//
//	USER_BASE   text (starts with struct boot_image)   R-X   the archive's frames
//	            data                                   RW-   the archive's frames: init is the only one to use them
//	            bss                                    RW-   fresh frames
//	BOOT_INFO_VA  struct boot_info                     R--   a fresh frame
#include <lib/base/panic.h>
#include <lib/base/string.h>

#include "boot.h"

static u64 archive_pages(void)
{
	return (boot_machine.archive.limit - boot_machine.archive.base) >> PAGE_SHIFT;
}

static const struct archive_entry *first_file(void)
{
	const struct archive_header *header = arch_p2v(boot_machine.archive.base);
	const struct archive_entry *entry = (const struct archive_entry *)(header + 1);
	if (archive_pages() == 0)
		panic("there is no boot archive: start the machine with -initrd");
	if (header->magic != ARCHIVE_MAGIC || header->count == 0 || header->pages > archive_pages())
		panic("the initrd is no boot archive, or it was cut off");
	if (entry->page >= header->pages || entry->size > (header->pages - entry->page) << PAGE_SHIFT)
		panic("the first file of the boot archive lies outside it");
	return entry;
}

static const struct boot_image *image_of(const struct archive_entry *file)
{
	const struct boot_image *image = arch_p2v(boot_machine.archive.base + (file->page << PAGE_SHIFT));
	u64 pages = (file->size + PAGE_SIZE - 1) >> PAGE_SHIFT;
	if (file->size < sizeof(*image) || image->magic != BOOT_IMAGE_MAGIC)
		panic("the first file of the boot archive is not init's image");
	if (image->text_pages > pages || image->data_pages > pages - image->text_pages)
		panic("init's image is cut off: %lu + %lu pages, the file has %lu", image->text_pages,
		      image->data_pages, pages);
	if (image->entry < USER_BASE || image->entry >= USER_BASE + (image->text_pages << PAGE_SHIFT))
		panic("init's entry %lx lies outside its text", image->entry);
	return image;
}

static void map_run(struct aspace *as, struct pool *root, vaddr_t va, pfn_t pfn, u64 pages, u64 prot)
{
	for (u64 done; pages != 0; va += done << PAGE_SHIFT, pfn += done, pages -= done) {
		struct map_request rq = {
			.va = va,
			.pool = root,
			.count = pages < BATCH ? pages : BATCH,
			.frame = frame_ref(pfn_to_page(pfn)),
			.flags = prot | MAP_RUN,
			.window = WINDOW_ANY,
		};
		err_t err = aspace_map(as, &rq, &done);
		if (err != 0 || done == 0)
			panic("init's image cannot be mapped at %lx: error %d", va, err);
	}
}

// A fresh page of zeroes; returns it.
static void *map_fresh(struct aspace *as, struct pool *root, vaddr_t va, u64 prot)
{
	frame_t frame;
	u64 done;
	err_t err = frame_alloc(root, 0, 1, 0, &frame, &done);
	if (err != 0)
		panic("no memory for init: error %d", err);
	map_run(as, root, va, (u32)frame, 1, prot);
	return page_address(pfn_to_page((u32)frame));
}

static void fill_info(struct boot_info *info, const struct arch_boot *arch)
{
	*info = (struct boot_info){
		.magic = BOOT_INFO_MAGIC,
		.archive_frame = frame_ref(pfn_to_page(boot_machine.archive.base >> PAGE_SHIFT)),
		.archive_pages = archive_pages(),
		.levels = arch_levels,
		.user_end = arch_user_end,
		.timer_hz = arch_timer_hz(),
		.boot_cycles = arch->cycles,
		.devices = boot_machine.devices,
		.harts = boot_machine.harts,
	};
	memcpy(info->mode, arch->mode, strnlen(arch->mode, sizeof(info->mode) - 1));
	memcpy(info->cmdline, boot_machine.cmdline, sizeof(info->cmdline));
	memcpy(info->device, boot_machine.device, sizeof(info->device));
}

void boot_init_image(struct aspace *as, struct pool *root, const struct arch_boot *arch, vaddr_t *entry)
{
	const struct archive_entry *file = first_file();
	const struct boot_image *image = image_of(file);
	pfn_t pfn = (boot_machine.archive.base >> PAGE_SHIFT) + file->page;
	vaddr_t va = USER_BASE;

	map_run(as, root, va, pfn, image->text_pages, PROT_READ | PROT_EXEC);
	va += image->text_pages << PAGE_SHIFT;
	map_run(as, root, va, pfn + image->text_pages, image->data_pages, PROT_READ | PROT_WRITE);
	va += image->data_pages << PAGE_SHIFT;
	for (u64 i = 0; i < image->bss_pages; i++, va += PAGE_SIZE)
		map_fresh(as, root, va, PROT_READ | PROT_WRITE);
	fill_info(map_fresh(as, root, BOOT_INFO_VA, PROT_READ), arch);
	*entry = image->entry;
}
