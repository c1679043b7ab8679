// SPDX-License-Identifier: MIT
// The device tree, read once. Everything that is needed later is copied: the tree's memory is ordinary memory
// afterwards.
#include <libfdt.h>

#include <lib/base/log.h>
#include <lib/base/panic.h>

#include "boot.h"

#define PAGE_DOWN(x)     ((x) & ~(u64)(PAGE_SIZE - 1))
#define PAGE_UP(x)       PAGE_DOWN((x) + PAGE_SIZE - 1)
#define VIRTIO_DEVICE_ID 8 // register of a virtio-mmio transport: 0 for an empty slot

struct boot_machine boot_machine;

// What a driver in user mode can have. All else (interrupt controller, flash, PCI ...) stays with nobody.
static const char *const driver_devices[] = { "ns16550a", "virtio,mmio", "google,goldfish-rtc" };

#define DEPTH_MAX 16
#define ISA_IO    1 // IEEE 1275 binding of ISA: phys.hi of a port

// Where the walk stands: a node, and how the addresses in its "reg" are written, which its parent says.
struct position {
	const void *fdt;
	int node;
	int depth;
	u32 address_cells, size_cells;
	bool isa; // its parent is an ISA bus, where the first address cell says whether the second is an I/O port
};

static u64 cells(const fdt32_t *p, u32 count)
{
	u64 value = 0;
	for (u32 i = 0; i < count; i++)
		value = value << 32 | fdt32_to_cpu(p[i]);
	return value;
}

// Register range `index` of a node, in physical addresses (the buses between have no translation on the machines we
// know). False: no such.
static bool reg(const struct position *at, u32 index, paddr_t *base, u64 *size)
{
	int len;
	const fdt32_t *p = fdt_getprop(at->fdt, at->node, "reg", &len);
	u32 stride = at->address_cells + at->size_cells;
	if (p == NULL || (index + 1) * stride * sizeof(*p) > (u32)len)
		return false;
	*base = cells(p + index * stride, at->address_cells);
	*size = cells(p + index * stride + at->address_cells, at->size_cells);
	return true;
}

static void read_memory(const struct position *at)
{
	paddr_t base;
	u64 size;
	for (u32 i = 0; reg(at, i, &base, &size); i++)
		ranges_add(&boot_machine.ram, PAGE_UP(base), PAGE_DOWN(base + size));
}

static void reserve(paddr_t base, u64 size)
{
	ranges_add(&boot_machine.reserved, PAGE_DOWN(base), PAGE_UP(base + size));
}

static void read_reserved(const struct position *at)
{
	paddr_t base;
	u64 size;
	for (u32 i = 0; reg(at, i, &base, &size); i++)
		reserve(base, size);
}

static u64 address(const struct position *at, const char *name)
{
	int len;
	const fdt32_t *p = fdt_getprop(at->fdt, at->node, name, &len);
	return p != NULL && (len == 4 || len == 8) ? cells(p, len / 4) : 0;
}

static void read_chosen(const struct position *at)
{
	paddr_t start = address(at, "linux,initrd-start"), end = address(at, "linux,initrd-end");
	if (start < end) {
		if (start % PAGE_SIZE != 0)
			panic("the boot archive lies at %lx, not at a page", start);
		boot_machine.archive = (struct range){ start, PAGE_UP(end) };
	}
	int len;
	const char *bootargs = fdt_getprop(at->fdt, at->node, "bootargs", &len);
	if (bootargs == NULL)
		return;
	if ((u32)len > sizeof(boot_machine.cmdline))
		panic("the command line has %d bytes; %zu is the most", len, sizeof(boot_machine.cmdline));
	memcpy(boot_machine.cmdline, bootargs, len);
	boot_machine.cmdline[sizeof(boot_machine.cmdline) - 1] = '\0';
}

