// SPDX-License-Identifier: MIT
#pragma once

#include "vm.h"

// Before the first request: the segment, what a predecessor left, the zero page, the shadow. KEPT: its open requests
// come next.
enum state_found vm_open(void *segment, const struct server_info *info);
// Everything but page faults. The answer is left in rq; reply 0: there is none, or it comes later.
void vm_request(struct request *rq);
void vm_notified(u64 bits);
