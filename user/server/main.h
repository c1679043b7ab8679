// SPDX-License-Identifier: MIT
// What every server defines, and what it is given.
#pragma once

#include <abi/abi.h>

// Never returns. `info` stays where it is, at the top of the stack.
_Noreturn void server_main(const struct server_info *info);