static void add_device(const struct position *at, const char *name)
{
	struct boot_device device = { .irq = 0 };
	if (!reg(at, 0, &device.base, &device.size))
		return;
	if (at->isa) {
		device.ports = device.base >> 32 == ISA_IO;
		device.base = (u32)device.base;
	}
	for (u32 i = 0; i < sizeof(device.name) - 1 && name[i] != '\0' && name[i] != '@'; i++)
		device.name[i] = name[i];
	int len;
	const fdt32_t *irq = fdt_getprop(at->fdt, at->node, "interrupts", &len);
	if (irq != NULL && len >= (int)sizeof(*irq))
		device.irq = cells(irq, 1);
	if (boot_machine.devices == BOOT_DEVICES) {
		log_line("jjok: more than %u devices; %s at %lx is left out", BOOT_DEVICES, name, device.base);
		return;
	}
	// Ascending addresses, so that a device has the same number whatever the order of the tree.
	u32 i = boot_machine.devices++;
	for (; i > 0 && boot_machine.device[i - 1].base > device.base; i--)
		boot_machine.device[i] = boot_machine.device[i - 1];
	boot_machine.device[i] = device;
}

// A virtio transport without a device behind it says so in its own registers only.
static bool virtio_empty(const struct position *at)
{
	paddr_t base;
	u64 size;
	if (!reg(at, 0, &base, &size) || size < VIRTIO_DEVICE_ID + sizeof(u32))
		return true;
	return *(const volatile u32 *)arch_p2v(base + VIRTIO_DEVICE_ID) == 0;
}

static void read_device(const struct position *at, const char *name)
{
	int len;
	const char *compatible = fdt_getprop(at->fdt, at->node, "compatible", &len);
	if (compatible == NULL)
		return;
	for (u32 i = 0; i < sizeof(driver_devices) / sizeof(driver_devices[0]); i++) {
		if (!fdt_stringlist_contains(compatible, len, driver_devices[i]))
			continue;
		if (strcmp(driver_devices[i], "virtio,mmio") != 0 || !virtio_empty(at))
			add_device(at, name);
		return;
	}
}

static void read_node(const struct position *at, const char *parent)
{
	const char *name = fdt_get_name(at->fdt, at->node, NULL);
	const char *type = fdt_getprop(at->fdt, at->node, "device_type", NULL);
	if (type != NULL && strcmp(type, "memory") == 0)
		read_memory(at);
	else if (type != NULL && strcmp(type, "cpu") == 0)
		boot_machine.harts++;
	else if (strcmp(parent, "reserved-memory") == 0)
		read_reserved(at);
	else if (at->depth == 1 && strcmp(name, "chosen") == 0)
		read_chosen(at);
	else
		read_device(at, name);
}

static u32 cell_count(const void *fdt, int node, const char *name, u32 otherwise)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);
	u32 count = p != NULL && len == 4 ? fdt32_to_cpu(*p) : otherwise;
	return count <= 2 ? count : 0; // PCI's three cells are no physical addresses
}

void boot_devtree(const void *fdt)
{
	// One pass: libfdt looks for a node's parent, or for the next node of a kind, from the start of the tree each
	// time.
	struct position at[DEPTH_MAX + 1] = { { .fdt = fdt } };
	for (int node = 0, depth = 0; node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth)) {
		if (depth >= DEPTH_MAX)
			continue;
		at[depth].node = node;
		at[depth + 1] = (struct position){
			.fdt = fdt,
			.depth = depth + 1,
			.address_cells = cell_count(fdt, node, "#address-cells", 2),
			.size_cells = cell_count(fdt, node, "#size-cells", 1),
			.isa = strcmp(fdt_get_name(fdt, node, NULL), "isa") == 0,
		};
		if (depth > 0)
			read_node(&at[depth], fdt_get_name(fdt, at[depth - 1].node, NULL));
	}
	for (int i = 0; i < fdt_num_mem_rsv(fdt); i++) {
		u64 base, size;
		if (fdt_get_mem_rsv(fdt, i, &base, &size) == 0)
			reserve(base, size);
	}
	if (boot_machine.ram.count == 0)
		panic("the device tree names no memory");
}
