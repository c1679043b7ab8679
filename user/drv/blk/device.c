// SPDX-License-Identifier: MIT
// The disk's registers: finding it, agreeing on features, its configuration, starting and stopping it.
//
//	stopped (status 0) --device_open--> running (DRIVER_OK) --device_stop--> stopped
#include "disk.h"
#include "port.h"

#include <lib/base/log.h>

#define STOP_READS   1000000 // looks at the status register until a stopping device is given up
#define CONFIG_READS 16      // the same for a configuration that changes while it is read
#define FEATURES \
	(FEATURE_VERSION_1 | FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_RO | FEATURE_BLK_SIZE | FEATURE_FLUSH)

bool device_is_disk(u32 unit)
{
	if (port_read(unit, REG_MAGIC) != VIRTIO_MAGIC || port_read(unit, REG_DEVICE_ID) != VIRTIO_ID_BLK)
		return false;
	if (port_read(unit, REG_VERSION) == VIRTIO_VERSION)
		return true;
	log_line("blk: a disk with the old register layout is not used (QEMU: -global virtio-mmio.force-legacy=false)");
	return false;
}

bool device_stop(u32 unit)
{
	port_write(unit, REG_STATUS, 0);
	for (u32 i = 0; i < STOP_READS; i++)
		if (!port_read(unit, REG_STATUS))
			return true;
	return false;
}

static u64 offered(u32 unit)
{
	u64 features;

	port_write(unit, REG_DEVICE_FEATURES_SEL, 1);
	features = (u64)port_read(unit, REG_DEVICE_FEATURES) << 32;
	port_write(unit, REG_DEVICE_FEATURES_SEL, 0);
	return features | port_read(unit, REG_DEVICE_FEATURES);
}

static void accept(u32 unit, u64 features)
{
	port_write(unit, REG_DRIVER_FEATURES_SEL, 1);
	port_write(unit, REG_DRIVER_FEATURES, (u32)(features >> 32));
	port_write(unit, REG_DRIVER_FEATURES_SEL, 0);
	port_write(unit, REG_DRIVER_FEATURES, (u32)features);
}

struct config {
	u64 capacity;
	u32 size_max, seg_max, block_size;
};

// All of one generation, or false.
static bool config_read(u32 unit, struct config *c)
{
	for (u32 i = 0; i < CONFIG_READS; i++) {
		u32 generation = port_read(unit, REG_CONFIG_GENERATION);

		c->capacity = port_read(unit, REG_CONFIG + CONFIG_CAPACITY) |
			      (u64)port_read(unit, REG_CONFIG + CONFIG_CAPACITY + 4) << 32;
		c->size_max = port_read(unit, REG_CONFIG + CONFIG_SIZE_MAX);
		c->seg_max = port_read(unit, REG_CONFIG + CONFIG_SEG_MAX);
		c->block_size = port_read(unit, REG_CONFIG + CONFIG_BLK_SIZE);
		if (port_read(unit, REG_CONFIG_GENERATION) == generation)
			return true;
	}
	return false;
}

// What the configuration means for requests. A field counts only with its feature.
static const char *config_take(struct unit *u, const struct config *c)
{
	u32 block = u->features & FEATURE_BLK_SIZE ? c->block_size : BLOCK_SECTOR;

	if (block < BLOCK_SECTOR || block > PAGE_SIZE || block & (block - 1))
		return "its blocks are larger than a page, or no power of two";
	if (u->features & FEATURE_SIZE_MAX && c->size_max < PAGE_SIZE)
		return "it takes no segment of a whole page";
	if (!(u->features & FEATURE_SEG_MAX) || c->seg_max < BLOCK_SEGMENTS)
		return "it takes too few segments in a request";
	u->block_size = block;
	u->capacity = c->capacity;
	u->read_only = u->features & FEATURE_RO;
	u->cache = u->features & FEATURE_FLUSH;
	return NULL;
}

void device_config(struct unit *u)
{
	struct config c;

	if (config_read(u->number, &c) && !config_take(u, &c))
		log_line("blk: vd%c has %lu sectors now", 'a' + u->number, (unsigned long)u->capacity);
}

static const char *features_agree(struct unit *u)
{
	u32 unit = u->number;

	port_write(unit, REG_STATUS, STATUS_ACKNOWLEDGE);
	port_write(unit, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	u->features = offered(unit) & FEATURES;
	if (!(u->features & FEATURE_VERSION_1))
		return "it speaks only the old protocol";
	accept(unit, u->features);
	port_write(unit, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return port_read(unit, REG_STATUS) & STATUS_FEATURES_OK ? NULL : "it refuses the features it offered";
}

static void address_write(u32 unit, u32 reg, paddr_t paddr)
{
	port_write(unit, reg, (u32)paddr);
	port_write(unit, reg + 4, (u32)(paddr >> 32));
}

static const char *queue_open(struct unit *u)
{
	u32 unit = u->number, size = QUEUE_SIZE;

	port_write(unit, REG_QUEUE_SEL, 0);
	if (port_read(unit, REG_QUEUE_READY))
		return "its queue is in use though it was stopped";
	while (size > port_read(unit, REG_QUEUE_NUM_MAX))
		size /= 2;
	if (size < QUEUE_CHAIN)
		return "its queue is too short";
	queue_reset(&u->queue, size);
	port_write(unit, REG_QUEUE_NUM, size);
	address_write(unit, REG_QUEUE_DESC, queue_paddr(&u->queue, u->queue.mem->desc));
	address_write(unit, REG_QUEUE_DRIVER, queue_paddr(&u->queue, &u->queue.mem->avail));
	address_write(unit, REG_QUEUE_DEVICE, queue_paddr(&u->queue, &u->queue.mem->used));
	port_write(unit, REG_QUEUE_READY, 1);
	return NULL;
}

err_t device_open(struct unit *u)
{
	struct config c;
	const char *why = device_stop(u->number) ? features_agree(u) : "it does not stop";

	if (!why)
		why = config_read(u->number, &c) ? queue_open(u) : "its configuration does not come to rest";
	if (!why)
		why = config_take(u, &c);
	if (why) {
		port_write(u->number, REG_STATUS, 0);
		log_line("blk: vd%c cannot be used: %s", 'a' + u->number, why);
		u->condition = UNIT_BROKEN;
		return -ERR_IO;
	}
	port_write(u->number, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
	u->condition = UNIT_READY;
	return 0;
}
