// SPDX-License-Identifier: MIT
// The shell of the disk driver: finding the disks, their memory and interrupts, and what can be asked about them.
#include <abi/block_server.h>

#include "clients.h"
#include "disk.h"
#include "port.h"

#include <device.h>
#include <lib/base/log.h>
#include <pager/server.h>
#include <server/main.h>

#define DEVICE_VA 0x3600000000ul // two pages for the registers of each transport
#define MEMORY_VA 0x3700000000ul // struct queue_memory of each unit

static struct disks disks;
static struct {
	cptr_t device;
	volatile u32 *registers;
	u32 memory_pins; // of the device's pins, those of struct queue_memory
} ports[BLOCK_UNITS];

static void must(const char *what, err_t err)
{
	if (err)
		panic("blk: cannot %s: error %d", what, -err);
}

u32 port_read(u32 unit, u32 reg)
{
	return ports[unit].registers[reg / sizeof(u32)];
}

void port_write(u32 unit, u32 reg, u32 value)
{
	device_barrier();
	ports[unit].registers[reg / sizeof(u32)] = value;
}

static err_t frames_pin(cptr_t pool, const frame_t *frame, u32 n, u32 unit, u64 delta, u64 *done)
{
	for (u32 i = 0; i < n; i++)
		server_argument()[i] = frame[i];
	return sys_frame_pin(pool, n, ports[unit].device, delta, done);
}
_Static_assert(BLOCK_SEGMENTS <= BATCH_FILL, "a request in one call");

err_t port_pin(u32 unit, const frame_t *frame, u32 n, paddr_t *paddr, u32 *done)
{
	u64 pinned = 0;
	err_t err = frames_pin(SLOT_CLIENT_POOL, frame, n, unit, 1, &pinned);

	for (u32 i = 0; i < pinned; i++)
		paddr[i] = server_argument()[i];
	*done = (u32)pinned;
	return err;
}

void port_unpin(u32 unit, const frame_t *frame, u32 n)
{
	must("unpin frames", frames_pin(SLOT_CLIENT_POOL, frame, n, unit, (u64)-1, NULL));
}

u32 port_pins(u32 unit)
{
	u64 pins = 0;

	must("look at its pins", sys_device(ports[unit].device, DEV_STAT, 0, 0, 0, 0, NULL, NULL, NULL, &pins));
	return (u32)pins - ports[unit].memory_pins;
}

// ---- calls

err_t block_op_unit(struct request *rq, u64 unit, u64 *out_sectors, u64 *out_flags, u64 *out_name0, u64 *out_name1)
{
	const struct unit *u = &disks.unit[unit];

	(void)rq;
	if (unit >= disks.units)
		return -ERR_NOENT;
	*out_sectors = u->capacity;
	*out_flags = (u->read_only ? BLOCKUNIT_READ_ONLY : 0) | (u->condition == UNIT_BROKEN ? BLOCKUNIT_BROKEN : 0);
	*out_name0 = 'v' | 'd' << 8 | ('a' + unit) << 16;
	*out_name1 = 0;
	return 0;
}

err_t block_op_stat(struct request *rq, u64 unit, u64 index, u64 *out_value)
{
	(void)rq;
	if (unit >= disks.units)
		return -ERR_NOENT;
	if (index > BLOCKSTAT_INTERRUPTS)
		return -ERR_INVAL;
	*out_value = disks.unit[unit].stat[index];
	return 0;
}

static void serve(struct request *rq)
{
	block_dispatch(rq);
}

