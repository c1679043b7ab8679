// SPDX-License-Identifier: MIT
#pragma once

#include <abi/abi.h>

err_t block_unit(cptr_t ep, u64 unit, u64 *sectors, u64 *flags, u64 *name0, u64 *name1);
