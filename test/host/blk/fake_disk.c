// SPDX-License-Identifier: MIT
#include "fake_disk.h"

#include <drv/blk/port.h>

#include <string.h>

#define PENDING 256

struct fake fake;
void (*fake_killed)(void);

static struct {
	u32 status, features_sel, driver_sel, queue_num, queue_ready, interrupt, config_generation;
	u64 driver_features, desc, driver, device;
	u16 seen, used; // of the avail and the used ring
	u16 pending[PENDING];
	u32 count;
} dev;

void fake_reset_all(void)
{
	memset(&dev, 0, sizeof(dev));
	memset(&fake, 0, sizeof(fake));
	fake.version = VIRTIO_VERSION;
	fake.id = VIRTIO_ID_BLK;
	fake.queue_max = 1024;
	fake.seg_max = 254;
	fake.block_size = 512;
	fake.features = FEATURE_VERSION_1 | FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH | 1ull << 29;
	fake.capacity = FAKE_PAGES * BLOCK_SECTORS_PER_PAGE;
}

frame_t fake_frame(u32 index)
{
	return (u64)fake.generation[index] << 32 | index;
}

static void maybe_killed(void)
{
	if (fake.kills && !rnd(fake.kills))
		fake_killed();
}

static u32 config_read(u32 offset)
{
	switch (offset) {
	case CONFIG_CAPACITY:
		return (u32)fake.capacity;
	case CONFIG_CAPACITY + 4:
		return (u32)(fake.capacity >> 32);
	case CONFIG_SIZE_MAX:
		return fake.size_max;
	case CONFIG_SEG_MAX:
		return fake.seg_max;
	case CONFIG_BLK_SIZE:
		return fake.block_size;
	}
	fail(__FILE__, __LINE__, "a field of the configuration that does not exist");
}

u32 port_read(u32 unit, u32 reg)
{
	CHECK(unit == 0);
	maybe_killed();
	switch (reg) {
	case REG_MAGIC:
		return VIRTIO_MAGIC;
	case REG_VERSION:
		return fake.version;
	case REG_DEVICE_ID:
		return fake.id;
	case REG_DEVICE_FEATURES:
		return (u32)(dev.features_sel ? fake.features >> 32 : fake.features);
	case REG_QUEUE_NUM_MAX:
		return fake.queue_max;
	case REG_QUEUE_READY:
		return dev.queue_ready;
	case REG_INTERRUPT_STATUS:
		return dev.interrupt;
	case REG_STATUS:
		return dev.status;
	case REG_CONFIG_GENERATION:
		return dev.config_generation += !rnd(16);
	}
	CHECK(reg >= REG_CONFIG);
	return config_read(reg - REG_CONFIG);
}

static void status_write(u32 value)
{
	CHECK(!value || (value & dev.status) == (dev.status & ~STATUS_NEEDS_RESET));
	if (!value) {
		if (fake.never_stops)
			return;
		memset(&dev, 0, sizeof(dev));
		fake.resets++;
		return;
	}
	if (value & STATUS_FEATURES_OK && !(dev.status & STATUS_FEATURES_OK) &&
	    (fake.refuses_features || dev.driver_features & ~fake.features))
		value &= ~STATUS_FEATURES_OK;
	if (value & STATUS_DRIVER_OK)
		CHECK(dev.queue_ready && value & STATUS_FEATURES_OK && dev.driver_features & FEATURE_VERSION_1);
	dev.status = value;
}

static void half_write(u64 *word, bool high, u32 value)
{
	*word = high ? (*word & 0xffffffff) | (u64)value << 32 : (*word & ~0xffffffffull) | value;
}

