// SPDX-License-Identifier: MIT
// The shell of the console driver: requests, the serial port's interrupt, deaths.
//
// Invariants after every request and interrupt (settle): readers wait only while line_ready says no; writers wait
// only while the ring has no room for the first of them; the ring is empty or the port's send interrupt is on;
// drainers wait only while the ring is not empty.
#include <abi/console_server.h>

#include "line.h"
#include "uart.h"

#include <lib/base/log.h>
#include <pager/server.h>
#include <server/main.h>

#define UART_VA        0x3600000000ul
#define SLOT_UART      SLOT_DEVICE0
#define SLOT_VM_NOTIFY SLOT_PEER0 // vm's notification
#define BIT_UART       1ul
#define CLIENTS        256
#define WORDS_BYTES    56 // bytes of text in a message
#define COLUMNS        80
#define ROWS           24

static struct line line;
static struct output output;
static struct parked parked[CLIENTS];
static struct park park;
static struct park_queue readers, writers, drainers;

static void answer(struct request *rq, err_t err)
{
	u64 badge = rq->badge;

	reply_set_status(rq, err);
	rq->caps = 0;
	err = ipc_reply(SLOT_SELF_ENDPOINT, rq);
	if (err && err != -ERR_STALE) // stale: it was killed, and console will hear of it
		log_line("console: cannot answer process %lu: error %d", badge >> 16, -err);
}

// Hands the ring to the port as long as it takes more.
static void output_move(void)
{
	u32 room;

	while (output_used(&output) && (room = uart_send_room()) != 0)
		while (room-- && output_used(&output))
			uart_send(output_take(&output));
	uart_send_interrupt(output_used(&output) != 0);
}

static void input_move(void)
{
	u8 key;

	while (uart_receive(&key)) {
		if (!line_key(&line, key, &output))
			continue;
		// vm kills the foreground group, or keeps the interrupt for it. A shell that edits a line in raw mode
		// belongs to no such group and gets the key
		(void)ipc_notify(SLOT_VM_NOTIFY, VM_NOTIFY_INTERRUPT);
		if (line.mode & CONSOLE_RAW)
			line_push(&line, key);
	}
}

static void readers_serve(void)
{
	struct request rq;

	while (readers.head && line_ready(&line) && park_take(&park, &readers, &rq)) {
		u64 len = rq.w[0];

		rq.w[0] = line_read(&line, (u8 *)&rq.w[1], (u32)len);
		answer(&rq, 0);
	}
}

static void writers_serve(void)
{
	struct request *first;
	struct request rq;

	while ((first = park_first(&park, &writers)) &&
	       output_text(&output, (const u8 *)&first->w[1], (u32)first->w[0])) {
		if (!park_take(&park, &writers, &rq))
			panic("console: a waiting writer is gone");
		answer(&rq, 0); // w[0] is the length: all of it
		output_move();
	}
}

static void drainers_serve(void)
{
	struct request rq;

	while (!output_used(&output) && park_take(&park, &drainers, &rq))
		answer(&rq, 0);
}

static void settle(void)
{
	output_move();
	writers_serve();
	readers_serve();
	drainers_serve();
}

err_t console_op_write(struct request *rq, u64 len, u64 b0, u64 b1, u64 b2, u64 b3, u64 b4, u64 b5, u64 b6,
		       u64 *out_done)
{
	const u64 words[] = { b0, b1, b2, b3, b4, b5, b6 };

	if (len > WORDS_BYTES)
		return -ERR_INVAL;
	if (!writers.head && output_text(&output, (const u8 *)words, (u32)len)) {
		output_move();
		*out_done = len;
		return 0;
	}
	return park_put(&park, &writers, rq) ? PARKED : -ERR_NFILE;
}

err_t console_op_read(struct request *rq, u64 len, u64 mode, u64 *out_done, u64 *out_b0, u64 *out_b1, u64 *out_b2,
		      u64 *out_b3, u64 *out_b4, u64 *out_b5, u64 *out_b6)
{
	u64 *const out[] = { out_b0, out_b1, out_b2, out_b3, out_b4, out_b5, out_b6 };
	u64 words[WORDS_BYTES / sizeof(u64)] = { 0 };

	if (len > WORDS_BYTES || mode & ~(u64)(CONSOLE_RAW | CONSOLE_NOECHO))
		return -ERR_INVAL;
	line_mode(&line, (u32)mode);
	if (!len)
		return 0;
	if (readers.head || !line_ready(&line))
		return park_put(&park, &readers, rq) ? PARKED : -ERR_NFILE;
	*out_done = line_read(&line, (u8 *)words, (u32)len);
	for (u32 i = 0; i < WORDS_BYTES / sizeof(u64); i++)
		*out[i] = words[i];
	return 0;
}

err_t console_op_mode(struct request *rq, u64 mode, u64 *out_columns, u64 *out_rows)
{
	(void)rq;
	if (mode & ~(u64)(CONSOLE_RAW | CONSOLE_NOECHO))
		return -ERR_INVAL;
	line_mode(&line, (u32)mode);
	*out_columns = COLUMNS;
	*out_rows = ROWS;
	return 0;
}

err_t console_op_poll(struct request *rq, u64 *out_bytes)
{
	(void)rq;
	*out_bytes = line_count(&line);
	return 0;
}

err_t console_op_drain(struct request *rq)
{
	if (!output_used(&output))
		return 0;
	return park_put(&park, &drainers, rq) ? PARKED : -ERR_NFILE;
}

static void serve(struct request *rq)
{
	console_dispatch(rq);
	settle();
}

static void notified(u64 bits)
{
	err_t err;

	if (bits & NOTIFY_DEATH) {
		park_drop_dead(&park, &readers);
		park_drop_dead(&park, &writers);
		park_drop_dead(&park, &drainers);
	}
	if (bits & BIT_UART)
		input_move();
	settle();
	if (!(bits & BIT_UART))
		return;
	// every cause of the interrupt has been looked at, so it may fire again
	err = sys_device(SLOT_UART, DEV_IRQ_ACK, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
	if (err)
		panic("console: cannot acknowledge its interrupt: error %d", -err);
}

_Noreturn void server_main(const struct server_info *info)
{
	err_t err;

	if (info->magic != SERVER_INFO_MAGIC || info->devices != 1 || info->peers < 1)
		panic("console: it needs the device `serial` and `notify vm` in user/boot.manifest");
	park_init(&park, parked, CLIENTS);
	err = sys_device(SLOT_UART, DEV_IRQ_BIND, SLOT_SELF_NOTIFY, BIT_UART, 0, 0, NULL, NULL, NULL, NULL);
	if (err)
		panic("console: cannot bind the serial port's interrupt: error %d", -err);
	err = uart_open(SLOT_UART, UART_VA);
	if (err)
		panic("console: cannot reach the serial port's registers: error %d", -err);
	server_run(SLOT_SELF_ENDPOINT, SERVER_FRESH, serve, notified);
}
