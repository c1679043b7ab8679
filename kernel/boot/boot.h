// SPDX-License-Identifier: MIT
// The steps from the firmware's machine to a running kernel. kernel/main.c calls them in this order; each needs those
// before it.
#pragma once

#include <arch/arch.h>
#include <arch/boot.h>
#include <kernel/boot/machine.h>
#include <mm/aspace.h>

// 1. devtree.c: read the device tree, which is not needed afterwards. The command line is there from now on.
void boot_devtree(const void *devtree);

// 2. memory.c: the kernel's page tables, the frame table, the buddy with all memory that nothing occupies.
void boot_memory(const struct arch_boot *arch);

// 3. memory.c: the root pool, with every frame that is free or the archive's. It lives in a frame of its own account.
struct pool *boot_root_pool(void);

// 4. init_image.c: init's image, where it lies in the archive, and boot_info. Returns where init starts; stops the boot
// with a line when the archive is not what it should be.
void boot_init_image(struct aspace *as, struct pool *root, const struct arch_boot *arch, vaddr_t *entry);
