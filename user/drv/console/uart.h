// SPDX-License-Identifier: MIT
// The 16550 serial port: registers, FIFO, interrupts.
#pragma once

#include <lib/base/types.h>

void uart_open(vaddr_t registers);
bool uart_receive(u8 *byte); // false: nothing there
u32 uart_send_room(void);    // bytes the FIFO takes now: all of it or none
void uart_send(u8 byte);
void uart_send_interrupt(bool on); // when the FIFO is empty
