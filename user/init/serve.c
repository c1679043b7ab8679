// SPDX-License-Identifier: MIT
// init at rest: the pager of the servers, whose memory is wired. A fault of a server is therefore a server that is
// broken, and until servers can be restarted the machine stops: with status 125, after a line that says who, what and
// where.
#include "init.h"

#include <abi/init_server.h>
#include <abi/pager_server.h>
#include <lib/base/log.h>
#include <lib/base/string.h>
#include <pager/server.h>

#define STATUS_SERVER 125 // a server died
#define STATUS_CHECK  124 // the self-check found something

static const char *server_by_badge(u64 badge)
{
	return badge && badge <= init.manifest.servers ? init.manifest.server[badge - 1].name : "a stranger";
}

err_t pager_op_fault(struct request *rq, u64 addr, u64 access, u64 old, u64 what, u64 thread, u64 pc)
{
	static const char *const how[] = { "read", "write", "execute" };

	(void)what;
	(void)thread;
	log_line("init: server %s died: it tried to %s at 0x%lx, pc 0x%lx (entry kind %lu); the machine stops",
		 server_by_badge(rq->badge), access <= ACCESS_EXEC ? how[access] : "do something", addr, pc,
		 old & 0xff);
	power_off(STATUS_SERVER);
}

err_t pager_op_exception(struct request *rq, u64 cause, u64 value, u64 pc, u64 thread)
{
	static const char *const how[] = {
		[EXC_ILLEGAL] = "illegal instruction",
		[EXC_BREAK] = "breakpoint, or the panic above",
		[EXC_ALIGN] = "misaligned access",
		[EXC_ADDRESS] = "address outside all windows",
		[EXC_ACCESS] = "access fault of the bus",
		[EXC_BUG] = "broken use of a system call",
		[EXC_PROTECTION] = "address that is not canonical, or privileged instruction",
		[EXC_ARITH] = "division by zero",
		[EXC_REFUSED] = "its pager refused the fault",
	};

	(void)thread;
	log_line("init: server %s died: %s, value 0x%lx, pc 0x%lx; the machine stops", server_by_badge(rq->badge),
		 cause < sizeof(how) / sizeof(how[0]) && how[cause] ? how[cause] : "unknown exception", value, pc);
	power_off(STATUS_SERVER);
}

// Is the word `option` on the kernel's command line?
static bool cmdline_has(const char *option)
{
	const char *s = (const char *)init.info->cmdline;
	u64 n = strlen(option);

	while (*s) {
		while (*s == ' ')
			s++;
		if (!strncmp(s, option, n) && (s[n] == ' ' || !s[n]))
			return true;
		while (*s && *s != ' ')
			s++;
	}
	return false;
}

// Only servers to which the manifest gives `call init` can ask.
err_t init_op_poweroff(struct request *rq, u64 status)
{
	u64 violations = 0;
	err_t err;

	(void)rq;
	if (!cmdline_has("check=1"))
		power_off(status & 0xff);
	err = sys_system(SLOT_SYSTEM, SYS_CHECK, 0, 0, 0, &violations, NULL, NULL, NULL);
	if (err || violations) {
		log_line("init: the self-check at power-off found %lu violations (error %d)", violations, -err);
		power_off(STATUS_CHECK);
	}
	log_line("jjok: self-check: ok");
	power_off(status & 0xff);
}

err_t init_op_state_size(struct request *rq, u64 pages, u64 *out_pages)
{
	struct manifest_server *s;
	err_t err;

	if (!rq->badge || rq->badge > init.manifest.servers)
		return -ERR_PERM;
	s = &init.manifest.server[rq->badge - 1];
	if (!s->state_pages || !pages || pages > (ARGUMENT_VA - STATE_VA) / PAGE_SIZE)
		return -ERR_INVAL;
	err = state_size((u32)rq->badge - 1, pages);
	*out_pages = s->state_pages;
	return err;
}

err_t init_op_pool_size(struct request *rq, u64 pages, u64 *out_pages, u64 *out_wanted)
{
	if (!rq->badge || rq->badge > init.manifest.servers)
		return -ERR_PERM;
	return pool_size((u32)rq->badge - 1, pages, out_pages, out_wanted);
}

err_t init_op_server(struct request *rq, u64 index, u64 *out_name0, u64 *out_name1, u64 *out_priority_state,
		     u64 *out_cycles, u64 *out_limit, u64 *out_used)
{
	u64 state = 0, priority = 0, children = 0, name[2] = { 0, 0 };
	err_t err;

	(void)rq;
	if (index >= init.manifest.servers)
		return -ERR_NOENT;
	memcpy(name, init.manifest.server[index].name, strlen(init.manifest.server[index].name));
	*out_name0 = name[0];
	*out_name1 = name[1];
	err = sys_thread_ctl(server_slot((u32)index, BLOCK_THREAD), THREAD_STAT, 0, 0, 0, 0, &state, &priority, NULL,
			     out_cycles);
	*out_priority_state = priority | state << 32;
	if (!err)
		err = sys_pool_ctl(server_slot((u32)index, BLOCK_POOL), POOLOP_STAT, 0, 0, 0, out_limit, out_used, NULL,
				   &children);
	*out_used += children;
	return err;
}

static void serve_request(struct request *rq)
{
	if (request_protocol(rq) == PROTO_PAGER)
		pager_dispatch(rq);
	else
		init_dispatch(rq);
}

static void serve_bits(u64 bits)
{
	(void)bits; // nobody has init's notification
}

_Noreturn void init_serve(void)
{
	server_run(SLOT_SELF_ENDPOINT, SERVER_FRESH, serve_request, serve_bits);
}
