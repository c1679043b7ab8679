// SPDX-License-Identifier: MIT
// The device tree as far as this port needs it for itself: timer frequency, interrupt controller, the device that
// powers off.
#include <libfdt.h>

#include "port.h"

#define PLIC_IRQ_SUPERVISOR 9 // interrupts-extended names a context by the hart's interrupt it drives

struct riscv_machine riscv_machine;

static u32 cell(const void *fdt, int node, const char *name, u32 index, u32 otherwise)
{
	int len;
	const fdt32_t *cells = fdt_getprop(fdt, node, name, &len);
	return cells != NULL && (index + 1) * sizeof(*cells) <= (u32)len ? fdt32_to_cpu(cells[index]) : otherwise;
}

// First register range of a node whose parent has 2 address and 2 size cells, as /soc has.
static bool registers(const void *fdt, int node, paddr_t *base, u64 *size)
{
	int len;
	const fdt32_t *reg = node < 0 ? NULL : fdt_getprop(fdt, node, "reg", &len);
	if (reg == NULL || len < 16)
		return false;
	*base = (u64)fdt32_to_cpu(reg[0]) << 32 | fdt32_to_cpu(reg[1]);
	*size = (u64)fdt32_to_cpu(reg[2]) << 32 | fdt32_to_cpu(reg[3]);
	return true;
}

// The phandle of the boot hart's own interrupt controller.
static u32 hart_phandle(const void *fdt, int cpus)
{
	int cpu;
	fdt_for_each_subnode(cpu, fdt, cpus)
	{
		if (cell(fdt, cpu, "reg", 0, ~0u) == riscv_machine.boot_hart)
			return fdt_get_phandle(fdt, fdt_subnode_offset(fdt, cpu, "interrupt-controller"));
	}
	return 0;
}

static bool plic_read(const void *fdt, u32 intc)
{
	int plic = fdt_node_offset_by_compatible(fdt, -1, "sifive,plic-1.0.0");
	if (plic < 0)
		plic = fdt_node_offset_by_compatible(fdt, -1, "riscv,plic0");
	if (!registers(fdt, plic, &riscv_machine.plic, &riscv_machine.plic_size))
		return false;
	riscv_machine.plic_sources = cell(fdt, plic, "riscv,ndev", 0, 0);
	int len;
	if (fdt_getprop(fdt, plic, "interrupts-extended", &len) == NULL)
		return false;
	for (u32 i = 0; i < (u32)len / 8; i++) {
		if (cell(fdt, plic, "interrupts-extended", 2 * i, 0) == intc &&
		    cell(fdt, plic, "interrupts-extended", 2 * i + 1, 0) == PLIC_IRQ_SUPERVISOR) {
			riscv_machine.plic_context = i;
			return true;
		}
	}
	return false;
}

void machine_read(const void *fdt, u64 boot_hart)
{
	if (fdt_check_header(fdt) != 0)
		early_fatal("the firmware passed no device tree");
	int cpus = fdt_path_offset(fdt, "/cpus");
	riscv_machine.boot_hart = boot_hart;
	riscv_machine.timer_hz = cell(fdt, cpus, "timebase-frequency", 0, 0);
	if (riscv_machine.timer_hz == 0)
		early_fatal("the device tree has no timebase-frequency");
	if (!registers(fdt, fdt_node_offset_by_compatible(fdt, -1, "sifive,test0"), &riscv_machine.test,
		       &riscv_machine.test_size))
		riscv_machine.test = 0;
	if (!plic_read(fdt, hart_phandle(fdt, cpus)))
		early_fatal("the device tree has no PLIC for this hart");
}

const char *machine_option(const void *fdt, const char *key, u32 *len)
{
	u64 key_len = strlen(key);
	const char *word = fdt_getprop(fdt, fdt_path_offset(fdt, "/chosen"), "bootargs", NULL);
	while (word != NULL && *word != '\0') {
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
