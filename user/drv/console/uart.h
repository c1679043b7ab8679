// SPDX-License-Identifier: MIT
// The 16550 serial port: registers, FIFO, interrupts.
#pragma once

#include <lib/base/types.h>

// `device`: its capability; `va`: a page of ours where its registers go if they are memory. As device(MAP) fails.
err_t uart_open(cptr_t device, vaddr_t va);
bool uart_receive(u8 *byte); // false: nothing there
u32 uart_send_room(void);    // bytes the FIFO takes now: all of it or none
void uart_send(u8 byte);
void uart_send_interrupt(bool on); // when the FIFO is empty