static void notified(u64 bits)
{
	for (u32 i = 0; i < disks.units; i++)
		if (bits & 1ul << i)
			unit_interrupt(&disks, &disks.unit[i]);
	clients_serve(&disks);
	for (u32 i = 0; i < disks.units; i++)
		if (bits & 1ul << i)
			must("acknowledge an interrupt",
			     sys_device(ports[i].device, DEV_IRQ_ACK, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
}

// ---- start

// The registers of a transport, which may lie in one page with others.
static volatile u32 *transport_map(u32 i)
{
	u64 va = DEVICE_VA + i * 2 * PAGE_SIZE, base, pages;
	cptr_t slot = SLOT_DEVICE0 + i;

	must("look at a device", sys_device(slot, DEV_STAT, 0, 0, 0, 0, &base, NULL, NULL, NULL));
	pages = (base % PAGE_SIZE + REG_END + PAGE_SIZE - 1) / PAGE_SIZE;
	must("map a device", sys_device(slot, DEV_MAP, SLOT_SELF_ASPACE, va, 0, pages, NULL, NULL, NULL, NULL));
	return (volatile u32 *)(va + base % PAGE_SIZE);
}

// Which device a transport holds only its registers tell. QEMU gives the first device of its command line the last
// transport: so the disks are numbered as they stand there.
static u32 disks_find(u32 devices)
{
	u32 units = 0;

	for (u32 i = devices; i-- > 0 && units < BLOCK_UNITS;) {
		ports[units].device = SLOT_DEVICE0 + i;
		ports[units].registers = transport_map(i);
		units += device_is_disk(units);
	}
	return units;
}

// The frames of struct queue_memory outlive the program, and so may their pins: they are made anew, so that each has
// one.
static void memory_page(struct unit *u, u32 page)
{
	frame_t *frame = &disks.state->memory[u->number][page];
	u64 counts = 0;

	if (!*frame)
		must("have memory for a queue", sys_frame_alloc(SLOT_SELF_POOL, 0, 1, 0, NULL, frame));
	must("look at its memory", sys_frame_mark(SLOT_SELF_POOL, *frame, MARK_STAT, 0, 0, NULL, &counts, NULL, NULL));
	if (counts >> 32)
		must("unpin its memory", frames_pin(SLOT_SELF_POOL, frame, 1, u->number, (u64)-1, NULL));
	must("pin its memory", frames_pin(SLOT_SELF_POOL, frame, 1, u->number, 1, NULL));
	u->queue.page[page] = server_argument()[0];
	ports[u->number].memory_pins++;
	must("map its memory", sys_map(SLOT_SELF_ASPACE, (vaddr_t)u->queue.mem + page * PAGE_SIZE, SLOT_SELF_POOL,
				       *frame, 1, PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL));
}

static void unit_prepare(struct unit *u)
{
	if (!device_stop(u->number))
		panic("blk: vd%c does not stop", 'a' + u->number);
	u->queue.mem = (struct queue_memory *)(MEMORY_VA + u->number * sizeof(struct queue_memory));
	for (u32 page = 0; page < QUEUE_PAGES; page++)
		memory_page(u, page);
	must("bind an interrupt", sys_device(ports[u->number].device, DEV_IRQ_BIND, SLOT_SELF_NOTIFY, 1ul << u->number,
					     0, 0, NULL, NULL, NULL, NULL));
}

_Noreturn void server_main(const struct server_info *info)
{
	if (info->magic != SERVER_INFO_MAGIC || info->state_pages * PAGE_SIZE < sizeof(struct disk_state))
		panic("blk: it needs `state %lu pages` in user/boot.manifest",
		      (sizeof(struct disk_state) + PAGE_SIZE - 1) / PAGE_SIZE);
	disks_open(&disks, (void *)STATE_VA, info->state_pages * PAGE_SIZE, disks_find(info->devices));
	for (u32 i = 0; i < disks.units; i++)
		unit_prepare(&disks.unit[i]);
	disks_begin(&disks, info->rings);
	for (u32 i = 0; i < info->rings; i++)
		if (!client_open(&disks, i, &info->ring[i]))
			panic("blk: the ring with %s is too small", (const char *)info->ring[i].peer);
	for (u32 i = 0; i < disks.units; i++)
		(void)device_open(&disks.unit[i]); // an error is logged; requests are answered with it
	clients_serve(&disks);
	server_run(SLOT_SELF_ENDPOINT, SERVER_FRESH, serve, notified);
}
