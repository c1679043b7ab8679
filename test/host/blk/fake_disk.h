// SPDX-License-Identifier: MIT
// A virtio disk made of memory, behind the driver's port: registers, virtqueue, content, the kernel's pins.
// Physical addresses are host addresses.
#pragma once

#include <drv/blk/virtio.h>

#include <abi/abi.h>
#include <stdbool.h>

#define FAKE_PAGES  48 // of the disk
#define FAKE_FRAMES 64

#define CHECK(cond) ((cond) ? (void)0 : fail(__FILE__, __LINE__, #cond))
_Noreturn void fail(const char *file, int line, const char *what);
u64 rnd(u64 n); // below n

struct fake {
	// what the device offers
	u32 version, id, queue_max, seg_max, block_size, size_max;
	u64 features, capacity;
	bool refuses_features, never_stops;
	// what goes wrong, each in 1 of so many cases; 0: never
	u32 io_error;  // a request that touches a bad page fails; pages are bad by chance
	u32 lies;      // an answer that makes no sense
	u32 short_one; // an answer with a wrong length, a status that does not exist, or none
	u32 pin_error;
	u32 needs_reset;
	u32 kills; // the driver dies in a call of its port
	bool bad[FAKE_PAGES];
	u8 content[FAKE_PAGES][PAGE_SIZE];
	u8 frame[FAKE_FRAMES][PAGE_SIZE];
	u32 generation[FAKE_FRAMES];
	u32 pins[FAKE_FRAMES];
	u32 pins_all;
	// counted
	u32 resets, lies_told, joined, answers;
};
extern struct fake fake;
extern void (*fake_killed)(void); // does not return

void fake_reset_all(void); // a new machine
frame_t fake_frame(u32 index);
// The device does something: sees what was sent, answers some of it in any order. true: it raises its interrupt.
bool fake_run(void);
bool fake_idle(void); // it has nothing left to answer
