// SPDX-License-Identifier: MIT
#include "uart.h"

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

static volatile u8 *reg;
static bool send_interrupt; // what INTERRUPTS says

void uart_open(vaddr_t registers)
{
	reg = (volatile u8 *)registers;
	reg[LINE_CONTROL] = LINE_8N1;
	reg[FIFO_CONTROL] = FIFO_ON | FIFO_CLEAR;
	reg[MODEM_CONTROL] = MODEM_READY;
	reg[INTERRUPTS] = INTERRUPT_RECEIVE;
}

bool uart_receive(u8 *byte)
{
	if (!(reg[LINE_STATUS] & STATUS_RECEIVED))
		return false;
	*byte = reg[DATA];
	return true;
}

u32 uart_send_room(void)
{
	return reg[LINE_STATUS] & STATUS_SEND_EMPTY ? FIFO_BYTES : 0;
}

void uart_send(u8 byte)
{
	reg[DATA] = byte;
}

void uart_send_interrupt(bool on)
{
	if (on == send_interrupt)
		return;
	send_interrupt = on;
	reg[INTERRUPTS] = on ? INTERRUPT_RECEIVE | INTERRUPT_SEND : INTERRUPT_RECEIVE;
}
