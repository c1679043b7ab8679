// SPDX-License-Identifier: MIT
#include "uart.h"

#include <abi/stubs.h>

// Registers, one byte each (TL16C550 data sheet). Some share an address: reading and writing differ.
enum {
	DATA = 0,       // read: received byte; write: byte to send
	INTERRUPTS = 1, // which events interrupt
	FIFO_CONTROL = 2,
	LINE_CONTROL = 3,
	MODEM_CONTROL = 4,
	LINE_STATUS = 5,
};

#define INTERRUPT_RECEIVE 0x01
#define INTERRUPT_SEND    0x02
#define FIFO_ON           0x01
#define FIFO_CLEAR        0x04 // of the sender; what was typed before the driver came is kept
#define LINE_8N1          0x03
#define MODEM_READY       0x0b // DTR, RTS, and OUT2, which lets interrupts through
#define STATUS_RECEIVED   0x01
#define STATUS_SEND_EMPTY 0x20
#define FIFO_BYTES        16

#define STAT_PORTS (1ul << 32) // in device(STAT)'s third result

static cptr_t device;
static volatile u8 *memory; // NULL: the registers are I/O ports, which the kernel reads and writes for us
static bool send_interrupt; // what INTERRUPTS says

static u8 reg_read(u32 reg)
{
	u64 value = 0;

	if (memory)
		return memory[reg];
	(void)sys_device(device, DEV_IN, reg, 1, 0, 0, &value, NULL, NULL, NULL);
	return (u8)value;
}

static void reg_write(u32 reg, u8 value)
{
	if (memory)
		memory[reg] = value;
	else
		(void)sys_device(device, DEV_OUT, reg, 1, value, 0, NULL, NULL, NULL, NULL);
}

err_t uart_open(cptr_t cap, vaddr_t va)
{
	u64 interrupt = 0;
	err_t err = sys_device(cap, DEV_STAT, 0, 0, 0, 0, NULL, NULL, &interrupt, NULL);

	device = cap;
	if (!err && !(interrupt & STAT_PORTS)) {
		memory = (volatile u8 *)va;
		err = sys_device(cap, DEV_MAP, SLOT_SELF_ASPACE, va, 0, 1, NULL, NULL, NULL, NULL);
	}
	if (err)
		return err;
	reg_write(LINE_CONTROL, LINE_8N1);
	reg_write(FIFO_CONTROL, FIFO_ON | FIFO_CLEAR);
	reg_write(MODEM_CONTROL, MODEM_READY);
	reg_write(INTERRUPTS, INTERRUPT_RECEIVE);
	return 0;
}

bool uart_receive(u8 *byte)
{
	if (!(reg_read(LINE_STATUS) & STATUS_RECEIVED))
		return false;
	*byte = reg_read(DATA);
	return true;
}

u32 uart_send_room(void)
{
	return reg_read(LINE_STATUS) & STATUS_SEND_EMPTY ? FIFO_BYTES : 0;
}

void uart_send(u8 byte)
{
	reg_write(DATA, byte);
}

void uart_send_interrupt(bool on)
{
	if (on == send_interrupt)
		return;
	send_interrupt = on;
	reg_write(INTERRUPTS, on ? INTERRUPT_RECEIVE | INTERRUPT_SEND : INTERRUPT_RECEIVE);
}
