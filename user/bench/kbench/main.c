// SPDX-License-Identifier: MIT
#include "kbench.h"

#include <abi/init_client.h>
#include <base/log.h>
#include <base/panic.h>
#include <server/main.h>

#define PRIORITY 25

struct samples samples;
struct lab_domain domain_a, domain_b;
cptr_t done;

struct lab_bench bench = { .pool = SLOT_SELF_POOL };
static cptr_t thread_a, thread_b;
static _Alignas(16) u8 stack_a[LAB_STACK], stack_b[LAB_STACK];

void row_print(const char *name, u64 value)
{
	log_line("bench: %s %lu instructions", name, value);
}

void row_print_tenths(const char *name, u64 tenths)
{
	log_line("bench: %s %lu.%lu instructions", name, tenths / 10, tenths % 10);
}

void part_end(void)
{
	u64 bits;

	(void)ipc_notify(S_DONE, 1);
	for (;;)
		(void)ipc_wait(S_MINE, 0, 0, &bits);
}

// B first: it is to wait already when A begins.
void parts_run(void (*a)(void), void (*b)(void))
{
	u64 bits;

	samples = (struct samples){ 0 };
	lab_run(thread_b, domain_b, b, stack_b);
	lab_run(thread_a, domain_a, a, stack_a);
	lab_check("to wait for a part", ipc_wait(done, 0, 0, &bits));
}

static void world_make(void)
{
	cptr_t endpoint = lab_make(&bench, TYPE_ENDPOINT, 0), pager = lab_make(&bench, TYPE_ENDPOINT, 0);
	cptr_t ntfn_a = lab_make(&bench, TYPE_NOTIFICATION, 0), ntfn_b = lab_make(&bench, TYPE_NOTIFICATION, 0);

	done = lab_make(&bench, TYPE_NOTIFICATION, 0);
	domain_a = lab_domain(&bench, pager);
	domain_b = lab_domain(&bench, pager);
	lab_image(domain_a);
	lab_image(domain_b);
	lab_check("a leaf", lab_object(&bench, TYPE_CAPLEAF, domain_b.table, 1, 0));
	lab_give(domain_a, S_ENDPOINT, endpoint, RIGHT_ENDPOINT_CALL);
	lab_give(domain_a, S_MINE, ntfn_a, 0);
	lab_give(domain_a, S_OTHER, ntfn_b, RIGHT_NOTIFICATION_NOTIFY);
	lab_give(domain_a, S_DONE, done, RIGHT_NOTIFICATION_NOTIFY);
	lab_give(domain_a, S_SENT, endpoint, RIGHT_ENDPOINT_CALL);
	lab_give(domain_b, S_ENDPOINT, endpoint, RIGHT_ENDPOINT_RECV);
	lab_give(domain_b, S_MINE, ntfn_b, 0);
	lab_give(domain_b, S_OTHER, ntfn_a, RIGHT_NOTIFICATION_NOTIFY);
	lab_give(domain_b, S_POOL, SLOT_SELF_POOL, RIGHT_POOL_MAP);
	lab_give(domain_b, S_PAGER, pager, RIGHT_ENDPOINT_RECV);
	thread_a = lab_thread(&bench, PRIORITY);
	thread_b = lab_thread(&bench, PRIORITY);
}

_Noreturn void server_main(const struct server_info *info)
{
	(void)info;
	world_make();
	rows_ipc();
	rows_memory();
	rows_evict();
	rows_trace();
	(void)init_poweroff(SLOT_PEER0, 0);
	panic("init does not power off");
}
