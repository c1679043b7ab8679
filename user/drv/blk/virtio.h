// SPDX-License-Identifier: MIT
// Numbers of the Virtual I/O Device specification 1.1 that the disk driver uses: the register transport (4.2.2), the
// split virtqueue (2.6), the block device (5.2). All little-endian, as are the machines.
#pragma once

#include <lib/base/types.h>

enum virtio_register {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_DEVICE_FEATURES = 0x010,
	REG_DEVICE_FEATURES_SEL = 0x014,
	REG_DRIVER_FEATURES = 0x020,
	REG_DRIVER_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_NUM_MAX = 0x034,
	REG_QUEUE_NUM = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = 0x050,
	REG_INTERRUPT_STATUS = 0x060,
	REG_INTERRUPT_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_QUEUE_DESC = 0x080, // low half; the high half follows
	REG_QUEUE_DRIVER = 0x090,
	REG_QUEUE_DEVICE = 0x0a0,
	REG_CONFIG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100,
	REG_END = 0x200,
};

#define VIRTIO_MAGIC   0x74726976 // "virt"
#define VIRTIO_VERSION 2          // 1: the legacy interface
#define VIRTIO_ID_BLK  2

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u

#define INTERRUPT_USED   1u
#define INTERRUPT_CONFIG 2u

#define FEATURE_SIZE_MAX  (1ull << 1)
#define FEATURE_SEG_MAX   (1ull << 2)
#define FEATURE_RO        (1ull << 5)
#define FEATURE_BLK_SIZE  (1ull << 6)
#define FEATURE_FLUSH     (1ull << 9)
#define FEATURE_VERSION_1 (1ull << 32)

// Offsets in the block device's configuration, from REG_CONFIG.
#define CONFIG_CAPACITY 0  // u64, sectors of 512 bytes
#define CONFIG_SIZE_MAX 8  // u32, most bytes of a segment
#define CONFIG_SEG_MAX  12 // u32, most segments of a request
#define CONFIG_BLK_SIZE 20 // u32, bytes

#define DESC_NEXT  1u
#define DESC_WRITE 2u // the device writes it

struct virtq_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

struct virtq_avail {
	u16 flags;
	u16 idx;
	u16 ring[];
};

struct virtq_used_entry {
	u32 id;
	u32 len;
};

#define USED_NO_NOTIFY 1u // the device polls: it needs no notification now

struct virtq_used {
	u16 flags;
	u16 idx;
	struct virtq_used_entry ring[];
};

enum blk_type { BLK_TYPE_IN = 0, BLK_TYPE_OUT = 1, BLK_TYPE_FLUSH = 4 };
enum blk_status { BLK_STATUS_OK = 0, BLK_STATUS_IOERR = 1, BLK_STATUS_UNSUPPORTED = 2 };

struct blk_header {
	u32 type;
	u32 reserved;
	u64 sector;
};
