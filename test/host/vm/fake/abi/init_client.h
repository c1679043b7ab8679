// SPDX-License-Identifier: MIT
#pragma once

#include <abi/abi.h>

err_t init_poweroff(cptr_t ep, u64 status);
err_t init_server(cptr_t ep, u64 index, u64 *name0, u64 *name1, u64 *priority_state, u64 *cycles, u64 *limit,
		  u64 *used);
