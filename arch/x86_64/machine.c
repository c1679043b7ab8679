// SPDX-License-Identifier: MIT
// The machine. kernel/boot/ reads a device tree; a PC has none, so this file writes one out of what there is: the
// memory map, the initrd and the command line of PVH, the words `virtio_mmio.device=SIZE@BASE:IRQ` that QEMU's microvm
// adds to the command line (Linux's syntax, drivers/virtio/virtio_mmio.c), and the first serial port, which every PC
// has.
#include <libfdt.h>

#include "firmware.h"
#include "port.h"

#define LOW_MEMORY    0x100000ul // below: the firmware's, and PVH's own tables
#define CMDLINE_MAX   1024
#define SERIAL_PORT   0x3f8
#define SERIAL_PORTS  8
#define SERIAL_IRQ    4
#define ISA_IO        1 // first address cell of the ISA binding: a port
#define VIRTIO_WORD   "virtio_mmio.device="
#define IOAPIC1       0xfec00000ul
#define IOAPIC2       0xfec10000ul // microvm with ioapic2=on
#define IOAPIC_WINDOW 0x10
#define IOAPIC_VER    1

struct x86_machine x86_machine;
static const char *cmdline = "";
static u32 tree[2048];

static void must(int err)
{
	if (err != 0)
		early_fatal("the machine has more memory ranges or devices than its device tree can hold");
}

static void cells(void *fdt, const char *name, const u32 *value, u32 count)
{
	fdt32_t cell[6];
	for (u32 i = 0; i < count; i++)
		cell[i] = cpu_to_fdt32(value[i]);
	must(fdt_property(fdt, name, cell, count * sizeof(*cell)));
}

static void reg64(void *fdt, u64 base, u64 size)
{
	u32 value[] = { base >> 32, base, size >> 32, size };
	cells(fdt, "reg", value, 4);
}

