// SPDX-License-Identifier: MIT
#include "init.h"

#include <abi/abi_names.h>
#include <abi/stubs.h>
#include <lib/base/log.h>

#define STATUS_SETUP 126 // the system could not be set up

_Noreturn void power_off(u64 status)
{
	err_t err = sys_system(SLOT_SYSTEM, SYS_POWER, status, 0, 0, NULL, NULL, NULL, NULL);

	log_line("init: power-off with status %lu failed: %s", status, err_name(err));
	for (;;)
		__builtin_trap(); // init has no pager: the kernel panics
}

_Noreturn void fatal(const char *who, const char *what, err_t err, const char *help)
{
	log_line("init: %s: %s: %s (%s)", who, what, err_text(err), help);
	power_off(STATUS_SETUP);
}

void check_step(const char *who, const char *what, err_t err, const char *help)
{
	if (err)
		fatal(who, what, err, help);
}
