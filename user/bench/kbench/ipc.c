// SPDX-License-Identifier: MIT
// Calls, notifications, and the cheapest way into the kernel and back.
#include "kbench.h"

#include <base/panic.h>
#include <timed.h>

static u32 words; // that the client sends

static void client(void)
{
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		struct request rq = { 0 };
		u64 cost;

		for (u32 w = 0; w < words; w++)
			rq.w[w] = i * MSG_WORDS + w + 1;
		err_t err = timed_ipc(NR_CALL, S_ENDPOINT, 0, &rq, &cost);

		sample_add(&samples, cost);
		for (u32 w = 0; w < MSG_WORDS; w++)
			if (err || rq.label || rq.w[w] != (w < words ? i * MSG_WORDS + w + 1 : 0))
				panic("call %u: error %d, word %u is %lu", i, err, w, rq.w[w]);
	}
	part_end();
}

static void server(void)
{
	panic("the server's receive failed: error %d", echo_loop(S_ENDPOINT));
}

static void client_cap(void)
{
	for (u32 i = 0; i < WARMUP + RUNS / 2; i++) {
		struct request rq = { .w = { i } };
		u64 cost;
		err_t err = timed_ipc(NR_CALL, S_ENDPOINT, caps_pair(S_SENT, CAP_NULL), &rq, &cost);

		if (err || rq.label || rq.w[0] != i)
			panic("call %u with a capability: error %d", i, err);
		sample_add(&samples, cost);
	}
	part_end();
}

// Each capability goes to a slot of its own.
static void server_cap(void)
{
	struct request rq = { .caps = caps_pair(CAP_NULL, S_RECEIVED) };

	for (;;) {
		err_t status = ipc_reply_recv(S_ENDPOINT, &rq);

		if (status != RECEIVED_CAP)
			panic("a capability was sent, the server's receive says %d", status);
		rq.label = 0;
		rq.caps += caps_pair(CAP_NULL, 1);
	}
}

// What came is there, all of it, and can be deleted.
static void caps_take_back(void)
{
	for (u32 i = 0; i < WARMUP + RUNS / 2; i++)
		lab_check("a capability that was sent", sys_cap_delete(domain_b.table, S_RECEIVED + i));
}

static void ping(void)
{
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 bits, cost, there;
		struct request out = { .label = 1 }, back = { 0 };

		if (timed_ipc(NR_NOTIFY, S_OTHER, 0, &out, &there) || timed_ipc(NR_WAIT, S_MINE, 0, &back, &cost))
			panic("ping %u failed", i);
		bits = back.w[0];
		if (bits != 1)
			panic("ping %u: bits %lx", i, bits);
		sample_add(&samples, there + cost);
	}
	part_end();
}

static void pong(void)
{
	u64 bits;

	for (;;) {
		if (ipc_wait(S_MINE, 0, 0, &bits) || ipc_notify(S_OTHER, 1))
			panic("pong failed");
	}
}

static void row_rounds(const char *name, u32 n)
{
	words = n;
	parts_run(client, server);
	row_print(name, samples_median(&samples));
}

static void row_syscall(const char *name, u64 nr, u64 cap, u64 label, err_t expected)
{
	samples = (struct samples){ 0 };
	for (u32 i = 0; i < WARMUP + RUNS; i++) {
		u64 cost, r[10] = { cap, label };
		err_t err = timed_syscall(nr, r, &cost);

		if (err != expected)
			panic("%s: error %d", name, err);
		sample_add(&samples, cost);
	}
	row_print(name, samples_median(&samples));
}

void rows_ipc(void)
{
	row_rounds("ipc_rt_0w", 0);
	row_rounds("ipc_rt_4w", 4);
	row_rounds("ipc_rt_8w", 8);
	parts_run(client_cap, server_cap);
	row_print("ipc_rt_cap", samples_median(&samples));
	caps_take_back();
	row_syscall("poll_null", NR_WAIT | IPC_POLL, done, 0, -ERR_AGAIN);
	row_syscall("notify", NR_NOTIFY, SLOT_SELF_NOTIFY, 1, 0);
	parts_run(ping, pong);
	row_print("notify_pingpong", samples_median(&samples));
}