// "memory@", and so on: the unit address in hexadecimal.
static void begin_node(void *fdt, const char *name, u64 address)
{
	char text[40];
	u32 n = 0;
	while (name[n] != '\0') {
		text[n] = name[n];
		n++;
	}
	text[n++] = '@';
	int shift = 60;
	while (shift > 0 && address >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		text[n++] = "0123456789abcdef"[address >> shift & 15];
	text[n] = '\0';
	must(fdt_begin_node(fdt, text));
}

static void write_memory(void *fdt, const struct pvh_start_info *info)
{
	const struct pvh_memory *range = arch_p2v(info->memory);
	for (u32 i = 0; i < info->memories; i++) {
		paddr_t base = range[i].base, end = base + range[i].size;
		if (range[i].type != PVH_MEMORY_RAM || end <= LOW_MEMORY)
			continue;
		if (base < LOW_MEMORY)
			base = LOW_MEMORY;
		begin_node(fdt, "memory", base);
		must(fdt_property_string(fdt, "device_type", "memory"));
		reg64(fdt, base, end - base);
		must(fdt_end_node(fdt));
	}
}

static void write_chosen(void *fdt, const struct pvh_start_info *info)
{
	must(fdt_begin_node(fdt, "chosen"));
	must(fdt_property_string(fdt, "bootargs", cmdline));
	if (info->modules > 0) {
		const struct pvh_module *initrd = arch_p2v(info->module);
		must(fdt_property_u64(fdt, "linux,initrd-start", initrd->base));
		must(fdt_property_u64(fdt, "linux,initrd-end", initrd->base + initrd->size));
	}
	must(fdt_end_node(fdt));
}

static void write_cpus(void *fdt)
{
	must(fdt_begin_node(fdt, "cpus"));
	must(fdt_property_u32(fdt, "#address-cells", 1));
	must(fdt_property_u32(fdt, "#size-cells", 0));
	begin_node(fdt, "cpu", 0);
	must(fdt_property_string(fdt, "device_type", "cpu"));
	must(fdt_property_u32(fdt, "reg", 0));
	must(fdt_end_node(fdt));
	must(fdt_end_node(fdt));
}

static void write_serial(void *fdt)
{
	static const u32 port[] = { ISA_IO, SERIAL_PORT, SERIAL_PORTS };
	must(fdt_begin_node(fdt, "isa"));
	must(fdt_property_u32(fdt, "#address-cells", 2));
	must(fdt_property_u32(fdt, "#size-cells", 1));
	begin_node(fdt, "serial", SERIAL_PORT);
	must(fdt_property_string(fdt, "compatible", "ns16550a"));
	cells(fdt, "reg", port, 3);
	must(fdt_property_u32(fdt, "interrupts", SERIAL_IRQ));
	must(fdt_end_node(fdt));
	must(fdt_end_node(fdt));
}

// A number, hexadecimal after 0x, with an optional K, M or G, and what follows it.
static const char *number(const char *text, u64 *value)
{
	u32 base = text[0] == '0' && text[1] == 'x' ? 16 : 10;
	text += base == 16 ? 2 : 0;
	for (*value = 0;; text++) {
		u32 digit = *text >= 'a' ? (u32)(*text - 'a' + 10) : *text <= '9' ? (u32)(*text - '0') : base;
		if (digit >= base)
			break;
		*value = *value * base + digit;
	}
	u32 shift = *text == 'K' ? 10 : *text == 'M' ? 20 : *text == 'G' ? 30 : 0;
	*value <<= shift;
	return text + (shift != 0);
}

static void write_virtio(void *fdt, const char *word)
{
	u64 size, base, irq;
	word = number(word, &size);
	if (*word++ != '@')
		return;
	word = number(word, &base);
	if (*word++ != ':')
		return;
	number(word, &irq);
	begin_node(fdt, "virtio_mmio", base);
	must(fdt_property_string(fdt, "compatible", "virtio,mmio"));
	reg64(fdt, base, size);
	must(fdt_property_u32(fdt, "interrupts", irq));
	must(fdt_end_node(fdt));
}

static void write_tree(void *fdt, const struct pvh_start_info *info)
{
	must(fdt_create(fdt, sizeof(tree)));
	must(fdt_finish_reservemap(fdt));
	must(fdt_begin_node(fdt, ""));
	must(fdt_property_u32(fdt, "#address-cells", 2));
	must(fdt_property_u32(fdt, "#size-cells", 2));
	write_chosen(fdt, info);
	write_memory(fdt, info);
	write_cpus(fdt);
	write_serial(fdt);
	for (const char *at = cmdline; *at != '\0'; at++) {
		if (strncmp(at, VIRTIO_WORD, sizeof(VIRTIO_WORD) - 1) == 0)
			write_virtio(fdt, at + sizeof(VIRTIO_WORD) - 1);
	}
	must(fdt_end_node(fdt));
	must(fdt_finish(fdt));
}

// Where nothing answers, all bits read as ones.
static bool ioapic_there(paddr_t base)
{
	volatile u32 *ioapic = arch_p2v(base);
	*ioapic = IOAPIC_VER;
	u32 version = ioapic[IOAPIC_WINDOW / 4];
	return (version >> 16 & 0xff) + 1 == IOAPIC_PINS;
}

void machine_read(paddr_t start_info)
{
	const struct pvh_start_info *info = arch_p2v(start_info);
	if (info->magic != PVH_MAGIC || info->version < 1)
		early_fatal("the loader passed no PVH start info of version 1");
	if (info->cmdline != 0)
		cmdline = arch_p2v(info->cmdline);
	if (strnlen(cmdline, CMDLINE_MAX) == CMDLINE_MAX)
		early_fatal("the command line is longer than 1023 bytes");
	write_tree(tree, info);
	x86_machine.devtree = tree;
	if (!ioapic_there(IOAPIC1))
		early_fatal("there is no I/O APIC at fec00000");
	x86_machine.ioapic[0] = IOAPIC1;
	x86_machine.ioapic[1] = ioapic_there(IOAPIC2) ? IOAPIC2 : 0;
}

const char *machine_option(const char *key, u32 *len)
{
	u64 key_len = strlen(key);
	for (const char *word = cmdline; *word != '\0';) {
		u32 n = 0;
		while (word[n] != '\0' && word[n] != ' ')
			n++;
		if (n > key_len && memcmp(word, key, key_len) == 0 && word[key_len] == '=') {
			*len = n - key_len - 1;
			return word + key_len + 1;
		}
		word += n + (word[n] == ' ');
	}
	return NULL;
}