void port_write(u32 unit, u32 reg, u32 value)
{
	CHECK(unit == 0);
	maybe_killed();
	switch (reg) {
	case REG_DEVICE_FEATURES_SEL:
		dev.features_sel = value;
		return;
	case REG_DRIVER_FEATURES_SEL:
		dev.driver_sel = value;
		return;
	case REG_DRIVER_FEATURES:
		half_write(&dev.driver_features, dev.driver_sel, value);
		return;
	case REG_QUEUE_SEL:
	case REG_QUEUE_NOTIFY:
		CHECK(value == 0);
		return;
	case REG_QUEUE_NUM:
		CHECK(value <= fake.queue_max && !(value & (value - 1)));
		dev.queue_num = value;
		return;
	case REG_QUEUE_READY:
		CHECK(value == 1 && dev.desc % 16 == 0 && dev.driver % 2 == 0 && dev.device % 4 == 0);
		dev.queue_ready = value;
		return;
	case REG_INTERRUPT_ACK:
		dev.interrupt &= ~value;
		return;
	case REG_STATUS:
		status_write(value);
		return;
	}
	if (reg / 8 * 8 == REG_QUEUE_DESC)
		half_write(&dev.desc, reg & 4, value);
	else if (reg / 8 * 8 == REG_QUEUE_DRIVER)
		half_write(&dev.driver, reg & 4, value);
	else if (reg / 8 * 8 == REG_QUEUE_DEVICE)
		half_write(&dev.device, reg & 4, value);
	else
		fail(__FILE__, __LINE__, "a register that cannot be written");
}

static err_t pin_one(frame_t frame, paddr_t *paddr)
{
	u32 index = (u32)frame;

	maybe_killed();
	if (index >= FAKE_FRAMES || fake.generation[index] != frame >> 32)
		return -ERR_STALE;
	if (fake.pin_error && !rnd(fake.pin_error))
		return -ERR_BUSY;
	fake.pins[index]++;
	fake.pins_all++;
	maybe_killed();
	*paddr = (u64)fake.frame[index];
	return 0;
}

// More than the kernel does: the driver may be killed between two frames of a list.
err_t port_pin(u32 unit, const frame_t *frame, u32 n, paddr_t *paddr, u32 *done)
{
	CHECK(unit == 0 && n && n <= BLOCK_SEGMENTS);
	for (*done = 0; *done < n; ++*done) {
		err_t err = pin_one(frame[*done], &paddr[*done]);

		if (err)
			return err;
	}
	return 0;
}

static void unpin_one(frame_t frame)
{
	u32 index = (u32)frame;

	maybe_killed();
	CHECK(index < FAKE_FRAMES && fake.generation[index] == frame >> 32 && fake.pins[index]);
	fake.pins[index]--;
	fake.pins_all--;
	maybe_killed();
}

void port_unpin(u32 unit, const frame_t *frame, u32 n)
{
	CHECK(unit == 0 && n && n <= BLOCK_SEGMENTS);
	while (n--)
		unpin_one(frame[n]);
}

u32 port_pins(u32 unit)
{
	CHECK(unit == 0);
	return fake.pins_all;
}

// ---- the device at work

static struct virtq_used *used_ring(void)
{
	return (struct virtq_used *)dev.device;
}

static void used_put(u32 id, u32 len)
{
	struct virtq_used *used = used_ring();

	used->ring[dev.used % dev.queue_num] = (struct virtq_used_entry){ id, len };
	used->idx = ++dev.used;
	dev.interrupt |= INTERRUPT_USED;
}

static void *frame_bytes(const struct virtq_desc *d)
{
	u64 index = (d->addr - (u64)fake.frame) / PAGE_SIZE;

	CHECK(index < FAKE_FRAMES && d->addr == (u64)fake.frame[index] && d->len == PAGE_SIZE);
	CHECK(fake.pins[index]); // a pin never ends before the device's use
	return fake.frame[index];
}

// One page of a request. false: it is bad.
static bool page_move(const struct blk_header *h, u64 n, const struct virtq_desc *d)
{
	u64 page = h->sector / BLOCK_SECTORS_PER_PAGE + n;
	u8 *bytes = frame_bytes(d);

	CHECK(h->sector % BLOCK_SECTORS_PER_PAGE == 0 && page < FAKE_PAGES);
	CHECK(!!(d->flags & DESC_WRITE) == (h->type == BLK_TYPE_IN));
	if (fake.io_error && fake.bad[page])
		return false;
	if (h->type == BLK_TYPE_IN)
		memcpy(bytes, fake.content[page], PAGE_SIZE);
	else
		memcpy(fake.content[page], bytes, PAGE_SIZE);
	return true;
}

