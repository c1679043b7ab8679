// SPDX-License-Identifier: MIT
// What clients' stubs call: the same as servers' here.
#pragma once

#include <abi/stubs.h>
