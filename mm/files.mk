# SPDX-License-Identifier: MIT
KERNEL_SRCS += mm/page.c mm/buddy.c mm/pool.c mm/frame.c mm/mark.c mm/evict.c mm/object.c mm/check.c
KERNEL_SRCS += mm/pgtable.c mm/aspace.c mm/map.c mm/unmap.c mm/protect.c mm/scan.c mm/clone.c mm/tlb.c mm/asid.c mm/observe.c