// Walks the chain, does what it asks. Answers the bytes written, and where the status belongs.
static u32 request_do(u16 head, u8 **status, bool *good)
{
	const struct virtq_desc *desc = (const struct virtq_desc *)dev.desc, *d = &desc[head];
	const struct blk_header *h = (const struct blk_header *)d->addr;
	u64 pages = 0;

	CHECK(d->len == sizeof(*h) && d->flags == DESC_NEXT && h->reserved == 0);
	CHECK(h->type == BLK_TYPE_IN || h->type == BLK_TYPE_OUT || h->type == BLK_TYPE_FLUSH);
	*good = true;
	for (d = &desc[d->next]; d->flags & DESC_NEXT; d = &desc[d->next])
		*good &= page_move(h, pages++, d);
	CHECK(d->len == 1 && d->flags == DESC_WRITE);
	CHECK(h->type == BLK_TYPE_FLUSH ? !pages : pages && pages <= fake.seg_max && pages + 2 <= dev.queue_num);
	fake.joined += pages > 1;
	*status = (u8 *)d->addr;
	return 1 + (h->type == BLK_TYPE_IN ? (u32)pages * PAGE_SIZE : 0);
}

// A device that hides an answer for ever cannot be found out; all other nonsense must be.
static void lie(void)
{
	struct virtq_used *used = used_ring();
	u32 id;

	fake.lies_told++;
	switch (rnd(4)) {
	case 0:
		used_put((u32)rnd(~0u), 1); // an id out of range, or inside a chain
		return;
	case 1:
		id = (u32)rnd(dev.queue_num); // perhaps of a request that was answered already, or is not done yet
		used_put(id, 1);
		for (u32 i = 0; i < dev.count; i++)
			if (dev.pending[i] == id)
				dev.pending[i] = dev.pending[--dev.count];
		return;
	case 2:
		dev.used += 300 + (u16)rnd(60000);
		used->idx = dev.used;
		return;
	default:
		if (dev.count) // more bytes than there is room for
			used_put(dev.pending[0], 1 + 9 * PAGE_SIZE + (u32)rnd(1 << 20));
	}
}

static void answer(u32 i)
{
	u16 head = dev.pending[i];
	u8 *status;
	bool good;
	u32 written = request_do(head, &status, &good);

	dev.pending[i] = dev.pending[--dev.count];
	*status = good ? BLK_STATUS_OK : BLK_STATUS_IOERR;
	if (fake.short_one && !rnd(fake.short_one)) {
		if (rnd(2))
			written -= 1 + (u32)rnd(written);
		else
			*status = (u8)(BLK_STATUS_UNSUPPORTED + rnd(254));
	}
	used_put(head, written);
	fake.answers++;
}

bool fake_idle(void)
{
	const struct virtq_avail *avail = (const struct virtq_avail *)dev.driver;

	return !(dev.status & STATUS_DRIVER_OK) || (!dev.count && avail->idx == dev.seen);
}

bool fake_run(void)
{
	const struct virtq_avail *avail = (const struct virtq_avail *)dev.driver;

	if (!(dev.status & STATUS_DRIVER_OK) || dev.status & STATUS_NEEDS_RESET)
		return dev.interrupt != 0;
	CHECK((u16)(avail->idx - dev.seen) <= dev.queue_num);
	for (; dev.seen != avail->idx; dev.seen++) {
		CHECK(dev.count < PENDING);
		dev.pending[dev.count++] = avail->ring[dev.seen % dev.queue_num];
	}
	used_ring()->flags = rnd(2) ? USED_NO_NOTIFY : 0;
	while (dev.count && rnd(4))
		answer((u32)rnd(dev.count));
	if (fake.lies && !rnd(fake.lies))
		lie();
	if (fake.needs_reset && !rnd(fake.needs_reset)) {
		dev.status |= STATUS_NEEDS_RESET;
		dev.interrupt |= INTERRUPT_CONFIG;
	}
	return dev.interrupt != 0;
}
