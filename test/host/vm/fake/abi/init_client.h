// SPDX-License-Identifier: MIT
#pragma once

#include <abi/abi.h>

err_t init_poweroff(cptr_t ep, u64 status);
